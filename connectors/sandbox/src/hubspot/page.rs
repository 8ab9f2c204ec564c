//! The page for people.

use hyper::{Method, StatusCode};

use crate::server::{Answer, Asked};

use super::account::Account;

/// `GET /`.
pub(super) fn answer(_account: &Account, asked: &Asked) -> Answer {
    if asked.method != Method::GET {
        return Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n");
    }
    Answer::new(StatusCode::OK, "text/html;charset=utf-8", "")
}
