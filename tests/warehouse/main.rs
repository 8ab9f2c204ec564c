//! The same rows in every warehouse are the same rows here: read from any of them, a fact gives the same
//! canonical bytes, so that a sync may change its `source:` and nothing is sent again.
//!
//! And `outflow check` says of each what is wrong with it (`checks`).
//!
//! A warehouse is added with a file of its own that implements [`Warehouse`](loader::Warehouse) (see
//! `postgres.rs`), and two tests below. What an emulator gets wrong is listed by its loader, cell by
//! cell, and is checked to be wrong in just that way.

#![cfg(all(
    feature = "lake",
    feature = "redshift",
    feature = "bigquery",
    feature = "snowflake",
    feature = "hubspot"
))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod bigquery;
#[allow(dead_code, reason = "the source's own tests also read from it")]
#[path = "../../connectors/bigquery/tests/contract/rest.rs"]
mod bigquery_rest;
#[allow(dead_code, reason = "the source's own tests also make tables in other ways")]
mod bigquery_server;
mod canonical;
mod checks;
#[allow(dead_code, reason = "the source's own tests also kill and restart it")]
mod cluster;
mod customers;
mod cuts;
#[path = "../../connectors/redshift/tests/real/cutter.rs"]
mod cutter;
mod demo;
#[path = "../../connectors/snowflake/tests/fakesnow/server.rs"]
mod fakesnow;
mod keyed;
mod loader;
mod postgres;
mod project;
mod snowflake;
#[allow(dead_code, reason = "the source's own tests also read from it, and break it")]
#[path = "../../connectors/snowflake/tests/account/mod.rs"]
mod snowflake_account;
mod sqlite;
mod table;

use bigquery::BigQuery;
use postgres::Postgres;
use snowflake::Snowflake;
use sqlite::Sqlite;

#[tokio::test(flavor = "multi_thread")]
async fn customers_from_sqlite_are_what_they_are() {
    canonical::compare(&mut Sqlite::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_from_postgres_and_through_the_redshift_dialect_are_what_they_are() {
    canonical::compare(&mut Postgres::start("postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_unchanged_from_postgres() {
    demo::runs_unchanged(&mut Postgres::start("postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_unchanged_through_the_redshift_dialect() {
    demo::runs_unchanged(&mut Postgres::start("redshift")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_from_bigquery_by_arrow_and_by_rest_are_what_they_are() {
    canonical::compare(&mut BigQuery::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_unchanged_from_bigquery() {
    demo::runs_unchanged(&mut BigQuery::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_from_snowflake_are_what_they_are() {
    canonical::compare(&mut Snowflake::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_unchanged_from_snowflake() {
    demo::runs_unchanged(&mut Snowflake::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_by_their_keys_in_sqlite() {
    keyed::rows_asked_for(&mut Sqlite::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_by_their_keys_in_postgres() {
    keyed::rows_asked_for(&mut Postgres::start("postgres")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_by_their_keys_in_bigquery() {
    keyed::rows_asked_for(&mut BigQuery::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_by_their_keys_in_snowflake() {
    keyed::rows_asked_for(&mut Snowflake::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_short_removes_nothing() {
    cuts::remove_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_with_postgres_and_redshift() {
    checks::postgres().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_with_bigquery() {
    checks::bigquery().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_with_snowflake() {
    checks::snowflake().await;
}
