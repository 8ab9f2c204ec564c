//! Settings of a Mailchimp connection, and the mapping keys that belong to Mailchimp alone.

use outflow_sdk::ConnectorError;
use outflow_sdk::limits::{LimitSettings, Span};
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// A connection to one Mailchimp account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// API key, such as `0123…cdef-us6`; what follows the hyphen is the data centre. Either this or
    /// `access_token`.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// OAuth access token, in place of `api_key`. Its data centre is asked for once.
    #[serde(default)]
    pub access_token: Option<Secret>,
    /// Where the API is, without `/3.0`; change it for a proxy or a local twin. By default the data
    /// centre's address.
    #[serde(default)]
    #[schemars(url)]
    pub base_url: Option<String>,
    /// Audience of mappings that name none: its id or its name.
    #[serde(default)]
    pub audience: Option<String>,
    /// Request limits: `{ requests, per, concurrency, daily, reserve }`, or `none`. By default nine
    /// requests in flight of the ten Mailchimp allows a user.
    #[serde(default)]
    pub limits: Option<LimitSettings>,
    /// Time allowed for one request. Mailchimp itself gives up after 120 s.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
}

/// Consent of members this sync creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatusIfNew {
    /// Receives campaigns: the person has agreed to that.
    Subscribed,
    /// Is sent a confirmation mail, and subscribed once it is answered.
    Pending,
    /// A customer without marketing consent.
    Transactional,
    /// Stored, never mailed.
    Unsubscribed,
}

/// Keys a mapping may have when its destination is Mailchimp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingOptions {
    /// The audience: its id, or its name if no other audience has the same.
    pub audience: Option<String>,
    /// Consent of members this sync creates; required unless `mode: update`. Existing members keep
    /// theirs. A row with a value in a mapped `status` is created with that instead.
    pub status_if_new: Option<StatusIfNew>,
    /// Create mapped merge fields and segments that the audience does not have.
    pub create_fields: bool,
    /// Tags that belong to this sync: a member whose `tags` column does not name one of them loses
    /// it. Tags outside this list are added and never removed.
    pub owned_tags: Vec<String>,
    /// Let tags this sync adds start automations. By default they do not, since a first run would
    /// start them for everybody.
    pub tag_automations: bool,
    /// Bring archived members back, with the status new members get. By default they are
    /// `suppressed`: Mailchimp does not tell whether someone had unsubscribed before being archived.
    pub revive_archived: bool,
    /// Confirms `removed: delete`. A member deleted for good can never be imported again.
    pub yes_delete_permanently: bool,
}

fn default_timeout() -> Span {
    Span(std::time::Duration::from_secs(120))
}

impl StatusIfNew {
    pub(crate) fn word(self) -> &'static str {
        match self {
            StatusIfNew::Subscribed => "subscribed",
            StatusIfNew::Pending => "pending",
            StatusIfNew::Transactional => "transactional",
            StatusIfNew::Unsubscribed => "unsubscribed",
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
            wrong(
                &format!("Mailchimp settings: {}", without_quoted(&error.to_string())),
                "the reference page lists the settings of a connection",
            )
        })?;
        match (&settings.api_key, &settings.access_token) {
            (None, None) => {
                return Err(wrong(
                    "Mailchimp settings: no credential",
                    "set `api_key: \"${env:MAILCHIMP_API_KEY}\"`, or `access_token:`",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(wrong(
                    "Mailchimp settings: both `api_key` and `access_token`",
                    "keep one of them",
                ));
            }
            (Some(secret), None) | (None, Some(secret)) if !is_header_text(secret.expose()) => {
                return Err(wrong(
                    "Mailchimp settings: the credential is empty or holds spaces or line breaks",
                    "look at the variable or file it comes from",
                ));
            }
            _ => {}
        }
        let is_address = |base: &str| base.starts_with("https://") || base.starts_with("http://");
        if settings.base_url.as_deref().is_some_and(|base| !is_address(base)) {
            return Err(wrong(
                "Mailchimp settings: `base_url` must start with https:// or http://",
                "leave it out to use the data centre's address",
            ));
        }
        Ok(settings)
    }

    /// The data centre in an API key. Asked for when the first request goes out, not when the settings
    /// are read: an offline check has no key, and is to say what else is wrong.
    ///
    /// # Errors
    /// `Config` when the key has none.
    pub(crate) fn data_centre(&self) -> Result<&str, ConnectorError> {
        let key = self.api_key.as_ref().map(Secret::expose).unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match key.split_once('-') {
            Some((secret, centre))
                if !secret.is_empty() && !centre.is_empty() && centre.bytes().all(plain) =>
            {
                Ok(centre)
            }
            _ => Err(wrong(
                "Mailchimp settings: `api_key` does not end in a hyphen and a data centre, such as -us6",
                "copy the whole key; an OAuth token belongs into `access_token`",
            )),
        }
    }
}

impl MappingOptions {
    /// Reads the mapping's keys for Mailchimp.
    ///
    /// # Errors
    /// `Config` naming the key.
    pub(crate) fn parse(value: &serde_json::Value) -> Result<Self, ConnectorError> {
        if value.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(value).map_err(|error| {
            ConnectorError::config("mailchimp_mapping", format!("Mailchimp mapping: {error}"))
        })
    }
}

fn wrong(message: &str, hint: &str) -> ConnectorError {
    ConnectorError::config("mailchimp_settings", message).with_hint(hint)
}

fn is_header_text(secret: &str) -> bool {
    !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic())
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
    fn a_key_is_all_it_takes() {
        let settings = Settings::parse(json!({ "api_key": "0123456789abcdef-us6" })).unwrap();
        assert_eq!(settings.data_centre().unwrap(), "us6");
        assert_eq!(settings.timeout.0.as_secs(), 120);
        assert!(Settings::parse(json!({ "access_token": "abc" })).is_ok());
        let twin = json!({ "api_key": "local", "base_url": "http://127.0.0.1:1" });
        assert!(Settings::parse(twin).is_ok());
    }

    #[test]
    fn wrong_settings_name_the_setting() {
        for (value, expected) in [
            (json!({}), "no credential"),
            (
                json!({ "api_key": "a-us6", "access_token": "t" }),
                "both `api_key` and `access_token`",
            ),
            (json!({ "api_key": "" }), "the credential is empty"),
            (json!({ "access_token": "abc\n" }), "line breaks"),
            (
                json!({ "api_key": "a-us6", "base_url": "us6.api.mailchimp.com" }),
                "`base_url` must start with",
            ),
            (
                json!({ "api_key": "a-us6", "tier": "pro" }),
                "unknown field `tier`",
            ),
        ] {
            let error = Settings::parse(value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_key_without_a_data_centre_leads_nowhere() {
        for key in [
            "0123456789abcdef",
            "abc-",
            "-us9",
            "abc-us6-us7",
            "abc-us6.evil.test/",
        ] {
            let settings = Settings::parse(json!({ "api_key": key })).unwrap();
            let error = settings.data_centre().unwrap_err();
            assert!(error.to_string().contains("data centre"), "{error}");
            assert!(!error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn a_misplaced_secret_is_not_repeated() {
        let error = Settings::parse(json!({ "api_key": "a-us6", "timeout": "very-\"secret\"-text" }));
        assert!(!error.unwrap_err().to_string().contains("secret"));
        let settings = Settings::parse(json!({ "api_key": "0123456789abcdef-us6" })).unwrap();
        assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn mapping_keys_are_known_by_name() {
        let options = json!({ "audience": "News", "status_if_new": "pending", "owned_tags": ["gold"] });
        let options = MappingOptions::parse(&options).unwrap();
        assert_eq!(options.status_if_new, Some(StatusIfNew::Pending));
        assert_eq!(
            MappingOptions::parse(&serde_json::Value::Null).unwrap(),
            MappingOptions::default()
        );
        for (value, expected) in [
            (json!({ "audiense": "x" }), "unknown field `audiense`"),
            (
                json!({ "status_if_new": "archived" }),
                "unknown variant `archived`",
            ),
        ] {
            let error = MappingOptions::parse(&value).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_schema_marks_secrets() {
        let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
        for secret in ["api_key", "access_token"] {
            assert_eq!(schema["properties"][secret]["x-secret"], json!(true), "{secret}");
        }
    }
}
