//! A connection to a business unit, and binding it to a sync's object.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{
    AccountInfo, Binding, Capabilities, Destination, Field, FieldProblem, Limits, ObjectSpec,
};
use outflow_sdk::http::Exchange;
use xxhash_rust::xxh3::xxh3_64;

use crate::binding::RowBinding;
use crate::capabilities::{Object, capabilities, object_in};
use crate::client::Client;
use crate::config::{MappingOptions, Settings, SubscriberField};
use crate::extension::{self, Column, Extension};
use crate::jobs::Results;
use crate::journey::{self, EventBinding};
use crate::layout::Layout;

/// A connection to one business unit.
pub struct MarketingCloud {
    client: Arc<Client>,
    limits: Limits,
    unit: String,
}

impl MarketingCloud {
    /// Opens a connection whose requests go through `exchange`. Sends nothing yet.
    ///
    /// # Errors
    /// `Config` naming the setting that is wrong.
    pub fn open(settings: serde_json::Value, exchange: Arc<dyn Exchange>) -> Result<Self, ConnectorError> {
        let settings = Settings::parse(settings)?;
        let unit = match &settings.account_id {
            Some(id) => format!("business unit {}", id.0),
            None => "the package's own business unit".to_owned(),
        };
        Ok(Self {
            limits: settings.limits(),
            client: Arc::new(Client::new(settings, exchange)),
            unit,
        })
    }

    /// The data extension of a mapping; created when there is none, the mapping says so and
    /// `create_missing` allows it. `None` where it is to be created and may not be yet.
    async fn extension(
        &self,
        key: &str,
        spec: &ObjectSpec,
        options: &MappingOptions,
        create_missing: bool,
    ) -> Result<Option<Extension>, ConnectorError> {
        if let Some(found) = extension::find(&self.client, key).await? {
            return Ok(Some(found));
        }
        let Some(new) = &options.create_data_extension else {
            let hint = match extension::key_by_name(&self.client, key).await {
                Some(other) => format!("that is a name; its external key is `{other}`"),
                None => "copy the external key from the data extension's properties, or add `create_data_extension: {}`".into(),
            };
            let message = format!("the business unit has no data extension with the external key `{key}`");
            return Err(ConnectorError::config("unknown_data_extension", message).with_hint(hint));
        };
        if !create_missing {
            return Ok(None);
        }
        let columns = planned(spec, options);
        extension::create(&self.client, key, new, &columns).await?;
        tracing::info!(key, "created a data extension");
        Ok(Some(Extension {
            key: key.to_owned(),
            columns,
        }))
    }
}

#[async_trait]
impl Destination for MarketingCloud {
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities(object_in(object)?))
    }

    fn account_key(&self) -> String {
        self.client.account_key().to_owned()
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        self.client.session(None).await?;
        Ok(AccountInfo {
            label: self.unit.clone(),
            time_zone: None,
        })
    }

    async fn describe(&self, object: &str) -> Result<Vec<Field>, ConnectorError> {
        let key = match object_in(object)? {
            Object::Events => return Ok(journey::fields()),
            Object::Rows(Some(key)) => key,
            Object::Rows(None) => {
                return Err(
                    ConnectorError::config("unknown_data_extension", "no data extension is named")
                        .with_hint("write `data_extension:KEY`, with its external key"),
                );
            }
        };
        match extension::find(&self.client, key).await? {
            Some(found) => Ok(found.columns.iter().map(Column::field).collect()),
            None => Err(ConnectorError::config(
                "unknown_data_extension",
                format!("the business unit has no data extension with the external key `{key}`"),
            )),
        }
    }

    async fn bind(&self, spec: ObjectSpec, create_missing: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        let options = MappingOptions::parse(&spec.options)?;
        let unit = self.client.account_key();
        let named = match object_in(&spec.object)? {
            Object::Events => {
                let event = options.event_definition_key.as_deref().unwrap_or_default();
                let target = format!("{unit}, entry event {event}");
                let client = Arc::clone(&self.client);
                return Ok(Arc::new(EventBinding::new(client, target, &spec, options)));
            }
            Object::Rows(named) => named,
        };
        let key = options.data_extension.clone().or(named.map(str::to_owned));
        let Some(key) = key.filter(|key| !key.trim().is_empty()) else {
            return Err(ConnectorError::config(
                "unknown_data_extension",
                "the mapping names no data extension",
            )
            .with_hint("add `data_extension:` with its external key"));
        };
        let found = self.extension(&key, &spec, &options, create_missing).await?;
        let mut extension = found.unwrap_or_else(|| Extension {
            key: key.clone(),
            columns: planned(&spec, &options),
        });
        let mut problems = problems(&spec, &options, &extension);
        let missing: Vec<Column> = missing(&spec, &options, &extension);
        if !missing.is_empty() && options.create_fields && create_missing {
            extension::add(&self.client, &extension.key, &missing).await?;
            tracing::info!(
                key = extension.key,
                columns = missing.len(),
                "added columns to a data extension"
            );
            problems.retain(|problem| problem.code != "missing_field");
        }
        extension.columns.extend(missing);
        let columns: Vec<Column> = spec
            .fields
            .iter()
            .filter_map(|field| extension.column(&field.name).cloned())
            .collect();
        let keys = spec.match_fields.iter().filter_map(|name| {
            let at = spec.fields.iter().position(|field| field.name == *name)?;
            u16::try_from(at).ok()
        });
        let print = format!("{columns:?}");
        Ok(Arc::new(RowBinding {
            client: Arc::clone(&self.client),
            target: format!("{unit}, data extension {}", extension.key),
            layout: Layout {
                key: extension.key.clone(),
                columns,
                keys: keys.collect(),
                instants: options.instants,
            },
            problems,
            schema_print: xxh3_64(print.as_bytes()),
            results: Results::default(),
        }))
    }
}

/// The columns of a data extension that is to be created.
fn planned(spec: &ObjectSpec, options: &MappingOptions) -> Vec<Column> {
    let sendable = options
        .create_data_extension
        .as_ref()
        .and_then(|new| new.sendable.as_ref());
    let holds_email = |name: &str| {
        sendable.is_some_and(|sendable| {
            sendable.column == name && sendable.subscriber == SubscriberField::EmailAddress
        })
    };
    spec.fields
        .iter()
        .map(|field| {
            Column::planned(
                field,
                spec.match_fields.contains(&field.name),
                holds_email(&field.name),
            )
        })
        .collect()
}

/// Mapped columns the data extension does not have.
fn missing(spec: &ObjectSpec, options: &MappingOptions, extension: &Extension) -> Vec<Column> {
    let mut columns = planned(spec, options);
    columns.retain(|column| extension.column(&column.name).is_none());
    // A column that is added later can be no key, and rows that are there have nothing in it.
    for column in &mut columns {
        column.primary = false;
        column.required = false;
    }
    columns
}

/// Something that stops the sync.
pub(crate) fn error(field: Option<&str>, code: &'static str, message: String, hint: &str) -> FieldProblem {
    FieldProblem {
        field: field.map(str::to_owned),
        code,
        message,
        hint: Some(hint.to_owned()),
        warning: false,
    }
}

/// Where a mapping does not fit the data extension.
fn problems(spec: &ObjectSpec, options: &MappingOptions, extension: &Extension) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let primary: Vec<&str> = extension.primary_key().collect();
    if primary.is_empty() {
        problems.push(error(
            None,
            "no_primary_key",
            format!("the data extension `{}` has no primary key, so rows could only be added", extension.key),
            "give it a primary key in Contact Builder: Marketing Cloud cannot add one later, so make a new one",
        ));
    } else if !same_names(&primary, &spec.match_fields) {
        let message = format!(
            "`match` must be the primary key of the data extension: {}",
            primary.join(", ")
        );
        let hint = format!("write `match: [{}]`", primary.join(", "));
        problems.push(error(None, "match_is_not_the_primary_key", message, &hint));
    }
    for field in &spec.fields {
        match extension.column(&field.name) {
            Some(column) if field.value_type.is_some_and(|kind| !column.kind.takes(kind)) => {
                problems.push(error(
                    Some(&field.name),
                    "type_mismatch",
                    format!(
                        "the column `{}` cannot hold values of the mapped type",
                        column.name
                    ),
                    "cast it with `as:`, or map another column",
                ));
            }
            Some(_) => {}
            None => problems.push(missing_column(&field.name, options, extension)),
        }
    }
    let is_mapped = |name: &str| {
        spec.fields
            .iter()
            .any(|field| field.name.eq_ignore_ascii_case(name))
    };
    for column in &extension.columns {
        if column.required && !column.has_default && !is_mapped(&column.name) {
            problems.push(error(
                Some(&column.name),
                "missing_required",
                format!(
                    "the data extension requires `{}`, and the mapping does not have it",
                    column.name
                ),
                "map it to a column or a constant",
            ));
        }
    }
    problems
}

fn same_names(primary: &[&str], mapped: &[String]) -> bool {
    let has = |name: &&str| mapped.iter().any(|mapped| mapped.eq_ignore_ascii_case(name));
    primary.len() == mapped.len() && primary.iter().all(has)
}

fn missing_column(name: &str, options: &MappingOptions, extension: &Extension) -> FieldProblem {
    if options.create_fields {
        return FieldProblem {
            field: Some(name.to_owned()),
            code: "missing_field",
            message: format!("the data extension has no column `{name}`; the first run creates it"),
            hint: None,
            warning: true,
        };
    }
    let nearest = extension
        .columns
        .iter()
        .map(|column| {
            (
                strsim::jaro_winkler(&column.name.to_lowercase(), &name.to_lowercase()),
                &column.name,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => "see `outflow fields`, or add `create_fields: true`".to_owned(),
    };
    error(
        Some(name),
        "unknown_field",
        format!("the data extension `{}` has no column `{name}`", extension.key),
        &hint,
    )
}
