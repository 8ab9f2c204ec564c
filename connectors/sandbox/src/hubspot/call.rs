//! One API call: where it goes, who makes it, and what every handler needs to answer it.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::server::{Answer, Asked};

use super::account::Account;
use super::auth::Identity;
use super::errors::ApiError;
use super::{account_info, lists_api, oauth, objects, properties, schemas};

pub(super) const JSON: &str = "application/json;charset=utf-8";

/// Version in a path. The dated ones and v3 serve the same store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V3,
    March2026,
    September2026,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "v1" => Version::V1,
            "v3" => Version::V3,
            "2026-03" => Version::March2026,
            "2026-09" => Version::September2026,
            _ => return None,
        })
    }

    fn is_dated(self) -> bool {
        matches!(self, Version::March2026 | Version::September2026)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Objects,
    Properties,
    Lists,
    Schemas,
    OAuth,
    AccountInfo,
}

/// What a handler gives when all went well.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        Self {
            status,
            body: body.to_string().into_bytes(),
        }
    }

    pub(super) fn ok(body: &serde_json::Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(super) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Vec::new(),
        }
    }
}

pub(super) type Handled = Result<Reply, ApiError>;

/// One call, past authentication and limits.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) account: &'a Account,
    pub(super) method: &'a Method,
    pub(super) version: Version,
    /// Decoded path segments after family and version.
    pub(super) rest: Vec<Cow<'a, str>>,
    pub(super) identity: Option<Identity>,
    pub(super) now: i64,
    query: &'a str,
    pub(super) body: &'a [u8],
    content_type: &'a str,
}

impl<'a> Call<'a> {
    /// The body as JSON, borrowed from the request.
    pub(super) fn parse<T: Deserialize<'a>>(&self) -> Result<T, ApiError> {
        if !self.has_content_type("application/json") {
            return Err(ApiError::content_type("application/json"));
        }
        // Looked through for its encoding once, instead of at every string.
        let parsed = match std::str::from_utf8(self.body) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(self.body),
        };
        parsed.map_err(|error| ApiError::json(&error))
    }

    /// The body as a form.
    pub(super) fn form(&self) -> Result<Vec<(String, String)>, ApiError> {
        if !self.has_content_type("application/x-www-form-urlencoded") {
            return Err(ApiError::content_type("application/x-www-form-urlencoded"));
        }
        Ok(form_urlencoded::parse(self.body).into_owned().collect())
    }

    fn has_content_type(&self, wanted: &str) -> bool {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(wanted)
    }

    /// Values of a query parameter, comma lists split.
    pub(super) fn query_list(&self, name: &str) -> Vec<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
            .filter(|value| !value.is_empty())
            .collect()
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A whole number in the query, within bounds.
    pub(super) fn query_number(&self, name: &str, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.query(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| ApiError::validation(format!("{name} must be a whole number from 1 to {most}")))
    }

    pub(super) fn query_flag(&self, name: &str) -> bool {
        self.query(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// 403 unless one of the alternatives is granted.
    pub(super) fn require_any(&self, alternatives: &[String]) -> Result<(), ApiError> {
        match &self.identity {
            Some(identity) => identity.require_any(alternatives),
            None => Err(ApiError::unauthorized(false)),
        }
    }

    /// 403 unless the scope is granted.
    pub(super) fn require(&self, scope: impl Into<String>) -> Result<(), ApiError> {
        self.require_any(&[scope.into()])
    }
}

/// Splits a path into family, version and what follows. `None`: nobody serves it.
fn route(path: &str) -> Option<(Family, Version, Vec<Cow<'_, str>>)> {
    let decoded: Option<Vec<Cow<'_, str>>> = path
        .strip_prefix('/')?
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().ok())
        .collect();
    let mut segments = decoded?;
    let names: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let crm = |family: &str| match family {
        "objects" => Some(Family::Objects),
        "properties" => Some(Family::Properties),
        "lists" => Some(Family::Lists),
        _ => None,
    };
    let (family, version, used) = match names.as_slice() {
        ["crm", "v3", family, ..] => (crm(family)?, Version::V3, 3),
        ["crm", family, version, ..] => (
            crm(family)?,
            Version::parse(version).filter(|version| version.is_dated())?,
            3,
        ),
        ["crm-object-schemas", version, "schemas", ..] => (Family::Schemas, Version::parse(version)?, 3),
        ["oauth", version, ..] => (Family::OAuth, Version::parse(version)?, 2),
        ["account-info", version, "details"] => (Family::AccountInfo, Version::parse(version)?, 3),
        _ => return None,
    };
    if version == Version::V1 && family != Family::OAuth {
        return None;
    }
    let mut rest = segments.split_off(used);
    // The lists API is published with a slash at the end of its collection.
    if family == Family::Lists && rest.last().is_some_and(|last| last.is_empty()) {
        rest.pop();
    }
    Some((family, version, rest))
}

/// Answers one request to the API.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    let now = account.desk.now_ms();
    let (correlation, request_id) = {
        let mut state = account.state();
        (state.uuid(), state.uuid())
    };
    let mut allowance = None;
    let handled = (|| -> Result<Result<Reply, ApiError>, Answer> {
        let Some((family, version, rest)) = route(asked.uri.path()) else {
            return Ok(Err(ApiError::no_route()));
        };
        let header = |name| {
            asked
                .headers
                .get(name)
                .and_then(|value: &hyper::header::HeaderValue| value.to_str().ok())
        };
        let mut call = Call {
            account,
            method: &asked.method,
            version,
            rest,
            identity: None,
            now,
            query: asked.uri.query().unwrap_or_default(),
            body: &asked.body,
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
        };
        if family == Family::OAuth {
            return Ok(oauth::handle(&call));
        }
        let is_search =
            family == Family::Objects && call.rest.get(1).is_some_and(|segment| segment == "search");
        {
            let state = &mut *account.state();
            let identity = match state.credentials.identify(header(AUTHORIZATION), now) {
                Ok(identity) => identity.clone(),
                Err(error) => return Ok(Err(error)),
            };
            match state.meter.admit(&identity, is_search, now) {
                Ok(admitted) => allowance = admitted,
                Err((policy, refused)) => {
                    allowance = refused;
                    return Err(policy.refuse(&correlation, &request_id));
                }
            }
            call.identity = Some(identity);
        }
        Ok(match family {
            Family::Objects => objects::handle(&call),
            Family::Properties => properties::handle(&call),
            Family::Lists => lists_api::handle(&call),
            Family::Schemas => schemas::handle(&call),
            Family::AccountInfo => account_info::handle(&call),
            Family::OAuth => Err(ApiError::no_route()),
        })
    })();
    let mut answer = match handled {
        Ok(Ok(reply)) => {
            let content_type = if reply.body.is_empty() { "" } else { JSON };
            Answer::new(reply.status, content_type, reply.body)
        }
        Ok(Err(error)) => Answer::new(error.status, JSON, error.body(&correlation).to_string()),
        Err(answer) => answer,
    };
    answer.set("x-hubspot-correlation-id", &correlation);
    if let Some(allowance) = allowance {
        allowance.put(&mut answer);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dated_and_legacy_paths_lead_to_the_same_place() {
        for (path, version) in [
            ("/crm/v3/objects/contacts/batch/upsert", Version::V3),
            ("/crm/objects/2026-03/contacts/batch/upsert", Version::March2026),
            (
                "/crm/objects/2026-09/contacts/batch/upsert",
                Version::September2026,
            ),
        ] {
            let (family, found, rest) = route(path).unwrap_or((Family::OAuth, Version::V1, vec![]));
            assert_eq!((family, found), (Family::Objects, version), "{path}");
            assert_eq!(rest, ["contacts", "batch", "upsert"]);
        }
    }

    #[test]
    fn other_versions_lead_nowhere() {
        for path in [
            "/crm/objects/2025-09/contacts",
            "/crm/objects/2026-06/contacts",
            "/crm/objects/v3/contacts",
            "/crm/v4/objects/contacts",
            "/crm/v1/lists",
            "/contacts/v1/lists",
            "/account-info/v1/details",
            "/crm",
            "/",
        ] {
            assert!(route(path).is_none(), "{path}");
        }
    }

    #[test]
    fn segments_are_decoded() {
        let (_, _, rest) = route("/crm/v3/objects/contacts/ann%40example.com").unwrap_or((
            Family::OAuth,
            Version::V1,
            vec![],
        ));
        assert_eq!(rest, ["contacts", "ann@example.com"]);
    }
}
