//! Check: credentials, columns and destination fields, asked for real, without reading or writing a row.

use arrow_schema::{Field, Schema};
use jiff::Timestamp;
use outflow_project::{Project, SyncModel, SyncSpec};
use outflow_sdk::destination::FieldProblem;
use outflow_sdk::print::Printer;
use outflow_sdk::source::{Column, Model};
use outflow_sdk::{ConnectorError, ErrorKind, ModelPlace};

use super::error::Exit;
use super::fit::misfits;
use super::map::{ColumnProblem, Mapping};
use super::prepare::object_spec;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A source by name.
    Source(String),
    /// A destination by name.
    Destination(String),
    /// A place in a sync's mapping, such as `fields.email`.
    Sync(String, String),
}

/// Something that is wrong, or worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// Stable code.
    pub code: &'static str,
    /// Our words.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Nothing stops because of it.
    pub warning: bool,
    /// The exit code it means, if it is no warning.
    pub exit: Exit,
    /// Where in the model's SQL, when that is known.
    pub model_place: Option<ModelPlace>,
}

/// What a check found, and what was fine.
#[derive(Debug, Default)]
pub struct Checked {
    /// One line for each connection and sync that is fine: its name and what was seen.
    pub fine: Vec<(Place, String)>,
    /// Everything else.
    pub findings: Vec<Finding>,
}

impl Checked {
    fn error(&mut self, place: Place, error: ConnectorError, otherwise: Exit) {
        let exit = match error.kind {
            ErrorKind::Config => Exit::Config,
            ErrorKind::Auth => Exit::Credentials,
            ErrorKind::Internal => Exit::Bug,
            _ => otherwise,
        };
        self.findings.push(Finding {
            place,
            code: error.code,
            message: error.message,
            hint: error.hint,
            warning: false,
            exit,
            model_place: error.place,
        });
    }

    fn broken(&self, place: &Place) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.place == *place && !finding.warning)
    }
}

/// Asks every connection and fits every sync's mapping to both of its ends.
pub async fn check(project: &Project) -> Checked {
    let mut checked = Checked::default();
    for (name, connection) in &project.sources {
        let place = Place::Source(name.clone());
        match connection.source.check().await {
            Ok(advice) => {
                let mut says = format!("{} can be read", connection.type_name);
                for advice in advice {
                    says.push_str(&format!("; {}", advice.message));
                }
                checked.fine.push((place, says));
            }
            Err(error) => checked.error(place, error, Exit::Source),
        }
    }
    for (name, connection) in &project.destinations {
        let place = Place::Destination(name.clone());
        match connection.destination.check().await {
            Ok(account) => {
                let says = format!(
                    "{} accepts the credential of {}",
                    connection.type_name, account.label
                );
                checked.fine.push((place, says));
            }
            Err(error) => checked.error(place, error, Exit::Destination),
        }
    }
    for sync in &project.syncs {
        check_sync(project, sync, &mut checked).await;
    }
    checked
}

async fn check_sync(project: &Project, sync: &SyncSpec, checked: &mut Checked) {
    let before = checked.findings.len();
    let columns = columns_of(project, sync, checked).await;
    let schema = columns.as_deref().map(schema_of);
    if let Some(schema) = &schema
        && let Err(problems) = Mapping::compile(sync, schema, Printer::new(0))
    {
        checked
            .findings
            .extend(problems.into_iter().map(|problem| of_column(sync, problem)));
    }
    let fields_known = fits_destination(project, sync, schema.as_ref(), checked).await;
    let stopped = checked
        .findings
        .get(before..)
        .is_some_and(|new| new.iter().any(|finding| !finding.warning));
    if let (Some(columns), true, false) = (columns, fields_known, stopped) {
        let mut says = format!(
            "{} columns, {} mapped fields fit {} {}",
            columns.len(),
            sync.fields.len(),
            sync.destination,
            sync.object
        );
        if sync.model.is_narrowed() {
            says.push_str(
                "; it reads what changed since its last success, and rows that leave the model stay",
            );
        }
        checked.fine.push((at(sync, ""), says));
    }
}

/// The model's columns, unless its source is broken already.
async fn columns_of(project: &Project, sync: &SyncSpec, checked: &mut Checked) -> Option<Vec<Column>> {
    if checked.broken(&Place::Source(sync.source.clone())) {
        return None;
    }
    let connection = project.sources.get(&sync.source)?;
    match connection
        .source
        .describe(&sync.model.at(Timestamp::UNIX_EPOCH))
        .await
    {
        Ok(columns) => Some(columns),
        Err(error) => {
            let path = match &sync.model {
                SyncModel::Fixed(Model::Table(_)) => "model.table",
                _ => "model",
            };
            checked.error(at(sync, path), error, Exit::Source);
            None
        }
    }
}

/// Whether the destination could be asked; what does not fit is in `checked`.
async fn fits_destination(
    project: &Project,
    sync: &SyncSpec,
    schema: Option<&Schema>,
    checked: &mut Checked,
) -> bool {
    if checked.broken(&Place::Destination(sync.destination.clone())) {
        return false;
    }
    let Some(connection) = project.destinations.get(&sync.destination) else {
        return false;
    };
    match connection
        .destination
        .bind(object_spec(sync, schema), false)
        .await
    {
        Ok(binding) => {
            let problems = misfits(sync, binding.as_ref());
            checked
                .findings
                .extend(problems.into_iter().map(|problem| of_field(sync, problem)));
            true
        }
        Err(error) => {
            checked.error(at(sync, "object"), error, Exit::Destination);
            false
        }
    }
}

fn schema_of(columns: &[Column]) -> Schema {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new(&column.name, column.arrow_type.clone(), true))
        .collect();
    Schema::new(fields)
}

fn at(sync: &SyncSpec, path: &str) -> Place {
    Place::Sync(sync.name.clone(), path.to_owned())
}

/// A column problem at its place in the mapping.
pub fn of_column(sync: &SyncSpec, problem: ColumnProblem) -> Finding {
    Finding {
        place: at(sync, &problem.path),
        code: problem.code,
        message: problem.message,
        hint: problem.hint,
        warning: false,
        exit: Exit::Config,
        model_place: None,
    }
}

/// A field problem at its place in the mapping.
pub fn of_field(sync: &SyncSpec, problem: FieldProblem) -> Finding {
    let path = match &problem.field {
        Some(field) if sync.fields.iter().any(|mapped| mapped.field == *field) => format!("fields.{field}"),
        Some(field) if sync.match_fields.contains(field) => "match".into(),
        Some(_) => "fields".into(),
        None => "object".into(),
    };
    Finding {
        place: at(sync, &path),
        code: problem.code,
        message: problem.message,
        hint: problem.hint,
        warning: problem.warning,
        exit: Exit::Config,
        model_place: None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use outflow_sdk::destination::Mode;

    use super::*;
    use outflow_project::{FieldMapping, FieldSource, Guards, NullPolicy, Priority, Schedule};

    fn sync() -> SyncSpec {
        SyncSpec {
            name: "customers".into(),
            file: PathBuf::from("mappings/customers.yaml"),
            source: "files".into(),
            model: SyncModel::Fixed(Model::Table("customers".into())),
            key: vec!["id".into()],
            destination: "crm".into(),
            object: "contacts".into(),
            match_fields: vec!["email".into()],
            mode: Mode::Upsert,
            removed: None,
            schedule: Schedule::Manual,
            priority: Priority::Normal,
            late_after: None,
            fields: vec![FieldMapping {
                field: "city".into(),
                source: FieldSource::Column("city".into()),
                cast: None,
                scale: None,
                null: NullPolicy::Clear,
            }],
            guards: Guards::default(),
            options: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_field_problem_points_at_what_names_the_field() {
        let place = |field: Option<&str>| {
            let problem = FieldProblem {
                field: field.map(str::to_owned),
                code: "unknown_field",
                message: "no such property".into(),
                hint: None,
                warning: false,
            };
            of_field(&sync(), problem).place
        };
        let sync = |path: &str| Place::Sync("customers".into(), path.into());
        assert_eq!(place(Some("city")), sync("fields.city"));
        assert_eq!(place(Some("email")), sync("match"));
        assert_eq!(place(Some("other")), sync("fields"));
        assert_eq!(place(None), sync("object"));
    }

    #[test]
    fn a_refused_credential_is_graver_than_an_outage() {
        let mut checked = Checked::default();
        let place = Place::Destination("crm".into());
        let auth = ConnectorError::new(ErrorKind::Auth, "unauthorized", "not accepted");
        checked.error(place.clone(), auth, Exit::Destination);
        let down = ConnectorError::new(ErrorKind::Transient { after: None }, "unreachable", "no");
        checked.error(place.clone(), down, Exit::Destination);
        let exits: Vec<Exit> = checked.findings.iter().map(|finding| finding.exit).collect();
        assert_eq!(exits, [Exit::Credentials, Exit::Destination]);
        assert!(checked.broken(&place));
    }
}
