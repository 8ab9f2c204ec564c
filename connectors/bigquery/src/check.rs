//! What `check` tells about a connection: who is connected where, and whether it could do harm.

use std::time::Duration;

use outflow_sdk::ConnectorError;
use outflow_sdk::source::Advice;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::api::{Api, Call};
use crate::cell::Cell;
use crate::config::REST;
use crate::failure::{Doing, Fault};
use crate::kind::Kind;
use crate::wire::Row;

/// Permissions that a reader does not need.
const WRITING: [&str; 4] = [
    "bigquery.tables.updateData",
    "bigquery.tables.delete",
    "bigquery.tables.create",
    "bigquery.datasets.create",
];
/// What Arrow results need.
const SESSIONS: &str = "bigquery.readsessions.create";
/// Where permissions of a project are asked for.
const PROJECTS: &str = "https://cloudresourcemanager.googleapis.com";
/// Time for a query that reads nothing.
const WAIT: Duration = Duration::from_secs(20);

/// Looks around: runs a query that reads nothing and costs nothing, and asks what else would be allowed.
pub(crate) async fn advice(api: &Api) -> Result<Vec<Advice>, ConnectorError> {
    let settings = &api.settings;
    let who = match identity(api).await {
        Ok(who) => who,
        Err(fault) => return Err(fault.told(settings, Doing::Looking)),
    };
    let location = settings.location.as_deref().unwrap_or("the data's location");
    let mut advice = vec![Advice {
        code: "identity",
        message: format!(
            "{}: '{who}' in project '{}', jobs in {location}",
            settings.host(),
            settings.project
        ),
    }];
    if settings.base_url.starts_with("http://") && !settings.is_anonymous() && !settings.is_local() {
        advice.push(Advice {
            code: "not_encrypted",
            message: "access tokens and rows cross the network in the clear: write `base_url: https://…`"
                .into(),
        });
    }
    if api.tokens.is_some()
        && let Some(granted) = granted(api).await
    {
        advice.extend(of_permissions(&granted, &who, settings.storage_url.is_some()));
    }
    Ok(advice)
}

async fn identity(api: &Api) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, default)]
        rows: Vec<Row<'a>>,
    }
    let settings = &api.settings;
    let mut body = json!({
        "query": "SELECT SESSION_USER() AS who", "useLegacySql": false,
        "timeoutMs": WAIT.as_millis() as u64, "maxResults": 1,
    });
    if let Some(location) = &settings.location {
        body["location"] = json!(location);
    }
    let call = Call::post(&["projects", &settings.project, "queries"], &body).waiting(WAIT);
    api.read(&call, |body| {
        let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
        let cell = answer.rows.first()?.f.first()?;
        let who = cell.scalar(&Kind::Text).ok()?;
        Some(who.text().into_owned())
    })
    .await
}

/// The permissions on the project among those that matter here. None when it will not tell, which needs the
/// Cloud Resource Manager API
/// (<https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions>).
async fn granted(api: &Api) -> Option<Vec<String>> {
    let settings = &api.settings;
    let base = if settings.base_url == REST {
        PROJECTS
    } else {
        &settings.base_url
    };
    let url = format!("{base}/v1/projects/{}:testIamPermissions", settings.project);
    let mut permissions = WRITING.to_vec();
    permissions.push(SESSIONS);
    let body = json!({"permissions": permissions}).to_string();
    let answer = api
        .exchange("POST", url, body.into(), Duration::ZERO)
        .await
        .ok()?;
    if answer.status != 200 {
        return None;
    }
    let json: Json = serde_json::from_slice(&answer.body).ok()?;
    let granted = json.get("permissions").and_then(Json::as_array);
    Some(
        granted
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
    )
}

fn of_permissions(granted: &[String], who: &str, wants_sessions: bool) -> Vec<Advice> {
    let has = |permission: &str| granted.iter().any(|known| known == permission);
    let mut advice = Vec::new();
    let writing: Vec<&str> = WRITING.into_iter().filter(|permission| has(permission)).collect();
    if !writing.is_empty() {
        advice.push(Advice {
            code: "role_can_write",
            message: format!(
                "'{who}' can change data of the project ({}): roles/bigquery.jobUser and dataViewer are enough, and safer",
                writing.join(", ")
            ),
        });
    }
    if wants_sessions && !has(SESSIONS) {
        advice.push(Advice {
            code: "no_read_sessions",
            message: format!(
                "'{who}' lacks {SESSIONS}: results come by REST, which is slower; grant roles/bigquery.readSessionUser"
            ),
        });
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_much_or_too_little_is_told() {
        let told = |granted: &[&str]| -> Vec<&'static str> {
            let granted: Vec<String> = granted.iter().map(|text| (*text).to_owned()).collect();
            of_permissions(&granted, "a@b", true)
                .iter()
                .map(|advice| advice.code)
                .collect()
        };
        assert_eq!(told(&[SESSIONS]), [""; 0]);
        assert_eq!(told(&[]), ["no_read_sessions"]);
        assert_eq!(told(&["bigquery.tables.create", SESSIONS]), ["role_can_write"]);
    }
}
