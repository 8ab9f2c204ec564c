//! HubSpot's error items: which inputs they name, and what they mean for a row, in our own words.
//!
//! HubSpot's texts quote the values they refuse, so none of them is ever passed on; only codes,
//! and property names that the mapping itself has, survive.

use outflow_sdk::CompactString;
use outflow_sdk::destination::{Effect, Outcome, Rejection};
use serde_json::Value as Json;

use crate::capabilities::Verb;
use crate::layout::Layout;
use crate::values::{
    INVALID_BOOL, INVALID_DATE, INVALID_EMAIL, INVALID_NUMBER, INVALID_OPTION, INVALID_TIMESTAMP,
};

/// Prefix of messages that embed a JSON array of property faults.
const EMBEDDED: &str = "Property values were not valid: ";

/// One error item of a batch answer, or a whole error answer. Documented to lack any of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorItem {
    category: String,
    message: String,
    faults: Vec<Fault>,
    /// `objectWriteTraceId`s of the inputs it is about.
    pub(crate) traces: Vec<String>,
    /// Ids of the inputs it is about.
    pub(crate) ids: Vec<String>,
    existing: Option<String>,
}

/// What is wrong with one property.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    code: String,
    property: Option<String>,
}

impl ErrorItem {
    pub(crate) fn read(item: &Json) -> Self {
        let text = |name: &str| {
            item.get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let message = text("message");
        let category = match text("category") {
            category if category.is_empty() => text("errorType"),
            category => category,
        };
        let mut faults = embedded_faults(&message);
        let nested = item.get("errors").and_then(Json::as_array);
        faults.extend(nested.into_iter().flatten().filter_map(nested_fault));
        Self {
            category,
            faults,
            traces: context(item, "objectWriteTraceId"),
            ids: context(item, "ids"),
            existing: context(item, "existingId")
                .pop()
                .or_else(|| existing_in(&message)),
            message,
        }
    }

    /// The error items nested in a whole error answer that name inputs of their own.
    pub(crate) fn traced(body: &Json) -> Vec<Self> {
        let nested = body.get("errors").and_then(Json::as_array);
        let mut items: Vec<Self> = nested.into_iter().flatten().map(Self::read).collect();
        items.push(Self::read(body));
        items.retain(|item| !item.traces.is_empty());
        items
    }

    fn has_code(&self, wanted: &[&str]) -> bool {
        self.faults
            .iter()
            .any(|fault| wanted.contains(&fault.code.as_str()))
    }

    /// Whether the mapping, not the row, is what HubSpot refuses.
    pub(crate) fn is_about_the_mapping(&self) -> bool {
        !self.faults.is_empty()
            && self
                .faults
                .iter()
                .all(|fault| matches!(fault.code.as_str(), "PROPERTY_DOESNT_EXIST" | "READ_ONLY_VALUE"))
    }

    /// Whether HubSpot says the match property is not unique.
    pub(crate) fn is_about_the_match(&self) -> bool {
        self.message.contains("non-unique")
    }

    /// Whether HubSpot says it has no such object.
    pub(crate) fn is_about_the_object(&self) -> bool {
        self.message.contains("Unable to infer object type")
    }

    /// Whether it refuses the row itself rather than the state of the service.
    fn is_transient(&self) -> bool {
        matches!(
            self.category.as_str(),
            "RATE_LIMITS" | "RATE_LIMIT" | "INTERNAL_ERROR" | "SERVICE_UNAVAILABLE" | "TIMEOUT" | "LOCKED"
        )
    }

    /// What it means for one row sent with `verb`.
    pub(crate) fn outcome(&self, verb: Verb, layout: &Layout) -> Outcome {
        match self.category.as_str() {
            "OBJECT_NOT_FOUND" => match verb {
                Verb::Update | Verb::Membership => return Outcome::StaleRemote,
                Verb::Archive => {
                    return Outcome::Applied {
                        effect: Effect::Removed,
                        remote: None,
                    };
                }
                Verb::Upsert | Verb::Create | Verb::Lookup => {}
            },
            "CONFLICT" if verb == Verb::Create => return self.exists_already(),
            _ if self.is_transient() => {
                return Outcome::Retry {
                    code: "hubspot_row_unavailable".into(),
                    after: None,
                };
            }
            _ => {}
        }
        if verb == Verb::Create && self.is_taken() {
            return self.exists_already();
        }
        let rejection = self.rejection(layout);
        if rejection.code == "gdpr_blocked" {
            Outcome::Suppressed(rejection)
        } else {
            Outcome::Rejected(rejection)
        }
    }

    fn exists_already(&self) -> Outcome {
        Outcome::Applied {
            effect: Effect::Untouched,
            remote: self.existing.as_deref().map(CompactString::from),
        }
    }

    fn is_taken(&self) -> bool {
        self.category == "CONFLICT" || self.message.contains("already has that value")
    }

    /// The refusal in our own words.
    pub(crate) fn rejection(&self, layout: &Layout) -> Rejection {
        let fault = self.faults.first();
        let code = fault.map(|fault| fault.code.as_str()).unwrap_or_default();
        let field = fault
            .and_then(|fault| layout.known_name(fault.property.as_deref()?))
            .map(str::to_owned);
        let name = field.as_deref().unwrap_or("a property").to_owned();
        let of = |code: &str, words: &str| Rejection {
            code: code.into(),
            field: field.clone(),
            message: format!("{name} {words}"),
        };
        if self.is_taken() {
            let key = field.clone().unwrap_or_else(|| layout.key_name.clone());
            return Rejection {
                code: "value_in_use".into(),
                message: format!("another record already has this {key}"),
                field: Some(key),
            };
        }
        if self.has_code(&["GDPR_BLACKLISTED_EMAIL", "GDPR_BLOCKLISTED_EMAIL"]) {
            return of("gdpr_blocked", "was erased for privacy and may not be used again");
        }
        match code {
            "PROPERTY_DOESNT_EXIST" => of("unknown_field", "does not exist in HubSpot any more"),
            "INVALID_OPTION" => of(INVALID_OPTION.code, INVALID_OPTION.words),
            "INVALID_EMAIL" => of(INVALID_EMAIL.code, INVALID_EMAIL.words),
            "INVALID_DATE" => of(INVALID_DATE.code, INVALID_DATE.words),
            "INVALID_INTEGER" | "INVALID_NUMBER" | "INVALID_DOUBLE" => {
                of(INVALID_NUMBER.code, INVALID_NUMBER.words)
            }
            "INVALID_LONG" => of(INVALID_TIMESTAMP.code, INVALID_TIMESTAMP.words),
            "INVALID_BOOLEAN" => of(INVALID_BOOL.code, INVALID_BOOL.words),
            "READ_ONLY_VALUE" => of("read_only", "cannot be written"),
            "MISSING_REQUIRED_PROPERTY" | "MISSING_CONDITIONAL_REQUIRED_PROPERTY" => of(
                "missing_required",
                "is required by a rule of the HubSpot account and is not sent",
            ),
            "" if self.category == "VALIDATION_ERROR" => Rejection {
                code: "invalid_value".into(),
                field,
                message: "HubSpot does not accept the record: a value is not valid, or one is missing".into(),
            },
            "" => Rejection {
                code: "refused".into(),
                field,
                message: format!("HubSpot refuses the record{}", in_brackets(&self.category)),
            },
            other => of(
                "invalid_value",
                &format!("has a value HubSpot refuses{}", in_brackets(other)),
            ),
        }
    }
}

/// A vendor code, when it looks like one.
fn in_brackets(code: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !code.is_empty() && code.len() <= 60 && code.bytes().all(plain) {
        format!(" ({code})")
    } else {
        String::new()
    }
}

fn context(item: &Json, name: &str) -> Vec<String> {
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match item.get("context").and_then(|context| context.get(name)) {
        Some(Json::Array(values)) => values.iter().filter_map(text).collect(),
        Some(single) => text(single).into_iter().collect(),
        None => Vec::new(),
    }
}

fn embedded_faults(message: &str) -> Vec<Fault> {
    let faults: Vec<Json> = message
        .split_once(EMBEDDED)
        .and_then(|(_, array)| serde_json::from_str(array).ok())
        .unwrap_or_default();
    let text = |fault: &Json, name: &str| fault.get(name).and_then(Json::as_str).map(str::to_owned);
    faults
        .iter()
        .filter_map(|fault| {
            Some(Fault {
                code: text(fault, "error")?,
                property: text(fault, "name"),
            })
        })
        .collect()
}

fn nested_fault(error: &Json) -> Option<Fault> {
    Some(Fault {
        code: error.get("code")?.as_str()?.to_owned(),
        property: context(error, "propertyName").pop(),
    })
}

/// `Contact already exists. Existing ID: 51201`
fn existing_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Existing ID:")?;
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use outflow_sdk::destination::Mode;
    use serde_json::json;

    use super::*;
    use crate::testing::contacts;

    fn rejection(item: &Json) -> Rejection {
        match ErrorItem::read(item).outcome(Verb::Upsert, &contacts(Mode::Upsert)) {
            Outcome::Rejected(rejection) | Outcome::Suppressed(rejection) => rejection,
            other => panic!("{other:?}"),
        }
    }

    fn embedded(code: &str, name: &str) -> Json {
        let faults = json!([{ "isValid": false, "message": "secret@example.com was bad", "error": code, "name": name }]);
        json!({ "category": "VALIDATION_ERROR", "message": format!("{EMBEDDED}{faults}") })
    }

    #[test]
    fn every_fault_has_words_of_our_own() {
        for (code, expected) in [
            (
                "INVALID_OPTION",
                ("invalid_option", "firstname does not have this option"),
            ),
            (
                "INVALID_EMAIL",
                ("invalid_email", "firstname is not a valid e-mail address"),
            ),
            (
                "INVALID_DATE",
                ("invalid_date", "firstname takes dates, this is none"),
            ),
            (
                "INVALID_INTEGER",
                ("invalid_number", "firstname takes numbers, this is none"),
            ),
            (
                "INVALID_LONG",
                ("invalid_timestamp", "firstname takes instants, this is none"),
            ),
            ("READ_ONLY_VALUE", ("read_only", "firstname cannot be written")),
            (
                "SOMETHING_NEW",
                (
                    "invalid_value",
                    "firstname has a value HubSpot refuses (SOMETHING_NEW)",
                ),
            ),
        ] {
            let rejection = rejection(&embedded(code, "firstname"));
            assert_eq!((rejection.code.as_str(), rejection.message.as_str()), expected);
            assert_eq!(rejection.field.as_deref(), Some("firstname"));
        }
    }

    #[test]
    fn faults_are_read_from_either_form() {
        let nested = json!({ "category": "VALIDATION_ERROR", "message": "…", "errors": [
            { "message": "x", "code": "MISSING_REQUIRED_PROPERTY", "context": { "propertyName": ["ltv"] } }
        ]});
        let rejection = rejection(&nested);
        assert_eq!(
            (rejection.code.as_str(), rejection.field.as_deref()),
            ("missing_required", Some("ltv"))
        );
    }

    #[test]
    fn vendor_text_and_unmapped_names_are_never_repeated() {
        let odd = rejection(&embedded("secret@example.com", "secret@example.com"));
        assert!(!format!("{odd:?}").contains("secret"), "{odd:?}");
        let torn = rejection(
            &json!({ "category": "secret category", "message": "Property values were not valid: [{" }),
        );
        assert_eq!(torn.message, "HubSpot refuses the record");
        assert_eq!(rejection(&json!({})).code, "refused");
        assert_eq!(rejection(&json!("text")).code, "refused");
    }

    #[test]
    fn an_address_in_use_names_the_match() {
        for item in [
            json!({ "category": "CONFLICT", "message": "Contact already exists. Existing ID: 51201" }),
            json!({ "category": "VALIDATION_ERROR", "message": "… 5 already has that value" }),
        ] {
            let rejection = rejection(&item);
            assert_eq!(
                (rejection.code.as_str(), rejection.field.as_deref()),
                ("value_in_use", Some("email"))
            );
        }
    }

    #[test]
    fn mode_create_leaves_existing_records_alone() {
        let layout = contacts(Mode::Create);
        for (item, remote) in [
            (
                json!({ "category": "CONFLICT", "context": { "existingId": ["7"] } }),
                Some("7"),
            ),
            (
                json!({ "category": "CONFLICT", "message": "Contact already exists. Existing ID: 8" }),
                Some("8"),
            ),
            (
                json!({ "category": "VALIDATION_ERROR", "message": "x already has that value" }),
                None,
            ),
        ] {
            let outcome = ErrorItem::read(&item).outcome(Verb::Create, &layout);
            let remote = remote.map(CompactString::from);
            assert_eq!(
                outcome,
                Outcome::Applied {
                    effect: Effect::Untouched,
                    remote
                }
            );
        }
    }

    #[test]
    fn a_person_erased_for_privacy_is_suppressed() {
        let outcome = ErrorItem::read(&embedded("GDPR_BLACKLISTED_EMAIL", "email"))
            .outcome(Verb::Upsert, &contacts(Mode::Upsert));
        assert!(matches!(outcome, Outcome::Suppressed(_)), "{outcome:?}");
    }

    #[test]
    fn a_row_that_met_a_busy_service_is_tried_again() {
        let outcome = ErrorItem::read(&json!({ "category": "RATE_LIMITS" }))
            .outcome(Verb::Update, &contacts(Mode::Upsert));
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
}
