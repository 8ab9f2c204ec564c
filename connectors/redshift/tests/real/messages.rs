//! What people are told when something is wrong: each message whole, with what to do next.

use outflow_sdk::ErrorKind;
use outflow_sdk::source::Model;
use serde_json::json;

use crate::shared::{READER_PASSWORD, cluster, postgres, reader, redshift, refused, settings, sql, with};

#[tokio::test]
async fn a_wrong_host_is_named() {
    // A name that cannot exist, by its standard.
    let source = postgres(with(settings(cluster()), json!({"host": "nowhere.invalid"})));
    let error = source.check().await.unwrap_err();
    assert_eq!(
        (error.code, error.kind.clone()),
        ("unreachable", ErrorKind::Source { transient: true })
    );
    let address = format!("nowhere.invalid:{}: cannot connect: ", cluster().port);
    assert!(error.message.starts_with(&address), "{error}");
    assert!(error.hint.unwrap().contains("`host:`"));
}

#[tokio::test]
async fn a_wrong_port_is_named() {
    let source = postgres(with(settings(cluster()), json!({"port": 1})));
    let error = source.check().await.unwrap_err();
    assert_eq!(error.code, "unreachable");
    assert!(
        error
            .message
            .contains("127.0.0.1:1: cannot connect: Connection refused"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_user_and_a_wrong_password_are_refused_alike() {
    for changes in [
        json!({"user": "nobody_here"}),
        json!({"password": "wrong-password"}),
    ] {
        let source = postgres(with(settings(cluster()), changes.clone()));
        let error = refused(&source, sql("select 1 as a")).await;
        assert_eq!(
            (error.code, error.kind.clone()),
            ("login_refused", ErrorKind::Auth),
            "{changes}"
        );
        let user = changes["user"].as_str().unwrap_or("reader");
        assert!(
            error.message.contains(&format!("user '{user}' is refused")),
            "{error}"
        );
        assert!(error.hint.unwrap().contains("`password:`"));
    }
    let source = postgres(with(settings(cluster()), json!({"password": null})));
    let error = source.check().await.unwrap_err();
    assert_eq!((error.code, error.kind), ("login_failed", ErrorKind::Auth));
}

#[tokio::test]
async fn a_wrong_database_is_named() {
    let source = postgres(with(settings(cluster()), json!({"database": "elsewhere"})));
    let error = source.check().await.unwrap_err();
    assert_eq!(error.code, "missing_database");
    assert!(
        error.message.ends_with("there is no database 'elsewhere'"),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_table_comes_with_the_one_that_was_meant() {
    for (name, hint) in [
        ("shop.peple", "did you mean shop.people?"),
        ("people", "did you mean shop.people?"),
    ] {
        let error = refused(&reader(), Model::Table(name.into())).await;
        assert_eq!(
            (error.code, error.message.as_str()),
            (
                "missing_table",
                format!("table {name}: relation \"{name}\" does not exist").as_str()
            )
        );
        assert_eq!(error.hint.as_deref(), Some(hint));
    }
    let error = refused(&reader(), sql("select *\nfrom shop.peple")).await;
    assert_eq!(
        error.message,
        "the model's SQL: relation \"shop.peple\" does not exist at line 2, column 6 of the model"
    );
}

#[tokio::test]
async fn a_missing_column_comes_with_its_place() {
    let error = refused(&reader(), sql("select id,\n  emial from shop.people")).await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "missing_column",
            "the model's SQL: column \"emial\" does not exist at line 2, column 3 of the model"
        )
    );
}

#[tokio::test]
async fn a_missing_permission_names_what_to_grant() {
    let error = refused(&reader(), Model::Table("shop.private".into())).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("permission_denied", ErrorKind::Auth)
    );
    assert_eq!(
        error.message,
        "table shop.private: user 'reader' lacks a permission: permission denied for table private"
    );
    assert!(error.hint.unwrap().contains("GRANT SELECT"));
    // `check` describes a model and reads none of it.
    let described = reader().describe(&Model::Table("shop.private".into())).await;
    assert_eq!(described.unwrap_err().code, "permission_denied");
}

#[tokio::test]
async fn sql_errors_say_where() {
    for (text, code, words) in [
        (
            "select id form shop.people",
            "sql_syntax",
            "at line 1, column 16 of the model",
        ),
        (
            "select id from",
            "sql_syntax",
            "syntax error at its end at line 1, column 15",
        ),
        (
            "select id, id from shop.people",
            "ambiguous_column",
            "several columns are called 'id'",
        ),
        (
            "select nothing(id) from shop.people",
            "sql_invalid",
            "function nothing(bigint) does not exist",
        ),
        (
            "select id from shop.people group by name",
            "sql_invalid",
            "must appear in the GROUP BY",
        ),
        (
            "with d as (delete from shop.people returning id) select * from d",
            "sql_invalid",
            "WITH clause",
        ),
    ] {
        let error = refused(&reader(), sql(text)).await;
        assert_eq!(error.code, code, "{text}: {error}");
        assert!(error.message.contains(words), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_function_that_writes_is_refused() {
    cluster().sql(
        "CREATE FUNCTION shop.sneak() RETURNS int LANGUAGE sql SECURITY DEFINER AS \
         $$ INSERT INTO shop.private VALUES (1) RETURNING id $$",
    );
    let error = refused(&reader(), sql("select shop.sneak() as a")).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("model_writes", ErrorKind::Config)
    );
    let sly = "select set_config('transaction_read_only', 'off', true) as a, shop.sneak() as b";
    let error = refused(&reader(), sql(sly)).await;
    assert!(
        matches!(
            error.kind,
            ErrorKind::Config | ErrorKind::Source { transient: false }
        ),
        "{error:?}"
    );
    assert_eq!(cluster().sql("SELECT count(*) FROM shop.private"), "0");
}

#[tokio::test]
async fn values_the_server_cannot_compute_are_not_quoted() {
    for (text, words) in [
        (
            "select name::int as a from shop.people",
            "no value of the type it is cast to",
        ),
        ("select 1 / (id - id) as a from shop.people", "division by zero"),
        ("select (name)::date as a from shop.people", "no date or time"),
    ] {
        let error = refused(&reader(), sql(text)).await;
        assert_eq!(
            (error.code, error.kind.clone()),
            ("value_error", ErrorKind::Source { transient: false })
        );
        assert!(error.message.contains(words), "{error}");
        assert!(!format!("{error:?}").contains("Neil"), "{error:?}");
    }
}

#[tokio::test]
async fn a_slow_query_ends_at_its_time_out() {
    let source = postgres(with(settings(cluster()), json!({"statement_timeout": "50ms"})));
    let error = refused(&source, sql("select 1 as a from pg_sleep(30)")).await;
    assert_eq!(
        (error.code, error.kind.clone()),
        ("query_timeout", ErrorKind::Source { transient: false })
    );
    assert!(error.hint.unwrap().contains("statement_timeout"));
}

#[tokio::test]
async fn a_role_that_can_write_is_advised_against() {
    let codes = |advice: Vec<outflow_sdk::source::Advice>| -> Vec<(&'static str, String)> {
        advice
            .into_iter()
            .map(|advice| (advice.code, advice.message))
            .collect()
    };
    let found = codes(reader().check().await.unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "identity");
    assert!(
        found[0]
            .1
            .contains("user 'reader' in database 'postgres' of PostgreSQL 1"),
        "{found:?}"
    );
    let writer = postgres(with(settings(cluster()), json!({"user": "writer"})));
    let found = codes(writer.check().await.unwrap());
    assert!(
        found.contains(&(
            "role_can_write",
            "user 'writer' can change tables (shop.people): a role that may only SELECT is enough, and safer"
                .into()
        )),
        "{found:?}"
    );
    let admin = json!({"user": crate::cluster::ADMIN, "password": crate::cluster::ADMIN_PASSWORD});
    let found = codes(redshift(with(settings(cluster()), admin)).check().await.unwrap());
    assert!(
        found
            .iter()
            .any(|(_, message)| message.contains("is a superuser")),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_read_says_whose_it_is() {
    let source = postgres(with(settings(cluster()), json!({"password": READER_PASSWORD})));
    let name = crate::shared::column(&source, "select current_setting('application_name') as a").await;
    let name = arrow_array::cast::AsArray::as_string::<i32>(name.as_ref())
        .value(0)
        .to_owned();
    assert_eq!(name, "outflow/customers/run-1");
    let (_, receipt) = crate::shared::read_counted(&source, Model::Table("shop.people".into()))
        .await
        .unwrap();
    assert!(receipt.query_id.unwrap().starts_with("pid "));
    assert!(receipt.bytes_scanned.unwrap() > 100);
}
