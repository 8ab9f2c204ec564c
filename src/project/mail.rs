//! E-mails as a project sets them up.

use std::net::IpAddr;

use lettre::message::Mailbox;
use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::quoted;

/// How the connection to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailEncryption {
    /// It begins in clear and must go on encrypted before anything else is said.
    #[default]
    Starttls,
    /// It is encrypted from its first byte.
    Implicit,
    /// Not at all. Only for a server on this machine.
    None,
}

impl MailEncryption {
    /// The usual port (RFC 8314, RFC 6409, RFC 5321).
    fn port(self) -> u16 {
        match self {
            MailEncryption::Starttls => 587,
            MailEncryption::Implicit => 465,
            MailEncryption::None => 25,
        }
    }
}

/// How e-mails are sent.
#[derive(Clone)]
pub struct Mail {
    /// Name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailEncryption,
    /// Who logs in.
    pub login: Option<(String, Secret)>,
    /// Whom they are from.
    pub from: Mailbox,
    /// Whom they go to; at least one.
    pub to: Vec<Mailbox>,
}

/// The keys as they are written.
pub(super) struct Written {
    pub(super) server: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: MailEncryption,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) from: Option<String>,
    pub(super) to: Vec<String>,
}

/// What is wrong with a key beyond what the schema says. The message goes on after the key's name.
pub(super) struct Wrong {
    pub(super) key: String,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Written {
    /// The e-mail settings, if they are complete, and what is wrong with them.
    pub(super) fn check(self) -> (Option<Mail>, Vec<Wrong>) {
        let mut wrongs = Vec::new();
        let mut address = |key: String, text: &str| match mailbox(text) {
            Some(found) => Some(found),
            None => {
                wrongs.push(Wrong {
                    key,
                    code: "bad_address",
                    message: "is no e-mail address".into(),
                    hint: "write `name@example.com` or `A Name <name@example.com>`",
                });
                None
            }
        };
        let from = self.from.as_deref().and_then(|text| address("from".into(), text));
        let to: Vec<Mailbox> = self
            .to
            .iter()
            .enumerate()
            .filter_map(|(index, text)| address(format!("to.{index}"), text))
            .collect();
        if let Some(server) = self
            .server
            .as_deref()
            .filter(|_| self.tls == MailEncryption::None)
            && !is_this_machine(server)
        {
            wrongs.push(Wrong {
                key: "tls".into(),
                code: "unencrypted",
                message: format!("cannot be `none`: {} is another machine", quoted(server)),
                hint: "write `starttls` or `implicit`; `none` is for a server on this machine",
            });
        }
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (user, _) => {
                wrongs.push(Wrong {
                    key: if user.is_some() { "user" } else { "password" }.into(),
                    code: "missing_key",
                    message: "stands alone".into(),
                    hint: "whoever logs in needs both `user` and `password`",
                });
                None
            }
        };
        let mail = self.server.zip(from).and_then(|(server, from)| {
            (wrongs.is_empty() && !to.is_empty()).then(|| Mail {
                server,
                port: self.port.unwrap_or(self.tls.port()),
                tls: self.tls,
                login,
                from,
                to,
            })
        });
        (mail, wrongs)
    }
}

/// An address. What would end a line of the header is in none.
fn mailbox(text: &str) -> Option<Mailbox> {
    if text.chars().any(char::is_control) {
        return None;
    }
    text.parse().ok()
}

fn is_this_machine(server: &str) -> bool {
    let number = server.trim_start_matches('[').trim_end_matches(']');
    server.eq_ignore_ascii_case("localhost")
        || number.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written() -> Written {
        Written {
            server: Some("smtp.example.com".into()),
            port: None,
            tls: MailEncryption::default(),
            user: None,
            password: None,
            from: Some("Outflow <outflow@example.com>".into()),
            to: vec!["a@example.com".into(), "On Call <b@example.com>".into()],
        }
    }

    fn wrong(written: Written) -> (String, &'static str) {
        let (mail, wrongs) = written.check();
        assert!(mail.is_none());
        assert_eq!(wrongs.len(), 1);
        let wrong = wrongs.into_iter().next().unwrap();
        (wrong.key, wrong.code)
    }

    #[test]
    fn the_port_follows_from_the_encryption() {
        let mut ports = Vec::new();
        for tls in [
            MailEncryption::Starttls,
            MailEncryption::Implicit,
            MailEncryption::None,
        ] {
            let mut settings = written();
            settings.tls = tls;
            settings.server = Some("localhost".into());
            ports.push(settings.check().0.unwrap().port);
        }
        assert_eq!(ports, [587, 465, 25]);
    }

    #[test]
    fn what_no_schema_can_say_is_said_by_key() {
        let mut settings = written();
        settings.to = vec!["a@example.com".into(), "nobody".into()];
        assert_eq!(wrong(settings), ("to.1".into(), "bad_address"));
        let mut settings = written();
        settings.to = vec!["a@example.com\r\nBcc: c@example.com".into()];
        assert_eq!(wrong(settings), ("to.0".into(), "bad_address"));
        let mut settings = written();
        settings.from = Some("Outflow\nBcc: c@example.com <outflow@example.com>".into());
        assert_eq!(wrong(settings), ("from".into(), "bad_address"));
        let mut settings = written();
        settings.tls = MailEncryption::None;
        assert_eq!(wrong(settings), ("tls".into(), "unencrypted"));
        let mut settings = written();
        settings.user = Some("outflow".into());
        assert_eq!(wrong(settings), ("user".into(), "missing_key"));
    }
}
