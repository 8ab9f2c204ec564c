//! What the buttons do. Each leads back to the sync's page, which says what was done.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Redirect;

use super::render::Trouble;
use crate::http::access::Caller;
use crate::http::app::App;
use crate::http::reading;

pub(super) async fn act(
    State(app): State<Arc<App>>,
    Extension(Caller(by)): Extension<Caller>,
    Path((sync, action)): Path<(String, String)>,
) -> Result<Redirect, Trouble> {
    match action.as_str() {
        "run" => app.handle.run(&sync, &by).await.map(drop)?,
        "pause" => app.handle.pause(&sync, &by).await?,
        "resume" => app.handle.resume(&sync, &by).await?,
        "cancel" => app.handle.cancel(&sync, &by).await?,
        _ => return Err(Trouble::missing("Nothing is done under this name.")),
    }
    Ok(Redirect::to(&format!("/syncs/{sync}?done={action}")))
}

pub(super) async fn retry_rejects(
    State(app): State<Arc<App>>,
    Path(sync): Path<String>,
) -> Result<Redirect, Trouble> {
    let retried = reading::retried(&app, &sync).await?;
    Ok(Redirect::to(&format!("/syncs/{sync}?done=retry&count={retried}")))
}
