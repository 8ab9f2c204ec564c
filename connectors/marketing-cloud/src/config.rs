//! Settings of a connection and the mapping keys of Marketing Cloud alone.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::destination::Limits;
use outflow_sdk::limits::{LimitSettings, Span};
use outflow_sdk::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Characters of a tenant's subdomain.
const SUBDOMAIN: usize = 28;

/// A connection to one business unit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The tenant's subdomain, 28 characters: what stands before `.auth.marketingcloudapis.com`.
    #[serde(default)]
    #[schemars(example = &"mcabcdefghijklmnopqrstuvwxyz")]
    pub subdomain: Option<String>,
    /// Client id of the installed package's server-to-server integration.
    pub client_id: String,
    /// Its client secret.
    pub client_secret: Secret,
    /// The business unit (MID) whose data extensions are written. By default the one the integration
    /// was created in.
    #[serde(default)]
    pub account_id: Option<AccountId>,
    /// Where tokens come from, in place of the subdomain's address; for a proxy or a local twin. The
    /// other addresses come with the token.
    #[serde(default)]
    #[schemars(url)]
    pub base_url: Option<String>,
    /// Request limits: `{ requests, per, concurrency, daily, reserve }`, or `none`. By default 2,000
    /// requests a minute, five at a time.
    #[serde(default)]
    pub limits: Option<LimitSettings>,
    /// Time allowed for one request.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// A business unit's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountId(pub String);

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = AccountId;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a business unit's number (MID)")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<AccountId, E> {
                Ok(AccountId(number.to_string()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<AccountId, E> {
                let text = text.trim();
                let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                if digits {
                    Ok(AccountId(text.to_owned()))
                } else {
                    Err(E::custom("a business unit's number (MID) has digits alone"))
                }
            }
        }
        deserializer.deserialize_any(Number)
    }
}

impl JsonSchema for AccountId {
    fn schema_name() -> Cow<'static, str> {
        "AccountId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A business unit's number (MID)",
            "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[0-9]{1,18}$" }],
            "examples": [7281234],
        })
    }
}

/// Keys a mapping may have when its destination is Marketing Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingOptions {
    /// External key of the data extension whose rows this sync writes; in place of `object:`.
    #[schemars(example = &"customers")]
    pub data_extension: Option<String>,
    /// Create mapped columns that the data extension does not have.
    pub create_fields: bool,
    /// Create the data extension, with the mapped columns, when there is none with this key.
    pub create_data_extension: Option<NewExtension>,
    /// How instants are written.
    pub instants: Instants,
    /// Requests that write this data extension at once, a job until it is done. By default one: parallel
    /// writers of a data extension get into each other's way, and deadlocked rows are sent again.
    #[schemars(range(min = 1, max = 10))]
    pub parallel: Option<u8>,
    /// Look every changed row's person up in All Subscribers first, and do not write the row of one who is
    /// Unsubscribed, Held or Deleted there: it is `suppressed`. The data extension must be sendable. Costs a
    /// request for every 200 changed rows; needs the scope `list_and_subscribers_read`. All Subscribers
    /// itself is never written.
    pub respect_unsubscribes: bool,
    /// With `removed: delete`: also delete the contact of a row that left the model, in every business unit and
    /// channel of the enterprise. Marketing Cloud does that within hours or days, and it cannot be undone. The
    /// data extension's primary key must be the contact key and nothing else, and lead to the subscriber; needs the scope
    /// `list_and_subscribers_write`.
    pub yes_delete_contacts_everywhere: bool,
    /// Key of the entry event (`APIEvent-…`) that a mapping with `object: journey_event` fires.
    pub event_definition_key: Option<String>,
}

/// A data extension to be created.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    /// Its name. By default its key.
    #[serde(default)]
    pub name: Option<String>,
    /// Id of its folder. By default the root folder of data extensions.
    #[serde(default)]
    pub folder: Option<u64>,
    /// Makes it sendable: the column that leads to the subscriber.
    #[serde(default)]
    pub sendable: Option<Sendable>,
}

/// How a sendable data extension leads to its subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sendable {
    /// The mapped column.
    pub column: String,
    /// What of the subscriber it holds.
    #[serde(default)]
    pub subscriber: SubscriberField,
}

/// What identifies a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriberField {
    /// The subscriber key (contact key).
    #[default]
    SubscriberKey,
    /// The e-mail address.
    EmailAddress,
}

/// How instants are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Instants {
    /// In Marketing Cloud's own time, UTC-6 all year, without a zone.
    #[default]
    ServerTime,
    /// In UTC, without a zone: for data extensions whose other writers do so.
    Utc,
}

fn default_timeout() -> Span {
    Span(Duration::from_secs(120))
}

impl Settings {
    /// Reads settings that passed the schema, and checks what a schema cannot say.
    ///
    /// # Errors
    /// `Config` naming the setting.
    pub(crate) fn parse(value: serde_json::Value) -> Result<Self, ConnectorError> {
        // Serde's messages may quote what they stumbled over, and that may be a secret.
        let settings: Settings = serde_json::from_value(value).map_err(|_| {
            wrong(
                "Marketing Cloud settings: a setting is missing or has the wrong form",
                "the reference page lists the settings of a connection",
            )
        })?;
        let text = |secret: &str| !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
        if !text(&settings.client_id) || !text(settings.client_secret.expose()) {
            return Err(wrong(
                "Marketing Cloud settings: `client_id` or `client_secret` is empty or holds spaces or line breaks",
                "look at the variable or file it comes from",
            ));
        }
        match (&settings.base_url, &settings.subdomain) {
            (Some(base), _) if base.starts_with("https://") || base.starts_with("http://") => {}
            (Some(_), _) => {
                return Err(wrong(
                    "Marketing Cloud settings: `base_url` must start with https:// or http://",
                    "leave it out to use the subdomain's address",
                ));
            }
            (None, Some(subdomain)) if is_subdomain(subdomain) => {}
            (None, Some(_)) => {
                return Err(wrong(
                    "Marketing Cloud settings: `subdomain` must be the 28 lower-case letters, digits and hyphens of the tenant",
                    "copy it from the package's authentication base URI: what stands between https:// and .auth",
                ));
            }
            (None, None) => {
                return Err(wrong(
                    "Marketing Cloud settings: no `subdomain`",
                    "copy it from the package's authentication base URI",
                ));
            }
        }
        Ok(settings)
    }

    /// Where tokens come from, without a slash at the end.
    pub(crate) fn auth_base(&self) -> String {
        match (&self.base_url, &self.subdomain) {
            (Some(base), _) => base.trim_end_matches('/').to_owned(),
            (None, subdomain) => format!(
                "https://{}.auth.marketingcloudapis.com",
                subdomain.as_deref().unwrap_or_default()
            ),
        }
    }

    /// The connection's limits. Marketing Cloud publishes none by the minute; 2,500 REST and 2,000 SOAP
    /// requests are what its support advises.
    pub(crate) fn limits(&self) -> Limits {
        let implied = Limits {
            window: Some((2_000, Duration::from_secs(60))),
            concurrency: 5,
            daily: None,
            reserve_percent: 0,
        };
        LimitSettings::over(self.limits.as_ref(), implied)
    }
}

/// Before it becomes part of a host's name, a subdomain must be nothing else.
fn is_subdomain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() == SUBDOMAIN && text.bytes().all(plain)
}

impl MappingOptions {
    /// Reads the mapping's keys for Marketing Cloud.
    ///
    /// # Errors
    /// `Config` naming the key.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self, ConnectorError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let wrong = |message: String| ConnectorError::config("marketing_cloud_mapping", message);
        let options =
            Self::deserialize(value).map_err(|error| wrong(format!("Marketing Cloud mapping: {error}")))?;
        if options
            .parallel
            .is_some_and(|parallel| !(1..=10).contains(&parallel))
        {
            return Err(wrong(
                "Marketing Cloud mapping: `parallel` is from 1 to 10".to_owned(),
            ));
        }
        Ok(options)
    }

    /// Requests that write the data extension at once.
    pub(crate) fn parallel(&self) -> usize {
        usize::from(self.parallel.unwrap_or(1).max(1))
    }
}

fn wrong(message: &str, hint: &str) -> ConnectorError {
    ConnectorError::config("marketing_cloud_settings", message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn with(key: &str, value: Value) -> Result<Settings, ConnectorError> {
        let mut settings = json!({
            "subdomain": "mc000000000000000000000000-x", "client_id": "abc", "client_secret": "s3cr3t",
        });
        settings[key] = value;
        Settings::parse(settings)
    }

    #[test]
    fn a_business_unit_is_a_number_or_its_text() {
        for id in [json!(7281234), json!("7281234")] {
            assert_eq!(with("account_id", id).unwrap().account_id.unwrap().0, "7281234");
        }
        assert!(with("account_id", json!("7281234/../x")).is_err());
    }

    #[test]
    fn a_subdomain_is_checked_before_it_becomes_part_of_a_host() {
        let settings = with("timeout", json!("5s")).unwrap();
        assert_eq!(
            settings.auth_base(),
            "https://mc000000000000000000000000-x.auth.marketingcloudapis.com"
        );
        for bad in [
            "",
            "short",
            "MC00000000000000000000000000",
            "evil.example/000000000000000#",
        ] {
            let error = with("subdomain", json!(bad)).unwrap_err();
            assert_eq!(error.code, "marketing_cloud_settings", "{bad}");
            assert!(error.hint.is_some());
        }
        assert!(with("subdomain", Value::Null).is_err());
        assert!(with("base_url", json!("ftp://x")).is_err());
        assert_eq!(
            with("base_url", json!("http://127.0.0.1:1/"))
                .unwrap()
                .auth_base(),
            "http://127.0.0.1:1"
        );
    }

    #[test]
    fn errors_do_not_repeat_a_secret() {
        let error = with("client_secret", json!("s3cr3t s3cr3t\n")).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cr3t"));
        let error = with("client_secret", json!({ "s3cr3t": 1 })).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }

    #[test]
    fn limits_have_defaults_and_can_be_given() {
        let limits = with("timeout", json!("5s")).unwrap().limits();
        assert_eq!(
            (limits.window, limits.concurrency),
            (Some((2_000, Duration::from_secs(60))), 5)
        );
        assert_eq!(with("limits", json!("none")).unwrap().limits().window, None);
    }
}
