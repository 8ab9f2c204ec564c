//! All Subscribers: who may be mailed. The twin's requests read it; of those that could write it there is
//! only the deletion of contacts.

use serde::{Deserialize, Serialize};

/// What All Subscribers says of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriberStatus {
    /// Is mailed.
    Active,
    /// Mails came back lately; is still mailed.
    Bounced,
    /// Mails came back too often; is not mailed.
    Held,
    /// Does not want mails.
    Unsubscribed,
    /// Was removed.
    Deleted,
}

impl SubscriberStatus {
    /// The vendor's word.
    pub fn word(self) -> &'static str {
        match self {
            SubscriberStatus::Active => "Active",
            SubscriberStatus::Bounced => "Bounced",
            SubscriberStatus::Held => "Held",
            SubscriberStatus::Unsubscribed => "Unsubscribed",
            SubscriberStatus::Deleted => "Deleted",
        }
    }
}

/// One person in All Subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Subscriber key, which is the contact key.
    pub key: String,
    /// E-mail address.
    pub email: String,
    /// Whether the person may be mailed.
    pub status: SubscriberStatus,
}

impl Subscriber {
    /// Their value of a property as requests name it.
    pub(super) fn property(&self, property: &str) -> Option<String> {
        Some(match property {
            "SubscriberKey" => self.key.clone(),
            "EmailAddress" => self.email.clone(),
            "Status" => self.status.word().to_owned(),
            _ => return None,
        })
    }
}
