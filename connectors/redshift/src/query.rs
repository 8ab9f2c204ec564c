//! A model as the SELECT that is sent, and places in it as places in the model.

use outflow_sdk::source::Model;
use outflow_sdk::statement::{place_of, single};
use outflow_sdk::tag::Tag;
use outflow_sdk::{ConnectorError, ModelPlace};

use crate::dialect::Dialect;
use crate::names::{NAMING, quoted};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// What messages call it.
    pub(crate) label: String,
    from: From,
    /// Stands before the SELECT, so that the server's logs say whose it is.
    comment: String,
    /// Of the rows that are read, where not all are.
    condition: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Table(Vec<String>),
    Statement(String),
}

impl Query {
    /// The query of a model, for a sync and a run.
    ///
    /// # Errors
    /// `Config` when the SQL is not one query or the table's name is none.
    pub(crate) fn new(model: &Model, dialect: Dialect, tag: Option<&Tag>) -> Result<Self, ConnectorError> {
        let (label, from) = match model {
            Model::Table(name) => {
                let parts = NAMING.parts(name)?;
                (format!("table {}", parts.join(".")), From::Table(parts))
            }
            Model::Sql(sql) => {
                let body = single(sql, dialect.sql())?;
                ("the model's SQL".to_owned(), From::Statement(body.to_owned()))
            }
        };
        let comment = tag.map_or_else(String::new, |tag| format!("/* {} */ ", tag.name()));
        Ok(Self {
            label,
            from,
            comment,
            condition: None,
        })
    }

    /// The query of the rows that fulfil a condition on the model's columns.
    pub(crate) fn narrowed(self, condition: String) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// The table's name without schema, if it is a table.
    pub(crate) fn table(&self) -> Option<&str> {
        match &self.from {
            From::Table(parts) => parts.last().map(String::as_str),
            From::Statement(_) => None,
        }
    }

    /// The table's schema, if the model names one, and the table with it, as SQL writes them.
    pub(crate) fn schema_and_table(&self) -> Option<(Option<String>, String)> {
        let From::Table(parts) = &self.from else {
            return None;
        };
        let written: Vec<String> = parts.iter().map(|part| NAMING.written(part)).collect();
        let (_, schema) = written.split_last()?;
        let schema = (!schema.is_empty()).then(|| schema.join("."));
        Some((schema, written.join(".")))
    }

    /// The SELECT of these columns, or of all.
    pub(crate) fn select(&self, columns: Option<&[String]>) -> String {
        let (before, after) = self.around(columns);
        match &self.from {
            From::Table(_) => format!("{before}{after}"),
            From::Statement(body) => format!("{before}{body}{after}"),
        }
    }

    fn around(&self, columns: Option<&[String]>) -> (String, String) {
        let condition = self.condition.as_ref();
        let rows = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        let columns = columns.map_or_else(
            || "*".to_owned(),
            |names| {
                names
                    .iter()
                    .map(|name| quoted(name))
                    .collect::<Vec<_>>()
                    .join(", ")
            },
        );
        let comment = &self.comment;
        match &self.from {
            From::Table(parts) => {
                let table: Vec<String> = parts.iter().map(|part| quoted(part)).collect();
                (
                    format!("{comment}SELECT {columns} FROM {}", table.join(".")),
                    rows,
                )
            }
            From::Statement(_) => (
                format!("{comment}SELECT {columns} FROM (\n"),
                format!("\n) AS outflow_model{rows}"),
            ),
        }
    }

    /// Where in the model the server's `position` (in characters, from 1) of `select(columns)` is.
    pub(crate) fn place(&self, columns: Option<&[String]>, position: u32) -> Option<ModelPlace> {
        let From::Statement(body) = &self.from else {
            return None;
        };
        let (before, _) = self.around(columns);
        let position = usize::try_from(position).ok()?.checked_sub(1)?;
        let inside = position.checked_sub(before.chars().count())?;
        // Behind the body is the end of it: what is missing there is missing in the model.
        let offset = body
            .char_indices()
            .nth(inside)
            .map_or(body.trim_end().len(), |(offset, _)| offset);
        Some(place_of(body, offset))
    }

    /// Whether `position` lies behind the model's text: what is wrong there is that something is missing.
    pub(crate) fn is_behind(&self, columns: Option<&[String]>, position: u32) -> bool {
        let From::Statement(body) = &self.from else {
            return false;
        };
        let (before, _) = self.around(columns);
        let end = before.chars().count() + body.chars().count();
        usize::try_from(position).is_ok_and(|position| position > end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_model_is_a_subquery_of_the_columns_asked_for() {
        let model = Model::Sql("select 1 as a -- one\n;".into());
        let query = Query::new(&model, Dialect::Postgres, Some(&Tag::new("s */ x", "r1"))).unwrap();
        assert_eq!(
            query.select(Some(&["A\"b".into()])),
            "/* outflow/s____x/r1 */ SELECT \"A\"\"b\" FROM (\nselect 1 as a -- one\n\n) AS outflow_model"
        );
        let table = Query::new(&Model::Table("s.T".into()), Dialect::Redshift, None).unwrap();
        assert_eq!(table.select(None), "SELECT * FROM \"s\".\"t\"");
        let narrowed = table.clone().narrowed("\"id\" IN (1)".into());
        assert_eq!(
            narrowed.select(None),
            "SELECT * FROM \"s\".\"t\" WHERE \"id\" IN (1)"
        );
        let narrowed = query.narrowed("\"id\" IN (1)".into());
        assert!(
            narrowed
                .select(None)
                .ends_with("-- one\n\n) AS outflow_model WHERE \"id\" IN (1)")
        );
        assert_eq!((table.label.as_str(), table.table()), ("table s.t", Some("t")));
        let odd = Query::new(&Model::Table("s.\"T\"".into()), Dialect::Redshift, None).unwrap();
        assert_eq!(
            odd.schema_and_table(),
            Some((Some("s".to_owned()), "s.\"T\"".to_owned()))
        );
    }

    #[test]
    fn the_servers_position_is_told_as_a_place_in_the_model() {
        let model = Model::Sql("select é,\n  nope from t".into());
        let query = Query::new(&model, Dialect::Postgres, Some(&Tag::new("s", "r"))).unwrap();
        let sent = query.select(None);
        let at = sent
            .chars()
            .collect::<Vec<_>>()
            .windows(4)
            .position(|w| w == ['n', 'o', 'p', 'e']);
        let position = u32::try_from(at.unwrap() + 1).unwrap();
        assert_eq!(
            query.place(None, position).unwrap().to_string(),
            "line 2, column 3 of the model"
        );
        let end = u32::try_from(sent.chars().count() - 14).unwrap();
        assert_eq!(
            query.place(None, end).unwrap().to_string(),
            "line 2, column 14 of the model"
        );
        assert_eq!(query.place(None, 3), None, "not the model's own text");
    }
}
