//! Settings of a HubSpot connection, and the mapping keys that belong to HubSpot alone.

use outflow_sdk::ConnectorError;
use outflow_sdk::limits::{LimitSettings, Span};
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// A connection to one HubSpot account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Service key or private app token (`pat-…`). Needs the scopes of the objects it writes, such as
    /// `crm.objects.contacts.read`, `crm.objects.contacts.write` and `crm.schemas.contacts.read`, and
    /// `crm.lists.read`, `crm.lists.write` for list memberships. Either this or `oauth`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Credentials of an OAuth app, in place of `token`.
    #[serde(default)]
    pub oauth: Option<OAuthSettings>,
    /// Where the API is; change it for a proxy or a local twin.
    #[serde(default = "default_base_url")]
    #[schemars(url)]
    pub base_url: String,
    /// API version. `2026-09` enforces the account's own rules on required properties, `2026-03` does not.
    #[serde(default)]
    pub version: Version,
    /// The account's subscription, which implies the request limits.
    #[serde(default)]
    pub tier: Tier,
    /// How many API limit increases the account has bought.
    #[serde(default)]
    #[schemars(range(max = 2))]
    pub add_ons: u8,
    /// Request limits in place of the tier's: `{ requests, per, concurrency, daily, reserve }`, or `none`.
    #[serde(default)]
    pub limits: Option<LimitSettings>,
    /// Time allowed for one request. HubSpot itself gives up after 100 s.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// Credentials of an OAuth app that was installed into the account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret.
    pub client_secret: Secret,
    /// The refresh token the account's consent gave.
    pub refresh_token: Secret,
}

/// Version of the API, as it stands in its paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Version {
    /// Released in March 2026.
    #[default]
    #[serde(rename = "2026-03")]
    March2026,
    /// Released in September 2026.
    #[serde(rename = "2026-09")]
    September2026,
    /// The paths before dated versions; unsupported from September 2027.
    #[serde(rename = "v3")]
    V3,
}

/// HubSpot subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// 100 requests per 10 s, 250,000 a day.
    Free,
    /// 100 requests per 10 s, 250,000 a day.
    Starter,
    /// 190 requests per 10 s, 625,000 a day.
    #[default]
    Professional,
    /// 190 requests per 10 s, 1,000,000 a day.
    Enterprise,
}

/// Keys a mapping may have when its destination is HubSpot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingOptions {
    /// Create mapped properties that HubSpot does not have, with the type of their values.
    pub create_fields: bool,
    /// Property group that created properties belong to. By default `contactinformation` for contacts,
    /// `companyinformation` for companies, and for other objects the group of their own properties.
    pub group: Option<String>,
}

fn default_base_url() -> String {
    "https://api.hubapi.com".into()
}

fn default_timeout() -> Span {
    Span(std::time::Duration::from_secs(60))
}

impl Version {
    /// The path of a family of calls, such as `/crm/objects/2026-03`.
    pub(crate) fn path(self, family: &str) -> String {
        match (self.dated(), family) {
            (Some(version), family) => format!("/{family}/{version}"),
            (None, "crm/objects") => "/crm/v3/objects".into(),
            (None, "crm/properties") => "/crm/v3/properties".into(),
            (None, "crm/lists") => "/crm/v3/lists".into(),
            (None, family) => format!("/{family}/v3"),
        }
    }

    fn dated(self) -> Option<&'static str> {
        match self {
            Version::March2026 => Some("2026-03"),
            Version::September2026 => Some("2026-09"),
            Version::V3 => None,
        }
    }
}

impl Settings {
    /// Reads settings that passed the schema, and checks what a schema cannot say.
    ///
    /// # Errors
    /// `Config` naming the setting.
    pub(crate) fn parse(value: serde_json::Value) -> Result<Self, ConnectorError> {
        let settings: Settings = serde_json::from_value(value).map_err(|error| {
            ConnectorError::config(
                "hubspot_settings",
                format!("HubSpot settings: {}", without_quoted(&error.to_string())),
            )
        })?;
        let wrong = |message: &str, hint: &str| {
            Err(ConnectorError::config("hubspot_settings", message).with_hint(hint))
        };
        match (&settings.token, &settings.oauth) {
            (None, None) => {
                return wrong(
                    "HubSpot settings: no credential",
                    "set `token: \"${env:HUBSPOT_TOKEN}\"`, or `oauth:`",
                );
            }
            (Some(_), Some(_)) => {
                return wrong("HubSpot settings: both `token` and `oauth`", "keep one of them");
            }
            (Some(token), None) if !is_header_text(token.expose()) => {
                return wrong(
                    "HubSpot settings: `token` is empty or holds spaces or line breaks",
                    "look at the variable or file it comes from",
                );
            }
            _ => {}
        }
        let base = &settings.base_url;
        if !(base.starts_with("https://") || base.starts_with("http://")) {
            return wrong(
                "HubSpot settings: `base_url` must start with https:// or http://",
                "leave it out to use https://api.hubapi.com",
            );
        }
        if settings.add_ons > 2 {
            return wrong(
                "HubSpot settings: `add_ons` is 0, 1 or 2",
                "HubSpot sells at most two",
            );
        }
        Ok(settings)
    }
}

impl MappingOptions {
    /// Reads the mapping's keys for HubSpot.
    ///
    /// # Errors
    /// `Config` naming the key.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self, ConnectorError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(value)
            .map_err(|error| ConnectorError::config("hubspot_mapping", format!("HubSpot mapping: {error}")))
    }
}

fn is_header_text(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Serde's messages quote the value they stumbled over, which may be a credential.
fn without_quoted(message: &str) -> String {
    let mut pieces = message.split('"');
    let mut clean = pieces.next().unwrap_or_default().to_owned();
    if let (Some(_), Some(last)) = (pieces.next(), pieces.next_back()) {
        clean.push('…');
        clean.push_str(last);
    }
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_all_it_takes() {
        let settings = Settings::parse(json!({ "token": "pat-na1-x" })).unwrap();
        assert_eq!(settings.base_url, "https://api.hubapi.com");
        assert_eq!(
            (settings.version, settings.tier),
            (Version::March2026, Tier::Professional)
        );
        assert_eq!(settings.timeout.0.as_secs(), 60);
    }

    #[test]
    fn wrong_settings_name_the_setting() {
        for (value, expected) in [
            (json!({}), "no credential"),
            (
                json!({ "token": "t", "oauth": { "client_id": "c", "client_secret": "s", "refresh_token": "r" } }),
                "both `token` and `oauth`",
            ),
            (json!({ "token": "" }), "`token` is empty"),
            (json!({ "token": "pat-na1-x\n" }), "line breaks"),
            (
                json!({ "token": "t", "base_url": "api.hubapi.com" }),
                "`base_url` must start with",
            ),
            (
                json!({ "token": "t", "version": "2025-09" }),
                "unknown variant `2025-09`",
            ),
            (json!({ "token": "t", "tier": "gold" }), "unknown variant `gold`"),
            (json!({ "token": "t", "add_ons": 3 }), "`add_ons` is 0, 1 or 2"),
            (json!({ "token": "t", "tokn": "x" }), "unknown field `tokn`"),
        ] {
            let error = Settings::parse(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_misplaced_secret_is_not_repeated() {
        let error = Settings::parse(json!({ "oauth": "pat-\"na1\"-secret" })).unwrap_err();
        assert!(!format!("{error:?}").contains("secret\""), "{error:?}");
        assert!(!error.to_string().contains("na1"), "{error}");
        let settings = Settings::parse(json!({ "token": "pat-na1-secret" })).unwrap();
        assert!(!format!("{settings:?}").contains("pat-na1-secret"));
    }

    #[test]
    fn versions_stand_in_the_path_where_hubspot_puts_them() {
        assert_eq!(Version::March2026.path("crm/objects"), "/crm/objects/2026-03");
        assert_eq!(Version::September2026.path("oauth"), "/oauth/2026-09");
        assert_eq!(Version::V3.path("crm/lists"), "/crm/v3/lists");
        assert_eq!(Version::V3.path("account-info"), "/account-info/v3");
        assert_eq!(Version::V3.path("crm-object-schemas"), "/crm-object-schemas/v3");
    }

    #[test]
    fn mapping_keys_are_known_by_name() {
        let options = MappingOptions::parse(&json!({ "create_fields": true })).unwrap();
        assert!(options.create_fields);
        assert_eq!(
            MappingOptions::parse(&serde_json::Value::Null).unwrap(),
            MappingOptions::default()
        );
        let error = MappingOptions::parse(&json!({ "create_feilds": true })).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `create_feilds`"),
            "{error}"
        );
    }

    #[test]
    fn the_schema_marks_secrets() {
        let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
        assert_eq!(schema["properties"]["token"]["x-secret"], json!(true));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
