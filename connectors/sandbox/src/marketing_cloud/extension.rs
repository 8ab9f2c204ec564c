//! A data extension: its columns, and rows that are checked as the server does.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::values::{Cell, parse};

/// Type of a column, by the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// Text.
    Text,
    /// A whole number of 32 bits.
    Number,
    /// A decimal number.
    Decimal,
    /// Date and time.
    Date,
    /// True or false.
    Boolean,
    /// An e-mail address.
    EmailAddress,
    /// A telephone number.
    Phone,
    /// A locale.
    Locale,
}

impl ColumnType {
    const ALL: [(ColumnType, &'static str); 8] = [
        (ColumnType::Text, "Text"),
        (ColumnType::Number, "Number"),
        (ColumnType::Decimal, "Decimal"),
        (ColumnType::Date, "Date"),
        (ColumnType::Boolean, "Boolean"),
        (ColumnType::EmailAddress, "EmailAddress"),
        (ColumnType::Phone, "Phone"),
        (ColumnType::Locale, "Locale"),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("Text", |(_, word)| word)
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == word)
            .map(|(kind, _)| *kind)
    }
}

/// One column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Column {
    /// Name; upper and lower case count for nothing.
    pub name: String,
    /// Type.
    pub kind: ColumnType,
    /// Length of text, or digits of a decimal.
    pub length: Option<u32>,
    /// Digits after the point.
    pub scale: u32,
    /// Whether rows must have it.
    pub required: bool,
    /// Whether it is part of the primary key.
    pub primary: bool,
}

impl Column {
    /// A column that may be empty.
    pub fn new(name: &str, kind: ColumnType) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            length: (kind == ColumnType::Text).then_some(50),
            scale: 0,
            required: false,
            primary: false,
        }
    }

    /// Text of this length, or a decimal of so many digits.
    #[must_use]
    pub fn length(mut self, length: u32, scale: u32) -> Self {
        self.length = Some(length);
        self.scale = scale;
        self
    }

    /// A column no row may lack.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A column of the primary key.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.primary = true;
        self.required = true;
        self
    }
}

/// A data extension.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) account: u64,
    pub(super) sendable: Option<(String, String)>,
    pub(super) columns: Vec<Column>,
    rows: Vec<Option<Vec<Cell>>>,
    #[serde(skip)]
    by_key: HashMap<String, usize>,
}

impl Extension {
    pub(super) fn new(id: String, key: &str, name: &str, account: u64, columns: Vec<Column>) -> Self {
        Self {
            id,
            key: key.to_owned(),
            name: name.to_owned(),
            account,
            sendable: None,
            columns,
            rows: Vec::new(),
            by_key: HashMap::new(),
        }
    }

    /// Indexes rows that were read back.
    pub(super) fn index(&mut self) {
        if !self.has_primary_key() {
            return;
        }
        let keyed = self.rows.iter().enumerate().filter_map(|(at, row)| {
            let row = row.as_ref()?;
            Some((self.folded(|column| row.get(column).map(Cell::text))?, at))
        });
        self.by_key = keyed.collect();
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn has_primary_key(&self) -> bool {
        self.columns.iter().any(|column| column.primary)
    }

    pub(super) fn add(&mut self, column: Column) {
        self.columns.push(column);
        for row in self.rows.iter_mut().flatten() {
            row.push(Cell::Null);
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.rows.iter().flatten().map(Vec::as_slice)
    }

    pub(super) fn count(&self) -> usize {
        self.rows.iter().flatten().count()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.by_key.clear();
    }

    /// The key the server compares by: case and spaces at the end count for nothing.
    fn folded(&self, cell: impl Fn(usize) -> Option<String>) -> Option<String> {
        let mut key = String::new();
        for (at, _) in self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.primary)
        {
            key.push_str(cell(at)?.trim_end().to_lowercase().as_str());
            key.push('\u{0}');
        }
        Some(key)
    }

    /// The cells of a row as far as it has them; the text of what is wrong else.
    fn read(&self, row: &Map<String, Value>) -> Result<Vec<Option<Cell>>, String> {
        let mut cells = vec![None; self.columns.len()];
        for (name, value) in row {
            let at = self
                .column(name)
                .ok_or_else(|| format!("Column not found: {name}"))?;
            let (Some(column), Some(cell)) = (self.columns.get(at), cells.get_mut(at)) else {
                continue;
            };
            *cell = Some(parse(column, value)?);
        }
        Ok(cells)
    }

    /// Stores a row: an upsert, or an insert alone.
    pub(super) fn put(&mut self, row: &Map<String, Value>, insert_only: bool) -> Result<(), String> {
        let cells = self.read(row)?;
        if !self.has_primary_key() && !insert_only {
            return Err("This Data Extension does not have any primary keys defined.".into());
        }
        let given = |at: usize| match cells.get(at) {
            Some(Some(cell)) if *cell != Cell::Null => Some(cell.text()),
            _ => None,
        };
        let Some(key) = self.folded(given) else {
            let mut columns = self.columns.iter().enumerate();
            let lacking = columns.find(|(at, column)| column.primary && given(*at).is_none());
            return Err(null_in(lacking.map_or("", |(_, column)| column.name.as_str())));
        };
        let known = self
            .has_primary_key()
            .then(|| self.by_key.get(&key).copied())
            .flatten();
        if known.is_some() && insert_only {
            return Err(format!(
                "Violation of PRIMARY KEY constraint 'PK_{}'. Cannot insert duplicate key in object 'dbo.{}'. The duplicate key value is ({}).\r\nThe statement has been terminated.",
                self.name,
                self.name,
                key.replace('\u{0}', ",")
            ));
        }
        let missing = self.columns.iter().zip(&cells).find(|(column, cell)| match cell {
            Some(Cell::Null) => column.required,
            None => column.required && known.is_none(),
            Some(_) => false,
        });
        if let Some((column, _)) = missing {
            return Err(null_in(&column.name));
        }
        match known.and_then(|at| self.rows.get_mut(at)) {
            Some(Some(stored)) => {
                for (stored, cell) in stored.iter_mut().zip(cells) {
                    if let Some(cell) = cell {
                        *stored = cell;
                    }
                }
            }
            _ => {
                let stored = cells.into_iter().map(|cell| cell.unwrap_or(Cell::Null)).collect();
                if self.has_primary_key() {
                    self.by_key.insert(key, self.rows.len());
                }
                self.rows.push(Some(stored));
            }
        }
        Ok(())
    }

    fn key_of(&self, names: &[(String, String)]) -> Option<String> {
        self.folded(|at| {
            let column = self.columns.get(at)?;
            let given = names
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&column.name))?;
            let cell = parse(column, &Value::from(given.1.as_str())).ok()?;
            Some(cell.text())
        })
    }

    /// Deletes a row; what is wrong else.
    pub(super) fn delete(&mut self, names: &[(String, String)]) -> Result<(), Deleting> {
        let is_primary = |name: &str| {
            let mut columns = self.columns.iter().filter(|column| column.primary);
            columns.any(|column| column.name.eq_ignore_ascii_case(name))
        };
        if !self.has_primary_key() || !names.iter().all(|(name, _)| is_primary(name)) {
            return Err(Deleting::Key);
        }
        let key = self.key_of(names).ok_or(Deleting::Key)?;
        let at = self.by_key.remove(&key).ok_or(Deleting::NotFound)?;
        if let Some(row) = self.rows.get_mut(at) {
            *row = None;
        }
        Ok(())
    }

    /// The row under a key, by its columns' names.
    pub(super) fn row(&self, names: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let names: Vec<(String, String)> = names
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let at = *self.by_key.get(&self.key_of(&names)?)?;
        let cells = self.rows.get(at)?.as_ref()?;
        let shown = self.columns.iter().zip(cells);
        Some(
            shown
                .map(|(column, cell)| (column.name.clone(), cell.shown()))
                .collect(),
        )
    }
}

/// Why a row is not deleted.
pub(super) enum Deleting {
    /// A column of the key is not given, or one that is none is; or there is no key.
    Key,
    /// There is no such row.
    NotFound,
}

fn null_in(column: &str) -> String {
    format!(
        "Cannot insert the value NULL into column '{column}', table 'dbo.rows'; column does not allow nulls. INSERT fails.\r\nThe statement has been terminated."
    )
}

impl Extension {
    /// Takes a column that is no key away, with all its values.
    pub(super) fn drop_column(&mut self, name: &str) {
        let Some(at) = self
            .column(name)
            .filter(|at| self.columns.get(*at).is_some_and(|column| !column.primary))
        else {
            return;
        };
        self.columns.remove(at);
        for row in self.rows.iter_mut().flatten() {
            row.remove(at);
        }
    }
}
