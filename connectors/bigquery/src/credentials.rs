//! Credentials: what a file says of who asks, and where the file is when settings do not give it.
//!
//! The kinds and their keys are those of Google's client libraries
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outflow_sdk::ConnectorError;
use outflow_sdk::secret::Secret;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::config::Settings;

/// Where tokens are given out, unless a file says otherwise.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The metadata server of Google's machines.
const METADATA_HOST: &str = "metadata.google.internal";

/// Who asks, and how that is proven.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    ServiceAccount(ServiceAccount),
    User(User),
    /// The service account of the machine; the host of its metadata server.
    Metadata(String),
    /// Another cloud's identity, exchanged.
    External(Box<External>),
    /// A service account that others act as.
    Impersonated(Impersonated),
}

/// A key of a service account.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServiceAccount {
    pub(crate) client_email: String,
    pub(crate) private_key: Secret,
    #[serde(default)]
    pub(crate) private_key_id: Option<String>,
    #[serde(default = "token_uri")]
    pub(crate) token_uri: String,
}

/// What `gcloud auth application-default login` leaves.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) refresh_token: Secret,
    #[serde(default = "token_uri")]
    pub(crate) token_uri: String,
}

/// Workload identity federation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct External {
    pub(crate) audience: String,
    pub(crate) subject_token_type: String,
    pub(crate) token_url: String,
    pub(crate) credential_source: SubjectSource,
    #[serde(default)]
    pub(crate) service_account_impersonation_url: Option<String>,
}

/// Where the other cloud's token is found.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct SubjectSource {
    #[serde(default)]
    pub(crate) file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
    #[serde(default)]
    pub(crate) format: SubjectFormat,
    #[serde(default)]
    executable: Option<Json>,
    #[serde(default)]
    environment_id: Option<String>,
}

/// How the other cloud's token is written.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct SubjectFormat {
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) subject_token_field_name: Option<String>,
}

/// One principal acting as a service account.
#[derive(Clone, Debug)]
pub(crate) struct Impersonated {
    pub(crate) source: Box<Credentials>,
    /// The address that gives out its tokens.
    pub(crate) url: String,
    pub(crate) delegates: Vec<String>,
}

fn token_uri() -> String {
    TOKEN_URI.to_owned()
}

/// What the process was started with; a seam, so that tests own it.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Credentials {
    /// The credentials of a source; none when nobody is to be named.
    ///
    /// # Errors
    /// `Auth` when a file cannot be read or is no credential, `Config` for one of a kind that is not
    /// supported.
    pub(crate) fn of(
        settings: &Settings,
        environment: Environment<'_>,
    ) -> Result<Option<Self>, ConnectorError> {
        if settings.is_anonymous() {
            return Ok(None);
        }
        let own = match &settings.credentials {
            Some(secret) => Self::parse(secret.expose(), "`credentials`")?,
            None => Self::default_of(environment)?,
        };
        Ok(Some(match &settings.impersonate {
            Some(email) => own.acting_as(email),
            None => own,
        }))
    }

    fn acting_as(self, email: &str) -> Self {
        let api = "https://iamcredentials.googleapis.com/v1";
        Credentials::Impersonated(Impersonated {
            source: Box::new(self),
            url: format!("{api}/projects/-/serviceAccounts/{email}:generateAccessToken"),
            delegates: Vec::new(),
        })
    }

    /// Application default credentials.
    fn default_of(environment: Environment<'_>) -> Result<Self, ConnectorError> {
        if let Some(path) = environment("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty()) {
            let text =
                std::fs::read_to_string(&path).map_err(|error| unreadable(Path::new(&path), &error))?;
            return Self::parse(&text, "the file in GOOGLE_APPLICATION_CREDENTIALS");
        }
        let folder = environment("CLOUDSDK_CONFIG")
            .map(PathBuf::from)
            .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".config/gcloud")));
        if let Some(path) = folder.map(|folder| folder.join("application_default_credentials.json")) {
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(&text, "gcloud's application default credentials"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        let host = environment("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
        Ok(Credentials::Metadata(host))
    }

    /// Credentials as JSON; `place` is what messages call it.
    pub(crate) fn parse(text: &str, place: &str) -> Result<Self, ConnectorError> {
        let json: Json = serde_json::from_str(text).map_err(|_| {
            wrong(format!("{place} is not JSON")).with_hint(
                "give the whole key file, as `credentials: \"${file:/run/secrets/bigquery.json}\"`",
            )
        })?;
        Self::from_json(&json, place)
    }

    fn from_json(json: &Json, place: &str) -> Result<Self, ConnectorError> {
        let kind = json.get("type").and_then(Json::as_str).unwrap_or_default();
        match kind {
            "service_account" => known(json, place).map(Credentials::ServiceAccount),
            "authorized_user" => known(json, place).map(Credentials::User),
            "external_account" => {
                external(json, place).map(|external| Credentials::External(Box::new(external)))
            }
            "impersonated_service_account" => {
                let url = json
                    .get("service_account_impersonation_url")
                    .and_then(Json::as_str);
                let source = json.get("source_credentials");
                let (Some(url), Some(source)) = (url, source) else {
                    return Err(incomplete(place, kind));
                };
                Ok(Credentials::Impersonated(Impersonated {
                    source: Box::new(Self::from_json(source, place)?),
                    url: url.to_owned(),
                    delegates: json
                        .get("delegates")
                        .and_then(Json::as_array)
                        .map(|all| all.iter().filter_map(Json::as_str).map(str::to_owned).collect())
                        .unwrap_or_default(),
                }))
            }
            "" => Err(
                wrong(format!("{place} is JSON, but no credential: it has no `type`"))
                    .with_hint("a key file of a service account has `\"type\": \"service_account\"`"),
            ),
            other => Err(wrong(format!(
                "{place} is a credential of type '{other}', which is not supported"
            ))
            .with_hint(
                "use service_account, authorized_user, external_account or impersonated_service_account",
            )),
        }
    }
}

fn known<T: serde::de::DeserializeOwned>(json: &Json, place: &str) -> Result<T, ConnectorError> {
    // The error of serde may quote a value.
    T::deserialize(json).map_err(|_| {
        let kind = json.get("type").and_then(Json::as_str).unwrap_or_default();
        incomplete(place, kind)
    })
}

fn external(json: &Json, place: &str) -> Result<External, ConnectorError> {
    let external: External = known(json, place)?;
    let source = &external.credential_source;
    let what = if source.executable.is_some() {
        "a program"
    } else if source.environment_id.is_some() {
        "the signature of an AWS role"
    } else if source.file.is_none() && source.url.is_none() {
        "neither a file nor an address"
    } else {
        return Ok(external);
    };
    Err(ConnectorError::config(
        "credentials_unsupported",
        format!("{place} takes the subject token from {what}, which is not supported"),
    )
    .with_hint("use a provider whose token is in a file or at an address, or a service account's key"))
}

fn wrong(message: String) -> ConnectorError {
    ConnectorError::new(outflow_sdk::ErrorKind::Auth, "credentials_unreadable", message)
}

fn incomplete(place: &str, kind: &str) -> ConnectorError {
    wrong(format!("{place} is of type '{kind}', but lacks something of it"))
        .with_hint("make a new one; its keys are those Google writes")
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConnectorError {
    wrong(format!("{}: cannot be read: {error}", path.display()))
        .with_hint("check GOOGLE_APPLICATION_CREDENTIALS, or give the source `credentials:`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::ErrorKind;
    use serde_json::json;

    use super::*;
    use crate::query::tests::settings;

    /// The account, where the credential tells.
    fn principal(credentials: &Credentials) -> &str {
        match credentials {
            Credentials::ServiceAccount(account) => &account.client_email,
            Credentials::Impersonated(acting) => {
                let (_, account) = acting.url.rsplit_once("/serviceAccounts/").unwrap();
                account.split(':').next().unwrap()
            }
            _ => "nobody in particular",
        }
    }

    fn parse(json: Json) -> Result<Credentials, ConnectorError> {
        Credentials::parse(&json.to_string(), "`credentials`")
    }

    #[test]
    fn every_kind_of_file_is_known() {
        let key = json!({"type": "service_account", "client_email": "a@b", "private_key": "k"});
        assert_eq!(principal(&parse(key.clone()).unwrap()), "a@b");
        let user =
            json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
        assert!(matches!(parse(user).unwrap(), Credentials::User(user) if user.token_uri == TOKEN_URI));
        let url =
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/x@y:generateAccessToken";
        let acting = json!({"type": "impersonated_service_account", "service_account_impersonation_url": url,
            "source_credentials": key});
        assert_eq!(principal(&parse(acting).unwrap()), "x@y");
        let external = json!({"type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": "u", "credential_source": {"file": "/var/run/token"}});
        assert!(matches!(parse(external).unwrap(), Credentials::External(_)));
    }

    #[test]
    fn what_is_no_credential_is_told_without_quoting_it() {
        for (text, code) in [
            ("-----BEGIN PRIVATE KEY-----hunter2", "credentials_unreadable"),
            (r#"{"private_key": "hunter2"}"#, "credentials_unreadable"),
            (
                r#"{"type": "service_account", "private_key": "hunter2"}"#,
                "credentials_unreadable",
            ),
            (
                r#"{"type": "gdch_service_account", "private_key": "hunter2"}"#,
                "credentials_unreadable",
            ),
            (
                r#"{"type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "u",
                    "credential_source": {"environment_id": "aws1", "url": "hunter2"}}"#,
                "credentials_unsupported",
            ),
        ] {
            let error = Credentials::parse(text, "`credentials`").unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(
                error.hint.is_some() && !format!("{error:?}").contains("hunter2"),
                "{error:?}"
            );
            assert!(matches!(error.kind, ErrorKind::Auth | ErrorKind::Config));
        }
    }

    #[test]
    fn the_file_the_environment_names_comes_before_gclouds_and_the_machine() {
        let folder = std::env::temp_dir().join(format!("outflow-adc-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("gcloud")).unwrap();
        let write = |name: &str, email: &str| {
            let key = json!({"type": "service_account", "client_email": email, "private_key": "k"});
            std::fs::write(folder.join(name), key.to_string()).unwrap();
        };
        write("named.json", "named@x");
        let named = folder.join("named.json").display().to_string();
        let home = folder.join("gcloud").display().to_string();
        let of = |variables: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Credentials::of(&settings(), &get).map(Option::unwrap)
        };
        assert!(matches!(
            of(&[("CLOUDSDK_CONFIG", &home)]).unwrap(),
            Credentials::Metadata(_)
        ));
        write("gcloud/application_default_credentials.json", "gcloud@x");
        assert_eq!(principal(&of(&[("CLOUDSDK_CONFIG", &home)]).unwrap()), "gcloud@x");
        let both = [
            ("CLOUDSDK_CONFIG", home.as_str()),
            ("GOOGLE_APPLICATION_CREDENTIALS", &named),
        ];
        assert_eq!(principal(&of(&both).unwrap()), "named@x");
        let error = of(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")]).unwrap_err();
        assert_eq!(error.code, "credentials_unreadable");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
