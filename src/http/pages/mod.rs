//! Pages for people: rendered here, without a build step, and whole without JavaScript.
//!
//! What they show is what the API tells the same role. Who looks is known by a token as in the API or,
//! in a browser, by a session that a token opened ([`session`]); [`visitor`] is the one place that
//! decides. Everything that changes something is a form, and every form carries a seal that only a page of
//! ours knows. Templates escape what they are given, and the policy sent with each page forbids
//! scripts and styles that are not ours.

mod actions;
mod assets;
mod contact;
mod fields;
mod form;
mod labels;
mod overview;
mod plots;
mod rejects;
mod render;
mod run;
mod session;
mod sign_in;
mod standing;
mod sync;
mod visitor;
mod when;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use tower_http::timeout::TimeoutLayer;

use self::labels::Labels;
use self::session::{Seals, Sessions};
use super::app::App;
use super::events;
use crate::project::Role;

/// How long a page may take.
const PROMPT: Duration = Duration::from_secs(30);

/// What the pages keep in memory.
#[derive(Default)]
pub(super) struct Pages {
    sessions: Sessions,
    seals: Seals,
    labels: Labels,
}

/// Serves the pages.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let guarded = |role: Role, routes: MethodRouter<Arc<App>>| {
        routes.layer(middleware::from_fn_with_state(
            (Arc::clone(app), role),
            visitor::guard,
        ))
    };
    let (looks, acts) = (Role::Viewer, Role::Operator);
    Router::new()
        .route("/", guarded(looks, get(overview::page)))
        .route("/syncs/{sync}", guarded(looks, get(sync::page)))
        .route("/syncs/{sync}/rejects", guarded(looks, get(rejects::page)))
        .route("/runs/{run}", guarded(looks, get(run::page)))
        .route("/fields", guarded(looks, get(fields::page)))
        .route(
            "/contact",
            guarded(looks, get(contact::form).post(contact::answer)),
        )
        .route(
            "/syncs/{sync}/rejects/retry",
            guarded(acts, post(actions::retry_rejects)),
        )
        .route("/syncs/{sync}/{action}", guarded(acts, post(actions::act)))
        .route("/sign-out", guarded(looks, post(sign_in::leave)))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/assets/{name}", get(assets::asset))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            PROMPT,
        ))
        .route("/live", guarded(looks, get(events::events)))
}
