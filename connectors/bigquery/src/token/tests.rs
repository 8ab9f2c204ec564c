//! Tokens of every origin over scripted answers.

#![allow(clippy::unwrap_used)]

use std::sync::Mutex as Lock;

use async_trait::async_trait;

use super::*;

/// Answers from a list and keeps what was asked.
struct Script {
    answers: Lock<Vec<Result<(u16, Json), ExchangeError>>>,
    asked: Lock<Vec<HttpRequest>>,
}

#[async_trait]
impl Exchange for Script {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answers.lock().unwrap().remove(0)?;
        Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: body.to_string().into(),
        })
    }
}

fn script(answers: Vec<Result<(u16, Json), ExchangeError>>) -> Arc<Script> {
    Arc::new(Script {
        answers: Lock::new(answers),
        asked: Lock::new(Vec::new()),
    })
}

fn tokens(credentials: Json, script: &Arc<Script>) -> Tokens {
    let credentials = Credentials::parse(&credentials.to_string(), "`credentials`").unwrap();
    Tokens::new(credentials, Arc::clone(script) as Arc<dyn Exchange>)
}

fn account() -> Json {
    json!({"type": "service_account", "client_email": "reader@acme", "token_uri": "https://tokens/t",
        "private_key": include_str!("../jwt/key_of_no_account.pem")})
}

fn granted(token: &str) -> Result<(u16, Json), ExchangeError> {
    Ok((
        200,
        json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}),
    ))
}

fn lost() -> ExchangeError {
    ExchangeError::Lost {
        host: "tokens:443".into(),
        reason: "timed out".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_kept_until_shortly_before_it_expires() {
    let script = script(vec![granted("one"), granted("two"), granted("three")]);
    let tokens = tokens(account(), &script);
    for _ in 0..3 {
        assert_eq!(tokens.bearer().await.unwrap(), "Bearer one");
    }
    tokio::time::advance(Duration::from_secs(3_500)).await;
    assert_eq!(tokens.bearer().await.unwrap(), "Bearer two");
    tokens.forget().await;
    assert_eq!(tokens.bearer().await.unwrap(), "Bearer three");
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    let body = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(
        body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ")
    );
}

#[tokio::test(start_paused = true)]
async fn servers_that_fail_in_passing_are_asked_again() {
    let outage = || Ok((503, json!("<html>")));
    let tried = script(vec![outage(), Err(lost()), granted("one")]);
    assert_eq!(tokens(account(), &tried).bearer().await.unwrap(), "Bearer one");
    let down = script(vec![outage(), outage(), outage()]);
    let error = tokens(account(), &down).bearer().await.unwrap_err();
    assert_eq!(
        (error.code, error.kind.clone()),
        ("token_unavailable", ErrorKind::Source { transient: true })
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_say_what_to_do_and_quote_nothing() {
    for (description, words) in [
        ("Invalid JWT Signature.", "its key is not one of the account's"),
        ("Invalid grant: account not found", "there is no such account"),
        (
            "Invalid JWT: Token must be a short-lived token",
            "the clock of this machine is wrong",
        ),
        ("Bad Request secret", "the grant is not good (any more)"),
    ] {
        let refused = script(vec![Ok((
            400,
            json!({"error": "invalid_grant", "error_description": description}),
        ))]);
        let error = tokens(account(), &refused).bearer().await.unwrap_err();
        assert_eq!(
            error.message,
            format!("reader@acme is refused: {words} (HTTP 400)")
        );
        assert_eq!((error.code, error.kind), ("credentials_refused", ErrorKind::Auth));
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn users_machines_and_delegates_get_theirs() {
    let user =
        json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"});
    let asked = script(vec![granted("user")]);
    assert_eq!(
        tokens(user.clone(), &asked).bearer().await.unwrap(),
        "Bearer user"
    );
    assert_eq!(
        String::from_utf8_lossy(&asked.asked.lock().unwrap()[0].body),
        "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r"
    );
    let acting = json!({"type": "impersonated_service_account", "delegates": ["d"], "source_credentials": user,
        "service_account_impersonation_url": "https://iam/x:generateAccessToken"});
    let asked = script(vec![granted("user"), Ok((200, json!({"accessToken": "acting"})))]);
    assert_eq!(tokens(acting, &asked).bearer().await.unwrap(), "Bearer acting");
    let asked = asked.asked.lock().unwrap();
    let request = asked.last().unwrap();
    assert_eq!(request.url, "https://iam/x:generateAccessToken");
    assert!(request.headers.contains(&("authorization", "Bearer user".into())));
    let body: Json = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&body["delegates"], &body["lifetime"]),
        (&json!(["d"]), &json!("3600s"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_machine_answers_or_there_is_nobody_to_be() {
    let asked = script(vec![granted("machine")]);
    let machine = Tokens::new(
        Credentials::Metadata("metadata".into()),
        Arc::clone(&asked) as Arc<dyn Exchange>,
    );
    assert_eq!(machine.bearer().await.unwrap(), "Bearer machine");
    let request = asked.asked.lock().unwrap().remove(0);
    assert!(
        request
            .url
            .starts_with("http://metadata/computeMetadata/v1/instance/service-accounts/default/token?")
    );
    assert!(request.headers.contains(&("metadata-flavor", "Google".into())));
    let unreachable = || {
        Err(ExchangeError::Unreachable {
            host: "metadata:80".into(),
            reason: "no such host".into(),
        })
    };
    let nobody = script(vec![unreachable(), unreachable(), unreachable()]);
    let nobody = Tokens::new(
        Credentials::Metadata("metadata".into()),
        nobody as Arc<dyn Exchange>,
    );
    let error = nobody.bearer().await.unwrap_err();
    assert_eq!((error.code, error.kind), ("no_credentials", ErrorKind::Auth));
}

#[tokio::test]
async fn another_clouds_token_is_exchanged() {
    let file = std::env::temp_dir().join(format!("outflow-subject-{}", std::process::id()));
    std::fs::write(&file, " {\"token\": \"theirs\"}\n").unwrap();
    let external = |source: Json, acting: Option<&str>| {
        json!({"type": "external_account", "audience": "//iam/pool", "token_url": "https://sts/v1/token",
            "subject_token_type": "urn:jwt", "credential_source": source,
            "service_account_impersonation_url": acting})
    };
    let from_file = json!({"file": file, "format": {"type": "json", "subject_token_field_name": "token"}});
    let asked = script(vec![
        granted("federated"),
        Ok((200, json!({"accessToken": "acting"}))),
    ]);
    let tokens_of_file = tokens(external(from_file, Some("https://iam/x")), &asked);
    assert_eq!(tokens_of_file.bearer().await.unwrap(), "Bearer acting");
    let body = String::from_utf8_lossy(&asked.asked.lock().unwrap()[0].body).into_owned();
    assert!(
        body.contains("subject_token=theirs") && body.contains("audience=%2F%2Fiam%2Fpool"),
        "{body}"
    );
    std::fs::remove_file(&file).unwrap();

    let from_address = json!({"url": "http://metadata/identity", "headers": {"Metadata": "True", "X-Odd": "1"},
        "format": {"type": "json"}});
    let asked = script(vec![granted("theirs"), granted("federated")]);
    let of_address = tokens(external(from_address, None), &asked);
    assert_eq!(of_address.bearer().await.unwrap(), "Bearer federated");
    let asked = asked.asked.lock().unwrap();
    assert_eq!(asked[0].headers, [("metadata", "True".to_owned())]);
    assert!(String::from_utf8_lossy(&asked[1].body).contains("subject_token=theirs"));
}

#[tokio::test]
async fn a_subject_token_that_is_not_there_is_told() {
    let external = json!({"type": "external_account", "audience": "a", "token_url": "https://sts/v1/token",
        "subject_token_type": "urn:jwt", "credential_source": {"file": "/nowhere/token"}});
    let error = tokens(external, &script(Vec::new())).bearer().await.unwrap_err();
    assert_eq!((error.code, error.kind), ("subject_token", ErrorKind::Auth));
}
