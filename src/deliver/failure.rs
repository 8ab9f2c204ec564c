//! What an error of a whole request means for its operations, and for the delivery.

use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::destination::Rejection;
use outflow_sdk::error::LimitScope;
use outflow_sdk::{ConnectorError, ErrorKind};

use super::account::{Exchange, Refusal};
use super::interpret::{Again, Verdict, repeatable};
use super::lane::Parcel;
use super::retry::Backoff;
use super::{End, Failure, Fate, LedgerError, Policy};

/// Why a delivery stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The day's quota is gone.
    Quota {
        until: Option<Duration>,
        code: &'static str,
    },
    /// Nothing more can be sent.
    Error(ConnectorError),
    /// Somebody cancelled it.
    Cancelled,
    /// Something of ours failed.
    Failed(Failure),
}

impl Stop {
    /// The reason operations are deferred with.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Stop::Quota { code, .. } => code,
            Stop::Error(error) => error.code,
            Stop::Cancelled => "cancelled",
            Stop::Failed(Failure::Ledger(_)) => "state_failed",
            Stop::Failed(Failure::Feed(_)) => "plan_failed",
        }
    }

    /// How the delivery ended.
    pub(super) fn into_end(self) -> End {
        match self {
            Stop::Quota { until, .. } => End::Deferred { until },
            Stop::Error(error) => End::Stopped(error),
            Stop::Cancelled => End::Cancelled,
            Stop::Failed(failure) => End::Failed(failure),
        }
    }

    /// A failure of ours outweighs other reasons: what was acknowledged is not on disk.
    pub(super) fn outweighs(&self, other: &Stop) -> bool {
        matches!(self, Stop::Failed(_)) && !matches!(other, Stop::Failed(_))
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Stop::Failed(Failure::Ledger(error))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quota(until) => Stop::Quota {
                until: Some(until),
                code: "quota_exhausted",
            },
            Refusal::Down(error) => Stop::Error(error),
        }
    }
}

/// What the account learns from an error.
pub(super) fn exchange(error: &ConnectorError) -> Exchange<'_> {
    match &error.kind {
        ErrorKind::Transient { .. } | ErrorKind::Ambiguous => Exchange::Failed(error),
        ErrorKind::RateLimited {
            scope: LimitScope::Window,
            after,
        } => Exchange::Throttled(*after),
        ErrorKind::RateLimited {
            scope: LimitScope::Concurrency,
            ..
        } => Exchange::Crowded,
        ErrorKind::QuotaExhausted { until } => Exchange::Exhausted(*until),
        ErrorKind::Config
        | ErrorKind::Auth
        | ErrorKind::BatchRejected { .. }
        | ErrorKind::Contract
        | ErrorKind::Source { .. }
        | ErrorKind::Internal => Exchange::Answered(None),
    }
}

/// What becomes of the operations of a request that failed as a whole.
pub(super) fn failed(mut parcel: Parcel, error: ConnectorError, policy: &Policy) -> Verdict {
    if let Some(correlation) = error.correlation.as_deref().map(Arc::<str>::from) {
        for note in &mut parcel.notes {
            note.correlation = Some(Arc::clone(&correlation));
        }
    }
    match &error.kind {
        ErrorKind::Transient { after } => {
            let after = *after;
            again(parcel, &error, policy.attempts, false, Backoff::TRANSIENT, after)
        }
        ErrorKind::RateLimited { scope, after } => {
            // The account as a whole waits for the window; only what is crowded waits by itself.
            let (backoff, after) = match scope {
                LimitScope::Window => (None, None),
                LimitScope::Concurrency => (Some(Backoff::THROTTLED), *after),
            };
            throttled(parcel, &error, policy.throttled_attempts, backoff, after)
        }
        ErrorKind::Ambiguous if repeatable(parcel.route) => {
            let writes = parcel.route.writes;
            again(parcel, &error, policy.attempts, writes, Backoff::TRANSIENT, None)
        }
        ErrorKind::Ambiguous => hold(parcel, error.code, None),
        ErrorKind::BatchRejected { code, field } => bisect(parcel, code, field.as_deref(), &error),
        ErrorKind::QuotaExhausted { until } => {
            let until = *until;
            stop(
                parcel,
                Stop::Quota {
                    until,
                    code: error.code,
                },
            )
        }
        // An answer nobody understands does not say that the request was turned away.
        ErrorKind::Contract | ErrorKind::Internal if !repeatable(parcel.route) => {
            hold(parcel, error.code, Some(Stop::Error(error)))
        }
        ErrorKind::Config
        | ErrorKind::Auth
        | ErrorKind::Contract
        | ErrorKind::Source { .. }
        | ErrorKind::Internal => stop(parcel, Stop::Error(error)),
    }
}

/// Nobody knows whether it was applied, and it must not be repeated.
pub(super) fn hold(parcel: Parcel, code: &str, stop: Option<Stop>) -> Verdict {
    let mut verdict = Verdict {
        stop,
        ..Verdict::default()
    };
    for item in parcel.into_items() {
        let code = code.to_owned();
        verdict.settle(item, Fate::Held { code });
    }
    verdict
}

/// The delivery stops; the parcel goes back to be deferred with everything else.
pub(super) fn stop(parcel: Parcel, stop: Stop) -> Verdict {
    Verdict {
        again: vec![Again {
            parcel,
            wait: None,
            charged: false,
        }],
        stop: Some(stop),
        ..Verdict::default()
    }
}

fn again(
    mut parcel: Parcel,
    error: &ConnectorError,
    attempts: u32,
    in_doubt: bool,
    backoff: Backoff,
    after: Option<Duration>,
) -> Verdict {
    for note in &mut parcel.notes {
        note.tries += 1;
        note.in_doubt |= in_doubt;
    }
    let (mut verdict, parcel) = exhausted(parcel, error.code, |note| note.tries >= attempts);
    let failures = parcel.notes.iter().map(|note| note.tries).max().unwrap_or(0);
    push_again(&mut verdict, parcel, Some((backoff, failures, after)), true);
    verdict
}

fn throttled(
    mut parcel: Parcel,
    error: &ConnectorError,
    attempts: u32,
    backoff: Option<Backoff>,
    after: Option<Duration>,
) -> Verdict {
    for note in &mut parcel.notes {
        note.throttles += 1;
    }
    let (mut verdict, parcel) = exhausted(parcel, error.code, |note| note.throttles >= attempts);
    let failures = parcel.notes.iter().map(|note| note.throttles).max().unwrap_or(0);
    let wait = backoff.map(|backoff| (backoff, failures, after));
    push_again(&mut verdict, parcel, wait, false);
    verdict
}

fn push_again(
    verdict: &mut Verdict,
    mut parcel: Parcel,
    wait: Option<(Backoff, u32, Option<Duration>)>,
    charged: bool,
) {
    if parcel.len() > 0 {
        parcel.again = true;
        verdict.again.push(Again {
            parcel,
            wait,
            charged,
        });
    }
}

/// Settles the operations whose attempts ran out; gives back the others.
fn exhausted(parcel: Parcel, code: &str, out: impl Fn(&super::lane::Note) -> bool) -> (Verdict, Parcel) {
    let mut verdict = Verdict::default();
    if !parcel.notes.iter().any(&out) {
        return (verdict, parcel);
    }
    let route = parcel.route;
    let (spent, left): (Vec<_>, Vec<_>) = parcel.into_items().partition(|(_, note)| out(note));
    for item in spent {
        let code = code.to_owned();
        let fate = if item.1.in_doubt {
            Fate::Held { code }
        } else {
            Fate::Exhausted { code }
        };
        verdict.settle(item, fate);
    }
    (verdict, Parcel::new(route, left))
}

/// Splits a refused request in halves until the rows that spoil it are alone: `2·k·log2(n)` requests
/// for `k` such rows among `n`.
fn bisect(mut parcel: Parcel, code: &str, field: Option<&str>, error: &ConnectorError) -> Verdict {
    let mut verdict = Verdict::default();
    if parcel.len() > 1 {
        let second = parcel.split_off(parcel.len().div_ceil(2));
        parcel.encoded = None;
        // New requests, not repeated ones: they cost no attempt and no retry budget, and wait only
        // for the limiter.
        for half in [parcel, second] {
            verdict.again.push(Again {
                parcel: half,
                wait: None,
                charged: false,
            });
        }
        return verdict;
    }
    for item in parcel.into_items() {
        let rejection = Rejection {
            code: code.to_owned(),
            field: field.map(str::to_owned),
            message: error.message.clone(),
        };
        verdict.settle(item, Fate::Rejected(rejection));
    }
    verdict
}
