//! The control paths of this twin alone, for other processes: `/_twin/…`.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::front::{Refused, done, missing, parse};
use crate::server::Asked;

use super::account::Account;
use super::arrange::{self, ArrangeError, Deed};
use super::merge_field::MergeField;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AudienceBody {
    name: String,
    /// Texts of marketing permissions its members are asked for.
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody {
    list_id: String,
    email_address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequiredBody {
    list_id: String,
    tag: String,
    required: bool,
}

fn refused(error: ArrangeError) -> Refused {
    (StatusCode::BAD_REQUEST, error.to_string())
}

/// Does what a control request asks for.
pub(super) fn control(account: &Account, asked: &Asked) -> Result<Value, Refused> {
    let path = asked.uri.path();
    match (asked.method.clone(), path) {
        (Method::PUT, "/_twin/connections") => account.state().connections = parse(asked)?,
        (Method::POST, "/_twin/credentials/revoke") => {
            account
                .state()
                .credentials
                .revoke(&parse::<SecretBody>(asked)?.secret);
        }
        (Method::POST, "/_twin/audiences") => {
            let body: AudienceBody = parse(asked)?;
            let texts: Vec<&str> = body.permissions.iter().map(String::as_str).collect();
            let id = arrange::define_audience(account, &body.name, &texts);
            return Ok(json!({ "id": id }));
        }
        (Method::PUT, "/_twin/required") => {
            let body: RequiredBody = parse(asked)?;
            let require = |field: &mut MergeField| field.required = body.required;
            arrange::change_field(account, &body.list_id, &body.tag, require).map_err(refused)?;
        }
        (Method::POST, _) => {
            let deed = path
                .strip_prefix("/_twin/members/")
                .and_then(Deed::parse)
                .ok_or_else(|| missing(path))?;
            let body: MemberBody = parse(asked)?;
            arrange::act(account, &body.list_id, &body.email_address, deed).map_err(refused)?;
        }
        _ => return Err(missing(path)),
    }
    Ok(done())
}
