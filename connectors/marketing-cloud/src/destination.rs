//! A connection to a business unit, and binding it to a sync's object.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{
    AccountInfo, Binding, Capabilities, Destination, Field, FieldProblem, Limits, MappedField, ObjectSpec,
};
use outflow_sdk::http::Exchange;
use xxhash_rust::xxh3::xxh3_64;

use crate::binding::RowBinding;
use crate::capabilities::{Object, capabilities, object_in};
use crate::checks::problems;
use crate::client::Client;
use crate::config::{MappingOptions, Settings, SubscriberField};
use crate::consent::Relation;
use crate::extension::{self, Column, Extension};
use crate::hands::Hands;
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

    /// The data extension of a mapping; the one that would be created when there is none and the mapping
    /// says so. `true`: it is there.
    async fn extension(
        &self,
        key: &str,
        spec: &ObjectSpec,
        options: &MappingOptions,
    ) -> Result<(Extension, bool), ConnectorError> {
        if let Some(found) = extension::find(&self.client, key).await? {
            return Ok((found, true));
        }
        if options.create_data_extension.is_some() {
            let columns = planned(spec, options);
            return Ok((
                Extension {
                    key: key.to_owned(),
                    id: None,
                    columns,
                    sendable: options
                        .create_data_extension
                        .as_ref()
                        .and_then(|new| new.sendable.clone()),
                },
                false,
            ));
        }
        let hint = match extension::key_by_name(&self.client, key).await {
            Some(other) => format!("that is a name; its external key is `{other}`"),
            None => "copy the external key from the data extension's properties, or add `create_data_extension: {}`".into(),
        };
        let message = format!("the business unit has no data extension with the external key `{key}`");
        Err(ConnectorError::config("unknown_data_extension", message).with_hint(hint))
    }

    /// Creates what is missing and may be created; a data extension that is new, as it is now.
    async fn create(
        &self,
        extension: &Extension,
        is_there: bool,
        missing: &[Column],
        options: &MappingOptions,
    ) -> Result<Option<Extension>, ConnectorError> {
        let key = extension.key.as_str();
        match &options.create_data_extension {
            Some(new) if !is_there => {
                extension::create(&self.client, key, new, &extension.columns).await?;
                tracing::info!(key, "created a data extension");
                extension::find(&self.client, key).await
            }
            _ if !missing.is_empty() => {
                extension::add(&self.client, key, missing).await?;
                tracing::info!(key, columns = missing.len(), "added columns to a data extension");
                Ok(None)
            }
            _ => Ok(None),
        }
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
        let (mut extension, is_there) = self.extension(&key, &spec, &options).await?;
        let mut problems = problems(&spec, &options, &extension);
        let missing = missing(&spec, &options, &extension);
        // Nothing is created for a sync that cannot run.
        if create_missing && problems.iter().all(|problem| problem.warning) {
            let created = self.create(&extension, is_there, &missing, &options).await?;
            extension = created.unwrap_or(extension);
            problems.retain(|problem| problem.code != "missing_field");
        }
        extension.columns.extend(missing);
        Ok(Arc::new(self.bound(&spec, &options, &extension, problems)))
    }
}

impl MarketingCloud {
    fn bound(
        &self,
        spec: &ObjectSpec,
        options: &MappingOptions,
        extension: &Extension,
        problems: Vec<FieldProblem>,
    ) -> RowBinding {
        // Every mapped field has its column by now: those there are none for were added.
        let columns: Vec<Column> = spec
            .fields
            .iter()
            .filter_map(|field| extension.column(&field.name).cloned())
            .collect();
        let keys = spec.match_fields.iter().filter_map(|name| {
            let is_match = |field: &MappedField| field.name.eq_ignore_ascii_case(name);
            let at = spec.fields.iter().position(is_match)?;
            u16::try_from(at).ok()
        });
        let relation = options
            .respect_unsubscribes
            .then(|| relation(spec, extension))
            .flatten();
        let print = format!("{columns:?}{relation:?}");
        RowBinding {
            client: Arc::clone(&self.client),
            target: format!("{}, data extension {}", self.client.account_key(), extension.key),
            layout: Layout {
                key: extension.key.clone(),
                segment: extension.segment(),
                columns,
                keys: keys.collect(),
                instants: options.instants,
                relation,
                deletes_contacts: options.yes_delete_contacts_everywhere,
            },
            problems,
            schema_print: xxh3_64(print.as_bytes()),
            parallel: options.parallel(),
            results: Results::default(),
            hands: Hands::default(),
        }
    }
}

/// How mapped rows lead to subscribers.
fn relation(spec: &ObjectSpec, extension: &Extension) -> Option<Relation> {
    let sendable = extension.sendable.as_ref()?;
    let leads = |field: &MappedField| field.name.eq_ignore_ascii_case(&sendable.column);
    let at = spec.fields.iter().position(leads)?;
    Some(Relation {
        field: u16::try_from(at).ok()?,
        by: sendable.subscriber,
    })
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
