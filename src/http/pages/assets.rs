//! The pages' style, script and sign, from the binary.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("assets/outflow.css");
const SCRIPT: &str = include_str!("assets/outflow.js");
const SIGN: &str = include_str!("assets/outflow.svg");

/// Changes with the files: pages ask for them under it, so that a browser may keep them.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all = [STYLE, SCRIPT, SIGN].concat();
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(all.as_bytes()))
});

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "outflow.css" => ("text/css; charset=utf-8", STYLE),
        "outflow.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "outflow.svg" => ("image/svg+xml", SIGN),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, text).into_response()
}
