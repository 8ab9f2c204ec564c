//! An SQLite database, read by the `lake` source.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use crate::loader::Warehouse;
use crate::table::{Table, Type};

pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub fn start() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }
}

impl Warehouse for Sqlite {
    fn load(&mut self, table: &Table) {
        let mut database = Connection::open(self.folder.path().join("shop.sqlite")).unwrap();
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind)| format!("{name} {}", declared(*kind)))
            .collect();
        let name = table.name;
        let statements = format!(
            "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({})",
            columns.join(", ")
        );
        database.execute_batch(&statements).unwrap();
        let transaction = database.transaction().unwrap();
        let places = vec!["?"; table.columns.len()].join(", ");
        let mut insert = transaction
            .prepare(&format!("INSERT INTO {name} VALUES ({places})"))
            .unwrap();
        for row in &table.rows {
            let cells = table.columns.iter().zip(row);
            insert
                .execute(params_from_iter(
                    cells.map(|((_, kind), cell)| stored(*kind, cell.as_deref())),
                ))
                .unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }

    fn connection(&self) -> String {
        format!(
            "{{ type: lake, path: {} }}",
            self.folder.path().join("shop.sqlite").display()
        )
    }
}

fn declared(kind: Type) -> String {
    match kind {
        Type::Small => "SMALLINT".into(),
        Type::Integer => "BIGINT".into(),
        // SQLite keeps 15 digits of a number, and all of a text.
        Type::Decimal(precision, scale) if precision > 15 => format!("DECIMAL TEXT({precision},{scale})"),
        Type::Decimal(precision, scale) => format!("DECIMAL({precision},{scale})"),
        Type::Float => "DOUBLE PRECISION".into(),
        Type::Boolean => "BOOLEAN".into(),
        Type::Text => "TEXT".into(),
        Type::Date => "DATE".into(),
        Type::Timestamp => "TIMESTAMP".into(),
        Type::Instant => "TIMESTAMP WITH TIME ZONE".into(),
        Type::Json => "JSON".into(),
    }
}

fn stored(kind: Type, cell: Option<&str>) -> Value {
    let Some(cell) = cell else { return Value::Null };
    match kind {
        Type::Small | Type::Integer => Value::Integer(cell.parse().unwrap()),
        Type::Float => Value::Real(cell.parse().unwrap()),
        Type::Boolean => Value::Integer(i64::from(cell == "true")),
        _ => Value::Text(cell.to_owned()),
    }
}
