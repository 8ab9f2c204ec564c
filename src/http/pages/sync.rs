//! `/syncs/NAME`: how one sync stands, its past runs, and what feeds each field.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::fields::{self, Fed};
use super::plots::{Plot, plots};
use super::render::{self, Trouble};
use super::run::Row;
use super::standing::{self, View};
use super::visitor::Visitor;
use crate::http::app::App;

/// Runs in the plots, and in the table.
const PLOTTED: usize = 60;
const LISTED: usize = 20;

/// How long labels are waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was just done.
#[derive(Deserialize)]
pub(super) struct Done {
    done: Option<String>,
    count: Option<u64>,
}

impl Done {
    fn words(&self) -> Option<String> {
        Some(match self.done.as_deref()? {
            "run" => "It runs as soon as it may.".into(),
            "pause" => "Paused: it starts no more runs until somebody resumes it.".into(),
            "resume" => "Resumed: it follows its schedule again.".into(),
            "cancel" => "It stops: what is in flight settles first.".into(),
            "retry" => match self.count {
                Some(0) | None => "There was nothing to try again.".into(),
                Some(1) => "The next run tries 1 row again.".into(),
                Some(count) => format!("The next run tries {count} rows again."),
            },
            _ => return None,
        })
    }
}

#[derive(Serialize)]
struct Page {
    sync: View,
    done: Option<String>,
    error: Option<String>,
    mode: String,
    file: String,
    plots: Vec<Plot>,
    fields: Vec<Fed>,
    runs: Vec<Row>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Result<Response, Trouble> {
    let known = standing::one(&app, &name).await?;
    let now_ms = app.handle.clock.now_ms();
    let project = Arc::clone(&app.handle.edition().project);
    let spec = Arc::clone(&known.spec);
    let deadline = Instant::now() + PATIENCE;
    let labels = app
        .pages
        .labels
        .of(&project, &spec.destination, &spec.object, deadline)
        .await;
    let (runs, changes) = app
        .read(move |store| Ok((store.history(Some(&name), PLOTTED)?, store.field_changes(&name)?)))
        .await?;
    let error = known.standing.error.as_ref();
    let page = Page {
        sync: View::of(&known, now_ms),
        done: done.words(),
        error: error.map(|error| format!("{} ({})", error.message, error.code)),
        mode: fields::word(&spec.mode),
        file: spec.file.display().to_string(),
        plots: plots(&runs, now_ms),
        fields: fields::fed(&spec, &known.standing, &changes, &labels, now_ms),
        runs: runs.iter().take(LISTED).map(|run| Row::of(run, now_ms)).collect(),
    };
    Ok(render::page("sync.html", &spec.name, &visitor, &page))
}
