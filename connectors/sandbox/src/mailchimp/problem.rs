//! Problem documents (`application/problem+json`): every refusal of the API.
//!
//! The vendor's client libraries match on status and title, then on the detail's text, so the texts are
//! those of the contract, word by word.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::Serialize;

const TYPE: &str = "https://mailchimp.com/developer/marketing/docs/errors/";
const SCHEMA: &str =
    "The resource submitted could not be validated. For field-specific details, see the 'errors' array.";

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldError {
    /// A merge tag, a dotted path, or nothing for the whole body.
    pub(super) field: String,
    pub(super) message: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) detail: Cow<'static, str>,
    pub(super) errors: Vec<FieldError>,
    /// Methods the resource has, for 405.
    pub(super) allow: Option<&'static str>,
    /// Whether the document has a `type`; three kinds have none.
    typed: bool,
    /// Whether it says that the member exists: the one error with a code of its own in a batch.
    pub(super) exists: bool,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
            typed: true,
            exists: false,
        }
    }

    fn untyped(title: &'static str, detail: String) -> Self {
        Self {
            typed: false,
            ..Self::new(StatusCode::BAD_REQUEST, title, detail)
        }
    }

    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", detail)
    }

    pub(super) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Invalid Resource", detail)
    }

    /// The body does not fit the schema.
    pub(super) fn schema(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::invalid(SCHEMA)
        }
    }

    /// [`Problem::schema`] about one field.
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::schema(vec![FieldError::new(field, message)])
    }

    /// Values that do not fit their merge fields.
    pub(super) fn merge_fields(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::invalid("Your merge fields were invalid.")
        }
    }

    pub(super) fn json() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "JSON Parse Error",
            "We encountered an unspecified JSON parsing error.",
        )
    }

    pub(super) fn invalid_action() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Invalid Action",
            "The action requested was not valid for this resource.",
        )
    }

    pub(super) fn member_exists(email: &str) -> Self {
        Self {
            exists: true,
            ..Self::untyped(
                "Member Exists",
                format!("{email} is already a list member. Use PUT to insert or update list members."),
            )
        }
    }

    pub(super) fn compliance(email: &str) -> Self {
        Self::untyped(
            "Member In Compliance State",
            format!(
                "{email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
            ),
        )
    }

    pub(super) fn forgotten(email: &str) -> Self {
        Self::untyped(
            "Forgotten Email Not Subscribed",
            format!(
                "{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list."
            ),
        )
    }

    pub(super) fn signed_up_a_lot(email: &str) -> Self {
        Self::invalid(format!(
            "{email} has signed up to a lot of lists very recently; we're not allowing more signups for now"
        ))
    }

    pub(super) fn looks_fake(email: &str) -> Self {
        Self::invalid(format!(
            "{email} looks fake or invalid, please enter a real email address."
        ))
    }

    pub(super) fn key_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "API Key Missing",
            "Your request did not include an API key.",
        )
    }

    pub(super) fn key_invalid() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "API Key Invalid",
            "Your API key may be invalid, or you've attempted to access the wrong datacenter.",
        )
    }

    pub(super) fn wrong_data_center() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Wrong Datacenter",
            "The API key provided is linked to a different data center.",
        )
    }

    pub(super) fn user_disabled() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "User Disabled",
            "This account has been disabled.",
        )
    }

    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Resource Not Found",
            "The requested resource could not be found.",
        )
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Method Not Allowed",
                "The requested method and resource are not compatible. See the Allow header for this resource's available methods.",
            )
        }
    }

    pub(super) fn cannot_archive() -> Self {
        Self {
            detail: "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived".into(),
            ..Self::method_not_allowed("GET, PUT")
        }
    }

    pub(super) fn nested_too_deep() -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            "Resource Nesting Too Deep",
            "The sub-resource requested is nested too deeply.",
        )
    }

    pub(super) fn method_override() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid Method Override",
            "You can only use the X-HTTP-Method-Override header with the POST method.",
        )
    }

    pub(super) fn requested_fields() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Requested Fields Invalid",
            "The fields requested from this resource are invalid.",
        )
    }

    pub(super) fn too_many_requests() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too Many Requests",
            "You have exceeded the limit of 10 simultaneous connections.",
        )
    }

    pub(super) fn too_many_batches() -> Self {
        Self {
            detail: "You have more than 500 pending batches.".into(),
            ..Self::too_many_requests()
        }
    }

    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "An unexpected internal error has occurred. Please contact Support for more information.",
        )
    }

    pub(super) fn method_disabled() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Compliance Related",
            "This method has been disabled.",
        )
    }

    /// The document that goes with a status on request.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::key_invalid(),
            403 => Self::new(
                status,
                "Forbidden",
                "You are not permitted to access this resource.",
            ),
            404 => Self::not_found(),
            429 => Self::too_many_requests(),
            500 => Self::internal(),
            503 => Self::method_disabled(),
            _ => Self::new(status, "Bad Request", "Your request could not be processed."),
        }
    }

    /// The document; `instance` is also the request's id.
    pub(super) fn body(&self, instance: &str) -> Vec<u8> {
        let document = Document {
            kind: self.typed.then_some(TYPE),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            errors: &self.errors,
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn document(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.body("id")).unwrap()
    }

    #[test]
    fn three_kinds_of_refusal_have_no_type() {
        for problem in [
            Problem::member_exists("a@b.tld"),
            Problem::compliance("a@b.tld"),
            Problem::forgotten("a@b.tld"),
        ] {
            assert!(document(&problem).get("type").is_none(), "{}", problem.title);
        }
        assert_eq!(document(&Problem::not_found())["type"], TYPE);
    }

    #[test]
    fn errors_are_there_only_when_a_field_is_wrong() {
        assert!(document(&Problem::json()).get("errors").is_none());
        assert_eq!(
            document(&Problem::field("a.b", "no"))["errors"][0]["field"],
            "a.b"
        );
    }
}
