//! Looking: syncs, runs, rejects, one row.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;

use super::answers::{Rejects, Retried, Runs, Sync, Syncs};
use super::app::App;
use super::refusal::Refusal;
use crate::documents::{Explained, Explanation, Reject, Run, Standing};
use crate::state::RunId;

/// Items of a list unless the caller says otherwise, and at most.
const USUAL: usize = 100;
const MOST: usize = 1_000;

/// What of a list is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    sync: Option<String>,
    limit: Option<usize>,
}

impl Listing {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL).min(MOST)
    }
}

/// The part of a path that names something.
pub(super) struct Named(pub(super) String);

impl<S: Send + std::marker::Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(error) => Err(Refusal::bad_request("bad_path", error.body_text())),
        }
    }
}

/// A parameter that was not understood becomes an answer of our form.
pub(super) fn understood<T>(
    query: Result<Query<T>, axum::extract::rejection::QueryRejection>,
) -> Result<T, Refusal> {
    match query {
        Ok(Query(value)) => Ok(value),
        Err(error) => Err(Refusal::bad_request("bad_query", error.body_text())),
    }
}

pub(super) type Queried<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

pub(super) async fn syncs(State(app): State<Arc<App>>) -> Result<Json<Syncs>, Refusal> {
    let syncs = all(&app).await?;
    Ok(Json(Syncs { syncs }))
}

pub(super) async fn sync(State(app): State<Arc<App>>, Named(name): Named) -> Result<Json<Sync>, Refusal> {
    let edition = app.handle.edition();
    let at = edition.project.syncs.iter().position(|spec| spec.name == name);
    let at = at.ok_or_else(Refusal::no_such_sync)?;
    let one = &edition.project.syncs[at..=at];
    let mut found = standing(&app, one.to_vec()).await?;
    found.pop().map(Json).ok_or_else(Refusal::no_such_sync)
}

async fn all(app: &App) -> Result<Vec<Sync>, Refusal> {
    standing(app, app.handle.edition().project.syncs.clone()).await
}

async fn standing(app: &App, specs: Vec<Arc<crate::project::SyncSpec>>) -> Result<Vec<Sync>, Refusal> {
    let timed = app.handle.standings().await?;
    let live = app.handle.live.now();
    let now_ms = app.handle.clock.now_ms();
    app.read(move |store| {
        specs
            .iter()
            .map(|spec| {
                Ok(Sync::of(
                    spec,
                    Standing::of(store, spec, now_ms)?,
                    timed
                        .iter()
                        .find(|(name, _)| *name == spec.name)
                        .map(|(_, timed)| timed),
                    store.timing(&spec.name)?,
                    live.iter().find(|run| run.sync == spec.name),
                ))
            })
            .collect()
    })
    .await
}

pub(super) async fn runs(
    State(app): State<Arc<App>>,
    listing: Queried<Listing>,
) -> Result<Json<Runs>, Refusal> {
    let listing = understood(listing)?;
    runs_of(&app, listing.sync.clone(), listing.limit()).await
}

pub(super) async fn runs_of_sync(
    State(app): State<Arc<App>>,
    Named(name): Named,
    listing: Queried<Listing>,
) -> Result<Json<Runs>, Refusal> {
    let listing = understood(listing)?;
    runs_of(&app, Some(name), listing.limit()).await
}

async fn runs_of(app: &App, sync: Option<String>, limit: usize) -> Result<Json<Runs>, Refusal> {
    let in_project = sync.as_ref().is_none_or(|name| in_project(app, name));
    let runs = app
        .read(move |store| store.history(sync.as_deref(), limit))
        .await?;
    // A sync that left the project keeps its history.
    if runs.is_empty() && !in_project {
        return Err(Refusal::no_such_sync());
    }
    Ok(Json(Runs {
        runs: runs.iter().map(Run::of).collect(),
    }))
}

fn in_project(app: &App, sync: &str) -> bool {
    app.handle.edition().project.sync(sync).is_some()
}

pub(super) async fn run(State(app): State<Arc<App>>, Named(id): Named) -> Result<Json<Run>, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "no_such_run", "no run has this number");
    let id: RunId = id.parse().map_err(|_| missing())?;
    let found = app.read(move |store| store.run(id)).await?;
    found.map(|run| Json(Run::of(&run))).ok_or_else(missing)
}

pub(super) async fn rejects(
    State(app): State<Arc<App>>,
    listing: Queried<Listing>,
) -> Result<Json<Rejects>, Refusal> {
    let listing = understood(listing)?;
    rejects_of(&app, listing.sync.clone(), listing.limit()).await
}

pub(super) async fn rejects_of_sync(
    State(app): State<Arc<App>>,
    Named(name): Named,
    listing: Queried<Listing>,
) -> Result<Json<Rejects>, Refusal> {
    let listing = understood(listing)?;
    rejects_of(&app, Some(name), listing.limit()).await
}

async fn rejects_of(app: &App, sync: Option<String>, limit: usize) -> Result<Json<Rejects>, Refusal> {
    if let Some(name) = &sync
        && !in_project(app, name)
    {
        return Err(Refusal::no_such_sync());
    }
    let rejects = app
        .read(move |store| store.rejects(sync.as_deref(), None, limit))
        .await?;
    Ok(Json(Rejects {
        rejects: rejects
            .iter()
            .map(|one| Reject::of(&one.sync, &one.reject))
            .collect(),
    }))
}

pub(super) async fn retry_rejects(
    State(app): State<Arc<App>>,
    Named(name): Named,
) -> Result<Json<Retried>, Refusal> {
    let retried = retried(&app, &name).await?;
    Ok(Json(Retried { retried }))
}

/// Has the next run of a sync try again what failed; gives how many rows there were.
pub(super) async fn retried(app: &App, name: &str) -> Result<u64, Refusal> {
    if !in_project(app, name) {
        return Err(Refusal::no_such_sync());
    }
    let (store, name) = (Arc::clone(&app.handle.store), name.to_owned());
    let now_ms = app.handle.clock.now_ms();
    let woken = tokio::task::spawn_blocking(move || match store.sync(&name)? {
        Some(state) => store.retry_failures(state.id, now_ms),
        None => Ok(0),
    });
    Ok(woken.await.map_err(|_| Refusal::bug())??)
}

/// Which row is asked about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    key: String,
}

pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Named(name): Named,
    which: Queried<Which>,
) -> Result<Json<Explanation>, Refusal> {
    let key = understood(which)?.key;
    let project = Arc::clone(&app.handle.edition().project);
    let now_ms = app.handle.clock.now_ms();
    let explained = app
        .read(
            move |store| match Explained::find(&project, store, &name, &key)? {
                Some(found) => found.document(store, now_ms).map(Some),
                None => Ok(None),
            },
        )
        .await?;
    explained.map(Json).ok_or_else(Refusal::no_such_sync)
}
