//! The connector against fakesnow, an emulator that knows nothing of it.
//!
//! What the emulator itself does otherwise than Snowflake, so that a test here must not expect it: every
//! result comes in one piece; TIMESTAMP_LTZ is called TIMESTAMP_TZ; nanoseconds are cut to microseconds;
//! SQL errors have neither query id nor Snowflake's wording; a missing column is called a missing object;
//! credentials are not checked; there are no warehouses, roles or grants.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod conformance;
mod server;
mod values;

use std::sync::{Arc, OnceLock};

use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::Source;
use outflow_snowflake::DESCRIPTOR;

use server::Fakesnow;

/// The emulator all tests share.
fn emulator() -> &'static Fakesnow {
    static EMULATOR: OnceLock<Fakesnow> = OnceLock::new();
    EMULATOR.get_or_init(|| {
        let emulator = Fakesnow::start();
        emulator.sql(
            "CREATE TABLE DB.SHOP.PEOPLE (ID BIGINT, NAME TEXT, NOTE VARCHAR(20), LTV NUMBER(12,2), BORN DATE, \
             SEEN TIMESTAMP_TZ, VIP BOOLEAN, TAGS VARIANT)",
        );
        emulator.sql("CREATE TABLE DB.SHOP.NOBODY AS SELECT * FROM DB.SHOP.PEOPLE WHERE FALSE");
        emulator.sql(
            "INSERT INTO DB.SHOP.PEOPLE SELECT 0, 'Žofia O''Neil', '', 12.50, '1969-12-31'::DATE, \
             '2026-01-01 01:00:00.123456 +0100'::TIMESTAMP_TZ, FALSE, PARSE_JSON('{\"b\": 1, \"a\": [true]}')",
        );
        emulator.sql(
            "INSERT INTO DB.SHOP.PEOPLE SELECT 7, '007', NULL, -0.01, '2026-11-02'::DATE, \
             '1970-01-01 00:00:00 +0000'::TIMESTAMP_TZ, TRUE, PARSE_JSON('[]')",
        );
        emulator.sql(
            "INSERT INTO DB.SHOP.PEOPLE SELECT 9007199254740993, '😀 \"quoted\", and a' || CHR(10) || 'line', \
             'NULL', NULL, NULL, NULL, NULL, NULL",
        );
        emulator
    })
}

fn source() -> Arc<dyn Source> {
    let context = OpenContext {
        root: std::env::temp_dir(),
        connection: "warehouse".into(),
    };
    (DESCRIPTOR.open)(emulator().settings(), &context).unwrap()
}
