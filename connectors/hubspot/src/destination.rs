//! A connection to a HubSpot account, and binding it to a sync's object.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{
    AccountInfo, Binding, Capabilities, Destination, Field, FieldProblem, Limits, MappedField, ObjectSpec,
};
use outflow_sdk::http::Exchange;
use xxhash_rust::xxh3::xxh3_64;

use crate::binding::HubSpotBinding;
use crate::capabilities::{ObjectType, capabilities};
use crate::client::Client;
use crate::config::{MappingOptions, Settings};
use crate::layout::{BoundField, Layout};
use crate::lists::{self, FIELD_PREFIX};
use crate::properties::{self, Property, Schema};
use crate::values::Kind;
use crate::{checks, limits};

/// A connection to one HubSpot account.
pub struct HubSpot {
    client: Arc<Client>,
    limits: Limits,
}

impl HubSpot {
    /// Opens a connection whose requests go through `exchange`. Sends nothing yet.
    ///
    /// # Errors
    /// `Config` naming the setting that is wrong.
    pub fn open(settings: serde_json::Value, exchange: Arc<dyn Exchange>) -> Result<Self, ConnectorError> {
        let settings = Settings::parse(settings)?;
        let limits = limits::limits(
            settings.tier,
            settings.add_ons,
            settings.oauth.is_some(),
            settings.limits.as_ref(),
        );
        Ok(Self {
            client: Arc::new(Client::new(settings, exchange)?),
            limits,
        })
    }
}

#[async_trait]
impl Destination for HubSpot {
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities(&ObjectType::parse(object)?))
    }

    fn account_key(&self) -> String {
        self.client.account_key().to_owned()
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        let account = self.client.account().await?;
        let domain = account.ui_domain.as_deref().unwrap_or("app.hubspot.com");
        Ok(AccountInfo {
            label: format!("{} ({domain})", account.portal_id),
            time_zone: account.time_zone.clone(),
        })
    }

    async fn describe(&self, object: &str) -> Result<Vec<Field>, ConnectorError> {
        let object = ObjectType::parse(object)?;
        let properties = properties::list(&self.client, &object).await?;
        let schema = properties::required(&self.client, &object).await?;
        let is_required = |property: &Property| schema.required_properties.contains(&property.name);
        Ok(properties
            .iter()
            .map(|property| property.field(&object, is_required(property)))
            .collect())
    }

    async fn bind(&self, spec: ObjectSpec, create_missing: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        let object = ObjectType::parse(&spec.object)?;
        let options = MappingOptions::parse(&spec.options)?;
        let properties = properties::list(&self.client, &object).await?;
        let schema = properties::required(&self.client, &object).await?;
        // Its id names the target; its time zone is the daily quota's.
        let portal = self.client.account().await?.portal_id;
        let target = format!(
            "portal {portal}, {}",
            object.lasting_name(schema.object_type_id.as_deref())
        );
        let mut binder = Binder {
            client: &self.client,
            object: &object,
            spec: &spec,
            options: &options,
            known: &properties,
            by_name: properties
                .iter()
                .map(|property| (property.name.as_str(), property))
                .collect(),
            schema: &schema,
            create_missing,
            to_create: Vec::new(),
            problems: Vec::new(),
            print: Vec::new(),
        };
        let fields = binder.fields().await?;
        let key = spec.match_fields.first().map(String::as_str).unwrap_or_default();
        Ok(Arc::new(HubSpotBinding {
            client: Arc::clone(&self.client),
            target,
            layout: Layout::new(self.client.version, &object.name, spec.mode, fields, key),
            schema_print: xxh3_64(&binder.print),
            problems: binder.problems,
        }))
    }
}

/// Ties mapped fields to what the account has, collecting problems on the way.
struct Binder<'a> {
    client: &'a Client,
    object: &'a ObjectType,
    spec: &'a ObjectSpec,
    options: &'a MappingOptions,
    known: &'a [Property],
    by_name: HashMap<&'a str, &'a Property>,
    schema: &'a Schema,
    create_missing: bool,
    to_create: Vec<Property>,
    problems: Vec<FieldProblem>,
    /// What the schema print is taken of.
    print: Vec<u8>,
}

impl Binder<'_> {
    async fn fields(&mut self) -> Result<Vec<BoundField>, ConnectorError> {
        let spec = self.spec;
        let key = spec
            .match_fields
            .first()
            .and_then(|key| self.by_name.get(key.as_str()));
        let matching = checks::matching(spec, self.object, key.copied());
        self.problems.extend(matching);
        let mut fields = Vec::with_capacity(spec.fields.len());
        for field in &spec.fields {
            let bound = match field.name.strip_prefix(FIELD_PREFIX) {
                Some(wanted) => self.list(field, wanted).await?,
                None => self.property(field),
            };
            fields.push(bound);
        }
        let required = &self.schema.required_properties;
        self.problems
            .extend(checks::completeness(spec, self.object, required));
        // A mapping that stops the sync for another reason leaves nothing behind in the account.
        if self.problems.iter().all(|problem| problem.warning) {
            self.create().await?;
        }
        Ok(fields)
    }

    async fn create(&self) -> Result<(), ConnectorError> {
        let group = self.group();
        properties::create(self.client, self.object, &self.to_create, &group).await?;
        for property in &self.to_create {
            tracing::info!(
                object = self.object.name,
                property = property.name,
                group,
                "created a HubSpot property"
            );
        }
        Ok(())
    }

    async fn list(&mut self, field: &MappedField, wanted: &str) -> Result<BoundField, ConnectorError> {
        let type_id = self.object.type_id().or(self.schema.object_type_id.as_deref());
        let list = lists::find(self.client, type_id, wanted.trim()).await?;
        self.problems.extend(checks::list(field, list.as_ref(), type_id));
        let id = list.as_ref().map(|list| list.list_id.clone()).unwrap_or_default();
        let processing = list.map(|list| list.processing_type).unwrap_or_default();
        self.note(&[&field.name, &id, &processing]);
        Ok(BoundField::membership(&field.name, id))
    }

    fn property(&mut self, field: &MappedField) -> BoundField {
        let is_key = self.spec.match_fields.contains(&field.name);
        let property = match self.by_name.get(field.name.as_str()) {
            Some(property) => (*property).clone(),
            None => self.missing(field, is_key),
        };
        let kind = if property.kind.is_empty() {
            Kind::Text
        } else {
            property.value_kind(self.object)
        };
        self.problems
            .extend(checks::property(field, &property, &kind, is_key));
        self.note(&[&property.name, &property.kind, &property.field_type]);
        self.note(&property.options().collect::<Vec<_>>());
        self.note(&[property.unwritable().unwrap_or_default()]);
        BoundField::property(&field.name, kind)
    }

    /// A property the account does not have: to be created when that is wanted, else a problem.
    fn missing(&mut self, field: &MappedField, is_key: bool) -> Property {
        let planned = Property::planned(&field.name, field.value_type, is_key);
        let creates = self.options.create_fields;
        let problem = checks::missing_property(self.object, &field.name, self.known, creates);
        if problem.warning && self.create_missing {
            self.to_create.push(planned.clone());
        } else {
            self.problems.push(problem);
        }
        planned
    }

    /// The group new properties belong to.
    fn group(&self) -> String {
        let own = self
            .known
            .iter()
            .find(|property| !property.hubspot_defined.unwrap_or(false))
            .or(self.known.first())
            .and_then(|property| property.group_name.clone());
        self.options
            .group
            .clone()
            .or_else(|| self.object.default_group().map(str::to_owned))
            .or(own)
            .unwrap_or_default()
    }

    fn note(&mut self, parts: &[&str]) {
        for part in parts {
            self.print.extend_from_slice(part.as_bytes());
            self.print.push(0);
        }
        self.print.push(1);
    }
}
