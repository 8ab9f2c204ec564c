//! A table as every warehouse can be given it: typed columns, cells as text.

use jiff::{Timestamp, civil, tz::TimeZone};
use outflow_sdk::value::{Decimal, Value, days_since_epoch};

/// The type of a column, and how its cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A whole number of 16 bits: `-7`.
    Small,
    /// A whole number of 64 bits.
    Integer,
    /// An exact number of so many digits, the second number of them after the point: `12.50`.
    Decimal(u8, u8),
    /// A 64-bit float, the one nearest to its text: `0.1`, `1e300`.
    Float,
    /// `true` or `false`.
    Boolean,
    /// Any text.
    Text,
    /// `2026-01-31`, years 1 to 9999.
    Date,
    /// Without a zone: `2026-01-31T10:00:00.123456`.
    Timestamp,
    /// With one: `2026-01-31T10:00:00.5+05:30` or `…Z`.
    Instant,
    /// JSON text.
    Json,
}

/// A table with its rows.
pub struct Table {
    pub name: &'static str,
    pub columns: Vec<(&'static str, Type)>,
    /// Cells in the order of the columns; none is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Where a column is.
    pub fn column(&self, name: &str) -> usize {
        let at = self.columns.iter().position(|(column, _)| *column == name);
        at.unwrap_or_else(|| panic!("table {} has no column {name}", self.name))
    }

    /// The rows as CSV without a head: NULL is nothing, and every other cell is quoted.
    pub fn csv(&self) -> String {
        let mut csv = String::new();
        for row in &self.rows {
            for (at, cell) in row.iter().enumerate() {
                if at > 0 {
                    csv.push(',');
                }
                if let Some(cell) = cell {
                    csv.push('"');
                    csv.push_str(&cell.replace('"', "\"\""));
                    csv.push('"');
                }
            }
            csv.push('\n');
        }
        csv
    }
}

/// The canonical value of a cell.
pub fn value(kind: Type, cell: Option<&str>) -> Value {
    let Some(cell) = cell else { return Value::Null };
    match kind {
        Type::Small | Type::Integer | Type::Decimal(..) => Value::Number(Decimal::parse(cell).unwrap()),
        Type::Float => {
            let float: f64 = cell.parse().unwrap();
            Value::Number(Decimal::parse(&format!("{float:e}")).unwrap())
        }
        Type::Boolean => Value::Bool(cell.parse().unwrap()),
        Type::Text => Value::text(cell),
        Type::Date => Value::Date(days_since_epoch(cell.parse::<civil::Date>().unwrap())),
        Type::Timestamp => {
            let local: civil::DateTime = cell.parse().unwrap();
            Value::Timestamp(TimeZone::UTC.to_timestamp(local).unwrap().as_microsecond())
        }
        Type::Instant => Value::Timestamp(cell.parse::<Timestamp>().unwrap().as_microsecond()),
        Type::Json => Value::json(cell).unwrap(),
    }
}
