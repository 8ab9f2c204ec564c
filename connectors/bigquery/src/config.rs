//! Settings of a `bigquery` source.

use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::limits::Span;
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where the REST API is, unless settings say otherwise.
pub(crate) const REST: &str = "https://bigquery.googleapis.com";
/// Where the Storage Read API is.
pub(crate) const STORAGE: &str = "https://bigquerystorage.googleapis.com";

/// Google BigQuery as a source. A principal that may run jobs and read the model's tables is enough, and
/// better: the README of this connector has its grants.
///
/// Models are one query in GoogleSQL. Every job has the labels `outflow_sync` and `outflow_run`. Results
/// come as Arrow by the Storage Read API; small ones, and all where that API may not be used, by REST.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BigQuerySettings {
    /// Id of the project that runs the jobs and pays for them. Tables of other projects are named in full.
    #[schemars(example = &"acme-analytics")]
    pub project: String,
    /// Dataset of tables that are named without one.
    #[serde(default)]
    #[schemars(example = &"marketing")]
    pub dataset: Option<String>,
    /// Region or multi-region of the data. Without it BigQuery finds it out from the tables of the model.
    #[serde(default)]
    #[schemars(example = &"EU", example = &"europe-west1")]
    pub location: Option<String>,
    /// Credentials as JSON: the key of a service account, or what `gcloud` writes for users, impersonation
    /// and workload identity federation. Without it, application default credentials: the file named by
    /// `GOOGLE_APPLICATION_CREDENTIALS`, the file of `gcloud auth application-default login`, the metadata
    /// server of Google's machines.
    #[serde(default)]
    pub credentials: Option<Secret>,
    /// E-mail address of a service account to act as. The credentials need the role Service Account Token
    /// Creator on it.
    #[serde(default)]
    #[schemars(example = &"outflow@acme-analytics.iam.gserviceaccount.com")]
    pub impersonate: Option<String>,
    /// Address of the REST API in place of Google's: scheme and host, no path. With `http://` and without
    /// `credentials` nothing is sent that identifies anybody, as emulators like it.
    #[serde(default)]
    #[schemars(url, example = &"https://bigquery-acme.p.googleapis.com")]
    pub base_url: Option<String>,
    /// Address of the Storage Read API in place of Google's: scheme and host. With a `base_url` and without
    /// this, all results come by REST.
    #[serde(default)]
    #[schemars(url, example = &"https://bigquerystorage-acme.p.googleapis.com")]
    pub storage_base_url: Option<String>,
    /// Most bytes a model's query may be billed for; one that would need more fails without cost. It also
    /// bounds what is read of a `table:` model.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub maximum_bytes_billed: Option<u64>,
    /// Time after which BigQuery ends a model's query; without it BigQuery's own limit of six hours holds.
    #[serde(default)]
    pub job_timeout: Option<Span>,
}

/// What a connection needs, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) project: String,
    pub(crate) dataset: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) credentials: Option<Secret>,
    pub(crate) impersonate: Option<String>,
    /// Without a slash at its end.
    pub(crate) base_url: String,
    /// None when results come by REST alone.
    pub(crate) storage_url: Option<String>,
    pub(crate) maximum_bytes_billed: Option<u64>,
    pub(crate) job_timeout: Option<Duration>,
}

impl Settings {
    /// Checks what a schema cannot.
    ///
    /// # Errors
    /// `Config` when a setting is no id, or no address.
    pub(crate) fn new(settings: BigQuerySettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        let wrong = |what: String, hint: &str| {
            let connection = &context.connection;
            ConnectorError::config("bigquery_settings", format!("source '{connection}' {what}"))
                .with_hint(hint)
        };
        if !is_project(&settings.project) {
            return Err(wrong(
                "has a `project` that is no project id".into(),
                "write the id, such as acme-analytics: not the project's name or number",
            ));
        }
        if let Some(dataset) = &settings.dataset
            && !is_name(dataset)
        {
            return Err(wrong(
                "has a `dataset` that is no dataset's name".into(),
                "write the dataset alone, without its project",
            ));
        }
        if let Some(location) = &settings.location
            && (location.is_empty() || !location.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        {
            return Err(wrong(
                "has a `location` that is none".into(),
                "write a region or multi-region, such as EU or europe-west1",
            ));
        }
        if let Some(email) = &settings.impersonate {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '@' | '_');
            if !email.contains('@') || !email.chars().all(plain) {
                return Err(wrong(
                    "has an `impersonate` that is no e-mail address".into(),
                    "write the service account's address, NAME@PROJECT.iam.gserviceaccount.com",
                ));
            }
        }
        let address = |key: &str, given: Option<String>| match given {
            None => Ok(None),
            Some(url) => host_only(&url).map(|url| Some(url.to_owned())).ok_or_else(|| {
                wrong(
                    format!("has a `{key}` that is not a scheme and a host"),
                    "write https://HOST or http://HOST:PORT; the path is added",
                )
            }),
        };
        let base = address("base_url", settings.base_url)?;
        let storage = address("storage_base_url", settings.storage_base_url)?;
        Ok(Self {
            project: settings.project,
            dataset: settings.dataset,
            location: settings.location,
            credentials: settings.credentials,
            impersonate: settings.impersonate,
            storage_url: storage.or_else(|| base.is_none().then(|| STORAGE.to_owned())),
            base_url: base.unwrap_or_else(|| REST.to_owned()),
            maximum_bytes_billed: settings.maximum_bytes_billed,
            job_timeout: settings.job_timeout.map(|span| span.0),
        })
    }

    /// Whether requests go out without saying who asks.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.credentials.is_none() && self.base_url.starts_with("http://")
    }

    /// Whether the REST API is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.host();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Host and port of the REST API, as messages name it.
    pub(crate) fn host(&self) -> &str {
        self.base_url
            .split_once("://")
            .map_or(self.base_url.as_str(), |(_, host)| host)
    }
}

/// Project ids; old ones may begin with a domain (`example.com:project`).
pub(crate) fn is_project(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    !text.is_empty() && text.bytes().all(plain) && !text.ends_with(['.', ':', '-'])
}

/// Names of datasets.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn host_only(url: &str) -> Option<&str> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let fits = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
    fits.then_some(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value as Json, json};

    use super::*;

    fn settings(text: Json) -> Result<Settings, ConnectorError> {
        let context = OpenContext {
            root: ".".into(),
            connection: "warehouse".into(),
        };
        Settings::new(serde_json::from_value(text).unwrap(), &context)
    }

    #[test]
    fn google_is_where_nothing_else_is_said() {
        let known = settings(json!({"project": "acme"})).unwrap();
        assert_eq!(
            (known.base_url.as_str(), known.storage_url.as_deref()),
            (REST, Some(STORAGE))
        );
        assert!(!known.is_anonymous());
        let own = settings(json!({"project": "acme", "base_url": "http://127.0.0.1:9050/"})).unwrap();
        assert_eq!(
            (own.base_url.as_str(), own.storage_url.as_deref()),
            ("http://127.0.0.1:9050", None)
        );
        assert_eq!(own.host(), "127.0.0.1:9050");
        assert!(own.is_anonymous() && own.is_local());
        let proxied = settings(json!({"project": "acme", "base_url": "https://bq.internal"})).unwrap();
        assert!(!proxied.is_anonymous());
    }

    #[test]
    fn settings_that_cannot_be_are_refused_by_name() {
        for (change, key) in [
            (json!({"project": "Acme Analytics"}), "project"),
            (json!({"dataset": "acme.shop"}), "dataset"),
            (json!({"location": "the moon"}), "location"),
            (json!({"impersonate": "outflow"}), "impersonate"),
            (json!({"base_url": "bigquery.googleapis.com"}), "base_url"),
            (
                json!({"base_url": "https://bigquery.googleapis.com/bigquery/v2"}),
                "base_url",
            ),
            (
                json!({"storage_base_url": "https://user@host"}),
                "storage_base_url",
            ),
        ] {
            let mut all = json!({"project": "acme"});
            for (name, value) in change.as_object().unwrap() {
                all[name] = value.clone();
            }
            let error = settings(all).unwrap_err();
            assert!(error.message.contains(key) && error.hint.is_some(), "{error}");
        }
    }
}
