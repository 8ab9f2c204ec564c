//! fakesnow, an emulator of Snowflake.

use std::fmt::Write;

use tempfile::TempDir;

use crate::fakesnow::Fakesnow;
use crate::loader::Warehouse;
use crate::table::{Table, Type};

pub struct Snowflake {
    emulator: Fakesnow,
    folder: TempDir,
}

impl Snowflake {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "any").unwrap();
        Self {
            emulator: Fakesnow::start(),
            folder,
        }
    }
}

impl Warehouse for Snowflake {
    /// Cells go through a table of texts in hexadecimal, so that no reading of CSV can change them.
    fn load(&mut self, table: &Table) {
        let name = table.name.to_uppercase();
        let file = format!("{name}.csv");
        std::fs::write(self.folder.path().join(&file), hexadecimal(table)).unwrap();
        let columns = |shape: &dyn Fn(&str, Type) -> String| {
            let columns = table
                .columns
                .iter()
                .map(|(column, kind)| shape(&column.to_uppercase(), *kind));
            columns.collect::<Vec<_>>().join(", ")
        };
        let texts = columns(&|column, _| format!("\"{column}\" VARCHAR"));
        let typed = columns(&|column, kind| format!("\"{column}\" {}", declared(kind)));
        let decoded = columns(&decoded);
        for statement in [
            format!("CREATE OR REPLACE TABLE DB.SHOP.LOADING ({texts})"),
            format!(
                "COPY INTO DB.SHOP.LOADING FROM 'file://{}/' FILES = ('{file}') FILE_FORMAT = (TYPE = CSV)",
                self.folder.path().display()
            ),
            format!("CREATE OR REPLACE TABLE DB.SHOP.{name} ({typed})"),
            format!("INSERT INTO DB.SHOP.{name} SELECT {decoded} FROM DB.SHOP.LOADING"),
        ] {
            self.emulator.sql(&statement);
        }
    }

    fn connection(&self) -> String {
        format!(
            "{{ type: snowflake, account: myorg-test, user: outflow, token: \"${{file:{}}}\", database: db, schema: shop, \
             base_url: \"http://127.0.0.1:{}\" }}",
            self.folder.path().join("token").display(),
            self.emulator.port
        )
    }
}

/// `n` for NULL, `v` and the digits for a text.
fn hexadecimal(table: &Table) -> String {
    let mut csv = String::new();
    for row in &table.rows {
        for (at, cell) in row.iter().enumerate() {
            csv.push_str(if at > 0 { "," } else { "" });
            let Some(cell) = cell else {
                csv.push('n');
                continue;
            };
            csv.push('v');
            for byte in cell.bytes() {
                write!(csv, "{byte:02x}").unwrap();
            }
        }
        csv.push('\n');
    }
    csv
}

fn decoded(column: &str, kind: Type) -> String {
    let text =
        format!("CASE WHEN \"{column}\" = 'n' THEN NULL ELSE HEX_DECODE_STRING(SUBSTR(\"{column}\", 2)) END");
    match kind {
        Type::Text => text,
        Type::Json => format!("PARSE_JSON({text})"),
        _ => format!("({text})::{}", declared(kind)),
    }
}

fn declared(kind: Type) -> String {
    match kind {
        Type::Small => "NUMBER(5,0)".into(),
        Type::Integer => "BIGINT".into(),
        Type::Decimal(precision, scale) => format!("NUMBER({precision},{scale})"),
        Type::Float => "FLOAT".into(),
        Type::Boolean => "BOOLEAN".into(),
        Type::Text => "VARCHAR".into(),
        Type::Date => "DATE".into(),
        Type::Timestamp => "TIMESTAMP_NTZ".into(),
        Type::Instant => "TIMESTAMP_TZ".into(),
        Type::Json => "VARIANT".into(),
    }
}
