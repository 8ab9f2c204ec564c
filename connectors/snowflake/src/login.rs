//! What is sent to log in.

use std::time::Duration;

use jiff::Timestamp;
use outflow_sdk::ConnectorError;
use outflow_sdk::http::Exchange;
use outflow_sdk::tag::Tag;
use serde_json::{Map, Value, json};

use crate::config::{Credential, Settings};
use crate::key::KeyPair;
use crate::oauth;

/// The name a client gives of itself. Snowflake sends results as Arrow only to the drivers it knows, and
/// chooses by this name; `APPLICATION` says who really calls. Whatever comes back is read, JSON as well.
pub(crate) const CLIENT_APP_ID: &str = "Go";
/// The version that goes with it: its protocol is the one this crate speaks.
pub(crate) const CLIENT_APP_VERSION: &str = "1.19.0";

/// Body of a log-in request.
///
/// # Errors
/// `Config` when the private key cannot be read; those of the OAuth server, where a token comes from one.
pub(crate) async fn body(
    settings: &Settings,
    exchange: &dyn Exchange,
    tag: Option<&Tag>,
) -> Result<Value, ConnectorError> {
    let mut data = Map::new();
    let mut set = |key: &str, value: Value| data.insert(key.to_owned(), value);
    set("CLIENT_APP_ID", CLIENT_APP_ID.into());
    set("CLIENT_APP_VERSION", CLIENT_APP_VERSION.into());
    set("ACCOUNT_NAME", settings.account.clone().into());
    if let Some(user) = &settings.user {
        set("LOGIN_NAME", user.clone().into());
    }
    let (authenticator, key, secret) = match &settings.credential {
        Credential::Key(pem, passphrase) => {
            let pair = KeyPair::parse(pem, passphrase.as_ref(), &settings.connection)?;
            let token = pair.token(&settings.account, settings.user(), Timestamp::now())?;
            ("SNOWFLAKE_JWT", "TOKEN", token)
        }
        Credential::AccessToken(token) => (
            "PROGRAMMATIC_ACCESS_TOKEN",
            "TOKEN",
            token.expose().trim().to_owned(),
        ),
        Credential::OauthToken(token) => ("OAUTH", "TOKEN", token.expose().trim().to_owned()),
        Credential::OauthClient(client) => {
            let token = oauth::access_token(exchange, client).await?;
            ("OAUTH", "TOKEN", token.expose().to_owned())
        }
        Credential::Password(password) => ("SNOWFLAKE", "PASSWORD", password.expose().to_owned()),
    };
    set("AUTHENTICATOR", authenticator.into());
    set(key, secret.into());
    set("SESSION_PARAMETERS", parameters(settings, tag));
    set(
        "CLIENT_ENVIRONMENT",
        json!({
            "APPLICATION": "Outflow",
            "APPLICATION_VERSION": env!("CARGO_PKG_VERSION"),
            "OS": std::env::consts::OS,
        }),
    );
    Ok(json!({ "data": data }))
}

/// Parameters of the session, by <https://docs.snowflake.com/en/sql-reference/parameters>.
fn parameters(settings: &Settings, tag: Option<&Tag>) -> Value {
    let mut parameters = json!({
        "TIMEZONE": "UTC",
        "AUTOCOMMIT": true,
        "MULTI_STATEMENT_COUNT": 1,
        // A name that does not exist fails the log-in, not the first query.
        "CLIENT_VALIDATE_DEFAULT_PARAMETERS": true,
        // If this process dies, so does its query, five minutes later.
        "ABORT_DETACHED_QUERY": true,
        // The user's own setting would cut results short.
        "ROWS_PER_RESULTSET": 0,
        "JSON_INDENT": 0,
        // Without it an undefined item of an ARRAY is written as no JSON has it.
        "STRICT_JSON_OUTPUT": true,
        "GEOGRAPHY_OUTPUT_FORMAT": "GeoJSON",
        "GEOMETRY_OUTPUT_FORMAT": "GeoJSON",
        "BINARY_OUTPUT_FORMAT": "HEX",
    });
    if let Some(tag) = tag {
        parameters["QUERY_TAG"] = tag.name().into();
    }
    if let Some(time) = settings.statement_timeout {
        // 0 would mean the longest there is.
        parameters["STATEMENT_TIMEOUT_IN_SECONDS"] = whole_seconds(time).into();
    }
    parameters
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The part of the address that says in what a session works.
pub(crate) fn query_string(settings: &Settings) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [
        ("databaseName", &settings.database),
        ("schemaName", &settings.schema),
        ("warehouse", &settings.warehouse),
        ("roleName", &settings.role),
    ] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::conformance::script::Script;
    use outflow_sdk::descriptor::OpenContext;

    use super::*;

    fn settings(extra: Value) -> Settings {
        let mut whole = json!({"account": "o-a", "user": "u"});
        for (key, value) in extra.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let context = OpenContext {
            root: "/".into(),
            connection: "wh".into(),
        };
        Settings::new(serde_json::from_value(whole).unwrap(), &context).unwrap()
    }

    async fn sent(extra: Value) -> Value {
        let tag = Tag::new("customers", "run-1");
        let body = body(&settings(extra), &Script::new(), Some(&tag)).await.unwrap();
        body["data"].clone()
    }

    #[tokio::test]
    async fn each_credential_goes_where_snowflake_expects_it() {
        let token = sent(json!({"token": " pat \n"})).await;
        assert_eq!(token["AUTHENTICATOR"], "PROGRAMMATIC_ACCESS_TOKEN");
        assert_eq!(
            (token["TOKEN"].as_str(), token["LOGIN_NAME"].as_str()),
            (Some("pat"), Some("u"))
        );
        let password = sent(json!({"password": " p "})).await;
        assert_eq!(
            (password["AUTHENTICATOR"].as_str(), password["PASSWORD"].as_str()),
            (Some("SNOWFLAKE"), Some(" p "))
        );
        let oauth = sent(json!({"oauth": {"token": "o"}})).await;
        assert_eq!(
            (oauth["AUTHENTICATOR"].as_str(), oauth["TOKEN"].as_str()),
            (Some("OAUTH"), Some("o"))
        );
        let pem = include_str!("../tests/keys/plain.p8");
        let key = sent(json!({"private_key": pem})).await;
        assert_eq!(key["AUTHENTICATOR"], "SNOWFLAKE_JWT");
        assert_eq!(key["TOKEN"].as_str().unwrap().split('.').count(), 3);
    }

    #[tokio::test]
    async fn a_session_is_in_utc_and_says_whose_it_is() {
        let sent = sent(json!({"token": "t", "statement_timeout": "1500ms"})).await;
        let parameters = &sent["SESSION_PARAMETERS"];
        assert_eq!(parameters["TIMEZONE"], "UTC");
        assert_eq!(parameters["QUERY_TAG"], "outflow/customers/run-1");
        assert_eq!(parameters["STATEMENT_TIMEOUT_IN_SECONDS"], 2);
    }

    #[test]
    fn names_in_quotes_stay_in_quotes() {
        let settings = settings(json!({"token": "t", "role": "\"Read only\"", "database": "db"}));
        assert_eq!(
            query_string(&settings),
            "databaseName=db&roleName=%22Read+only%22"
        );
    }
}
