//! `/fields`: how fresh each field of each destination is, and what feeds it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Serialize;
use tokio::time::Instant;

use super::labels::{Names, label};
use super::render::{self, Trouble};
use super::standing::{self, View};
use super::visitor::Visitor;
use super::when::When;
use crate::documents::Standing;
use crate::http::app::App;
use crate::project::{FieldSource, SyncSpec};
use crate::state::{FieldChange, RunId};

/// How long labels are waited for, all together.
const PATIENCE: Duration = Duration::from_secs(5);

/// A destination field and what feeds it.
#[derive(Serialize)]
pub(super) struct Fed {
    label: String,
    field: String,
    /// Whether it identifies the record.
    matches: bool,
    /// What its value is made from: `column`, `value` or `template`.
    kind: &'static str,
    from: String,
    fresh: Option<When>,
    changed: Option<Change>,
}

#[derive(Serialize)]
struct Change {
    at: Option<When>,
    run: RunId,
    /// Whether that run has a page still.
    kept: bool,
    records: u64,
}

/// The fields of a sync, in mapping order.
pub(super) fn fed(
    spec: &SyncSpec,
    standing: &Standing,
    changes: &[FieldChange],
    labels: &Names,
    now_ms: i64,
) -> Vec<Fed> {
    let when = |ms: i64| When::of(ms, now_ms);
    spec.fields
        .iter()
        .map(|mapped| {
            let (kind, from) = match &mapped.source {
                FieldSource::Column(column) => ("column", column.clone()),
                FieldSource::Constant(value) => ("value", value.to_string()),
                FieldSource::Template { text, .. } => ("template", text.clone()),
            };
            let change = changes.iter().find(|change| change.field == mapped.field);
            Fed {
                label: label(labels, &mapped.field),
                field: mapped.field.clone(),
                matches: spec.match_fields.contains(&mapped.field),
                kind,
                from,
                fresh: standing.fresh_ms.map(when),
                changed: change.map(|change| Change {
                    at: change.at_ms.map(when),
                    run: change.run,
                    kept: change.kept,
                    records: change.records,
                }),
            }
        })
        .collect()
}

/// The fields one sync feeds.
#[derive(Serialize)]
struct Feed {
    sync: View,
    fields: Vec<Fed>,
}

#[derive(Serialize)]
struct Object {
    destination: String,
    object: String,
    feeds: Vec<Feed>,
}

#[derive(Serialize)]
struct Page {
    objects: Vec<Object>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let mut known = standing::all(&app).await?;
    known.sort_by(|one, other| {
        let place = |spec: &SyncSpec| (spec.destination.clone(), spec.object.clone(), spec.name.clone());
        place(&one.spec).cmp(&place(&other.spec))
    });
    let names: Vec<String> = known.iter().map(|one| one.spec.name.clone()).collect();
    let changes = app
        .read(move |store| {
            names
                .iter()
                .map(|name| store.field_changes(name))
                .collect::<Result<Vec<_>, _>>()
        })
        .await?;
    let now_ms = app.handle.clock.now_ms();
    let project = Arc::clone(&app.handle.edition().project);
    let deadline = Instant::now() + PATIENCE;
    let mut objects: Vec<Object> = Vec::new();
    for (one, changes) in known.iter().zip(&changes) {
        let spec = &one.spec;
        let labels = app
            .pages
            .labels
            .of(&project, &spec.destination, &spec.object, deadline)
            .await;
        let feed = Feed {
            fields: fed(spec, &one.standing, changes, &labels, now_ms),
            sync: View::of(one, now_ms),
        };
        match objects.last_mut() {
            Some(last) if last.destination == spec.destination && last.object == spec.object => {
                last.feeds.push(feed);
            }
            _ => objects.push(Object {
                destination: spec.destination.clone(),
                object: spec.object.clone(),
                feeds: vec![feed],
            }),
        }
    }
    Ok(render::page("fields.html", "Fields", &visitor, &Page { objects }))
}

/// A word of the project's files, as they spell it.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
