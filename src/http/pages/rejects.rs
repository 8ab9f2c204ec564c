//! `/syncs/NAME/rejects`: the rows a destination refused, why, and what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use serde::Serialize;

use super::render::{self, Trouble};
use super::visitor::Visitor;
use super::when::When;
use crate::documents::when;
use crate::http::app::App;
use crate::http::refusal::Refusal;
use crate::state::{Reject, RejectClass, SyncReject, WHEN_ASKED};

/// Rejects that are looked at, and shown.
const COUNTED: usize = 5_000;
const LISTED: usize = 200;

/// A refused row as pages show it.
#[derive(Serialize)]
pub(super) struct Refused {
    key: String,
    match_value: Option<String>,
    code: String,
    field: Option<String>,
    message: String,
    /// What to do about it.
    advice: String,
    again: String,
    tries: u32,
    first: When,
}

impl Refused {
    pub(super) fn of(reject: &Reject, now_ms: i64) -> Self {
        Self {
            key: reject.key_text.clone(),
            match_value: reject.match_text.clone(),
            code: reject.code.clone(),
            field: reject.field.clone(),
            message: reject.message.clone(),
            advice: advice(reject),
            again: when(reject, now_ms),
            tries: reject.attempts,
            first: When::of(reject.first_seen_ms, now_ms),
        }
    }
}

fn advice(reject: &Reject) -> String {
    match (reject.class, &reject.field) {
        (RejectClass::Permanent, Some(field)) => {
            format!("Correct what feeds {field} in the warehouse; the row is tried again when it changes.")
        }
        (RejectClass::Permanent, None) => {
            "Correct the row in the warehouse; it is tried again when it changes.".into()
        }
        (RejectClass::Suppressed, _) => {
            "Nothing: the person's choice, or the tool's rules, forbid it. It is not tried again by itself."
                .into()
        }
        (RejectClass::InDoubt, _) if reject.next_retry_ms == Some(WHEN_ASKED) => {
            "Look at the destination whether it arrived; it is sent again only if somebody asks for this row."
                .into()
        }
        (RejectClass::Transient | RejectClass::InDoubt, _) => "Nothing: the next run settles it.".into(),
    }
}

/// Rejects that have one reason.
#[derive(Serialize)]
struct Reason {
    code: String,
    field: Option<String>,
    message: String,
    rows: u64,
}

#[derive(Serialize)]
struct Page {
    sync: String,
    reasons: Vec<Reason>,
    rejects: Vec<Refused>,
    /// How many there are.
    all: u64,
    /// Whether a button would do something.
    retry: bool,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    if app.handle.edition().project.sync(&name).is_none() {
        return Err(Refusal::no_such_sync().into());
    }
    let now_ms = app.handle.clock.now_ms();
    let sync = name.clone();
    let (rejects, all) = app
        .read(move |store| {
            let all = match store.sync(&name)? {
                Some(state) => store.reject_count(state.id)?,
                None => 0,
            };
            Ok((store.rejects(Some(&name), None, COUNTED)?, all))
        })
        .await?;
    let page = Page {
        reasons: reasons(&rejects),
        retry: rejects.iter().any(|one| {
            one.reject.class != RejectClass::Suppressed && one.reject.next_retry_ms != Some(WHEN_ASKED)
        }),
        rejects: rejects
            .iter()
            .take(LISTED)
            .map(|one| Refused::of(&one.reject, now_ms))
            .collect(),
        all,
        sync,
    };
    let title = format!("Rejects of {}", page.sync);
    Ok(render::page("rejects.html", &title, &visitor, &page))
}

/// The reasons, the most frequent first.
fn reasons(rejects: &[SyncReject]) -> Vec<Reason> {
    let mut counted: BTreeMap<(&str, Option<&str>), (u64, &str)> = BTreeMap::new();
    for SyncReject { reject, .. } in rejects {
        let place = (reject.code.as_str(), reject.field.as_deref());
        counted.entry(place).or_insert((0, reject.message.as_str())).0 += 1;
    }
    let mut reasons: Vec<Reason> = counted
        .into_iter()
        .map(|((code, field), (rows, message))| Reason {
            code: code.to_owned(),
            field: field.map(str::to_owned),
            message: message.to_owned(),
            rows,
        })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.rows));
    reasons
}
