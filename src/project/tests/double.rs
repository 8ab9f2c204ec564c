//! Connectors that exist only here: a source of files and two destinations with different powers.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::{DestinationDescriptor, ObjectKey, ObjectKind, SourceDescriptor};
use outflow_sdk::destination::{
    AccountInfo, Binding, Capabilities, Destination, Field, Limits, Mode, ObjectSpec, Removed, Route,
};
use outflow_sdk::secret::Secret;
use outflow_sdk::source::{Advice, Column, Model, ReadRequest, Reading, Source};
use schemars::{JsonSchema, schema_for};
use serde::Deserialize;

use outflow_sdk::descriptor::Registry;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FilesSettings {
    /// The folder.
    path: String,
    /// How CSV files are written.
    #[serde(default)]
    csv: Option<Csv>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Csv {
    /// The character between cells.
    delimiter: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CrmSettings {
    /// The token.
    #[serde(default)]
    token: Option<Secret>,
    /// An OAuth app in place of `token`.
    #[serde(default)]
    oauth: Option<OAuth>,
    /// Where the API is.
    #[serde(default = "default_url")]
    base_url: String,
    /// The port.
    #[serde(default)]
    #[schemars(range(min = 1))]
    port: Option<u16>,
    /// The subscription.
    #[serde(default)]
    tier: Tier,
    /// Whether to be careful.
    #[serde(default)]
    careful: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct OAuth {
    /// The app's id.
    client_id: String,
    /// The app's secret.
    client_secret: Secret,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tier {
    /// Costs nothing.
    #[default]
    Free,
    /// Costs something.
    Professional,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct CrmMapping {
    /// Create missing fields.
    #[serde(default)]
    create_fields: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct MailSettings {
    /// The key.
    api_key: Secret,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct MailMapping {
    /// The audience.
    audience: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct TableMapping {
    /// The table.
    #[serde(default)]
    table_name: Option<String>,
}

fn default_url() -> String {
    "https://crm.example".into()
}

pub(crate) fn registry() -> Registry {
    Registry {
        sources: vec![SourceDescriptor {
            type_name: "files",
            title: "Local files",
            settings_schema: || schema_for!(FilesSettings),
            codes: &[],
            open: |settings, _| match serde_json::from_value::<FilesSettings>(settings) {
                Ok(settings)
                    if settings.path.is_empty()
                        || settings.csv.as_ref().is_some_and(|csv| csv.delimiter.len() > 1) =>
                {
                    Err(ConnectorError::config(
                        "files_settings",
                        "the settings do not fit",
                    ))
                }
                Ok(_) => Ok(Arc::new(Files)),
                Err(error) => Err(ConnectorError::config("files_settings", error.to_string())),
            },
        }],
        destinations: vec![
            DestinationDescriptor {
                type_name: "crm",
                title: "A CRM",
                settings_schema: || schema_for!(CrmSettings),
                codes: &[],
                mapping_schema: || schema_for!(CrmMapping),
                object_key: None,
                objects: &CONTACTS,
                capabilities: |object| capabilities(object, &REMOVED),
                open: |settings, _| {
                    let settings: CrmSettings = serde_json::from_value(settings)
                        .map_err(|error| ConnectorError::config("crm_settings", error.to_string()))?;
                    let _ = (&settings.tier, settings.careful, settings.port);
                    match (&settings.token, &settings.oauth) {
                        (None, None) => Err(ConnectorError::config("crm_settings", "no credential")
                            .with_hint("set `token:` or `oauth:`")),
                        // A connector that repeats what it got: the loader must not pass it on.
                        (Some(token), _)
                            if token.expose().starts_with("pat-") && settings.base_url.contains("broken") =>
                        {
                            let message = format!("cannot use {} at {}", token.expose(), settings.base_url);
                            Err(ConnectorError::config("crm_settings", message))
                        }
                        _ => Ok(Arc::new(Crm {
                            removed: REMOVED.to_vec(),
                        })),
                    }
                },
            },
            DestinationDescriptor {
                type_name: "mail",
                title: "A mailing tool",
                settings_schema: || schema_for!(MailSettings),
                codes: &[],
                mapping_schema: || schema_for!(MailMapping),
                object_key: None,
                objects: &[],
                capabilities: |object| capabilities(object, &[]),
                open: |_, _| Ok(Arc::new(Crm { removed: Vec::new() })),
            },
            DestinationDescriptor {
                type_name: "tables",
                title: "A tool with tables",
                settings_schema: || schema_for!(MailSettings),
                codes: &[],
                mapping_schema: || schema_for!(TableMapping),
                object_key: Some(ObjectKey {
                    key: "table_name",
                    object: "contacts",
                }),
                objects: &CONTACTS,
                capabilities: |object| capabilities(object, &[]),
                open: |_, _| Ok(Arc::new(Crm { removed: Vec::new() })),
            },
        ],
    }
}

struct Files;

#[async_trait]
impl Source for Files {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn describe(&self, _: &Model) -> Result<Vec<Column>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn read(&self, _: ReadRequest) -> Result<Reading, ConnectorError> {
        Err(ConnectorError::source("no_rows", "nothing is ever read here"))
    }
}

const REMOVED: [Removed; 3] = [Removed::Keep, Removed::Clear, Removed::Archive];

const CONTACTS: [ObjectKind; 1] = [ObjectKind {
    object: "contacts",
    title: "people",
}];

fn capabilities(object: &str, removed: &[Removed]) -> Result<Capabilities, ConnectorError> {
    if object != "contacts" {
        return Err(
            ConnectorError::config("crm_object", "there is no such object").with_hint("known: `contacts`")
        );
    }
    let mut modes = vec![Mode::Upsert, Mode::Update];
    if !removed.is_empty() {
        modes.push(Mode::Mirror);
    }
    let route = |name, max_rows, writes, replay_safe| Route {
        name,
        lane: 0,
        max_rows,
        writes,
        replay_safe,
    };
    Ok(Capabilities {
        modes,
        removed: removed.to_vec(),
        match_fields: vec!["email".into()],
        partial_records: true,
        creates_fields: false,
        routes: vec![
            route("write", 1_500, true, true),
            route("call", 1, true, false),
            route("look", 20, false, true),
        ],
        max_body: 4_000_000,
        notes: vec!["Nothing | nobody knows."],
    })
}

struct Crm {
    removed: Vec<Removed>,
}

#[async_trait]
impl Destination for Crm {
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError> {
        capabilities(object, &self.removed)
    }

    fn account_key(&self) -> String {
        "crm".into()
    }

    fn limits(&self) -> Limits {
        Limits {
            window: None,
            concurrency: 1,
            daily: None,
            reserve_percent: 0,
        }
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        Ok(AccountInfo {
            label: "test".into(),
            time_zone: None,
        })
    }

    async fn describe(&self, _: &str) -> Result<Vec<Field>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn bind(&self, _: ObjectSpec, _: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        Err(ConnectorError::config(
            "no_binding",
            "nothing is ever written here",
        ))
    }
}
