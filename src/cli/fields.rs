//! `outflow fields`: the live fields of a destination's object, or the columns of a model.

use std::path::Path;

use clap::Args;
use outflow_sdk::destination::{Field, FieldType};
use outflow_sdk::source::Model;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open::Opened;
use super::output::{Output, Rows, count};
use crate::sync::error::Exit;

/// Options of a choice that are listed for people; JSON has all.
const SHOWN_OPTIONS: usize = 6;

/// Arguments of `outflow fields`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow fields crm contacts\n  \
    outflow fields customers          # the object a sync writes to\n  \
    outflow fields lake customers     # the columns of a source's table")]
pub(crate) struct FieldsArgs {
    /// A connection of outflow.yaml, or a sync
    #[arg(value_name = "CONNECTION|SYNC")]
    name: String,
    /// The object of a destination, or the table of a source
    #[arg(value_name = "OBJECT")]
    object: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// Lists fields or columns.
pub(crate) async fn run(args: &FieldsArgs, dir: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let opened = Opened::load(dir)?;
    let project = &opened.project;
    let (destination, object) = match (&args.object, project.sync(&args.name)) {
        (None, Some(sync)) => (sync.destination.as_str(), sync.object.as_str()),
        (Some(object), _) => (args.name.as_str(), object.as_str()),
        (None, None) => return Err(no_object(&opened, &args.name)),
    };
    if let Some(connection) = project.destinations.get(destination) {
        let fields = connection
            .destination
            .describe(object)
            .await
            .map_err(|error| Failure::destination(format!("destination {destination}"), error))?;
        return tell(args, destination, object, &fields, out);
    }
    if let Some(connection) = project.sources.get(destination) {
        return columns(args, connection.source.as_ref(), object, out).await;
    }
    Err(no_object(&opened, &args.name))
}

fn tell(
    args: &FieldsArgs,
    connection: &str,
    object: &str,
    fields: &[Field],
    out: &mut Output,
) -> Result<Exit, Failure> {
    if args.json.json {
        out.json(&json!({ "connection": connection, "object": object, "fields": fields }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Rows::new(&["NAME", "LABEL", "TYPE", "WRITE", "UNIQUE", "OPTIONS"]);
    for field in fields {
        let yes = |flag: bool, word: &str| if flag { word.to_owned() } else { String::new() };
        rows.add([
            field.name.clone(),
            field.label.clone(),
            type_word(field),
            if field.writable {
                "yes".into()
            } else {
                "read-only".into()
            },
            yes(field.unique, "unique"),
            options(field),
        ]);
    }
    out.table(&rows);
    Ok(Exit::Done)
}

fn type_word(field: &Field) -> String {
    let word = match field.field_type {
        FieldType::Text => "text",
        FieldType::Number => "number",
        FieldType::Bool => "boolean",
        FieldType::Date => "date",
        FieldType::Timestamp => "timestamp",
        FieldType::Choice => "choice",
        FieldType::Choices => "choices",
        FieldType::Membership => "membership",
    };
    let required = if field.required { ", required" } else { "" };
    format!("{word}{required}")
}

fn options(field: &Field) -> String {
    let shown: Vec<&str> = field
        .options
        .iter()
        .take(SHOWN_OPTIONS)
        .map(String::as_str)
        .collect();
    let more = field.options.len().saturating_sub(shown.len());
    let mut text = shown.join(", ");
    if more > 0 {
        text.push_str(&format!(", and {} more", count(more as u64)));
    }
    text
}

async fn columns(
    args: &FieldsArgs,
    source: &dyn outflow_sdk::source::Source,
    table: &str,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let columns = source
        .describe(&Model::Table(table.to_owned()))
        .await
        .map_err(|error| Failure::source(format!("source {}", args.name), error))?;
    if args.json.json {
        let columns: Vec<_> = columns
            .iter()
            .map(|column| json!({ "name": column.name, "type": column.type_name }))
            .collect();
        out.json(&json!({ "connection": args.name, "object": table, "fields": columns }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Rows::new(&["COLUMN", "TYPE"]);
    for column in columns {
        rows.add([column.name, column.type_name]);
    }
    out.table(&rows);
    Ok(Exit::Done)
}

fn no_object(opened: &Opened, name: &str) -> Failure {
    let project = &opened.project;
    if project.destinations.contains_key(name) {
        return Failure::config("no_object", format!("which object of {name}?"))
            .hint(format!("name it: outflow fields {name} contacts"));
    }
    if project.sources.contains_key(name) {
        return Failure::config("no_object", format!("which table of {name}?"))
            .hint(format!("name it: outflow fields {name} TABLE"));
    }
    let known: Vec<&str> = project
        .destinations
        .keys()
        .chain(project.sources.keys())
        .map(String::as_str)
        .chain(project.syncs.iter().map(|sync| sync.name.as_str()))
        .collect();
    Failure::config(
        "no_connection",
        format!("no connection or sync is named `{name}`"),
    )
    .hint(format!("known: {}", known.join(", ")))
}
