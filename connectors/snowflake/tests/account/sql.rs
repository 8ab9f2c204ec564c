//! As much of SQL as the source sends around a model, and a model as simple as `select … from table`.

use std::collections::HashMap;
use std::sync::Arc;

use super::USER;
use super::table::Table;

/// What the server says to a statement.
pub enum Said {
    Rows(Arc<Table>),
    /// Code, SQLSTATE and message.
    Refused(&'static str, &'static str, String),
}

type Refusals = HashMap<String, (&'static str, &'static str, String)>;

/// The answer to a statement.
pub fn answer(text: &str, tables: &HashMap<String, Arc<Table>>, refusals: &Refusals) -> Said {
    if let Some((_, (code, sql_state, message))) = refusals.iter().find(|(words, _)| text.contains(*words)) {
        return Said::Refused(code, sql_state, message.clone());
    }
    if let Some(rows) = about_the_session(text, tables) {
        return Said::Rows(rows);
    }
    if let Some(refused) = misspelt(text) {
        return refused;
    }
    let Some((head, from)) = text.split_once(" FROM ") else {
        return Said::Refused("001003", "42000", "SQL compilation error:\nsyntax error".into());
    };
    let name = if from.starts_with('(') {
        let lower = from.to_lowercase();
        let at = lower.rfind("from ").map_or(0, |at| at + 5);
        let word = from[at..].split(|c: char| c.is_whitespace() || c == ';').next();
        word.unwrap_or_default().to_uppercase()
    } else {
        from.trim().replace('"', "")
    };
    let name = name.rsplit('.').next().unwrap_or_default().to_owned();
    let Some(table) = tables.get(&name) else {
        let message = format!("SQL compilation error:\nObject '{name}' does not exist or not authorized.");
        return Said::Refused("002003", "42S02", message);
    };
    let list = head.trim_start_matches("SELECT ").trim();
    if list == "*" {
        return Said::Rows(Arc::clone(table));
    }
    let names: Vec<String> = list
        .split("\", \"")
        .map(|name| name.trim_matches('"').replace("\"\"", "\""))
        .collect();
    if names.iter().eq(table.columns.iter().map(|column| &column.0)) {
        return Said::Rows(Arc::clone(table));
    }
    Said::Rows(Arc::new(table.select(&names)))
}

/// Refusals whose position depends on the statement.
fn misspelt(text: &str) -> Option<Said> {
    for (line, content) in text.lines().enumerate() {
        if let Some(at) = content.find("FORM") {
            let message = format!(
                "SQL compilation error:\nsyntax error line {} at position {at} unexpected 'FORM'.",
                line + 1
            );
            return Some(Said::Refused("001003", "42000", message));
        }
        if let Some(at) = content.find("emial") {
            let message = format!(
                "SQL compilation error: error line {} at position {at}\ninvalid identifier 'EMIAL'",
                line + 1
            );
            return Some(Said::Refused("000904", "42000", message));
        }
    }
    None
}

fn about_the_session(text: &str, tables: &HashMap<String, Arc<Table>>) -> Option<Arc<Table>> {
    let texts = |columns: &[&str], rows: &[&[&str]]| {
        let columns: Vec<_> = columns.iter().map(|name| (*name, "text", 0, 0)).collect();
        let rows = rows.iter().map(|row| {
            row.iter()
                .map(|cell| (*cell != "-").then(|| (*cell).to_owned()))
                .collect()
        });
        Arc::new(Table::new(&columns, rows.collect()))
    };
    if text.contains("CURRENT_USER()") {
        let columns = ["USER", "ROLE", "WAREHOUSE", "DATABASE", "SCHEMA"];
        return Some(texts(
            &columns,
            &[&[&USER.to_uppercase(), "READER", "LOADING", "DB", "-"]],
        ));
    }
    if text.contains("CURRENT_SECONDARY_ROLES()") {
        return Some(texts(&["ROLES"], &[&["{\"roles\":\"\",\"value\":\"\"}"]]));
    }
    if text.contains("INFORMATION_SCHEMA.TABLES") {
        let names: Vec<Vec<&str>> = tables.keys().map(|name| vec!["SHOP", name.as_str()]).collect();
        let rows: Vec<&[&str]> = names.iter().map(Vec::as_slice).collect();
        return Some(texts(&["SCHEMA", "NAME"], &rows));
    }
    let named = |name: &str| tables.get(name).cloned().unwrap_or_default();
    if text.starts_with("SHOW WAREHOUSES") {
        return Some(named("#WAREHOUSES"));
    }
    if text.starts_with("SHOW GRANTS TO ROLE") {
        return Some(named("#GRANTS"));
    }
    None
}
