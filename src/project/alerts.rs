//! Who is told when something is wrong.

use std::collections::BTreeMap;

use outflow_sdk::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mapping_file::Names;

/// Somebody `outflow serve` tells when a sync gets into trouble, and when it is out of it again.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertKeys {
    /// How it is told.
    #[serde(rename = "type")]
    #[schemars(required)]
    pub(crate) kind: Option<AlertKind>,
    /// Where to: the address of an incoming webhook.
    #[schemars(required)]
    pub(crate) url: Option<Secret>,
    /// What the messages of `type: webhook` are signed with: `X-Outflow-Timestamp`, and
    /// `X-Outflow-Signature: sha256=` with the hexadecimal HMAC-SHA256 of `TIMESTAMP.BODY`.
    pub(crate) secret: Option<Secret>,
    /// What to tell of. By default everything.
    pub(crate) on: Option<Vec<Trouble>>,
    /// Only of this sync, or of this list of syncs. By default of all.
    pub(crate) syncs: Option<Names>,
}

/// How a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// As text, to an incoming webhook of Slack, or of anything that takes the same (Mattermost,
    /// Rocket.Chat, Teams through a connector).
    Slack,
    /// As a JSON document.
    Webhook,
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
}

impl Trouble {
    /// Everything that can be wrong.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Credentials, Self::Guarded, Self::Late];

    /// The word in the state and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Failed => "failed",
            Trouble::Credentials => "credentials",
            Trouble::Guarded => "guarded",
            Trouble::Late => "late",
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
    pub kind: AlertKind,
    /// Where to. The address is a credential: whoever has it can write there.
    pub url: Secret,
    /// What its messages are signed with.
    pub secret: Option<Secret>,
    /// What it is told of.
    pub on: Vec<Trouble>,
    /// The syncs it is told of; none = all.
    pub syncs: Option<Vec<String>>,
}

impl AlertTarget {
    /// Whether it wants to know.
    pub fn wants(&self, sync: &str, trouble: Trouble) -> bool {
        let syncs = self.syncs.as_ref();
        self.on.contains(&trouble) && syncs.is_none_or(|syncs| syncs.iter().any(|known| known == sync))
    }
}

/// The targets that are complete.
pub(crate) fn targets(keys: BTreeMap<String, AlertKeys>) -> Vec<AlertTarget> {
    keys.into_iter()
        .filter_map(|(name, keys)| {
            Some(AlertTarget {
                name,
                kind: keys.kind?,
                url: keys.url?,
                secret: keys.secret,
                on: keys.on.unwrap_or_else(|| Trouble::ALL.to_vec()),
                syncs: keys.syncs.map(|names| names.0),
            })
        })
        .collect()
}
