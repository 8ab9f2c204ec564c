//! Answers that are no success, all of one form.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::daemon::AskError;
use crate::state::StateError;

/// A request that was not carried out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Refusal {
    /// What is wrong.
    error: Reason,
    #[serde(skip)]
    status: StatusCode,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Reason {
    /// Stable code.
    code: String,
    /// What is wrong.
    message: String,
    /// What to do.
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            error: Reason {
                code: code.to_owned(),
                message: message.into(),
                hint: None,
            },
            status,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    pub(super) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn no_such_sync() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_sync", "no sync has this name")
            .hint("GET /api/v1/syncs lists them")
    }

    pub(super) fn bug() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "a bug in outflow; its log says where",
        )
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn code(&self) -> &str {
        &self.error.code
    }

    pub(super) fn message(&self) -> &str {
        &self.error.message
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        tracing::error!(%error, "the state cannot be used");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.code(),
            "the state cannot be used; the daemon's log says why",
        )
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unknown => Self::no_such_sync(),
            AskError::Paused => Self::new(StatusCode::CONFLICT, "paused", error.to_string())
                .hint("POST /api/v1/syncs/{sync}/resume ends the pause"),
            AskError::Busy => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_rows_wait",
                error.to_string(),
            )
            .hint("ask again later, or run the whole sync"),
            AskError::Idle => Self::new(StatusCode::CONFLICT, "not_running", error.to_string()),
            AskError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", error.to_string()),
            AskError::State(error) => error.into(),
        }
    }
}
