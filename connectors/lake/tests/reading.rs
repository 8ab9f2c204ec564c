//! What a read gives: types and values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod folder;

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Decimal128Array, DictionaryArray, Int64Array, NullArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use folder::{Folder, read};
use outflow_sdk::source::Model;

#[tokio::test]
async fn sqlites_declared_types_count_as_far_as_the_values_fit() {
    let folder = Folder::new().with_database(
        "shop.db",
        "CREATE TABLE t (price DECIMAL(10,2), odd DECIMAL(10,2), vip BOOLEAN, born DATE, seen DATETIME,
                         meta JSON, code STRING, mixed, big);
         INSERT INTO t VALUES (12.5, 1.005, 1, '2026-01-31', '2026-01-31 10:00:00+02:00', '{\"a\":1}', '007', 12, 1),
                              ('7', 2, 'false', NULL, '2026-01-31T10:00:00', '[1]', 'x', 'twelve', 0.5)",
    );
    let rows = folder.table("t", &[]).await.unwrap();
    assert_eq!(
        rows.types(),
        [
            "Decimal128(10, 2)",
            "Float64",
            "Boolean",
            "Date32",
            "Timestamp(µs, \"UTC\")",
            "Utf8",
            "Utf8",
            "Utf8",
            "Float64"
        ]
    );
    assert_eq!(
        rows.lines(),
        [
            "12.50|1.005|true|2026-01-31|2026-01-31T08:00:00Z|{\"a\":1}|7|12|1.0",
            "7.00|2.0|false|~|2026-01-31T10:00:00Z|[1]|x|twelve|0.5"
        ]
    );
    assert_eq!(
        rows.schema.field(5).metadata().get("outflow.type").unwrap(),
        "json"
    );
}

#[tokio::test]
async fn a_type_is_settled_by_the_last_value_too() {
    let folder = Folder::new().with_database(
        "shop.db",
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
         SELECT CASE i WHEN 20000 THEN 'last' ELSE i END AS v FROM n",
    );
    let rows = folder.sql("SELECT v || '' AS a, v FROM t").await.unwrap();
    assert_eq!(rows.types(), ["Utf8", "Utf8"]);
    let lines = rows.lines();
    assert_eq!(
        (lines.len(), lines[0].as_str(), lines[19_999].as_str()),
        (20_000, "1|1", "last|last")
    );
}

#[tokio::test]
async fn sql_joins_files_of_every_format() {
    let orders = RecordBatch::try_from_iter([
        ("person", Arc::new(Int64Array::from(vec![1, 1, 2])) as ArrayRef),
        (
            "amount",
            Arc::new(
                Decimal128Array::from(vec![1_050, 250, 1_234_567_890_123_456_789])
                    .with_precision_and_scale(20, 2)
                    .unwrap(),
            ),
        ),
    ])
    .unwrap();
    let folder = Folder::new()
        .with(
            "people.csv",
            "id,email\n1,ann@example.com\n2,bob@example.com\n3,\n",
        )
        .with(
            "tags.jsonl",
            "{\"id\":1,\"tag\":\"a\",\"on\":true}\n{\"id\":2,\"tag\":\"b\",\"on\":false}\n",
        )
        .with_parquet("orders.parquet", &orders)
        .with_database(
            "shop.db",
            "CREATE TABLE seen (id INTEGER, at DATE); INSERT INTO seen VALUES (1, '2026-02-01')",
        );
    let rows = folder
        .sql(
            "SELECT p.id, p.email, t.tag, t.\"on\", s.at, count(*) AS orders, max(o.amount) AS most
             FROM people p JOIN tags t ON t.id = p.id LEFT JOIN seen s ON s.id = p.id
             JOIN orders o ON o.person = p.id GROUP BY p.id ORDER BY p.id",
        )
        .await
        .unwrap();
    assert_eq!(
        rows.lines(),
        [
            "1|ann@example.com|a|true|2026-02-01|2|10.5",
            "2|bob@example.com|b|false|~|1|12345678901234567.89"
        ]
    );
    let exact = folder.sql("SELECT amount FROM orders").await.unwrap();
    assert_eq!(exact.types(), ["Decimal128(20, 2)"]);
    assert_eq!(exact.lines(), ["10.50", "2.50", "12345678901234567.89"]);
}

#[tokio::test]
async fn columns_are_there_for_sql_whether_it_names_them_or_not() {
    let folder = Folder::new()
        .with("a.csv", "id,name,unused\n1,x,y\n2,z,\n")
        .with("b.jsonl", "{\"id\":\"1\",\"extra\":5,\"unused\":[]}\n")
        .with("c.csv", "odd\n2\n");
    for (sql, lines) in [
        ("SELECT name FROM a JOIN b USING (id)", vec!["x"]),
        (
            "SELECT extra FROM a NATURAL JOIN (SELECT id, extra FROM b)",
            vec!["5"],
        ),
        ("SELECT count(*) FROM a", vec!["2"]),
        ("SELECT 1 FROM a", vec!["1", "1"]),
        ("SELECT name FROM a WHERE id IN c", vec!["z"]),
        (
            "SELECT a.*, extra FROM a LEFT JOIN b ON a.id = b.id",
            vec!["1|x|y|5", "2|z|~|~"],
        ),
        ("SELECT \"NAME\" FROM a WHERE [Id] = '2'", vec!["z"]),
        ("SELECT max(rowid) FROM a", vec!["2"]),
    ] {
        assert_eq!(folder.sql(sql).await.unwrap().lines(), lines, "{sql}");
    }
}

#[tokio::test]
async fn sql_gives_only_the_columns_asked_for() {
    let folder = Folder::new().with("t.csv", "a,b,c\n1,2,3\n");
    let model = Model::Sql("SELECT a, b AS \"B\", c FROM t".into());
    let rows = read(&folder.lake(), model, &["b", "C"]).await.unwrap();
    assert_eq!(rows.lines(), ["2|3"]);
}

#[tokio::test]
async fn csv_is_text_and_can_be_written_in_other_ways() {
    let folder = Folder::new().with("t.csv", "a;b;c\n007;\\N;\"\\N\"\n1e5;;\"\"\n");
    let lake = folder.lake_at(serde_json::json!({
        "path": "./t.csv", "csv": { "delimiter": ";", "null_text": "\\N" }
    }));
    let rows = read(&lake, Model::Table("t".into()), &[]).await.unwrap();
    assert_eq!(rows.types(), ["Utf8", "Utf8", "Utf8"]);
    assert_eq!(rows.lines(), ["007|~|\\N", "1e5|~|"]);
    let rows = read(
        &lake,
        Model::Sql("SELECT a, b IS NULL AS n FROM t WHERE a = '007'".into()),
        &[],
    )
    .await;
    assert_eq!(rows.unwrap().lines(), ["007|1"]);
}

#[tokio::test]
async fn views_and_awkward_names_are_tables_too() {
    let folder = Folder::new().with_database(
        "main.sqlite3",
        "CREATE TABLE \"odd \"\"name\" (\"a b\" INTEGER); INSERT INTO \"odd \"\"name\" VALUES (5);
         CREATE VIEW v AS SELECT \"a b\" AS ab FROM \"odd \"\"name\"",
    );
    assert_eq!(folder.table("odd \"name", &["A B"]).await.unwrap().lines(), ["5"]);
    assert_eq!(folder.table("main.v", &[]).await.unwrap().lines(), ["5"]);
    assert_eq!(folder.sql("SELECT ab + 1 FROM v").await.unwrap().lines(), ["6"]);
}

#[tokio::test]
async fn parquet_columns_without_a_plain_type_are_made_plain() {
    let words: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    let inner: ArrayRef = Arc::new(StringArray::from(vec!["p", "q", "r"]));
    let instants: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None, Some(1_500_000)]).with_timezone("UTC"));
    let nested = StructArray::from(vec![
        (Arc::new(Field::new("k", DataType::Utf8, true)), inner),
        (
            Arc::new(Field::new("t", instants.data_type().clone(), true)),
            instants,
        ),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("word", Arc::new(words)),
        ("nothing", Arc::new(NullArray::new(3))),
        ("nested", Arc::new(nested)),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let folder = Folder::new().with_parquet("p.parquet", &batch);
    let rows = folder.table("p", &[]).await.unwrap();
    assert_eq!(rows.types(), ["Utf8View", "Utf8View", "Utf8"]);
    assert_eq!(
        rows.lines(),
        [
            "x|~|{\"k\":\"p\",\"t\":\"1970-01-01T00:00:00Z\"}",
            "~|~|{\"k\":\"q\",\"t\":null}",
            "x|~|{\"k\":\"r\",\"t\":\"1970-01-01T00:00:01.500Z\"}"
        ]
    );
    assert!(rows.receipt.bytes_scanned.unwrap() > 0);
    let sql = folder
        .sql("SELECT json_extract(nested, '$.k') AS k FROM p")
        .await
        .unwrap();
    assert_eq!(sql.lines(), ["p", "q", "r"]);
}

#[tokio::test]
async fn a_single_file_is_a_lake_of_one_table() {
    let folder = Folder::new()
        .with("a.jsonl", "{\"x\":1.50}\n")
        .with("b.csv", "y\n1\n");
    let lake = folder.lake_at(serde_json::json!({ "path": folder.path("a.jsonl") }));
    assert_eq!(lake.check().await.unwrap()[0].message, "a.jsonl: a");
    assert_eq!(
        read(&lake, Model::Table("a".into()), &[]).await.unwrap().lines(),
        ["1.5"]
    );
    let error = read(&lake, Model::Table("b".into()), &[]).await.err().unwrap();
    assert_eq!(error.code, "missing_table");
}
