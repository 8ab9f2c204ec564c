//! A database may hold full-text and R-tree tables beside ordinary ones: those are read, these are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod folder;

use folder::Folder;
use outflow_sdk::source::Model;

/// Virtual tables as another program's SQLite leaves them in the schema; this one has no module to create them.
const SHOP: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT);
    INSERT INTO people VALUES (1, 'ann@example.com'), (2, 'bob@example.com');
    CREATE VIEW mailable AS SELECT email FROM people WHERE id > 1;
    PRAGMA writable_schema = ON;
    INSERT INTO sqlite_schema VALUES
        ('table', 'docs', 'docs', 0, 'CREATE VIRTUAL TABLE docs USING fts5(body)'),
        ('table', 'old docs', 'old docs', 0, 'CREATE VIRTUAL TABLE \"old docs\" USING fts4(body)'),
        ('table', 'places', 'places', 0, 'CREATE VIRTUAL TABLE places USING rtree(id, x0, x1)'),
        ('view', 'found', 'found', 0, 'CREATE VIEW found AS SELECT body FROM docs');
    PRAGMA writable_schema = RESET;
    CREATE VIRTUAL TABLE pages USING dbstat;";

fn shop() -> Folder {
    Folder::new()
        .with_database("shop.db", SHOP)
        .with("orders.csv", "id,person\n7,2\n")
}

#[tokio::test]
async fn ordinary_tables_and_views_are_read() {
    let shop = shop();
    for name in ["people", "shop.people"] {
        let people = shop.table(name, &[]).await.unwrap();
        assert_eq!(
            people.lines(),
            ["1|ann@example.com", "2|bob@example.com"],
            "{name}"
        );
    }
    assert_eq!(
        shop.table("mailable", &[]).await.unwrap().lines(),
        ["bob@example.com"]
    );
    let joined = "SELECT o.id, p.email FROM orders AS o JOIN people AS p ON p.id = o.person";
    assert_eq!(shop.sql(joined).await.unwrap().lines(), ["7|bob@example.com"]);
    // A virtual table whose module is there is as good as any.
    let pages = shop.table("pages", &["name"]).await.unwrap();
    assert!(
        pages.lines().contains(&"people".to_owned()),
        "{:?}",
        pages.lines()
    );
}

#[tokio::test]
async fn a_table_without_its_module_is_refused_by_name_with_what_to_do() {
    let shop = shop();
    for (name, module) in [
        ("docs", "fts5"),
        ("old docs", "fts4"),
        ("places", "rtree"),
        ("found", "fts5"),
    ] {
        let error = shop.refusal(Model::Table(name.into())).await;
        assert_eq!(error.code, "sqlite_module", "{error:?}");
        assert_eq!(
            error.message,
            format!("shop.db table '{name}': needs SQLite's module '{module}', which is no part of Outflow")
        );
        let hint = error.hint.unwrap();
        assert!(hint.contains("name the table their rows come from"), "{hint}");
        assert!(shop.lake().describe(&Model::Table(name.into())).await.is_err());
    }
    let error = shop
        .refusal(Model::Sql("SELECT p.id FROM people AS p, docs AS d".into()))
        .await;
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            "sqlite_module",
            "the model's SQL: needs SQLite's module 'fts5', which is no part of Outflow"
        )
    );
}

#[tokio::test]
async fn a_check_lists_what_can_be_read_and_tells_what_cannot() {
    let shop = shop();
    for path in [".", "shop.db"] {
        let lake = shop.lake_at(serde_json::json!({ "path": path }));
        let advice = lake.check().await.unwrap();
        let told = |code: &str| -> Vec<&str> {
            let with_code = advice.iter().filter(|advice| advice.code == code);
            with_code.map(|advice| advice.message.as_str()).collect()
        };
        let tables = told("tables").join("\n");
        for table in ["people", "mailable", "pages"] {
            assert!(tables.contains(table), "{tables}");
        }
        assert!(!tables.contains("docs") && !tables.contains("places"), "{tables}");
        assert_eq!(
            told("sqlite_module"),
            [
                "shop.db table 'docs': needs SQLite's module 'fts5', which is no part of Outflow",
                "shop.db table 'old docs': needs SQLite's module 'fts4', which is no part of Outflow",
                "shop.db table 'places': needs SQLite's module 'rtree', which is no part of Outflow",
            ]
        );
    }
}

#[tokio::test]
async fn a_misspelt_column_still_has_its_hint() {
    let folder = Folder::new().with_database(
        "shop.db",
        "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT);
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema VALUES
             ('table', 'docs', 'docs', 0, 'CREATE VIRTUAL TABLE docs USING fts5(body)');",
    );
    let error = folder
        .refusal(Model::Sql("SELECT emial FROM people".into()))
        .await;
    assert_eq!(
        (error.code, error.hint.as_deref()),
        ("missing_column", Some("did you mean 'email'?"))
    );
}
