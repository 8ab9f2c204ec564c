//! Every bad input has a clear error, and none is a short read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod folder;

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, Int64Array, RecordBatch, StringArray};
use folder::{Folder, read, start};
use futures::StreamExt;
use outflow_lake::DESCRIPTOR;
use outflow_sdk::ErrorKind;
use outflow_sdk::source::{Model, ReadEvent};

fn table(name: &str) -> Model {
    Model::Table(name.into())
}

fn sql(text: &str) -> Model {
    Model::Sql(text.into())
}

const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, born DATE);
                      INSERT INTO people VALUES (1, 'ann@example.com', '1990-01-01');";

#[tokio::test]
async fn a_missing_column_names_the_nearest() {
    let folder = Folder::new()
        .with("people.csv", "id,email\n1,x\n")
        .with_database("shop.db", PEOPLE);
    let error = folder.table("people.csv", &["emial"]).await.err().unwrap();
    assert_eq!(
        (error.code, error.hint.as_deref()),
        ("missing_column", Some("did you mean 'email'?"))
    );
    let error = folder.table("shop.people", &["bron"]).await.err().unwrap();
    assert_eq!(
        (error.code, error.hint.as_deref()),
        ("missing_column", Some("did you mean 'born'?"))
    );
    let error = folder
        .refusal(sql("SELECT id,\n       emial FROM shop.people"))
        .await;
    assert_eq!(error.code, "missing_column", "{error:?}");
    assert_eq!(
        error.message,
        "there is no column 'emial' at line 2, column 8 of the model"
    );
    assert_eq!(error.hint.as_deref(), Some("did you mean 'email'?"));
}

#[tokio::test]
async fn a_missing_table_names_the_nearest() {
    let folder = Folder::new()
        .with("people.csv", "id\n1\n")
        .with_database("shop.db", "CREATE TABLE orders (id)");
    for model in [table("poeple"), sql("SELECT * FROM poeple")] {
        let error = folder.refusal(model).await;
        assert_eq!(
            (error.code, error.hint.as_deref()),
            ("missing_table", Some("did you mean 'people'?"))
        );
    }
    assert_eq!(
        folder.refusal(sql("SELECT * FROM main.orders")).await.code,
        "missing_table"
    );
}

#[tokio::test]
async fn a_table_name_used_twice_is_refused() {
    let folder = Folder::new().with("people.csv", "id\n1\n").with_database(
        "shop.db",
        "CREATE TABLE people (id); CREATE TABLE orders (id); INSERT INTO orders VALUES (1)",
    );
    assert_eq!(folder.refusal(table("people")).await.code, "ambiguous_table");
    let error = folder.refusal(sql("SELECT * FROM orders, people")).await;
    assert_eq!(error.code, "ambiguous_table");
    assert_eq!(
        error.hint.as_deref(),
        Some("name one of them in full: people.csv, shop.people")
    );
    let named = folder
        .sql("SELECT orders.id, p.id AS person FROM orders, shop.people AS p")
        .await;
    assert_eq!(named.unwrap().receipt.rows, 0);
    assert_eq!(
        folder.sql("SELECT id FROM \"people.csv\"").await.unwrap().lines(),
        ["1"]
    );
}

#[tokio::test]
async fn invalid_utf8_in_csv_names_file_line_and_column() {
    let folder = Folder::new().with("t.csv", b"id,name\n1,ok\n2,caf\xe9\n");
    let error = folder.refusal(table("t")).await;
    assert_eq!(error.code, "csv_invalid_utf8");
    assert_eq!(error.message, "t.csv:3: column 'name' is not UTF-8");
    // A column nobody asked for is not looked at.
    assert_eq!(folder.table("t", &["id"]).await.unwrap().receipt.rows, 2);
    let folder = Folder::new().with("t.csv", b"\xff\xfei\0d\0\n\0");
    assert_eq!(folder.refusal(table("t")).await.code, "csv_invalid_utf8");
}

#[tokio::test]
async fn ragged_rows_and_open_quotes_name_the_line() {
    let folder = Folder::new().with("t.csv", "a,b\n1,2\n3\n");
    assert_eq!(
        folder.refusal(table("t")).await.message,
        "t.csv:3: the row has 1 cells, the header 2"
    );
    let folder = Folder::new().with("t.csv", "a,b\n1,2,3\n");
    assert_eq!(
        folder.refusal(table("t")).await.message,
        "t.csv:2: the row has 3 cells, the header 2"
    );
    let folder = Folder::new().with("t.csv", "a,b\n1,\"2\n3,4\n");
    assert!(
        folder
            .refusal(table("t"))
            .await
            .message
            .starts_with("t.csv:2: the quote")
    );
}

#[tokio::test]
async fn a_malformed_json_line_names_file_and_line_but_not_its_contents() {
    let folder = Folder::new().with("t.jsonl", "{\"id\":1}\n{\"id\": secret}\n");
    for model in [table("t"), sql("SELECT * FROM t")] {
        let error = folder.refusal(model).await;
        assert_eq!(error.code, "json_malformed");
        assert_eq!(error.message, "t.jsonl:2: the line is not JSON (at column 8)");
    }
}

fn parquet_rows(rows: i64) -> RecordBatch {
    let names: StringArray = (0..rows)
        .map(|row| Some(format!("name {}", row * 7919)))
        .collect();
    RecordBatch::try_from_iter([
        (
            "id",
            Arc::new(Int64Array::from_iter_values(0..rows)) as Arc<dyn Array>,
        ),
        ("name", Arc::new(names)),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_truncated_or_damaged_parquet_file_is_no_short_read() {
    let folder = Folder::new().with_parquet("t.parquet", &parquet_rows(50_000));
    let path = folder.path("t.parquet");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        for model in [table("t"), sql("SELECT * FROM t")] {
            assert_eq!(
                folder.refusal(model).await.code,
                "parquet_corrupt",
                "{length} bytes"
            );
        }
    }
    let mut damaged = whole.clone();
    for byte in &mut damaged[4..64] {
        *byte = 0x5a;
    }
    std::fs::write(&path, &damaged).unwrap();
    assert_eq!(folder.refusal(table("t")).await.code, "parquet_corrupt");
}

#[tokio::test]
async fn sql_errors_have_a_position() {
    let folder = Folder::new().with("people.csv", "id\n1\n");
    let error = folder.refusal(sql("SELECT id\nFROM people\nWHRE id = 1")).await;
    assert_eq!(error.code, "sql_syntax");
    assert_eq!(
        error.message,
        "near \"id\": syntax error at line 3, column 6 of the model"
    );
    assert_eq!(
        folder.refusal(sql("SELECT nope(id) FROM people")).await.code,
        "sql_syntax"
    );
    assert_eq!(
        folder
            .refusal(sql("SELECT id FROM people WHERE id = ?"))
            .await
            .code,
        "sql_parameters"
    );
    let error = folder.refusal(sql("SELECT id FROM people a, people b")).await;
    assert_eq!(error.code, "ambiguous_column");
    assert_eq!(error.kind, ErrorKind::Source { transient: false });
}

#[tokio::test]
async fn a_misspelt_column_in_double_quotes_is_no_text() {
    let folder = Folder::new().with("people.csv", "id,email\n1,x\n");
    let error = folder.refusal(sql("SELECT id, \"emial\" FROM people")).await;
    assert_eq!(error.code, "missing_column", "{error:?}");
}

#[tokio::test]
async fn one_statement_that_reads_and_nothing_else() {
    let folder = Folder::new().with_database("shop.db", PEOPLE);
    for text in ["", " \n", "-- nothing\n", "/* nothing */", ";"] {
        assert_eq!(folder.refusal(sql(text)).await.code, "sql_empty", "{text}");
    }
    for text in [
        "SELECT 1; SELECT 2",
        "SELECT id FROM people; DELETE FROM people",
        "SELECT 1; nonsense",
    ] {
        assert_eq!(
            folder.refusal(sql(text)).await.code,
            "sql_many_statements",
            "{text}"
        );
    }
    for text in [
        "DELETE FROM people",
        "INSERT INTO people (id) VALUES (2)",
        "UPDATE people SET email = NULL",
        "DELETE FROM people RETURNING id",
        "WITH gone AS (SELECT 1) DELETE FROM people",
        "DROP TABLE people",
        "CREATE TABLE other (id)",
        "CREATE TEMP TABLE other (id)",
        "CREATE VIRTUAL TABLE other USING dbstat",
        "CREATE VIRTUAL TABLE other USING fts5(id)",
        "ALTER TABLE people ADD COLUMN x",
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "VACUUM",
        "VACUUM INTO 'copy.db'",
        "BEGIN",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('x')",
    ] {
        let error = read(&folder.lake(), sql(text), &[])
            .await
            .map(|rows| rows.lines())
            .map_err(|error| error.code);
        assert_eq!(error, Err("sql_writes"), "{text}");
    }
    for text in [
        "SELECT id FROM people;",
        "SELECT id FROM people; -- the end\n",
        "VALUES (1)",
    ] {
        assert_eq!(folder.sql(text).await.unwrap().lines(), ["1"], "{text}");
    }
    assert!(!folder.path("other.db").exists() && !folder.path("copy.db").exists());
}

#[tokio::test]
async fn a_result_without_rows_keeps_its_schema() {
    let folder = Folder::new()
        .with("t.csv", "id,name\n")
        .with_parquet("p.parquet", &parquet_rows(0))
        .with_database("shop.db", PEOPLE);
    for (model, columns) in [
        (table("t"), 2),
        (table("p"), 2),
        (sql("SELECT id FROM t"), 1),
        (sql("SELECT id, born, id + 1 AS next FROM people WHERE id > 5"), 3),
    ] {
        let rows = read(&folder.lake(), model.clone(), &[]).await.unwrap();
        assert_eq!(rows.schema.fields().len(), columns, "{model:?}");
        assert_eq!((rows.receipt.rows, rows.receipt.complete), (0, true));
    }
    let empty = Folder::new().with("e.jsonl", "").with("e.csv", "");
    assert_eq!(
        empty.table("e.jsonl", &["id"]).await.err().unwrap().code,
        "missing_column"
    );
    assert_eq!(
        empty.refusal(sql("SELECT * FROM \"e.jsonl\"")).await.code,
        "no_columns"
    );
    assert_eq!(empty.refusal(table("e.csv")).await.code, "csv_malformed");
}

#[tokio::test]
async fn a_cell_of_10_megabytes_is_read() {
    let cell = "x".repeat(10 << 20);
    let batch = RecordBatch::try_from_iter([(
        "a",
        Arc::new(StringArray::from(vec![cell.as_str()])) as Arc<dyn Array>,
    )])
    .unwrap();
    let folder = Folder::new()
        .with("c.csv", format!("a\n\"{cell}\"\n"))
        .with("j.jsonl", format!("{{\"a\":\"{cell}\"}}\n"))
        .with_parquet("p.parquet", &batch)
        .with_database(
            "s.db",
            &format!("CREATE TABLE s (a TEXT); INSERT INTO s VALUES ('{cell}')"),
        );
    for model in [
        table("c"),
        table("j"),
        table("p"),
        table("s"),
        sql("SELECT a FROM c"),
    ] {
        let rows = read(&folder.lake(), model.clone(), &[]).await.unwrap();
        assert_eq!(rows.lines(), [cell.as_str()], "{model:?}");
    }
}

#[tokio::test]
async fn a_cell_over_64_mebibytes_is_refused() {
    let cell = "x".repeat((64 << 20) + 1);
    let folder = Folder::new()
        .with("c.csv", format!("a\n1\n{cell}\n"))
        .with("j.jsonl", format!("{{\"a\":\"{cell}\"}}\n"));
    let error = folder.refusal(table("c")).await;
    assert_eq!(error.code, "cell_too_large");
    assert!(error.message.starts_with("c.csv:3:"), "{}", error.message);
    assert_eq!(folder.refusal(table("j")).await.code, "cell_too_large");
}

#[tokio::test]
async fn sql_cannot_make_rows_without_bound() {
    let error = Folder::new()
        .refusal(sql("SELECT length(zeroblob(200000000))"))
        .await;
    assert_eq!(error.code, "cell_too_large", "{error:?}");
}

#[tokio::test]
async fn a_check_tells_of_files_that_cannot_be_read() {
    let folder = Folder::new()
        .with("good.csv", "a\n1\n")
        .with("bad.parquet", "PAR1")
        .with("bad.csv", "a,a\n");
    let advice = folder.lake().check().await.unwrap();
    let codes: Vec<_> = advice.iter().map(|one| one.code).collect();
    assert_eq!(codes, ["tables", "csv_malformed", "parquet_corrupt"]);
    let alone = folder.lake_at(serde_json::json!({ "path": "bad.parquet" }));
    assert_eq!(alone.check().await.unwrap_err().code, "parquet_corrupt");
}

#[tokio::test]
async fn a_folder_without_tables_is_good_but_advises() {
    let folder = Folder::new().with("readme.txt", "x");
    let advice = folder.lake().check().await.unwrap();
    assert_eq!(
        advice.iter().map(|one| one.code).collect::<Vec<_>>(),
        ["no_tables", "ignored_files"]
    );
    let error = folder.refusal(table("people")).await;
    assert_eq!(error.code, "missing_table");
    assert!(
        error
            .hint
            .unwrap()
            .contains("no CSV, Parquet, JSON lines or SQLite")
    );
}

#[tokio::test]
async fn paths_that_cannot_be_read_say_why() {
    let folder = Folder::new()
        .with("notes.txt", "x")
        .with("shop.db", "this is no database, only text");
    let check = |path: &str| {
        let lake = folder.lake_at(serde_json::json!({ "path": path }));
        async move { lake.check().await.unwrap_err() }
    };
    let error = check("nowhere").await;
    assert_eq!(
        (error.code, error.message.as_str()),
        ("path_not_found", "nowhere: no such file or folder")
    );
    assert_eq!(check("notes.txt").await.code, "unknown_format");
    assert_eq!(check("shop.db").await.code, "sqlite_corrupt");
    std::fs::create_dir(folder.path("people.csv")).unwrap();
    assert_eq!(check("people.csv/x.csv").await.code, "path_not_found");
}

#[test]
fn settings_that_make_no_sense_do_not_open() {
    let folder = Folder::new();
    let code = |settings: serde_json::Value| {
        (DESCRIPTOR.open)(settings, &folder.context())
            .err()
            .map(|error| error.code)
    };
    assert_eq!(code(serde_json::json!({})), Some("lake_settings"));
    assert_eq!(
        code(serde_json::json!({ "path": ".", "pth": 1 })),
        Some("lake_settings")
    );
    assert_eq!(
        code(serde_json::json!({ "path": "s3://bucket/x" })),
        Some("lake_remote_path")
    );
    assert_eq!(
        code(serde_json::json!({ "path": ".", "csv": { "delimiter": "||" } })),
        Some("csv_delimiter")
    );
    assert_eq!(
        code(serde_json::json!({ "path": ".", "csv": { "delimiter": ";" } })),
        None
    );
}

#[tokio::test]
async fn blobs_are_refused_by_name_but_do_not_stand_in_the_way() {
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1])) as Arc<dyn Array>),
        ("photo", Arc::new(BinaryArray::from_vec(vec![b"x"]))),
    ])
    .unwrap();
    let folder = Folder::new().with_parquet("p.parquet", &batch).with_database(
        "shop.db",
        "CREATE TABLE people (id INTEGER, photo BLOB); INSERT INTO people VALUES (1, x'00')",
    );
    for name in ["people", "p"] {
        let error = folder.refusal(table(name)).await;
        assert_eq!(error.code, "unsupported_type");
        assert!(error.message.contains("column 'photo'"), "{}", error.message);
        assert_eq!(folder.table(name, &["id"]).await.unwrap().lines(), ["1"]);
        assert_eq!(folder.lake().describe(&table(name)).await.unwrap().len(), 2);
    }
    assert_eq!(folder.sql("SELECT id FROM p").await.unwrap().lines(), ["1"]);
    assert_eq!(
        folder.sql("SELECT hex(photo) FROM people").await.unwrap().lines(),
        ["00"]
    );
    let error = folder
        .refusal(sql("SELECT x'00' || '' AS a, zeroblob(3) AS b"))
        .await;
    assert_eq!(error.code, "unsupported_type");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_an_error() {
    let mut text = "id,name\n".to_owned();
    for row in 0..200_000 {
        text.push_str(&format!("{row},name {row}\n"));
    }
    let json: String = (0..200_000).map(|row| format!("{{\"id\":{row}}}\n")).collect();
    let folder = Folder::new()
        .with("c.csv", &text)
        .with("j.jsonl", &json)
        .with_parquet("p.parquet", &parquet_rows(200_000));
    for name in ["c.csv", "j.jsonl", "p.parquet"] {
        let mut reading = start(&folder.lake(), table(name), &[]).await.unwrap();
        assert!(matches!(
            reading.events.next().await,
            Some(Ok(ReadEvent::Batch(_)))
        ));
        // The channel holds a few batches only, so the reader is far from the end.
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(folder.path(name))
            .unwrap();
        if name == "c.csv" {
            file.set_len(text.len() as u64 / 2).unwrap();
        } else {
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(b"\n").unwrap();
        }
        let mut last = None;
        while let Some(event) = reading.events.next().await {
            last = Some(event);
        }
        let error = last.unwrap().unwrap_err();
        assert!(
            matches!(error.code, "file_changed" | "csv_malformed"),
            "{name}: {}",
            error.message
        );
    }
}

#[tokio::test]
async fn text_that_is_no_utf8_in_sqlite_is_an_error() {
    let folder = Folder::new().with_database(
        "shop.db",
        "CREATE TABLE people (id INTEGER, name TEXT); INSERT INTO people VALUES (1, CAST(x'ff41' AS TEXT))",
    );
    let error = folder.refusal(table("people")).await;
    assert_eq!(error.code, "sqlite_invalid_utf8");
    assert!(
        error.message.ends_with("column 'name' is not UTF-8 in row 1"),
        "{}",
        error.message
    );
    let array = folder.table("people", &["id"]).await.unwrap().batches[0]
        .column(0)
        .clone();
    assert_eq!(array.as_primitive::<arrow_array::types::Int64Type>().value(0), 1);
}
