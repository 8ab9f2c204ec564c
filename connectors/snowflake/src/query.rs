//! A model as the SELECT that is sent, and places in it as places in the model.

use outflow_sdk::source::Model;
use outflow_sdk::statement::{Dialect, single};
use outflow_sdk::{ConnectorError, ModelPlace};

use crate::names::{NAMING, quoted};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// What messages call it.
    pub(crate) label: String,
    from: From,
    /// Of the rows that are read, where not all are.
    condition: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Table(Vec<String>),
    Statement(String),
}

impl Query {
    /// The query of a model.
    ///
    /// # Errors
    /// `Config` when the SQL is not one query or the table's name is none.
    pub(crate) fn new(model: &Model) -> Result<Self, ConnectorError> {
        let (label, from) = match model {
            Model::Table(name) => {
                let parts = NAMING.parts(name)?;
                (format!("table {}", parts.join(".")), From::Table(parts))
            }
            Model::Sql(sql) => {
                let body = single(sql, &Dialect::SNOWFLAKE)?;
                ("the model's SQL".to_owned(), From::Statement(body.to_owned()))
            }
        };
        Ok(Self {
            label,
            from,
            condition: None,
        })
    }

    /// A look around; `label` is what messages call it.
    pub(crate) fn look(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            from: From::Table(Vec::new()),
            condition: None,
        }
    }

    /// The query of the rows that fulfil a condition on the model's columns.
    pub(crate) fn narrowed(self, condition: String) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// The parts of the table's name, if it is a table.
    pub(crate) fn table(&self) -> Option<&[String]> {
        match &self.from {
            From::Table(parts) => Some(parts),
            From::Statement(_) => None,
        }
    }

    /// The SELECT of these columns, or of all. The model begins on a line of its own, the second.
    pub(crate) fn select(&self, columns: Option<&[String]>) -> String {
        let columns = columns.map_or_else(
            || "*".to_owned(),
            |names| {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                names.join(", ")
            },
        );
        let condition = self.condition.as_ref();
        let rows = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        match &self.from {
            From::Table(parts) => {
                let table: Vec<String> = parts.iter().map(|part| quoted(part)).collect();
                format!("SELECT {columns} FROM {}{rows}", table.join("."))
            }
            From::Statement(body) => format!("SELECT {columns} FROM (\n{body}\n) AS outflow_model{rows}"),
        }
    }

    /// Where in the model line `line` (from 1) and position `position` (from 0), as Snowflake counts in
    /// what was sent, are. What is wrong behind the model is wrong at its end.
    pub(crate) fn place(&self, line: usize, position: usize) -> Option<ModelPlace> {
        let From::Statement(body) = &self.from else {
            return None;
        };
        let line = line.checked_sub(1).filter(|line| *line > 0)?;
        let lines: Vec<&str> = body.trim_end().lines().collect();
        let (line, column) = match lines.get(line - 1) {
            Some(_) => (line, position + 1),
            None => (lines.len(), lines.last()?.chars().count() + 1),
        };
        Some(ModelPlace { line, column })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_model_is_a_subquery_of_the_columns_asked_for() {
        let query = Query::new(&Model::Sql("select 1 as a -- one\n;".into())).unwrap();
        assert_eq!(
            query.select(Some(&["A\"b".into()])),
            "SELECT \"A\"\"b\" FROM (\nselect 1 as a -- one\n\n) AS outflow_model"
        );
        let table = Query::new(&Model::Table("s.t".into())).unwrap();
        assert_eq!(table.select(None), "SELECT * FROM \"S\".\"T\"");
        assert_eq!(table.label, "table S.T");
        let narrowed = table.narrowed("\"ID\" IN (1)".into());
        assert_eq!(
            narrowed.select(None),
            "SELECT * FROM \"S\".\"T\" WHERE \"ID\" IN (1)"
        );
    }

    #[test]
    fn what_cannot_be_a_subquery_is_refused() {
        for (sql, code) in [
            ("select 1; select 2", "several_statements"),
            (r"select '\''; drop table t; --'", "several_statements"),
            ("delete from t", "not_a_query"),
            ("// nothing", "no_statement"),
            ("select 1) union (select 2", "sql_syntax"),
        ] {
            let refused = Query::new(&Model::Sql(sql.into()));
            assert_eq!(refused.err().map(|error| error.code), Some(code), "{sql}");
        }
        let accepted = Query::new(&Model::Sql(
            "select $1, $$;$$, 'it''s; fine' from values (1)".into(),
        ));
        assert!(accepted.is_ok());
    }

    #[test]
    fn the_servers_position_is_told_as_a_place_in_the_model() {
        let query = Query::new(&Model::Sql("select a,\n  nope from t".into())).unwrap();
        let told = |line, position| query.place(line, position).unwrap().to_string();
        assert_eq!(told(3, 2), "line 2, column 3 of the model");
        assert_eq!(told(4, 0), "line 2, column 14 of the model");
        assert_eq!(query.place(1, 9), None, "not the model's own text");
    }
}
