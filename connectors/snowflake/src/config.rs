//! Settings of a `snowflake` source.

use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::limits::Span;
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// Snowflake as a source. Log in with `private_key` (best), `token`, `oauth` or `password`. A role that may
/// only read is enough, and better: the README of this connector has its grants.
///
/// Models are one SELECT in Snowflake's SQL. Sessions are in UTC and carry the query tag
/// `outflow/SYNC/RUN`. Names of role, warehouse, database and schema are as in SQL: plain ones in any case,
/// others in double quotes within the YAML string.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnowflakeSettings {
    /// Account identifier in the form ORGANIZATION-ACCOUNT, as `SELECT CURRENT_ORGANIZATION_NAME() || '-' ||
    /// CURRENT_ACCOUNT_NAME()` gives it.
    #[schemars(example = &"myorg-analytics")]
    pub account: String,
    /// User that logs in. Needed except with `oauth`.
    #[serde(default)]
    pub user: Option<String>,
    /// RSA private key of the user in PEM form, with or without a passphrase.
    #[serde(default)]
    pub private_key: Option<Secret>,
    /// Passphrase of `private_key`, if it has one.
    #[serde(default)]
    pub private_key_passphrase: Option<Secret>,
    /// Programmatic access token of the user.
    #[serde(default)]
    pub token: Option<Secret>,
    /// OAuth in place of the user's own credential.
    #[serde(default)]
    pub oauth: Option<OauthSettings>,
    /// Password of the user. Snowflake is closing this way for programs: prefer `private_key`.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Role of the session. Default: the user's.
    #[serde(default)]
    pub role: Option<String>,
    /// Warehouse that runs the models. Default: the user's.
    #[serde(default)]
    pub warehouse: Option<String>,
    /// Database in which plain table names are looked up.
    #[serde(default)]
    pub database: Option<String>,
    /// Schema in which plain table names are looked up.
    #[serde(default)]
    pub schema: Option<String>,
    /// Address in place of the account's own, such as that of a private link or of China's regions.
    #[serde(default)]
    #[schemars(url)]
    pub base_url: Option<String>,
    /// Time after which Snowflake ends a model's query; without it the warehouse's own limits hold.
    #[serde(default)]
    pub statement_timeout: Option<Span>,
}

/// An OAuth access token, or the client that gets one for every connection anew.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OauthSettings {
    /// An access token that something else keeps fresh.
    #[serde(default)]
    pub token: Option<Secret>,
    /// Address of the authorization server's token endpoint.
    #[serde(default)]
    #[schemars(url)]
    pub token_url: Option<String>,
    /// Client id.
    #[serde(default)]
    pub client_id: Option<Secret>,
    /// Client secret.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// Scope asked for.
    #[serde(default)]
    #[schemars(example = &"session:role:OUTFLOW")]
    pub scope: Option<String>,
}

/// How to prove who connects.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A private key and its passphrase. It is read when it is used: a project can be checked where its
    /// secrets are not.
    Key(Secret, Option<Secret>),
    AccessToken(Secret),
    OauthToken(Secret),
    OauthClient(OauthClient),
    Password(Secret),
}

/// A client that gets access tokens by its own secret.
#[derive(Clone, Debug)]
pub(crate) struct OauthClient {
    pub(crate) token_url: String,
    pub(crate) client_id: Secret,
    pub(crate) client_secret: Secret,
    pub(crate) scope: Option<String>,
}

/// What a connection needs, checked and with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Its name in `outflow.yaml`.
    pub(crate) connection: String,
    pub(crate) account: String,
    pub(crate) user: Option<String>,
    pub(crate) credential: Credential,
    pub(crate) role: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    /// Without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) statement_timeout: Option<Duration>,
}

impl Settings {
    /// Checks what the schema cannot.
    ///
    /// # Errors
    /// `Config`: no or several credentials, an account in another form.
    pub(crate) fn new(settings: SnowflakeSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        let credential = credential(&settings, context)?;
        let account = settings.account.trim().to_owned();
        check_account(&account, context)?;
        let needs_user = !matches!(credential, Credential::OauthToken(_) | Credential::OauthClient(_));
        let user = settings.user.filter(|user| !user.trim().is_empty());
        if needs_user && user.is_none() {
            return Err(wrong(
                context,
                "has no `user`",
                "name the user that logs in as `user:`",
            ));
        }
        let base_url = match settings.base_url {
            Some(url) => base_url(&url, context)?,
            // Host names take no underscore; Snowflake takes a hyphen in its place.
            None => format!(
                "https://{}.snowflakecomputing.com",
                account.replace('_', "-").to_lowercase()
            ),
        };
        Ok(Self {
            connection: context.connection.clone(),
            account,
            user,
            credential,
            role: settings.role,
            warehouse: settings.warehouse,
            database: settings.database,
            schema: settings.schema,
            base_url,
            statement_timeout: settings.statement_timeout.map(|span| span.0),
        })
    }

    /// The server, as messages name it.
    pub(crate) fn address(&self) -> &str {
        self.base_url
            .split_once("://")
            .map_or(self.base_url.as_str(), |(_, rest)| rest)
    }

    /// The user, as messages name it.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("(from OAuth)")
    }
}

fn credential(settings: &SnowflakeSettings, context: &OpenContext) -> Result<Credential, ConnectorError> {
    let mut found = Vec::new();
    if let Some(pem) = &settings.private_key {
        let passphrase = settings.private_key_passphrase.clone();
        found.push(("private_key", Credential::Key(pem.clone(), passphrase)));
    } else if settings.private_key_passphrase.is_some() {
        return Err(wrong(
            context,
            "has a `private_key_passphrase` without a `private_key`",
            "write the key as `private_key: \"${file:…}\"`, or remove the passphrase",
        ));
    }
    if let Some(token) = &settings.token {
        found.push(("token", Credential::AccessToken(token.clone())));
    }
    if let Some(settings) = &settings.oauth {
        found.push(("oauth", oauth(settings, context)?));
    }
    if let Some(password) = &settings.password {
        found.push(("password", Credential::Password(password.clone())));
    }
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
        return Err(wrong(
            context,
            &format!("has several credentials: {}", names.join(" and ")),
            "keep one of them",
        ));
    }
    found.pop().map(|(_, credential)| credential).ok_or_else(|| {
        wrong(
            context,
            "has no credential",
            "write `private_key: \"${file:…}\"` (or `token:`, `oauth:`, `password:`)",
        )
    })
}

fn oauth(settings: &OauthSettings, context: &OpenContext) -> Result<Credential, ConnectorError> {
    match (
        &settings.token,
        &settings.token_url,
        &settings.client_id,
        &settings.client_secret,
    ) {
        (Some(token), None, None, None) => Ok(Credential::OauthToken(token.clone())),
        (None, Some(url), Some(id), Some(secret)) => Ok(Credential::OauthClient(OauthClient {
            token_url: url.clone(),
            client_id: id.clone(),
            client_secret: secret.clone(),
            scope: settings.scope.clone(),
        })),
        _ => Err(wrong(
            context,
            "has an `oauth` that is neither a `token` nor a client",
            "write either `token:`, or `token_url:`, `client_id:` and `client_secret:`",
        )),
    }
}

/// `ORGANIZATION-ACCOUNT`; the legacy locator and host names are told apart because people paste them.
fn check_account(account: &str, context: &OpenContext) -> Result<(), ConnectorError> {
    let hint = "write ORGANIZATION-ACCOUNT, as SELECT CURRENT_ORGANIZATION_NAME() || '-' || \
                CURRENT_ACCOUNT_NAME() gives it; another address belongs in `base_url:`";
    let what = if account.contains("snowflakecomputing") || account.contains("://") {
        "has an `account` that is a host name"
    } else if account.contains('.') {
        "has an `account` in the legacy form LOCATOR.REGION"
    } else {
        let well_formed = account.split_once('-').is_some_and(|(organization, name)| {
            let word = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            };
            word(organization) && word(name)
        });
        if well_formed {
            return Ok(());
        }
        "has an `account` that is not of the form ORGANIZATION-ACCOUNT"
    };
    Err(wrong(context, what, hint))
}

fn base_url(text: &str, context: &OpenContext) -> Result<String, ConnectorError> {
    let url = text.trim().trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .unwrap_or_default();
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return Err(wrong(
            context,
            "has a `base_url` that is not an address",
            "write it like https://myorg-analytics.privatelink.snowflakecomputing.com",
        ));
    }
    Ok(url.to_owned())
}

fn wrong(context: &OpenContext, what: &str, hint: &str) -> ConnectorError {
    ConnectorError::config(
        "warehouse_settings",
        format!("source '{}' {what}", context.connection),
    )
    .with_hint(hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn settings(value: serde_json::Value) -> Result<Settings, ConnectorError> {
        let context = OpenContext {
            root: "/project".into(),
            connection: "wh".into(),
        };
        Settings::new(serde_json::from_value(value).unwrap(), &context)
    }

    #[test]
    fn the_account_is_where_the_server_is() {
        let found = settings(json!({"account": "MyOrg-Test_1", "user": "u", "token": "t"})).unwrap();
        assert_eq!(found.base_url, "https://myorg-test-1.snowflakecomputing.com");
        assert_eq!(found.address(), "myorg-test-1.snowflakecomputing.com");
        let linked = json!({"account": "o-a", "user": "u", "token": "t", "base_url": "http://127.0.0.1:8/"});
        assert_eq!(settings(linked).unwrap().base_url, "http://127.0.0.1:8");
    }

    #[test]
    fn other_forms_of_the_account_are_refused_by_name() {
        for (account, words) in [
            ("xy12345", "not of the form"),
            ("xy12345.eu-west-1", "legacy form"),
            ("o-a.snowflakecomputing.com", "host name"),
            ("o-", "not of the form"),
            ("o a-b", "not of the form"),
        ] {
            let error = settings(json!({"account": account, "user": "u", "token": "t"})).unwrap_err();
            assert!(error.message.contains(words), "{account}: {error}");
            assert!(error.hint.unwrap().contains("ORGANIZATION-ACCOUNT"));
        }
    }

    #[test]
    fn exactly_one_credential_is_taken() {
        for (extra, words) in [
            (json!({"user": "u"}), "no credential"),
            (
                json!({"user": "u", "token": "t", "password": "p"}),
                "`token` and `password`",
            ),
            (json!({"token": "t"}), "no `user`"),
            (
                json!({"user": "u", "private_key_passphrase": "p"}),
                "without a `private_key`",
            ),
            (
                json!({"oauth": {"token": "t", "client_id": "c"}}),
                "neither a `token` nor a client",
            ),
            (
                json!({"user": "u", "token": "t", "base_url": "snow.example/x"}),
                "`base_url`",
            ),
        ] {
            let mut whole = extra.clone();
            whole["account"] = "o-a".into();
            let error = settings(whole).unwrap_err();
            assert!(error.message.contains(words), "{extra}: {error}");
        }
        let oauth = json!({"account": "o-a", "oauth": {"token": "t"}});
        assert_eq!(settings(oauth).unwrap().user(), "(from OAuth)");
    }
}
