//! Every type of Snowflake as it arrives by both routes, or why it does not.

use outflow_sdk::source::Model;

use crate::account::table::Table;
use crate::account::{Options, Running};
use crate::shared::{account, read_counted, refused, request, shown, source, table};

async fn holding(arrow: bool, inline_rows: usize, table: Table) -> Running {
    let running = account(Options {
        arrow,
        inline_rows,
        ..Options::default()
    })
    .await;
    running.account.table("T", table);
    running
}

#[tokio::test]
async fn values_arrive_as_what_they_are_by_both_routes() {
    let cases: &[(&'static str, u8, u8, &str, &str, &str)] = &[
        ("fixed", 38, 0, "-7", "Decimal128(38, 0)", "-7"),
        ("fixed", 9, 0, "-7", "Int64", "-7"),
        ("fixed", 12, 2, "12.50", "Decimal128(12, 2)", "12.50"),
        ("fixed", 12, 2, "-0.01", "Decimal128(12, 2)", "-0.01"),
        (
            "fixed",
            38,
            37,
            "9.9999999999999999999999999999999999999",
            "Decimal128(38, 37)",
            "9.9999999999999999999999999999999999999",
        ),
        (
            "fixed",
            38,
            0,
            "99999999999999999999999999999999999999",
            "Decimal128(38, 0)",
            "99999999999999999999999999999999999999",
        ),
        ("real", 0, 0, "0.1", "Float64", "0.1"),
        ("real", 0, 0, "-1e308", "Float64", "-1e308"),
        ("real", 0, 0, "NaN", "Float64", "NaN"),
        ("real", 0, 0, "inf", "Float64", "inf"),
        ("text", 0, 0, "é", "Utf8", "é"),
        ("text", 0, 0, "", "Utf8", ""),
        ("boolean", 0, 0, "1", "Boolean", "true"),
        ("date", 0, 0, "20783", "Date32", "2026-11-26"),
        ("date", 0, 0, "2932896", "Date32", "9999-12-31"),
        ("date", 0, 0, "-719162", "Date32", "0001-01-01"),
        ("time", 0, 9, "36000.500000000", "Utf8", "10:00:00.5"),
        ("time", 0, 0, "86399", "Utf8", "23:59:59"),
        (
            "timestamp_ntz",
            0,
            9,
            "1764000000.123456789",
            "Timestamp(µs)",
            "2025-11-24T16:00:00.123456",
        ),
        (
            "timestamp_ntz",
            0,
            3,
            "-0.500",
            "Timestamp(µs)",
            "1969-12-31T23:59:59.500",
        ),
        (
            "timestamp_ltz",
            0,
            9,
            "-0.500000000",
            "Timestamp(µs, \"UTC\")",
            "1969-12-31T23:59:59.500Z",
        ),
        (
            "timestamp_tz",
            0,
            9,
            "1764000000.000000000 1020",
            "Timestamp(µs, \"UTC\")",
            "2025-11-24T16:00:00Z",
        ),
        ("binary", 0, 0, "00FF", "Binary", "00ff"),
        ("variant", 0, 0, "{\"b\": 1}", "Utf8", "{\"b\": 1}"),
        ("object", 0, 0, "{}", "Utf8", "{}"),
        ("array", 0, 0, "[1, null]", "Utf8", "[1, null]"),
        ("map", 0, 0, "{}", "Utf8", "{}"),
        (
            "geography",
            0,
            0,
            "{\"type\": \"Point\"}",
            "Utf8",
            "{\"type\": \"Point\"}",
        ),
        ("vector", 0, 0, "[1.5,2.0]", "Utf8", "[1.5,2.0]"),
        ("hologram", 0, 0, "as text", "Utf8", "as text"),
    ];
    let names: Vec<String> = (0..cases.len()).map(|at| format!("C{at}")).collect();
    let columns: Vec<_> = cases
        .iter()
        .zip(&names)
        .map(|((kind, precision, scale, ..), name)| (name.as_str(), *kind, *precision, *scale))
        .collect();
    let values = cases.iter().map(|(_, _, _, wire, ..)| Some((*wire).to_owned()));
    let rows = vec![values.collect(), vec![None; cases.len()]];
    for arrow in [true, false] {
        for inline_rows in [0, 2] {
            let running = holding(arrow, inline_rows, Table::new(&columns, rows.clone())).await;
            let (batches, _) = read_counted(&source(&running), Model::Table("t".into()))
                .await
                .unwrap();
            let found = shown(&batches);
            for (at, (kind, _, _, wire, arrow_type, value)) in cases.iter().enumerate() {
                let found_type = batches[0].column(at).data_type().to_string();
                let cells = [found[0][at].as_str(), found[1][at].as_str()];
                assert_eq!(
                    (found_type.as_str(), cells),
                    (*arrow_type, [*value, "NULL"]),
                    "{kind} {wire}, arrow: {arrow}"
                );
            }
        }
    }
}

#[tokio::test]
async fn numbers_of_any_width_are_one_column() {
    // Each file holds numbers of another width.
    let numbers = [
        "1",
        "300",
        "70000",
        "5000000000",
        "123456789012345678901234567890",
        "-1",
    ];
    let rows = numbers.iter().map(|number| vec![Some((*number).to_owned())]);
    let running = account(Options {
        inline_rows: 1,
        file_rows: 1,
        ..Options::default()
    })
    .await;
    let wide = Table::new(&[("A", "fixed", 38, 0)], rows.collect());
    running.account.table("T", wide);
    let (batches, _) = read_counted(&source(&running), table("t")).await.unwrap();
    let found: Vec<String> = shown(&batches).into_iter().flatten().collect();
    assert_eq!(found, numbers);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let columns = [("A", "fixed", 9, 0), ("B", "interval_day_time", 0, 0)];
    let rows = vec![vec![Some("1".to_owned()), Some("2".to_owned())]];
    let running = holding(true, 1, Table::new(&columns, rows)).await;
    let error = refused(&source(&running), table("t")).await;
    assert_eq!(error.code, "unsupported_type");
    assert!(error.message.contains("column 'B' is an interval"), "{error}");
    // What is not asked for does no harm.
    let source = source(&running);
    let reading = source.read(request(table("t"), &["a"])).await.unwrap();
    assert_eq!(reading.schema.fields().len(), 1);
    let described = source.describe(&table("t")).await.unwrap();
    assert_eq!(described[1].type_name, "INTERVAL_DAY_TIME");
}

#[tokio::test]
async fn a_value_beyond_the_calendar_is_refused_by_row() {
    for arrow in [true, false] {
        let rows = vec![vec![Some("0".to_owned())], vec![Some("99999999".to_owned())]];
        let running = holding(arrow, 2, Table::new(&[("D", "date", 0, 0)], rows)).await;
        let error = refused(&source(&running), table("t")).await;
        assert_eq!(
            (error.code, error.message.as_str()),
            (
                "value_unreadable",
                "table T: column 'D' of row 2 is a date beyond the years -9999 to 9999"
            )
        );
    }
}

#[tokio::test]
async fn names_that_differ_in_case_only_must_be_spelt() {
    let columns = [
        ("Id", "fixed", 9, 0),
        ("ID", "fixed", 9, 0),
        ("E\"mail", "text", 0, 0),
    ];
    let rows = vec![vec![
        Some("1".to_owned()),
        Some("2".to_owned()),
        Some("x".to_owned()),
    ]];
    let running = holding(true, 1, Table::new(&columns, rows)).await;
    let source = source(&running);
    let reading = source
        .read(request(table("t"), &["Id", "e\"MAIL"]))
        .await
        .unwrap();
    let names: Vec<String> = reading
        .schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["Id", "E\"mail"]);
    let error = source.read(request(table("t"), &["iD"])).await.err().unwrap();
    assert_eq!(error.code, "ambiguous_column");
}
