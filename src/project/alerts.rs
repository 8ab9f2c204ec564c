//! Who is told when something is wrong, and how.

use std::collections::BTreeMap;

use outflow_sdk::secret::Secret;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mail::{self, Mail, MailEncryption};
use super::mapping_file::Names;
use super::problem::{Fault, quoted};
use super::tree::Node;

/// Somebody `outflow serve` tells when a sync gets into trouble, and when it is out of it again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(transform = tell_types)]
pub(crate) enum AlertKeys {
    /// As text, to an incoming webhook of Slack, or of anything that takes the same (Mattermost,
    /// Rocket.Chat, Teams through a connector).
    Slack {
        /// Where to: the address of an incoming webhook.
        #[schemars(required)]
        url: Option<Secret>,
        /// What to tell of. By default everything.
        on: Option<Vec<Trouble>>,
        /// Only of this sync, or of this list of syncs. By default of all.
        syncs: Option<Names>,
    },
    /// As a JSON document, to an address.
    Webhook {
        /// Where to: the address of an incoming webhook.
        #[schemars(required)]
        url: Option<Secret>,
        /// What the messages are signed with: `X-Outflow-Timestamp`, and `X-Outflow-Signature: sha256=` with
        /// the hexadecimal HMAC-SHA256 of `TIMESTAMP.BODY`.
        secret: Option<Secret>,
        /// What to tell of. By default everything.
        on: Option<Vec<Trouble>>,
        /// Only of this sync, or of this list of syncs. By default of all.
        syncs: Option<Names>,
    },
    /// As an e-mail, through a server that speaks SMTP.
    Email {
        /// The server that takes the e-mails, such as `smtp.example.com`.
        #[schemars(required, length(min = 1, max = 253))]
        server: Option<String>,
        /// The server's port. By default 587 with `starttls`, 465 with `implicit`, 25 with `none`.
        #[schemars(range(min = 1))]
        port: Option<u16>,
        /// How the connection is encrypted.
        #[schemars(extend("default" = "starttls"))]
        tls: Option<MailEncryption>,
        /// Who logs in at the server. By default nobody does.
        user: Option<String>,
        /// The user's password.
        password: Option<Secret>,
        /// Whom the e-mails are from: an address, or a name and an address.
        #[schemars(required, extend("examples" = ["Outflow <outflow@example.com>"]))]
        from: Option<String>,
        /// Whom they go to: an address, or a list of addresses.
        #[schemars(required)]
        to: Option<Names>,
        /// What to tell of. By default everything.
        on: Option<Vec<Trouble>>,
        /// Only of this sync, or of this list of syncs. By default of all.
        syncs: Option<Names>,
    },
}

/// Each way's `type:` is described like the way itself, for the reference page.
fn tell_types(schema: &mut Schema) {
    let branches = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for branch in branches.into_iter().flatten() {
        let described = branch.get("description").cloned();
        if let (Some(text), Some(Value::Object(word))) = (described, branch.pointer_mut("/properties/type")) {
            word.insert("description".into(), text);
        }
    }
}

/// What can be wrong with a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Its last run failed.
    Failed,
    /// Its last run failed because a credential was refused.
    Credentials,
    /// A guard stopped its last run.
    Guarded,
    /// No run has gone through within the expected time, even if none has failed.
    Late,
    /// The results of its last run could not be written to `report_to`.
    Unreported,
}

impl Trouble {
    /// Everything that can be wrong.
    pub const ALL: [Self; 5] = [
        Self::Failed,
        Self::Credentials,
        Self::Guarded,
        Self::Late,
        Self::Unreported,
    ];

    /// The word in the state and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Failed => "failed",
            Trouble::Credentials => "credentials",
            Trouble::Guarded => "guarded",
            Trouble::Late => "late",
            Trouble::Unreported => "unreported",
        }
    }

    /// The trouble a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.word() == word)
    }
}

/// Somebody who is told.
#[derive(Clone)]
pub struct AlertTarget {
    /// Its name in the project.
    pub name: String,
    /// How it is told.
    pub way: AlertWay,
    /// What it is told of.
    pub on: Vec<Trouble>,
    /// The syncs it is told of; none = all.
    pub syncs: Option<Vec<String>>,
}

/// How somebody is told. An address of a webhook is a credential: whoever has it can write there.
#[derive(Clone)]
pub enum AlertWay {
    /// As text, to an incoming webhook.
    Slack {
        /// Where to.
        url: Secret,
    },
    /// As a JSON document.
    Webhook {
        /// Where to.
        url: Secret,
        /// What its messages are signed with.
        secret: Option<Secret>,
    },
    /// As an e-mail.
    Email(Mail),
}

impl AlertTarget {
    /// Whether it wants to know.
    pub fn wants(&self, sync: &str, trouble: Trouble) -> bool {
        let syncs = self.syncs.as_ref();
        self.on.contains(&trouble) && syncs.is_none_or(|syncs| syncs.iter().any(|known| known == sync))
    }
}

/// The targets that are complete, and what is wrong with the others beyond what a schema can say. `tree`
/// is the file they stand in.
pub(crate) fn targets(keys: BTreeMap<String, AlertKeys>, tree: &Node) -> (Vec<AlertTarget>, Vec<Fault>) {
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    for (name, keys) in keys {
        let (way, on, syncs) = match keys {
            AlertKeys::Slack { url, on, syncs } => (url.map(|url| AlertWay::Slack { url }), on, syncs),
            AlertKeys::Webhook {
                url,
                secret,
                on,
                syncs,
            } => (url.map(|url| AlertWay::Webhook { url, secret }), on, syncs),
            AlertKeys::Email {
                server,
                port,
                tls,
                user,
                password,
                from,
                to,
                on,
                syncs,
            } => {
                let written = mail::Written {
                    server,
                    port,
                    tls: tls.unwrap_or_default(),
                    user,
                    password,
                    from,
                    to: to.unwrap_or_default().0,
                };
                let (mail, wrongs) = written.check();
                // A key that is there without a usable value was told of already.
                let there = |key: &str| tree.get("alerts")?.get(&name)?.entry(key);
                let login = there("user").is_some() && there("password").is_some();
                let news = wrongs
                    .into_iter()
                    .filter(|wrong| !(wrong.code == "missing_key" && login));
                faults.extend(news.map(|wrong| {
                    let path = format!("alerts.{name}.{}", wrong.key);
                    let message = format!("{} {}", quoted(&path), wrong.message);
                    Fault::error(tree.locate(&path), wrong.code, message)
                        .hint(wrong.hint)
                        .at(path)
                }));
                (mail.map(AlertWay::Email), on, syncs)
            }
        };
        targets.extend(way.map(|way| AlertTarget {
            name,
            way,
            on: on.unwrap_or_else(|| Trouble::ALL.to_vec()),
            syncs: syncs.map(|names| names.0),
        }));
    }
    (targets, faults)
}
