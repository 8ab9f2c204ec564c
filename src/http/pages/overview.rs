//! `/`: every sync at a glance.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Serialize;

use super::render::{self, Trouble};
use super::standing::{self, Tone, View};
use super::visitor::Visitor;
use crate::http::app::App;

#[derive(Serialize)]
struct Overview {
    syncs: Vec<View>,
    /// Syncs somebody should look at.
    attention: usize,
    rejects: u64,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Trouble> {
    let known = standing::all(&app).await?;
    let now_ms = app.handle.clock.now_ms();
    let syncs: Vec<View> = known.iter().map(|known| View::of(known, now_ms)).collect();
    let page = Overview {
        attention: syncs
            .iter()
            .filter(|sync| matches!(sync.tone, Tone::Warn | Tone::Bad))
            .count(),
        rejects: syncs.iter().map(|sync| sync.rejects).sum(),
        syncs,
    };
    Ok(render::page("overview.html", "Overview", &visitor, &page))
}
