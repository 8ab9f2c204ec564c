//! Sends one message as an e-mail, over SMTP (RFC 5321).
//!
//! Each recipient is told to the server one by one: an address it refuses for good does not keep the others
//! from being told. One it cannot take for now keeps the message for the next try, before anybody got it.

use std::error::Error as _;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Message, MessageBuilder};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::notify::Sent;
use crate::project::{Mail, MailEncryption};

/// Time a connection may take, and time the e-mail may. Servers that suspect spam let a caller wait.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time until the connection stands.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for taking leave.
const LEAVE: Duration = Duration::from_secs(5);

/// Sends `text`, a JSON document with what to say under `text`.
///
/// # Errors
/// Why it was not taken, in words that show no address and nothing the server said.
pub(super) async fn send(mail: &Mail, text: &str, now_ms: i64) -> Result<Sent, String> {
    let message = message(mail, text, now_ms)?;
    let hello = ClientId::default();
    let tls = match mail.tls {
        MailEncryption::None => None,
        _ => Some(TlsParameters::new(mail.server.clone()).map_err(|error| reason(&error))?),
    };
    let (at_once, later) = match mail.tls {
        MailEncryption::Starttls => (None, tls),
        _ => (tls, None),
    };
    let server = (mail.server.as_str(), mail.port);
    let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &hello, at_once, None);
    let mut connection = in_time(connecting).await?.map_err(|error| reason(&error))?;
    if let Some(tls) = later {
        // A connection that could not be encrypted is in no state to take leave on: it is dropped.
        in_time(connection.starttls(tls, &hello))
            .await?
            .map_err(|error| reason(&error))?;
    }
    let result = in_time(deliver(&mut connection, mail, &message)).await;
    // Whatever it says to that changes nothing.
    let _ = tokio::time::timeout(LEAVE, connection.abort()).await;
    result?
}

async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let taken = tokio::time::timeout(TIMEOUT, work).await;
    taken.map_err(|_| format!("it did not answer within {} s", TIMEOUT.as_secs()))
}

async fn deliver(connection: &mut AsyncSmtpConnection, mail: &Mail, message: &[u8]) -> Result<Sent, String> {
    if let Some((user, password)) = &mail.login {
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection
            .auth(DEFAULT_MECHANISMS, &credentials)
            .await
            .map_err(|error| format!("the login failed: {}", reason(&error)))?;
    }
    connection
        .command(MailFrom::new(Some(mail.from.email.clone()), Vec::new()))
        .await
        .map_err(|error| format!("the sender was refused: {}", reason(&error)))?;
    let mut refused = Vec::new();
    for (index, to) in mail.to.iter().enumerate() {
        let told = connection.command(Rcpt::new(to.email.clone(), Vec::new())).await;
        let Err(error) = told else { continue };
        let reason = format!(
            "recipient {} of {} was refused: {}",
            index + 1,
            mail.to.len(),
            reason(&error)
        );
        if !error.is_permanent() || mail.to.len() == 1 {
            return Err(reason);
        }
        refused.push(reason);
    }
    if refused.len() == mail.to.len() {
        return Err(format!(
            "all {} recipients were refused; {}",
            refused.len(),
            refused.join("; ")
        ));
    }
    connection.command(Data).await.map_err(|error| reason(&error))?;
    connection
        .message(message)
        .await
        .map_err(|error| reason(&error))?;
    Ok(if refused.is_empty() {
        Sent::All
    } else {
        Sent::Partly(refused.join("; "))
    })
}

/// What went wrong, without what the server said: it may repeat addresses.
fn reason(error: &Error) -> String {
    if let Some(code) = error.status() {
        return format!("it answered {code}");
    }
    if error.is_timeout() {
        return "it did not answer in time".into();
    }
    if error.is_response() {
        return "its answer is none of SMTP".into();
    }
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// The e-mail as it goes over the wire.
fn message(mail: &Mail, text: &str, now_ms: i64) -> Result<Vec<u8>, String> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |key: &str| document.get(key).and_then(Value::as_str);
    let line = word("text").unwrap_or("Outflow");
    let subject = line.split(". ").next().unwrap_or(line);
    // A header ends where its line ends.
    let subject: String = subject
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let mut body = format!("{line}\r\n");
    for (name, key) in [("Code", "code"), ("Since", "since"), ("Changed", "at")] {
        if let Some(value) = word(key) {
            body.push_str(&format!("\r\n{name}: {value}"));
        }
    }
    body.push_str("\r\n");
    // The same message has the same identifier, however often it is sent: mailboxes show it once.
    let print = xxh3_128(text.as_bytes());
    let id = format!("<outflow-{print:032x}@{}>", mail.from.email.domain());
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let builder = mail
        .to
        .iter()
        .cloned()
        .fold(Message::builder(), MessageBuilder::to);
    let built = builder
        .from(mail.from.clone())
        .subject(subject)
        .date(at)
        .message_id(Some(id))
        // RFC 3834: nobody's absence notice answers it.
        .raw_header(HeaderValue::new(automatic, "auto-generated".into()))
        .header(ContentType::TEXT_PLAIN)
        .body(body);
    let built = built.map_err(|error| format!("the e-mail cannot be written: {error}"))?;
    Ok(built.formatted())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn mail() -> Mail {
        Mail {
            server: "localhost".into(),
            port: 25,
            tls: MailEncryption::None,
            login: None,
            from: "Outflow <outflow@example.com>".parse().unwrap(),
            to: vec!["a@example.com".parse().unwrap(), "b@example.com".parse().unwrap()],
        }
    }

    fn written(document: &Value) -> String {
        let bytes = message(&mail(), &document.to_string(), 1_796_000_000_000).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_email_says_what_is_wrong_in_its_subject_and_the_rest_below() {
        let text = written(&json!({
            "text": "Outflow: sync customers failed. run 7: it did not work; look at it",
            "code": "unreachable",
            "since": "2026-11-29T10:00:00Z",
            "at": "2026-11-29T10:00:00Z",
        }));
        insta::assert_snapshot!(text.replace('\r', ""), @"
        To: a@example.com, b@example.com
        From: Outflow <outflow@example.com>
        Subject: Outflow: sync customers failed
        Date: Mon, 30 Nov 2026 00:53:20 +0000
        Message-ID: <outflow-afd3a2d1ac8b309dc1f879a1e66df97a@example.com>
        Auto-Submitted: auto-generated
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Outflow: sync customers failed. run 7: it did not work; look at it

        Code: unreachable
        Since: 2026-11-29T10:00:00Z
        Changed: 2026-11-29T10:00:00Z
        ");
        assert!(
            !text.replace("\r\n", "").contains('\n'),
            "every line ends as RFC 5321 wants it"
        );
    }

    #[test]
    fn no_text_adds_a_header_or_ends_the_message() {
        let text = written(&json!({ "text": "Outflow: a\r\nBcc: c@example.com\r\n\r\nx. b\r\n.\r\nQUIT" }));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(
            head.contains("Subject: Outflow: a  Bcc: c@example.com    x"),
            "{head}"
        );
        assert!(body.contains("QUIT"));
    }

    #[test]
    fn a_message_that_is_sent_again_keeps_its_identifier() {
        let id = |text: &str| {
            let written = written(&json!({ "text": text }));
            let line = written.lines().find(|line| line.starts_with("Message-ID: "));
            line.unwrap().to_owned()
        };
        assert_eq!(id("one"), id("one"));
        assert_ne!(id("one"), id("two"));
    }
}
