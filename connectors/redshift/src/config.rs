//! Settings of `redshift` and `postgres` sources.

use std::path::PathBuf;
use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::limits::Span;
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dialect::Dialect;
use crate::unload_settings::UnloadSettings;

/// Amazon Redshift as a source. Log in with `user` and `password`, or with `iam`. A role that may only
/// read is enough, and better: the README of this connector has its grants.
///
/// Models are one SELECT in Redshift's SQL. Sessions are in UTC and named `outflow/SYNC/RUN` in
/// `query_group`, so that WLM can route them and the system tables show them. SUPER columns are JSON.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedshiftSettings {
    /// Host of the cluster's or workgroup's endpoint, without port and database.
    #[schemars(example = &"wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com")]
    pub host: String,
    /// Port of the endpoint.
    #[serde(default = "redshift_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Database.
    pub database: String,
    /// Database user; with `iam` of a provisioned cluster the user whose temporary password is asked for.
    #[serde(default)]
    pub user: Option<String>,
    /// Password of the database user; not with `iam`.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Temporary credentials in place of a password.
    #[serde(default)]
    pub iam: Option<IamSettings>,
    /// How the connection is protected. Default: `verify-full`.
    #[serde(default)]
    pub tls: Option<TlsMode>,
    /// A file of CA certificates (PEM) that are trusted besides those of the system and of Mozilla.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Time after which the server ends a model's query; without it the server's own limits hold.
    #[serde(default)]
    pub statement_timeout: Option<Span>,
    /// Reads by way of S3 instead of over the connection, for large models; in builds with `--features unload`.
    #[serde(default)]
    pub unload: Option<UnloadSettings>,
}

/// PostgreSQL (12 or later) as a source. A role that may only read is enough, and better: the README of
/// this connector has its grants.
///
/// Models are one SELECT. Sessions are read-only, in UTC and called `outflow/SYNC/RUN` in
/// `pg_stat_activity`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresSettings {
    /// Host, or the folder of its Unix socket.
    #[schemars(example = &"db.example.com")]
    pub host: String,
    /// Port.
    #[serde(default = "postgres_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role that logs in.
    pub user: String,
    /// The role's password; not needed where the server trusts the connection.
    #[serde(default)]
    pub password: Option<Secret>,
    /// How the connection is protected. Default: `require`, and `disable` on this very machine.
    #[serde(default)]
    pub tls: Option<TlsMode>,
    /// A file of CA certificates (PEM) that are trusted besides those of the system and of Mozilla.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Time after which the server ends a model's query; without it the server's own limits hold. It
    /// counts the whole read.
    #[serde(default)]
    pub statement_timeout: Option<Span>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Not at all: password and rows can be read on the way.
    Disable,
    /// Encrypted. The server's certificate is not checked, except against `ca_file` where there is one.
    Require,
    /// Encrypted, and the certificate must be trusted and made out to the host.
    VerifyFull,
}

/// Credentials of AWS that get a temporary database password, for every connection anew. They need
/// `redshift:GetClusterCredentials` for a cluster, `redshift-serverless:GetCredentials` for a workgroup.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IamSettings {
    /// Region of the cluster or workgroup.
    #[schemars(example = &"eu-west-1")]
    pub region: String,
    /// Identifier of a provisioned cluster; either this or `workgroup`.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Name of a serverless workgroup; either this or `cluster`.
    #[serde(default)]
    pub workgroup: Option<String>,
    /// Access key id.
    pub access_key_id: Secret,
    /// Secret access key.
    pub secret_access_key: Secret,
    /// Session token that goes with temporary keys.
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// Address of the AWS API in place of the region's, such as that of a VPC endpoint.
    #[serde(default)]
    #[schemars(url)]
    pub endpoint: Option<String>,
}

fn redshift_port() -> u16 {
    Dialect::Redshift.port()
}

fn postgres_port() -> u16 {
    Dialect::Postgres.port()
}

/// How to prove who connects.
#[derive(Clone, Debug)]
pub(crate) enum Login {
    /// A user and, where the server asks for one, a password.
    Password { user: String, password: Option<Secret> },
    /// A temporary password; the user of a provisioned cluster.
    Iam { iam: IamSettings, user: Option<String> },
}

/// What a connection needs, with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) dialect: Dialect,
    pub(crate) connection: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) login: Login,
    pub(crate) tls: TlsMode,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) statement_timeout: Option<Duration>,
}

impl Settings {
    /// Settings of a Redshift source.
    pub(crate) fn redshift(
        settings: RedshiftSettings,
        context: &OpenContext,
    ) -> Result<Self, ConnectorError> {
        let login = match (settings.iam, settings.user, settings.password) {
            (Some(_), _, Some(_)) => {
                return Err(wrong(
                    context,
                    "has both `password` and `iam`",
                    "keep one of them",
                ));
            }
            (Some(iam), user, None) => {
                check_iam(&iam, user.as_deref(), context)?;
                Login::Iam { iam, user }
            }
            (None, Some(user), Some(password)) => Login::Password {
                user,
                password: Some(password),
            },
            (None, _, _) => {
                return Err(wrong(
                    context,
                    "says neither `user` and `password` nor `iam`",
                    "write `password: \"${env:REDSHIFT_PASSWORD}\"` beside `user:`",
                ));
            }
        };
        let settings = Self {
            dialect: Dialect::Redshift,
            connection: context.connection.clone(),
            tls: settings.tls.unwrap_or(TlsMode::VerifyFull),
            host: settings.host,
            port: settings.port,
            database: settings.database,
            login,
            ca_file: settings.ca_file.map(|file| context.root.join(file)),
            statement_timeout: settings.statement_timeout.map(|span| span.0),
        };
        settings.checked(context)
    }

    /// Settings of a PostgreSQL source.
    pub(crate) fn postgres(
        settings: PostgresSettings,
        context: &OpenContext,
    ) -> Result<Self, ConnectorError> {
        let default_tls = if is_local(&settings.host) {
            TlsMode::Disable
        } else {
            TlsMode::Require
        };
        let settings = Self {
            dialect: Dialect::Postgres,
            connection: context.connection.clone(),
            tls: settings.tls.unwrap_or(default_tls),
            host: settings.host,
            port: settings.port,
            database: settings.database,
            login: Login::Password {
                user: settings.user,
                password: settings.password,
            },
            ca_file: settings.ca_file.map(|file| context.root.join(file)),
            statement_timeout: settings.statement_timeout.map(|span| span.0),
        };
        settings.checked(context)
    }

    fn checked(self, context: &OpenContext) -> Result<Self, ConnectorError> {
        if self.host.contains("://") || (self.host.contains(['/', ' ', '@', ',']) && !self.is_socket()) {
            return Err(wrong(
                context,
                "has a `host` that is no host name",
                "write the host alone; port and database have settings of their own",
            ));
        }
        // The console shows endpoints as HOST:PORT/DATABASE. IPv6 addresses have several colons.
        if self.host.matches(':').count() == 1 {
            return Err(wrong(
                context,
                "has a port in `host`",
                "write the port as `port:`",
            ));
        }
        for (key, text) in [("host", &self.host), ("database", &self.database)] {
            if text.trim().is_empty() {
                return Err(wrong(context, &format!("has an empty `{key}`"), "fill it in"));
            }
        }
        if self.is_socket() && self.tls != TlsMode::Disable {
            return Err(wrong(
                context,
                "asks for TLS on a Unix socket",
                "leave `tls:` out",
            ));
        }
        Ok(self)
    }

    /// Whether the host is the folder of a Unix socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether the server is this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_local(&self.host)
    }

    /// The server, as messages name it.
    pub(crate) fn address(&self) -> String {
        if self.is_socket() {
            format!("{} (port {})", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The user, as messages name it.
    pub(crate) fn user(&self) -> &str {
        match &self.login {
            Login::Password { user, .. } => user,
            Login::Iam { user, .. } => user.as_deref().unwrap_or("(from IAM)"),
        }
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn check_iam(iam: &IamSettings, user: Option<&str>, context: &OpenContext) -> Result<(), ConnectorError> {
    match (&iam.cluster, &iam.workgroup) {
        (Some(_), None) if user.is_none() => Err(wrong(
            context,
            "has `iam` of a cluster without a `user`",
            "name the database user whose temporary password is asked for",
        )),
        (None, Some(_)) if user.is_some() => Err(wrong(
            context,
            "has a `user` beside `iam` of a workgroup, whose user AWS decides",
            "remove `user:`",
        )),
        (Some(_), None) | (None, Some(_)) => Ok(()),
        _ => Err(wrong(
            context,
            "names not exactly one of `cluster` and `workgroup` in `iam`",
            "a provisioned cluster has an identifier, serverless a workgroup",
        )),
    }
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

    fn context() -> OpenContext {
        OpenContext {
            root: "/project".into(),
            connection: "wh".into(),
        }
    }

    fn redshift(value: serde_json::Value) -> Result<Settings, ConnectorError> {
        Settings::redshift(serde_json::from_value(value).unwrap(), &context())
    }

    fn postgres(value: serde_json::Value) -> Result<Settings, ConnectorError> {
        Settings::postgres(serde_json::from_value(value).unwrap(), &context())
    }

    #[test]
    fn redshift_is_verified_unless_told_otherwise() {
        let settings = redshift(
            json!({"host": "h", "database": "d", "user": "u", "password": "p", "ca_file": "ca.pem"}),
        )
        .unwrap();
        assert_eq!((settings.port, settings.tls), (5439, TlsMode::VerifyFull));
        assert_eq!(settings.ca_file.unwrap(), PathBuf::from("/project/ca.pem"));
    }

    #[test]
    fn postgres_is_encrypted_except_on_this_machine() {
        for (host, tls) in [
            ("db.example.com", TlsMode::Require),
            ("localhost", TlsMode::Disable),
            ("127.0.0.1", TlsMode::Disable),
            ("::1", TlsMode::Disable),
            ("/var/run/postgresql", TlsMode::Disable),
        ] {
            let settings = postgres(json!({"host": host, "database": "d", "user": "u"})).unwrap();
            assert_eq!((settings.port, settings.tls), (5432, tls), "{host}");
        }
    }

    #[test]
    fn contradictions_are_named_with_a_way_out() {
        let iam = json!({"region": "r", "access_key_id": "a", "secret_access_key": "s"});
        let with = |key: &str| {
            let mut iam = iam.clone();
            iam[key] = json!("x");
            iam
        };
        for (value, words) in [
            (json!({"host": "h", "database": "d", "user": "u"}), "neither"),
            (
                json!({"host": "h", "database": "d", "password": "p", "iam": with("workgroup")}),
                "both",
            ),
            (json!({"host": "h", "database": "d", "iam": iam}), "exactly one"),
            (
                json!({"host": "h", "database": "d", "iam": with("cluster")}),
                "without a `user`",
            ),
            (
                json!({"host": "h", "database": "d", "user": "u", "iam": with("workgroup")}),
                "AWS decides",
            ),
            (
                json!({"host": "postgres://h", "database": "d", "user": "u", "password": "p"}),
                "no host name",
            ),
            (
                json!({"host": "h:5439", "database": "d", "user": "u", "password": "p"}),
                "port in `host`",
            ),
            (
                json!({"host": "h", "database": " ", "user": "u", "password": "p"}),
                "empty `database`",
            ),
        ] {
            let error = redshift(value).unwrap_err();
            assert!(error.message.contains(words), "{error}");
            assert!(error.hint.is_some());
        }
        let error =
            postgres(json!({"host": "/run", "database": "d", "user": "u", "tls": "require"})).unwrap_err();
        assert!(error.message.contains("Unix socket"), "{error}");
    }

    #[test]
    fn secrets_do_not_print() {
        let settings = redshift(json!({"host": "h", "database": "d", "iam": {"region": "r", "workgroup": "w",
            "access_key_id": "AKIAVERYSECRET", "secret_access_key": "hidden-key", "session_token": "hidden-token"}}))
        .unwrap();
        let shown = format!("{settings:?}");
        assert!(
            !shown.contains("hidden") && !shown.contains("AKIAVERYSECRET"),
            "{shown}"
        );
    }
}
