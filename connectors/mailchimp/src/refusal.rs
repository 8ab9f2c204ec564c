//! Mailchimp's refusals of a row, in our own words.
//!
//! A batch knows two error codes, and one of them means nothing: everything is told apart by text, in
//! one place, here. The texts quote addresses and values, so none of them is ever passed on; only
//! names of fields that the mapping itself has survive.

use outflow_sdk::destination::{Effect, Outcome, Rejection};
use outflow_sdk::http::HttpResponse;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::capabilities::{MATCH, Verb};
use crate::layout::Layout;
use crate::values::{
    Flaw, INVALID_ADDRESS, INVALID_BIRTHDAY, INVALID_DATE, INVALID_EMAIL, INVALID_LANGUAGE, INVALID_NUMBER,
    INVALID_OPTION, INVALID_PHONE, INVALID_URL, INVALID_ZIP,
};

/// One refusal: a problem document, or an error of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    title: String,
    text: String,
    /// Field and text of each fault it names.
    faults: Vec<(String, String)>,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Exists,
    Compliance,
    Forgotten,
    SignUps,
    Unavailable,
    Row,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    errors: Option<Vec<Json>>,
}

impl Refusal {
    /// Reads a problem document; none when the answer is no JSON object.
    pub(crate) fn read(response: &HttpResponse) -> Option<Self> {
        let body: Json = serde_json::from_slice(&response.body).ok()?;
        if !body.is_object() {
            return None;
        }
        let document: Document = serde_json::from_value(body).ok()?;
        let text = |error: &Json, name: &str| {
            error
                .get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let errors = document.errors.unwrap_or_default();
        Some(Self {
            title: document.title.unwrap_or_default(),
            text: document.detail.unwrap_or_default(),
            faults: errors
                .iter()
                .map(|error| (text(error, "field"), text(error, "message")))
                .collect(),
        })
    }

    /// An error of a batch.
    pub(crate) fn of_batch(code: &str, text: &str, field: &str, field_text: &str) -> Self {
        let has_fault = !field.is_empty() || !field_text.is_empty();
        Self {
            title: code.to_owned(),
            text: text.to_owned(),
            faults: has_fault
                .then(|| (field.to_owned(), field_text.to_owned()))
                .into_iter()
                .collect(),
        }
    }

    fn meaning(&self) -> Meaning {
        let says = |part: &str| self.text.contains(part);
        match self.title.as_str() {
            "Member Exists" | "MemberExists" | "ERROR_CONTACT_EXISTS" => return Meaning::Exists,
            "Member In Compliance State" | "MemberInComplianceState" => return Meaning::Compliance,
            "Forgotten Email Not Subscribed" | "ForgottenEmailNotSubscribed" => return Meaning::Forgotten,
            _ => {}
        }
        if says("is already a list member") {
            Meaning::Exists
        } else if says("in a compliance state") {
            Meaning::Compliance
        } else if says("was permanently deleted") {
            Meaning::Forgotten
        } else if says("signed up to a lot of lists") {
            Meaning::SignUps
        } else if says("internal error") || says("Please try again later") {
            Meaning::Unavailable
        } else {
            Meaning::Row
        }
    }

    /// What it means for one row sent with `verb`.
    pub(crate) fn outcome(&self, verb: Verb, layout: &Layout) -> Outcome {
        let retry = |code: &str| Outcome::Retry {
            code: code.into(),
            after: None,
        };
        match self.meaning() {
            Meaning::Exists if verb == Verb::Create => Outcome::Applied {
                effect: Effect::Untouched,
                remote: None,
            },
            // It was archived a moment ago: somebody else brought it back, so it is to be looked at anew.
            Meaning::Exists if verb == Verb::Revive => Outcome::StaleRemote,
            // It takes hours to days; once this run's few attempts are over, the next one tries again.
            Meaning::SignUps => retry("signup_throttled"),
            Meaning::Unavailable => retry("mailchimp_row_unavailable"),
            Meaning::Compliance | Meaning::Forgotten => Outcome::Suppressed(self.rejection(layout)),
            Meaning::Exists | Meaning::Row => Outcome::Rejected(self.rejection(layout)),
        }
    }

    /// The refusal in our own words.
    pub(crate) fn rejection(&self, layout: &Layout) -> Rejection {
        let of = |code: &str, field: Option<&str>, message: String| Rejection {
            code: code.into(),
            field: field.map(str::to_owned),
            message,
        };
        match self.meaning() {
            Meaning::Exists => of(
                "value_in_use",
                Some(MATCH),
                format!("another member of the audience already has this {MATCH}"),
            ),
            Meaning::Compliance => of(
                "compliance",
                Some(MATCH),
                "the person unsubscribed, bounced or is under review, so Mailchimp does not subscribe them"
                    .into(),
            ),
            Meaning::Forgotten => of(
                "forgotten",
                Some(MATCH),
                "the person was deleted for good, so Mailchimp takes them back only through their own sign-up"
                    .into(),
            ),
            Meaning::SignUps => of(
                "signup_throttled",
                Some(MATCH),
                "the address signed up to many lists lately; Mailchimp takes it again later".into(),
            ),
            Meaning::Unavailable => of(
                "mailchimp_row_unavailable",
                None,
                "Mailchimp could not write the member for reasons of its own".into(),
            ),
            Meaning::Row => self.row_rejection(layout),
        }
    }

    fn row_rejection(&self, layout: &Layout) -> Rejection {
        let (name, text) = match self.faults.first() {
            Some((name, text)) => (name.as_str(), text.as_str()),
            None => ("", self.text.as_str()),
        };
        let field = layout.known_name(name);
        if let Some((flaw, is_address)) = flaw_in(text).or_else(|| flaw_in(&self.text)) {
            let field = if is_address { Some(MATCH) } else { field };
            return Rejection {
                code: flaw.code.into(),
                field: field.map(str::to_owned),
                message: format!("{} {}", field.unwrap_or("a merge field"), flaw.words),
            };
        }
        let named = field.map(str::to_owned);
        match field {
            Some(field) => Rejection {
                code: "invalid_value".into(),
                message: format!("{field} has a value Mailchimp refuses"),
                field: named,
            },
            None if !self.faults.is_empty()
                || self.text.contains("could not be validated")
                || self.text.contains("merge fields were invalid") =>
            {
                Rejection {
                    code: "invalid_value".into(),
                    field: None,
                    message: "Mailchimp does not accept the member: a value is not valid, or one is missing"
                        .into(),
                }
            }
            None => Rejection {
                code: "refused".into(),
                field: None,
                message: "Mailchimp refuses the member and does not say why".into(),
            },
        }
    }
}

const MISSING: Flaw = Flaw {
    code: "missing_required",
    words: "is required by the audience and is empty",
};
const FAKE_EMAIL: Flaw = Flaw {
    code: "fake_email",
    words: "looks fake to Mailchimp: a test domain, a disposable one, or a role instead of a person",
};

/// What a text says is wrong, and whether that is the address.
fn flaw_in(text: &str) -> Option<(Flaw, bool)> {
    let known: [(&str, Flaw, bool); 17] = [
        ("looks fake or invalid", FAKE_EMAIL, true),
        ("provide a valid email address", INVALID_EMAIL, true),
        ("enter a valid email address", INVALID_EMAIL, true),
        ("An email address must contain", INVALID_EMAIL, true),
        ("This value should not be blank", MISSING, false),
        ("Please enter a value", MISSING, false),
        ("Please enter a number", INVALID_NUMBER, false),
        ("Please enter the date", INVALID_DATE, false),
        ("Please enter a month", INVALID_BIRTHDAY, false),
        ("Please enter a complete address", INVALID_ADDRESS, false),
        ("described in anyOf", INVALID_ADDRESS, false),
        ("phone number", INVALID_PHONE, false),
        ("zip code", INVALID_ZIP, false),
        ("URL", INVALID_URL, false),
        ("not a valid choice", INVALID_OPTION, false),
        ("valid option", INVALID_OPTION, false),
        ("language", INVALID_LANGUAGE, false),
    ];
    known
        .into_iter()
        .find(|(part, ..)| text.contains(part))
        .map(|(_, flaw, is_address)| (flaw, is_address))
}

#[cfg(test)]
mod tests;
