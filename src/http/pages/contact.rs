//! `/contact`: what is known of one contact, by key or by match value.
//!
//! It is asked by a form that is posted: what is typed stays out of addresses, logs and histories.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Serialize;

use super::form::Form;
use super::rejects::Refused;
use super::render::{self, Trouble};
use super::run::outcome;
use super::visitor::Visitor;
use super::when::When;
use crate::documents::Explained;
use crate::http::app::App;
use crate::project::Project;
use crate::state::{RunId, StateError, Store};

/// What is known of a contact in one sync.
#[derive(Serialize)]
struct Found {
    sync: String,
    destination: Option<String>,
    reason: String,
    remote: Option<String>,
    applied: Option<When>,
    run: Option<RunId>,
    fields: Vec<Field>,
    reject: Option<Refused>,
    tries: Vec<Try>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    /// Whether the destination has acknowledged a value of it.
    delivered: bool,
}

#[derive(Serialize)]
struct Try {
    at: When,
    run: RunId,
    outcome: &'static str,
    code: String,
}

#[derive(Serialize)]
struct Page<'a> {
    syncs: Vec<String>,
    sync: &'a str,
    who: &'a str,
    asked: bool,
    found: Vec<Found>,
}

fn shown(app: &App, visitor: &Visitor, page: Page<'_>) -> Response {
    let project = &app.handle.edition().project;
    let syncs = project.syncs.iter().map(|sync| sync.name.clone()).collect();
    render::page("contact.html", "Contact", visitor, &Page { syncs, ..page })
}

pub(super) async fn form(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    let page = Page {
        syncs: Vec::new(),
        sync: "",
        who: "",
        asked: false,
        found: Vec::new(),
    };
    shown(&app, &visitor, page)
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(form): Extension<Form>,
) -> Result<Response, Trouble> {
    let sync = form.field("sync").unwrap_or_default().to_owned();
    let who = form.field("who").unwrap_or_default().to_owned();
    let mut found = Vec::new();
    if !who.is_empty() {
        let project = Arc::clone(&app.handle.edition().project);
        let now_ms = app.handle.clock.now_ms();
        // It may look at every row, so only a few look at once, also when nobody waits for what they find
        // any more. The semaphore is never closed.
        let place = Arc::clone(&app.plans).acquire_owned().await;
        let (sync, who) = (sync.clone(), who.clone());
        found = app
            .read(move |store| {
                let _place = place;
                looked_up(&project, store, &sync, &who, now_ms)
            })
            .await?;
    }
    let page = Page {
        syncs: Vec::new(),
        asked: !who.is_empty(),
        sync: &sync,
        who: &who,
        found,
    };
    Ok(shown(&app, &visitor, page))
}

/// What the state knows, in one sync or in all of them.
fn looked_up(
    project: &Project,
    store: &Store,
    only: &str,
    who: &str,
    now_ms: i64,
) -> Result<Vec<Found>, StateError> {
    let mut found = Vec::new();
    for spec in &project.syncs {
        if !only.is_empty() && spec.name != only {
            continue;
        }
        let by_key = Explained::find(project, store, &spec.name, who)?;
        let known = match by_key {
            Some(explained) if explained.is_known() => vec![explained],
            by_key => {
                let by_match = Explained::find_by_match(project, store, &spec.name, who)?;
                // Of the one sync that was named, it is told why there is nothing.
                match by_key.filter(|_| !only.is_empty() && by_match.is_empty()) {
                    Some(unknown) => vec![unknown],
                    None => by_match,
                }
            }
        };
        for explained in known {
            let destination = Some(spec.destination.clone());
            found.push(told(&explained, destination, store, now_ms)?);
        }
    }
    Ok(found)
}

fn told(
    explained: &Explained,
    destination: Option<String>,
    store: &Store,
    now_ms: i64,
) -> Result<Found, StateError> {
    let when = |ms: i64| When::of(ms, now_ms);
    let row = explained.row.as_ref();
    let fields = explained.fields.iter();
    let prints = row.map(|row| row.prints.as_slice()).unwrap_or_default();
    Ok(Found {
        sync: explained.sync.clone(),
        destination,
        reason: explained.reason(store, now_ms)?,
        remote: row.and_then(|row| row.remote.as_deref().map(str::to_owned)),
        applied: row
            .filter(|row| row.applied_ms > 0)
            .map(|row| when(row.applied_ms)),
        run: row.map(|row| row.run),
        fields: fields
            .zip(prints)
            .map(|(name, print)| Field {
                name: name.clone(),
                delivered: *print != 0,
            })
            .collect(),
        reject: explained
            .reject
            .as_ref()
            .map(|reject| Refused::of(reject, now_ms)),
        tries: explained
            .attempts
            .iter()
            .map(|attempt| Try {
                at: when(attempt.at_ms),
                run: attempt.run,
                outcome: outcome(&attempt.outcome),
                code: attempt.code.clone(),
            })
            .collect(),
    })
}
