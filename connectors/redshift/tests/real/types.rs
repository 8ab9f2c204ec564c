//! Every type of PostgreSQL as it arrives, or why it does not.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;
use outflow_sdk::source::Model;
use outflow_sdk::value::Value;

use crate::shared::{cluster, column, reader, refused, settings, sql};

/// The first value. Arrow itself shows no instants without a time zone database.
fn shown(array: &ArrayRef) -> String {
    match array.data_type() {
        _ if array.is_null(0) => "NULL".to_owned(),
        DataType::Timestamp(_, Some(_)) => {
            Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(0)).to_string()
        }
        _ => array_value_to_string(array, 0).unwrap(),
    }
}

async fn arrives(expression: &str, arrow_type: &str, value: &str) {
    let array = column(&reader(), &format!("select {expression} as a")).await;
    assert_eq!(
        (format!("{}", array.data_type()).as_str(), shown(&array).as_str()),
        (arrow_type, value),
        "{expression}"
    );
}

#[tokio::test]
async fn values_arrive_as_what_they_are() {
    cluster().sql(
        "CREATE TYPE shop.plan AS ENUM ('free', 'paid');
         CREATE DOMAIN shop.positive AS int CHECK (value > 0);
         GRANT USAGE ON TYPE shop.plan TO PUBLIC",
    );
    let micros = "Timestamp(µs)";
    let instant = "Timestamp(µs, \"UTC\")";
    for (expression, arrow_type, value) in [
        ("true", "Boolean", "true"),
        ("32767::int2", "Int64", "32767"),
        ("'-9223372036854775808'::int8", "Int64", "-9223372036854775808"),
        ("3::shop.positive", "Int64", "3"),
        ("0.1::float4", "Float32", "0.1"),
        ("'-1e308'::float8", "Float64", "-1e308"),
        ("'NaN'::float8", "Float64", "NaN"),
        ("12.50::numeric(12,2)", "Decimal128(12, 2)", "12.50"),
        ("0.00001::numeric(5,5)", "Decimal128(5, 5)", "0.00001"),
        (
            "sum(1.5)",
            "Decimal256(76, 38)",
            "1.50000000000000000000000000000000000000",
        ),
        (
            "1::numeric / 3",
            "Decimal256(76, 38)",
            "0.33333333333333333333000000000000000000",
        ),
        ("'é'::text", "Utf8", "é"),
        ("''::varchar(3)", "Utf8", ""),
        ("'ab'::char(5)", "Utf8", "ab"),
        ("'paid'::shop.plan", "Utf8", "paid"),
        ("null::int", "Int64", "NULL"),
        ("null", "Utf8", "NULL"),
        ("date '2026-11-25'", "Date32", "2026-11-25"),
        ("date '0044-03-15 BC'", "Date32", "-0043-03-15"),
        (
            "timestamp '2026-11-25 10:00:00.000001'",
            micros,
            "2026-11-25T10:00:00.000001",
        ),
        (
            "timestamptz '2026-11-25 10:00:00+02'",
            instant,
            "2026-11-25T08:00:00Z",
        ),
        ("time '10:00:00.5'", "Utf8", "10:00:00.5"),
        ("interval '1 day 2 hours'", "Utf8", "P1DT2H"),
        ("'{\"b\": 1}'::json", "Utf8", "{\"b\": 1}"),
        ("'\\x00ff'::bytea", "Binary", "00ff"),
        (
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            "Utf8",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("'10.0.0.1'::inet", "Utf8", "10.0.0.1"),
        ("int4range(1, 3)", "Utf8", "[1,3)"),
        ("row(1, 'a')", "Utf8", "(1,a)"),
    ] {
        arrives(expression, arrow_type, value).await;
    }
}

#[tokio::test]
async fn texts_put_into_a_model_arrive_as_they_are() {
    for text in [
        "O'Neil",
        "''",
        "back\\slash\\",
        "\\'; drop table x; --",
        "é\n😀",
        "$$ {{ x }} $1",
    ] {
        let literal = reader().text_literal(text);
        let array = column(&reader(), &format!("select {literal} as a")).await;
        assert_eq!(shown(&array), text, "{literal}");
    }
    // Redshift reads a backslash as an escape; its stand-in here does not.
    let redshift = crate::shared::redshift(settings(cluster()));
    assert_eq!(redshift.text_literal("O'Neil \\"), "'O''Neil \\\\'");
}

#[tokio::test]
async fn arrays_are_lists_of_canonical_texts() {
    let list = "List(Utf8)";
    for (expression, value) in [
        ("array['a', 'b, \"c\"', null, '']", "[a, b, \"c\", ]"),
        ("array[1.50, 2]", "[1.5, 2]"),
        ("array[true, false]", "[true, false]"),
        ("array[]::int[]", "[]"),
        (
            "array[timestamptz '2026-01-01 00:00:00+00']",
            "[2026-01-01T00:00:00Z]",
        ),
    ] {
        let array = column(&reader(), &format!("select {expression} as a")).await;
        assert!(format!("{}", array.data_type()).starts_with("List("), "{list}");
        assert_eq!(array_value_to_string(&array, 0).unwrap(), value, "{expression}");
    }
}

#[tokio::test]
async fn values_that_fit_no_destination_are_refused_by_column() {
    for (expression, code, words) in [
        (
            "date 'infinity'",
            "value_unreadable",
            "column 'a' of row 1 is an infinite date",
        ),
        (
            "timestamptz '-infinity'",
            "value_unreadable",
            "is an infinite date",
        ),
        ("date '20000-01-01'", "value_unreadable", "beyond the years"),
        ("'NaN'::numeric", "value_unreadable", "is NaN or infinite"),
        ("1e60::numeric", "value_unreadable", "more than 38 digits"),
        ("array[[1,2],[3,4]]", "value_unreadable", "is an array of arrays"),
        ("'12.34'::money", "unsupported_type", "holds money"),
    ] {
        let error = refused(&reader(), sql(&format!("select {expression} as a"))).await;
        assert_eq!(error.code, code, "{expression}: {error}");
        assert!(error.message.contains(words), "{expression}: {error}");
        assert!(error.hint.is_some());
    }
    // What is not asked for does no harm.
    let model = sql("select 1 as a, '12.34'::money as b, date 'infinity' as c");
    let reading = reader()
        .read(crate::shared::request(model.clone(), &["A"]))
        .await
        .unwrap();
    assert_eq!(reading.schema.fields().len(), 1);
    let described = reader().describe(&model).await.unwrap();
    assert_eq!(
        described
            .iter()
            .map(|column| column.type_name.as_str())
            .collect::<Vec<_>>(),
        ["int4", "money", "date"]
    );
}

#[tokio::test]
async fn the_roles_own_settings_change_no_value() {
    cluster().sql(
        "CREATE ROLE abroad LOGIN PASSWORD 'reader-password-93ab';
         ALTER ROLE abroad SET timezone TO 'America/St_Johns';
         ALTER ROLE abroad SET datestyle TO 'SQL, DMY';
         ALTER ROLE abroad SET intervalstyle TO 'postgres_verbose';
         ALTER ROLE abroad SET bytea_output TO 'escape';
         ALTER ROLE abroad SET extra_float_digits TO '-5';
         ALTER ROLE abroad SET standard_conforming_strings TO 'off'",
    );
    let source = crate::shared::postgres(crate::shared::with(
        settings(cluster()),
        serde_json::json!({"user": "abroad"}),
    ));
    let text = r"select timestamptz '2026-01-01 00:00:00+00' as a, date '2026-02-01' as b, interval '1 day' as c,
        '\x00ff'::bytea as d, 0.1::float8 + 0.2::float8 as e, 'a\b' as f";
    let batches = crate::shared::read(&source, sql(text)).await.unwrap();
    let arrived: Vec<String> = batches[0].columns().iter().map(shown).collect();
    assert_eq!(
        arrived,
        [
            "2026-01-01T00:00:00Z",
            "2026-02-01",
            "P1D",
            "00ff",
            "0.30000000000000004",
            "a\\b"
        ]
    );
}

#[tokio::test]
async fn names_with_capitals_are_found() {
    cluster().sql(
        "CREATE TABLE shop.\"Mixed Case\" (\"Id\" int, id int, \"E\"\"mail\" text);
         GRANT SELECT ON shop.\"Mixed Case\" TO reader;
         INSERT INTO shop.\"Mixed Case\" VALUES (1, 2, 'x')",
    );
    let model = Model::Table("shop.\"Mixed Case\"".into());
    let asked = |names: &'static [&'static str]| {
        let model = model.clone();
        async move { reader().read(crate::shared::request(model, names)).await }
    };
    let reading = asked(&["Id", "e\"MAIL"]).await.unwrap();
    let names: Vec<_> = reading
        .schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["Id", "E\"mail"]);
    assert_eq!(asked(&["ID"]).await.err().unwrap().code, "ambiguous_column");
}
