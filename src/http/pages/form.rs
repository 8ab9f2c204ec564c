//! The fields of a form that was sent.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;

use crate::http::refusal::Refusal;

/// Bytes of a form at most.
const MOST_BYTES: usize = 64 << 10;

/// Name of the field that holds the seal.
const SEAL: &str = "seal";

/// The fields of a form, by name. Not to be logged: they may name a contact.
#[derive(Clone, Default)]
pub(super) struct Form(Arc<HashMap<String, String>>);

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// When it is too large, or breaks off.
    pub(super) async fn read(body: Body) -> Result<Self, Refusal> {
        let bytes = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "form_too_large",
                "the form is too large",
            )
        })?;
        let fields = form_urlencoded::parse(&bytes).into_owned();
        Ok(Self(Arc::new(fields.collect())))
    }

    /// A field without the spaces around it; nothing when it is empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The seal, if it has one.
    pub(super) fn seal(&self) -> &str {
        self.field(SEAL).unwrap_or_default()
    }
}
