//! What an answer means for each of the operations that were in the request.

use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use outflow_sdk::destination::{Action, Answer, Effect, Operation, Outcome, Rejection, Route};

use super::failure::Stop;
use super::lane::{Item, Note, Parcel};
use super::retry::Backoff;
use super::{Fate, JobNumber, Policy, Settled};

/// Times a stale address is forgotten before the row is refused.
const STALE: u32 = 2;

/// Times an operation is routed on with nothing acknowledged before the row is refused: a look-up,
/// a stale address and a look-up again are three.
const DETOURS: u32 = 6;

/// A parcel to be sent again.
pub(super) struct Again {
    pub parcel: Parcel,
    /// How to wait: the kind of backoff, failed attempts so far, and what the vendor asked for.
    pub wait: Option<(Backoff, u32, Option<Duration>)>,
    /// Charged to the retry budget.
    pub charged: bool,
}

/// What is to be done after a request.
#[derive(Default)]
pub(super) struct Verdict {
    /// For the ledger.
    pub settled: Vec<Settled>,
    /// Records whose operation is settled for good.
    pub left: Vec<u64>,
    /// Operations that go on to another route.
    pub routed_on: Vec<Item>,
    /// Parcels to be sent again.
    pub again: Vec<Again>,
    /// The delivery stops.
    pub stop: Option<Stop>,
    /// The job this settles; the ledger forgets it with what is settled.
    pub finished: Option<JobNumber>,
}

impl Verdict {
    /// Settles an operation with a final fate.
    pub(super) fn settle(&mut self, (operation, note): Item, fate: Fate) {
        self.left.push(note.identity);
        self.settled.push(Settled {
            operation,
            fate,
            correlation: note.correlation,
            attempts: note.attempts,
        });
    }

    fn route_on(&mut self, operation: Operation, mut note: Note) {
        note.tries = 0;
        note.throttles = 0;
        note.in_doubt = false;
        note.routed_on = true;
        self.routed_on.push((operation, note));
    }

    fn detour(&mut self, operation: Operation, mut note: Note) {
        note.detours += 1;
        if note.detours > DETOURS {
            let message = "the destination keeps answering for this row without accepting anything";
            self.settle((operation, note), refused("no_progress", message));
        } else {
            self.route_on(operation, note);
        }
    }

    fn applied(
        &mut self,
        (mut operation, mut note): Item,
        fields: Vec<u16>,
        effect: Effect,
        remote: Option<CompactString>,
    ) {
        let before = operation.pending.len();
        // Most requests settle everything they were to.
        if operation.pending == fields {
            operation.pending.clear();
        } else {
            operation.pending.retain(|field| !fields.contains(field));
        }
        if remote.is_some() {
            operation.remote = remote;
        }
        // A removal that goes field by field (clear) has later stages like a write: lists to leave.
        let whole = operation.action != Action::Write && fields.is_empty();
        let over = whole || effect == Effect::Untouched;
        let last = over || operation.pending.is_empty();
        if !last && operation.pending.len() == before {
            return self.detour(operation, note);
        }
        let fate = Fate::Applied {
            effect,
            remote: operation.remote.clone(),
            fields,
            last,
        };
        if last {
            return self.settle((operation, note), fate);
        }
        self.settled.push(Settled {
            operation: operation.clone(),
            fate,
            correlation: note.correlation.clone(),
            attempts: note.attempts,
        });
        note.detours = 0;
        self.route_on(operation, note);
    }

    fn stale(&mut self, mut operation: Operation, mut note: Note) {
        note.stale += 1;
        if note.stale > STALE {
            let message = "the record's address at the destination is stale again and again";
            return self.settle((operation, note), refused("stale_remote", message));
        }
        operation.remote = None;
        if operation.action == Action::Write {
            // Nothing is known of the record that takes its place: every value goes out.
            let values = (0u16..).zip(operation.record.iter());
            operation.pending = values
                .filter(|(_, value)| value.is_some())
                .map(|(field, _)| field)
                .collect();
        }
        self.detour(operation, note);
    }
}

fn refused(code: &str, message: &str) -> Fate {
    Fate::Rejected(Rejection {
        code: code.to_owned(),
        field: None,
        message: message.to_owned(),
    })
}

/// Whether a request on this route may be repeated when nobody knows if it was applied.
pub(super) fn repeatable(route: Route) -> bool {
    route.replay_safe || !route.writes
}

/// Reads an answer whose outcomes are as many as the parcel's operations.
pub(super) fn interpret(parcel: Parcel, fields: Vec<Vec<u16>>, answer: Answer, policy: &Policy) -> Verdict {
    let route = parcel.route;
    let whole = parcel.len();
    let mut verdict = Verdict {
        settled: Vec::with_capacity(whole),
        left: Vec::with_capacity(whole),
        ..Verdict::default()
    };
    let mut retry = Vec::new();
    let mut floor: Option<Duration> = None;
    let mut fields = fields.into_iter();
    let correlation: Option<Arc<str>> = answer.correlation.as_deref().map(Arc::from);
    for ((operation, mut note), outcome) in parcel.into_items().zip(answer.outcomes) {
        let carried = fields.next().unwrap_or_default();
        note.correlation.clone_from(&correlation);
        match outcome {
            Outcome::Applied { effect, remote } => {
                verdict.applied((operation, note), carried, effect, remote)
            }
            Outcome::Resolved { remote } => {
                let mut operation = operation;
                operation.remote = Some(remote);
                verdict.detour(operation, note);
            }
            Outcome::Rejected(rejection) => verdict.settle((operation, note), Fate::Rejected(rejection)),
            Outcome::Suppressed(rejection) => verdict.settle((operation, note), Fate::Suppressed(rejection)),
            Outcome::StaleRemote => verdict.stale(operation, note),
            Outcome::Retry { code, after } => {
                note.tries += 1;
                if note.tries >= policy.attempts {
                    let fate = if note.in_doubt {
                        Fate::Held { code }
                    } else {
                        Fate::Exhausted { code }
                    };
                    verdict.settle((operation, note), fate);
                } else {
                    floor = floor.max(after);
                    retry.push((operation, note));
                }
            }
            Outcome::InDoubt => {
                note.tries += 1;
                note.in_doubt |= route.writes;
                if !repeatable(route) || note.tries >= policy.attempts {
                    let code = "unconfirmed".to_owned();
                    verdict.settle((operation, note), Fate::Held { code });
                } else {
                    retry.push((operation, note));
                }
            }
        }
    }
    again_apart(&mut verdict, route, retry, whole, floor);
    verdict
}

/// Sends rows again apart from the rest of their request: together at first, since one cause often
/// hits several and a request for each would eat the quota, then in halves, down to one row, so that
/// none keeps the others waiting.
fn again_apart(
    verdict: &mut Verdict,
    route: Route,
    mut rows: Vec<Item>,
    whole: usize,
    floor: Option<Duration>,
) {
    let failures = rows.iter().map(|(_, note)| note.tries).max().unwrap_or(0);
    let size = if rows.len() < whole {
        rows.len()
    } else {
        rows.len().div_ceil(2)
    };
    while !rows.is_empty() {
        let rest = rows.split_off(size.max(1).min(rows.len()));
        let mut parcel = Parcel::new(route, rows);
        parcel.again = true;
        verdict.again.push(Again {
            parcel,
            wait: Some((Backoff::TRANSIENT, failures, floor)),
            charged: true,
        });
        rows = rest;
    }
}
