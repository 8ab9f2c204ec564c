//! A model as what is sent, and places BigQuery names as places in the model.

use outflow_sdk::source::Model;
use outflow_sdk::statement::{Dialect, single};
use outflow_sdk::{ConnectorError, ModelPlace};

use crate::config::{Settings, is_name, is_project};

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
    Table(TableName),
    Statement(String),
}

/// A table in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) project: String,
    pub(crate) dataset: String,
    pub(crate) table: String,
}

impl Query {
    /// The query of a model.
    ///
    /// # Errors
    /// `Config` when the SQL is not one query or the table's name is none.
    pub(crate) fn new(model: &Model, settings: &Settings) -> Result<Self, ConnectorError> {
        Ok(match model {
            Model::Table(name) => {
                let table = TableName::parse(name, settings)?;
                Self {
                    label: format!("table {}.{}", table.dataset, table.table),
                    from: From::Table(table),
                    condition: None,
                }
            }
            Model::Sql(sql) => Self {
                label: "the model's SQL".to_owned(),
                from: From::Statement(single(sql, &Dialect::BIGQUERY)?.to_owned()),
                condition: None,
            },
        })
    }

    /// The query of the rows that fulfil a condition on the model's columns.
    pub(crate) fn narrowed(self, condition: String) -> Self {
        Self {
            condition: Some(condition),
            ..self
        }
    }

    /// The table, if it is one.
    pub(crate) fn table(&self) -> Option<&TableName> {
        match &self.from {
            From::Table(table) => Some(table),
            From::Statement(_) => None,
        }
    }

    /// The model's own SQL, in which BigQuery's positions are the model's.
    pub(crate) fn whole(&self) -> String {
        match &self.from {
            From::Table(table) => format!("SELECT * FROM {}", table.quoted()),
            From::Statement(body) => body.clone(),
        }
    }

    /// The SQL of these columns alone.
    pub(crate) fn select(&self, columns: &[String]) -> String {
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let columns = columns.join(", ");
        let condition = self.condition.as_ref();
        let rows = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        match &self.from {
            From::Table(table) => format!("SELECT {columns} FROM {}{rows}", table.quoted()),
            // The body may end in a comment.
            From::Statement(body) => format!("SELECT {columns} FROM (\n{body}\n){rows}"),
        }
    }

    /// BigQuery's words with its `[LINE:COLUMN]` of [`Query::whole`] told as a place in the model, and no
    /// SQL of ours in them.
    pub(crate) fn placed(&self, message: &str) -> String {
        match (position(message), &self.from) {
            (Some((before, place, after)), From::Statement(_)) => format!("{before} at {place}{after}"),
            (Some((before, _, after)), From::Table(_)) => format!("{before}{after}"),
            (None, _) => message.to_owned(),
        }
    }

    /// The place in the model that BigQuery's words about [`Query::whole`] name.
    pub(crate) fn place(&self, message: &str) -> Option<ModelPlace> {
        match &self.from {
            From::Statement(_) => position(message).map(|(_, place, _)| place),
            From::Table(_) => None,
        }
    }
}

/// What stands before and after `at [2:3]`, and its numbers.
fn position(message: &str) -> Option<(&str, ModelPlace, &str)> {
    let start = message.rfind('[')?;
    let (inside, after) = message.get(start + 1..)?.split_once(']')?;
    let (line, column) = inside.split_once(':')?;
    let place = ModelPlace {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    };
    let before = message.get(..start)?.trim_end().trim_end_matches(" at");
    Some((before, place, after))
}

impl TableName {
    /// `table`, `dataset.table` or `project.dataset.table`; backticks around the whole or its parts.
    fn parse(name: &str, settings: &Settings) -> Result<Self, ConnectorError> {
        let wrong = |hint: &str| {
            ConnectorError::config("table_name", format!("'{name}' is no name of a table")).with_hint(hint)
        };
        let plain = name.trim().replace('`', "");
        let mut parts = plain.rsplitn(3, '.');
        let table = parts.next().unwrap_or_default().to_owned();
        let dataset = parts
            .next()
            .map(str::to_owned)
            .or_else(|| settings.dataset.clone());
        let project = parts
            .next()
            .map_or_else(|| settings.project.clone(), str::to_owned);
        let Some(dataset) = dataset else {
            return Err(wrong("write `dataset.table`, or give the source a `dataset:`"));
        };
        let odd = |c: char| c.is_control() || matches!(c, '\\' | '/' | '\'' | '"' | ';' | '.' | ':' | '@');
        let is_table = !table.is_empty() && table.len() <= 1024 && !table.contains(odd);
        if !is_table || !is_name(&dataset) || !is_project(&project) {
            return Err(wrong("write `dataset.table` or `project.dataset.table`"));
        }
        Ok(Self {
            project,
            dataset,
            table,
        })
    }

    /// As SQL names it.
    fn quoted(&self) -> String {
        format!("`{}`.`{}`.`{}`", self.project, self.dataset, self.table)
    }

    /// As the Storage API names it.
    pub(crate) fn resource(&self) -> String {
        format!(
            "projects/{}/datasets/{}/tables/{}",
            self.project, self.dataset, self.table
        )
    }

    /// Whether it stands for many tables (`events_*`), which only SQL knows.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.table.contains('*')
    }
}

pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::descriptor::OpenContext;
    use serde_json::json;

    use super::*;

    pub(crate) fn settings() -> Settings {
        let settings = json!({"project": "acme", "dataset": "shop"});
        let context = OpenContext {
            root: ".".into(),
            connection: "warehouse".into(),
        };
        Settings::new(serde_json::from_value(settings).unwrap(), &context).unwrap()
    }

    fn table(name: &str) -> Result<Query, ConnectorError> {
        Query::new(&Model::Table(name.into()), &settings())
    }

    #[test]
    fn tables_are_named_as_in_sql() {
        for (name, resource) in [
            ("customers", "projects/acme/datasets/shop/tables/customers"),
            ("crm.Customers", "projects/acme/datasets/crm/tables/Customers"),
            (
                "`other-1`.crm.`a-b c`",
                "projects/other-1/datasets/crm/tables/a-b c",
            ),
            (
                "`example.com:old.crm.t`",
                "projects/example.com:old/datasets/crm/tables/t",
            ),
        ] {
            assert_eq!(
                table(name).unwrap().table().unwrap().resource(),
                resource,
                "{name}"
            );
        }
        for name in ["", ".t", "d.", "d.t; drop table x", "d.t\\`", "p..t", "x y.t"] {
            assert_eq!(table(name).unwrap_err().code, "table_name", "{name}");
        }
        assert!(table("events_*").unwrap().table().unwrap().is_wildcard());
    }

    #[test]
    fn a_model_is_a_subquery_of_the_columns_asked_for() {
        let query = Query::new(&Model::Sql("select 1 as a # one\n;".into()), &settings()).unwrap();
        assert_eq!(
            query.select(&["a".into()]),
            "SELECT `a` FROM (\nselect 1 as a # one\n\n)"
        );
        assert_eq!(
            table("t").unwrap().select(&["a`b".into()]),
            "SELECT `a\\`b` FROM `acme`.`shop`.`t`"
        );
        let narrowed = query.narrowed("`a` IN (1)".into());
        assert!(narrowed.select(&["a".into()]).ends_with("\n\n) WHERE `a` IN (1)"));
    }

    #[test]
    fn positions_are_told_as_places_in_the_model() {
        let query = Query::new(&Model::Sql("select nope".into()), &settings()).unwrap();
        assert_eq!(
            query.placed("Unrecognized name: nope; Did you mean name? at [1:8]"),
            "Unrecognized name: nope; Did you mean name? at line 1, column 8 of the model"
        );
        assert_eq!(
            query.place("Unrecognized name: nope at [1:8]"),
            Some(ModelPlace { line: 1, column: 8 })
        );
        assert_eq!(query.placed("no place [here]"), "no place [here]");
        assert_eq!(
            table("t").unwrap().placed("Syntax error at [1:9]"),
            "Syntax error"
        );
    }
}
