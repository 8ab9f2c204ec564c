//! One connection: logged in, set up, and cancelled when it is dropped while a query runs.

use std::time::Duration;

use jiff::Timestamp;
use outflow_sdk::ConnectorError;
use outflow_sdk::http::Exchange;
use outflow_sdk::secret::Secret;
use outflow_sdk::tag::Tag;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Config, NoTls};

use crate::config::{Login, Settings};
use crate::dialect::Dialect;
use crate::failure::{self, Doing};
use crate::iam;
use crate::tls::Tls;

/// Time for a TCP connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Time until a session can be used: connection, TLS, log-in, settings.
const OPEN: Duration = Duration::from_secs(30);
/// Time for a cancel request.
const CANCEL: Duration = Duration::from_secs(5);
/// A server that is silent that long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A connection to the warehouse.
pub(crate) struct Session {
    client: Client,
    cancel: CancelToken,
    tls: Tls,
    driver: JoinHandle<()>,
    runtime: Handle,
    /// Whether the server may be at work for it.
    busy: bool,
}

impl Session {
    /// Connects, logs in and sets the session up.
    ///
    /// # Errors
    /// `Auth` when the log-in is refused, `Config` when TLS cannot be had as asked for, transient ones
    /// when the server cannot be reached.
    pub(crate) async fn open(
        settings: &Settings,
        exchange: Option<&dyn Exchange>,
        tag: Option<&Tag>,
    ) -> Result<Self, ConnectorError> {
        let tls = Tls::new(settings)?;
        let (user, password) = log_in_as(settings, exchange).await?;
        let config = config(settings, &user, password.as_ref(), tag);
        let opening = async {
            let session = connect(&config, tls, settings).await?;
            session.set_up(settings, tag).await?;
            Ok(session)
        };
        match timeout(OPEN, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(failure::unreachable(settings, "no answer within 30 s")),
        }
    }

    /// What queries are sent with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Says whether the server may be at work: then dropping the session cancels it.
    pub(crate) fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// The first row of a small query.
    pub(crate) async fn one_row(
        &self,
        settings: &Settings,
        sql: &str,
    ) -> Result<Vec<Option<String>>, ConnectorError> {
        Ok(self
            .rows(settings, sql)
            .await?
            .into_iter()
            .next()
            .unwrap_or_default())
    }

    /// The rows of a small query.
    pub(crate) async fn rows(
        &self,
        settings: &Settings,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, ConnectorError> {
        let messages = self
            .client
            .simple_query(sql)
            .await
            .map_err(|error| failure::classify(&error, settings, Doing::Looking))?;
        let mut rows = Vec::new();
        for message in messages {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                let cells = (0..row.len()).map(|at| row.try_get(at).ok().flatten().map(str::to_owned));
                rows.push(cells.collect());
            }
        }
        Ok(rows)
    }

    async fn set_up(&self, settings: &Settings, tag: Option<&Tag>) -> Result<(), ConnectorError> {
        let mut required = String::new();
        for (name, value) in settings.dialect.required_settings() {
            required.push_str(&format!("SET {name} TO '{value}'; "));
        }
        if let Some(time) = settings.statement_timeout {
            // 0 would mean for ever.
            required.push_str(&format!("SET statement_timeout TO {}", time.as_millis().max(1)));
        }
        self.client
            .batch_execute(&required)
            .await
            .map_err(|error| failure::classify(&error, settings, Doing::Looking))?;
        let mut wished: Vec<String> = settings
            .dialect
            .wished_settings()
            .iter()
            .map(|(name, value)| format!("SET {name} TO '{value}'"))
            .collect();
        if let (Dialect::Redshift, Some(tag)) = (settings.dialect, tag) {
            wished.push(format!("SET query_group TO '{}'", tag.name()));
        }
        for statement in wished {
            match self.client.batch_execute(&statement).await {
                Err(error) if error.as_db_error().is_none() => {
                    return Err(failure::classify(&error, settings, Doing::Looking));
                }
                // A version that does not know the setting does without.
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.busy {
            // The driver says goodbye by itself when the client is gone.
            return;
        }
        let (cancel, tls, driver) = (self.cancel.clone(), self.tls.clone(), self.driver.abort_handle());
        self.runtime.spawn(async move {
            let request = async {
                match tls {
                    Tls::Off => cancel.cancel_query(NoTls).await,
                    Tls::On(tls) => cancel.cancel_query(tls).await,
                }
            };
            // Whether it arrives or not, closing the connection is all that is left to do.
            let _ = timeout(CANCEL, request).await;
            driver.abort();
        });
    }
}

async fn log_in_as(
    settings: &Settings,
    exchange: Option<&dyn Exchange>,
) -> Result<(String, Option<Secret>), ConnectorError> {
    match (&settings.login, exchange) {
        (Login::Password { user, password }, _) => Ok((user.clone(), password.clone())),
        (Login::Iam { iam, user }, Some(exchange)) => {
            let now = Timestamp::now();
            let temporary = iam::credentials(exchange, iam, user.as_deref(), &settings.database, now).await?;
            Ok((temporary.user, Some(temporary.password)))
        }
        (Login::Iam { .. }, None) => Err(ConnectorError::new(
            outflow_sdk::ErrorKind::Internal,
            "iam_exchange",
            "no way to AWS was set up",
        )),
    }
}

fn config(settings: &Settings, user: &str, password: Option<&Secret>, tag: Option<&Tag>) -> Config {
    let mut config = Config::new();
    let name = tag.map_or_else(|| "outflow".to_owned(), Tag::name);
    config
        .host(&settings.host)
        .port(settings.port)
        .dbname(&settings.database)
        .user(user)
        .application_name(name)
        .connect_timeout(CONNECT)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3);
    if let Some(password) = password {
        config.password(password.expose());
    }
    config
}

async fn connect(config: &Config, tls: Tls, settings: &Settings) -> Result<Session, ConnectorError> {
    let failed = |error| failure::classify(&error, settings, Doing::Connecting);
    let mut config = config.clone();
    let (client, driver) = match &tls {
        Tls::Off => {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            (client, tokio::spawn(async { drop(connection.await) }))
        }
        Tls::On(connector) => {
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(connector.clone()).await.map_err(failed)?;
            (client, tokio::spawn(async { drop(connection.await) }))
        }
    };
    Ok(Session {
        cancel: client.cancel_token(),
        client,
        tls,
        driver,
        runtime: Handle::current(),
        busy: false,
    })
}
