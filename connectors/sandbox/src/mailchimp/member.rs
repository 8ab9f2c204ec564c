//! One member of an audience.

use std::collections::BTreeSet;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::merge_field::MergeId;

/// The MD5 of an address in lower case: what identifies a member within its audience.
pub(super) type Hash = u128;

/// Computes a member's hash from an address.
pub(super) fn hash(email: &str) -> Hash {
    digest(email.to_lowercase().as_bytes())
}

/// An MD5 as a number.
pub(super) fn digest(bytes: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(bytes).into())
}

/// A hash as paths and answers write it.
pub(super) fn hex(hash: Hash) -> String {
    format!("{hash:032x}")
}

/// The ten characters by which an address is known over the whole account.
pub(super) fn unique_email_id(hash: Hash) -> String {
    let digest = digest(&hash.to_be_bytes());
    format!("{:010x}", digest >> 88)
}

/// Whether and how a member can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Receives campaigns.
    Subscribed,
    /// Opted out.
    Unsubscribed,
    /// Bounced.
    Cleaned,
    /// Has not answered the confirmation mail yet.
    Pending,
    /// A customer who never agreed to marketing.
    Transactional,
    /// Removed from view; kept.
    Archived,
}

impl Status {
    /// A status a body may name: all but `archived`.
    pub(super) fn writable(text: &str) -> Option<Self> {
        Self::parse(text).filter(|status| *status != Status::Archived)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "subscribed" => Status::Subscribed,
            "unsubscribed" => Status::Unsubscribed,
            "cleaned" => Status::Cleaned,
            "pending" => Status::Pending,
            "transactional" => Status::Transactional,
            "archived" => Status::Archived,
            _ => return None,
        })
    }

    /// The word in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Status::Subscribed => "subscribed",
            Status::Unsubscribed => "unsubscribed",
            Status::Cleaned => "cleaned",
            Status::Pending => "pending",
            Status::Transactional => "transactional",
            Status::Archived => "archived",
        }
    }
}

/// Format of the campaigns a member gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EmailType {
    #[default]
    Html,
    Text,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) addr1: String,
    pub(super) addr2: String,
    pub(super) city: String,
    pub(super) state: String,
    pub(super) zip: String,
    pub(super) country: String,
}

/// A merge value that is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum MergeValue {
    Number(serde_json::Number),
    Text(String),
    Address(Box<Address>),
}

/// A tag on a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tagged {
    pub(super) segment: u32,
    /// Milliseconds since 1970.
    pub(super) added: i64,
}

/// Something a member did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) properties: serde_json::Map<String, serde_json::Value>,
    /// Milliseconds since 1970.
    pub(super) occurred: i64,
}

/// Where a member is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Location {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// One member. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) email: String,
    pub(super) hash: Hash,
    pub(super) contact_id: String,
    pub(super) web_id: u64,
    pub(super) status: Status,
    pub(super) email_type: EmailType,
    /// Values that are set, in no order.
    pub(super) merge: Vec<(MergeId, MergeValue)>,
    /// Interests that are on.
    pub(super) interests: BTreeSet<String>,
    pub(super) tags: Vec<Tagged>,
    /// Marketing permissions that are on.
    pub(super) permissions: BTreeSet<String>,
    pub(super) language: String,
    pub(super) vip: bool,
    pub(super) location: Location,
    pub(super) ip_signup: String,
    pub(super) timestamp_signup: Option<i64>,
    pub(super) ip_opt: String,
    pub(super) timestamp_opt: Option<i64>,
    pub(super) last_changed: i64,
    pub(super) unsubscribed: Option<Unsubscribed>,
    /// Unsubscribed by the contact, cleaned, or under review: only the contact can subscribe again.
    pub(super) compliance: bool,
    pub(super) events: Vec<Event>,
}

/// Why and when a member left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsubscribed {
    pub(super) reason: String,
    pub(super) at: i64,
}

impl Member {
    pub(super) fn value(&self, field: MergeId) -> Option<&MergeValue> {
        self.merge
            .iter()
            .find(|(id, _)| *id == field)
            .map(|(_, value)| value)
    }

    pub(super) fn has_tag(&self, segment: u32) -> bool {
        self.tags.iter().any(|tag| tag.segment == segment)
    }

    /// Adds a tag; false if it was there.
    pub(super) fn add_tag(&mut self, segment: u32, now: i64) -> bool {
        let new = !self.has_tag(segment);
        if new {
            self.tags.push(Tagged { segment, added: now });
        }
        new
    }

    /// Removes a tag; false if it was not there.
    pub(super) fn remove_tag(&mut self, segment: u32) -> bool {
        let before = self.tags.len();
        self.tags.retain(|tag| tag.segment != segment);
        self.tags.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_md5_of_the_address_in_lower_case() {
        let known = "93942e96f5acd83e2e047ad8fe03114d"; // of "test@email.com"
        assert_eq!(hex(hash("test@email.com")), known);
        assert_eq!(hex(hash("Test@Email.COM")), known);
    }
}
