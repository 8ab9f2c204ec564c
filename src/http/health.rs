//! Whether the daemon lives, and whether it works. Told to everybody, and nothing else is told.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::answers::Health;
use super::app::App;

/// The scheduler answers within this, or it is stuck.
const PROMPT: Duration = Duration::from_secs(5);

pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "live" })
}

pub(super) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let (status, word) = if *app.stop.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else {
        match tokio::time::timeout(PROMPT, app.handle.standings()).await {
            Ok(Ok(_)) => (StatusCode::OK, "ready"),
            Ok(Err(_)) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stuck"),
        }
    };
    (status, Json(Health { status: word }))
}
