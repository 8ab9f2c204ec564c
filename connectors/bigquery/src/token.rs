//! Access tokens: asked for when needed, kept until shortly before they expire.
//!
//! The client crates' own ways to a token have no time-outs, keep no token of the metadata server and know
//! neither impersonation nor federation, so they are asked for here, over the one HTTP client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outflow_sdk::http::{Exchange, ExchangeError, HttpRequest, HttpResponse, MAX_ANSWER};
use outflow_sdk::secret::Secret;
use outflow_sdk::{ConnectorError, ErrorKind};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credentials::{Credentials, External, Impersonated, ServiceAccount, User};
use crate::jwt;

/// What tokens are for. What may be done with them is for IAM to say.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the metadata server, which is next door or nowhere.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// A token is renewed so long before it expires.
const EARLY: Duration = Duration::from_secs(120);
/// Pauses before a request that failed in passing is made again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// The tokens of one connection.
pub(crate) struct Tokens {
    credentials: Credentials,
    exchange: Arc<dyn Exchange>,
    current: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    secret: Secret,
    lifetime: Duration,
    expires: Instant,
}

impl Token {
    fn new(secret: &str, lifetime: Duration) -> Self {
        Self {
            secret: Secret::new(secret),
            lifetime,
            expires: Instant::now() + lifetime,
        }
    }

    fn is_fresh(&self) -> bool {
        // One that lives shorter than the margin is used for half its life.
        let early = EARLY.min(self.lifetime / 2);
        Instant::now() + early < self.expires
    }
}

impl Tokens {
    /// Tokens of these credentials.
    pub(crate) fn new(credentials: Credentials, exchange: Arc<dyn Exchange>) -> Self {
        Self {
            credentials,
            exchange,
            current: Mutex::new(None),
        }
    }

    /// The value of an `Authorization` header.
    ///
    /// # Errors
    /// `Auth` when the credentials are refused, transient ones when nobody answers.
    pub(crate) async fn bearer(&self) -> Result<String, ConnectorError> {
        let mut current = self.current.lock().await;
        let token = match current.take().filter(Token::is_fresh) {
            Some(token) => token,
            None => self.ask(&self.credentials).await?,
        };
        let bearer = format!("Bearer {}", token.secret.expose());
        *current = Some(token);
        Ok(bearer)
    }

    /// Forgets the token, because it was refused.
    pub(crate) async fn forget(&self) {
        *self.current.lock().await = None;
    }

    async fn ask(&self, credentials: &Credentials) -> Result<Token, ConnectorError> {
        match credentials {
            Credentials::ServiceAccount(account) => self.of_service_account(account).await,
            Credentials::User(user) => self.of_user(user).await,
            Credentials::Metadata(host) => self.of_machine(host).await,
            Credentials::External(external) => self.of_federation(external).await,
            Credentials::Impersonated(acting) => self.of_impersonation(acting).await,
        }
    }

    async fn of_service_account(&self, account: &ServiceAccount) -> Result<Token, ConnectorError> {
        let claim = jwt::claim(account, SCOPE, jiff::Timestamp::now().as_second())?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &claim),
        ];
        self.form(&account.token_uri, &form, &account.client_email).await
    }

    async fn of_user(&self, user: &User) -> Result<Token, ConnectorError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", user.client_secret.expose()),
            ("refresh_token", user.refresh_token.expose()),
        ];
        self.form(&user.token_uri, &form, "the user of the credentials")
            .await
    }

    async fn of_machine(&self, host: &str) -> Result<Token, ConnectorError> {
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let request = HttpRequest {
            method: "GET",
            url: format!("http://{host}/{path}?scopes={SCOPE}"),
            headers: vec![("metadata-flavor", "Google".into())],
            body: Bytes::new(),
            timeout: METADATA_TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        let who = "the service account of this machine";
        match self.send(request).await {
            Ok(answer) => token(&answer, who),
            Err(error) if error.code == "unreachable" || error.code == "no_answer" => Err(auth(
                "no_credentials",
                "there are no credentials: no `credentials:`, no file of application default credentials, no \
                 metadata server",
            )
            .with_hint(
                "give the source `credentials: \"${file:…}\"`, or run `gcloud auth application-default login`",
            )),
            Err(error) => Err(error),
        }
    }

    /// The token of another cloud, exchanged for one of Google's
    /// (<https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>).
    async fn of_federation(&self, external: &External) -> Result<Token, ConnectorError> {
        let subject = self.subject(external).await?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &external.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", &external.subject_token_type),
            ("subject_token", subject.expose()),
        ];
        let own = self
            .form(&external.token_url, &form, "the federated identity")
            .await?;
        match &external.service_account_impersonation_url {
            Some(url) => self.acting(url, &[], &own).await,
            None => Ok(own),
        }
    }

    async fn subject(&self, external: &External) -> Result<Secret, ConnectorError> {
        let source = &external.credential_source;
        let text = match (&source.file, &source.url) {
            (Some(file), _) => tokio::fs::read_to_string(file).await.map_err(|error| {
                auth(
                    "subject_token",
                    format!("{}: cannot be read: {error}", file.display()),
                )
                .with_hint("the credentials name it as the place of the subject token")
            })?,
            (None, Some(url)) => {
                let mut request = get(url);
                for (name, value) in &source.headers {
                    // Names of headers are few and known; others are not sent.
                    if let Some(name) = header(name) {
                        request.headers.push((name, value.expose().to_owned()));
                    }
                }
                let answer = self.send(request).await?;
                if answer.status != 200 {
                    let status = answer.status;
                    return Err(auth(
                        "subject_token",
                        format!("the subject token was refused with HTTP {status}"),
                    )
                    .with_hint("the credentials name its address and headers as `credential_source`"));
                }
                String::from_utf8_lossy(&answer.body).into_owned()
            }
            (None, None) => String::new(),
        };
        let is_json = source.format.kind.as_deref() == Some("json");
        let token = if is_json {
            let field = source
                .format
                .subject_token_field_name
                .as_deref()
                .unwrap_or("access_token");
            let json: Json = serde_json::from_str(&text).unwrap_or_default();
            json.get(field).and_then(Json::as_str).map(str::to_owned)
        } else {
            Some(text.trim().to_owned())
        };
        token
            .filter(|token| !token.is_empty())
            .map(Secret::new)
            .ok_or_else(|| auth("subject_token", "the place of the subject token has none"))
    }

    async fn of_impersonation(&self, acting: &Impersonated) -> Result<Token, ConnectorError> {
        let own = Box::pin(self.ask(&acting.source)).await?;
        self.acting(&acting.url, &acting.delegates, &own).await
    }

    /// <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>
    async fn acting(&self, url: &str, delegates: &[String], own: &Token) -> Result<Token, ConnectorError> {
        let body = json!({"scope": [SCOPE], "lifetime": "3600s", "delegates": delegates});
        let request = HttpRequest {
            method: "POST",
            url: url.to_owned(),
            headers: vec![
                ("content-type", "application/json".into()),
                ("authorization", format!("Bearer {}", own.secret.expose())),
            ],
            body: body.to_string().into(),
            timeout: TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        let answer = self.send(request).await?;
        let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        match json.get("accessToken").and_then(Json::as_str) {
            Some(token) if answer.status == 200 => Ok(Token::new(token, Duration::from_secs(3_600))),
            _ => Err(auth(
                "impersonation_refused",
                format!(
                    "acting as the service account was refused with HTTP {}",
                    answer.status
                ),
            )
            .with_hint("grant the credentials' principal roles/iam.serviceAccountTokenCreator on it")),
        }
    }

    async fn form(&self, url: &str, form: &[(&str, &str)], who: &str) -> Result<Token, ConnectorError> {
        // The serializer itself cannot cross an await.
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = HttpRequest {
            method: "POST",
            url: url.to_owned(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
            body: body.into(),
            timeout: TIMEOUT,
            max_answer: MAX_ANSWER,
        };
        token(&self.send(request).await?, who)
    }

    /// Sends a request, again where the answer is about the server and not about us.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let answer = self.exchange.exchange(request.clone()).await;
            let is_passing = match &answer {
                Ok(answer) => answer.status >= 500 || answer.status == 429,
                Err(error) => !matches!(error, ExchangeError::Invalid(_)),
            };
            match pauses.next().filter(|_| is_passing) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    let answer = answer.map_err(ConnectorError::from)?;
                    return if is_passing {
                        let status = answer.status;
                        Err(ConnectorError::new(
                            ErrorKind::Source { transient: true },
                            "token_unavailable",
                            format!("no access token: the server of tokens answers with HTTP {status}"),
                        )
                        .with_hint("run it again later"))
                    } else {
                        Ok(answer)
                    };
                }
            }
        }
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url: url.to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout: TIMEOUT,
        max_answer: MAX_ANSWER,
    }
}

fn header(name: &str) -> Option<&'static str> {
    [
        "authorization",
        "metadata",
        "metadata-flavor",
        "x-identity-header",
        "accept",
    ]
    .into_iter()
    .find(|known| known.eq_ignore_ascii_case(name))
}

fn auth(code: &'static str, message: impl Into<String>) -> ConnectorError {
    ConnectorError::new(ErrorKind::Auth, code, message)
}

/// The token of an answer of an OAuth 2 server, or its refusal.
fn token(answer: &HttpResponse, who: &str) -> Result<Token, ConnectorError> {
    let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let (200, Some(token)) = (answer.status, json.get("access_token").and_then(Json::as_str)) {
        let seconds = json.get("expires_in").and_then(Json::as_u64).unwrap_or(300);
        return Ok(Token::new(token, Duration::from_secs(seconds)));
    }
    // `error` is a word of a closed list; its description may quote what was sent, and is not repeated.
    let word = json.get("error").and_then(Json::as_str).unwrap_or_default();
    let description = json
        .get("error_description")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let (why, hint) = match word {
        "invalid_grant" if description.contains("Signature") => (
            "its key is not one of the account's",
            "the key was deleted or belongs to another account: make a new one",
        ),
        "invalid_grant" if description.contains("account not found") => (
            "there is no such account",
            "check `client_email` of the key, and that the account was not deleted",
        ),
        "invalid_grant" if description.contains("iat") || description.contains("short-lived") => (
            "the clock of this machine is wrong",
            "set the clock: a claim is good for an hour",
        ),
        "invalid_grant" => (
            "the grant is not good (any more)",
            "make new credentials; those of users end with a password change or after some time",
        ),
        "invalid_client" | "unauthorized_client" | "deleted_client" => {
            ("the OAuth client is unknown or deleted", "make new credentials")
        }
        "disabled_client" | "access_denied" => ("it is disabled", "enable the account, or use another"),
        _ => (
            "no token was given",
            "check the credentials and their `token_uri`",
        ),
    };
    Err(auth(
        "credentials_refused",
        format!("{who} is refused: {why} (HTTP {})", answer.status),
    )
    .with_hint(hint))
}

#[cfg(test)]
mod tests;
