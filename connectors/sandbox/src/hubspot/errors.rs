//! The vendor's error envelope.

use std::ops::{Deref, DerefMut};

use hyper::StatusCode;
use serde_json::{Map, Value, json};

/// One entry of `errors[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) message: String,
    pub(super) code: Option<String>,
    /// Key and values, such as `propertyName`.
    pub(super) context: Option<(&'static str, Vec<String>)>,
}

/// A refused request. Boxed, so that a `Result` with it stays small.
#[derive(Clone, Debug)]
pub(super) struct ApiError(Box<Parts>);

impl Deref for ApiError {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for ApiError {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

/// What a refusal says.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) status: StatusCode,
    pub(super) category: &'static str,
    pub(super) sub_category: Option<&'static str>,
    pub(super) message: String,
    pub(super) errors: Vec<Detail>,
    pub(super) context: Vec<(&'static str, Vec<String>)>,
    pub(super) links: Vec<(&'static str, &'static str)>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, category: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            category,
            sub_category: None,
            message: message.into(),
            errors: Vec::new(),
            context: Vec::new(),
            links: Vec::new(),
        }))
    }

    /// 400.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    /// 404 of a record, property or list.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")
    }

    /// 404 of an address nobody serves.
    pub(super) fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "There is nothing at this address",
        )
    }

    /// 405.
    pub(super) fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "Method not allowed at this address",
        )
    }

    /// 415.
    pub(super) fn content_type(expected: &str) -> Self {
        let message = format!("Unsupported media type: this address takes {expected}");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            message,
        )
    }

    /// 400 of a body that is not the JSON expected. Names the position, never the content.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        let message = format!(
            "Invalid input JSON on line {}, column {}",
            error.line(),
            error.column()
        );
        Self::validation(message)
    }

    /// 401.
    pub(super) fn unauthorized(expired: bool) -> Self {
        if expired {
            let message = "The OAuth token used to make this call expired.";
            return Self::new(StatusCode::UNAUTHORIZED, "EXPIRED_AUTHENTICATION", message);
        }
        let message = "Authentication credentials not found or invalid. This API supports OAuth 2.0 \
                       authentication and you can find more details at \
                       https://developers.hubspot.com/docs/methods/auth/oauth-overview";
        Self::new(StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", message)
    }

    /// 403 that lists the scopes one of which is missing.
    pub(super) fn missing_scopes(required: &[String]) -> Self {
        let message = "This app hasn't been granted all required scopes to make this call. Read more \
                       about required scopes here: https://developers.hubspot.com/scopes.";
        let mut error = Self::new(StatusCode::FORBIDDEN, "MISSING_SCOPES", message);
        error.errors.push(Detail {
            message: "One or more of the following scopes are required.".into(),
            code: None,
            context: Some(("requiredGranularScopes", required.to_vec())),
        });
        error
            .links
            .push(("scopes", "https://developers.hubspot.com/scopes"));
        error
    }

    #[must_use]
    pub(super) fn with_context(mut self, key: &'static str, values: Vec<String>) -> Self {
        self.context.push((key, values));
        self
    }

    #[must_use]
    pub(super) fn with_sub_category(mut self, sub_category: &'static str) -> Self {
        self.sub_category = Some(sub_category);
        self
    }

    /// The body of an answer.
    pub(super) fn body(&self, correlation: &str) -> Value {
        let mut body = Map::new();
        body.insert("status".into(), json!("error"));
        body.insert("message".into(), json!(self.message));
        body.insert("correlationId".into(), json!(correlation));
        if !self.errors.is_empty() {
            body.insert("errors".into(), self.errors.iter().map(Detail::json).collect());
        }
        self.rest(&mut body);
        Value::Object(body)
    }

    /// The form it has inside a 207: no correlation id and no nested errors.
    pub(super) fn item(&self) -> Value {
        let mut body = Map::new();
        body.insert("status".into(), json!("error"));
        body.insert("message".into(), json!(self.message));
        self.rest(&mut body);
        Value::Object(body)
    }

    fn rest(&self, body: &mut Map<String, Value>) {
        body.insert("category".into(), json!(self.category));
        if let Some(sub_category) = self.sub_category {
            body.insert("subCategory".into(), json!(sub_category));
        }
        if !self.context.is_empty() {
            let context: Map<_, _> = self
                .context
                .iter()
                .map(|(key, values)| ((*key).into(), json!(values)))
                .collect();
            body.insert("context".into(), Value::Object(context));
        }
        if !self.links.is_empty() {
            let links: Map<_, _> = self
                .links
                .iter()
                .map(|(key, link)| ((*key).into(), json!(link)))
                .collect();
            body.insert("links".into(), Value::Object(links));
        }
    }
}

impl Detail {
    fn json(&self) -> Value {
        let mut detail = Map::new();
        detail.insert("message".into(), json!(self.message));
        if let Some(code) = &self.code {
            detail.insert("code".into(), json!(code));
        }
        if let Some((key, values)) = &self.context {
            detail.insert("context".into(), json!({ *key: values }));
        }
        Value::Object(detail)
    }
}

/// One property value that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadProperty {
    pub(super) name: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl BadProperty {
    pub(super) fn new(name: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            code,
            message: message.into(),
        }
    }
}

/// 400 for refused property values: once as JSON text inside `message`, once in `errors[]`.
/// Repeats are collapsed, so counts do not tell rows.
pub(super) fn bad_properties(bad: &[BadProperty], hub_id: u64) -> ApiError {
    let mut distinct: Vec<&BadProperty> = Vec::new();
    for property in bad {
        if !distinct.contains(&property) {
            distinct.push(property);
        }
    }
    let embedded: Vec<Value> = distinct
        .iter()
        .map(|property| {
            json!({
                "isValid": false,
                "message": property.message,
                "error": property.code,
                "name": property.name,
                "localizedErrorMessage": property.message,
                "portalId": hub_id,
            })
        })
        .collect();
    let mut error = ApiError::validation(format!(
        "Property values were not valid: {}",
        Value::Array(embedded)
    ));
    error.errors = distinct
        .into_iter()
        .map(|property| Detail {
            message: property.message.clone(),
            code: Some(property.code.into()),
            context: Some(("propertyName", vec![property.name.clone()])),
        })
        .collect();
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_values_are_told_in_both_forms_and_once() {
        let bad = BadProperty::new(
            "nope",
            "PROPERTY_DOESNT_EXIST",
            "Property \"nope\" does not exist",
        );
        let body = bad_properties(&[bad.clone(), bad], 42).body("c-1");
        let message = body["message"].as_str().unwrap_or_default();
        let embedded = message
            .strip_prefix("Property values were not valid: ")
            .unwrap_or_default();
        let embedded: Value = serde_json::from_str(embedded).unwrap_or_default();
        assert_eq!(embedded.as_array().map(Vec::len), Some(1));
        assert_eq!(embedded[0]["error"], "PROPERTY_DOESNT_EXIST");
        assert_eq!(embedded[0]["portalId"], 42);
        assert_eq!(
            body["errors"],
            json!([{ "message": "Property \"nope\" does not exist", "code": "PROPERTY_DOESNT_EXIST",
                     "context": { "propertyName": ["nope"] } }])
        );
        assert_eq!(body["correlationId"], "c-1");
    }
}
