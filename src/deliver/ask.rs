//! Questions outside a delivery: what a destination's fields are, whose account it is.
//!
//! They are few and repeatable, so they are simply asked again: the same backoff, no breaker.

use std::future::Future;

use outflow_sdk::{ConnectorError, ErrorKind};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::Policy;
use super::retry::Backoff;

/// Asks until there is an answer, a lasting error, or `policy.attempts` were made.
///
/// # Errors
/// The last error.
pub async fn ask<T, F>(
    policy: Policy,
    seed: u64,
    mut question: impl FnMut() -> F,
) -> Result<T, ConnectorError>
where
    F: Future<Output = Result<T, ConnectorError>>,
{
    let mut random = StdRng::seed_from_u64(seed);
    let mut failures = 0;
    loop {
        let error = match question().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        failures += 1;
        let (backoff, floor) = match &error.kind {
            ErrorKind::Transient { after } => (Backoff::TRANSIENT, *after),
            ErrorKind::Ambiguous => (Backoff::TRANSIENT, None),
            ErrorKind::RateLimited { after, .. } => (Backoff::THROTTLED, *after),
            _ => return Err(error),
        };
        if failures >= policy.attempts {
            return Err(error);
        }
        tracing::warn!(
            code = error.code,
            attempt = failures,
            "question to the destination failed; asking again"
        );
        tokio::time::sleep(backoff.wait(failures, floor, &mut random)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn transient(after: Option<Duration>) -> ConnectorError {
        ConnectorError::new(ErrorKind::Transient { after }, "down", "down")
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_is_repeated_until_it_is_answered() {
        let asked = AtomicU32::new(0);
        let started = Instant::now();
        let answer = ask(Policy::default(), 1, || async {
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Err(transient(Some(Duration::from_secs(7)))),
                1 => Err(ConnectorError::new(ErrorKind::Ambiguous, "lost", "lost")),
                _ => Ok("fields"),
            }
        })
        .await;
        assert_eq!(answer.unwrap(), "fields");
        assert!(
            started.elapsed() >= Duration::from_secs(7),
            "what the vendor asked for is a floor"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn lasting_errors_are_not_repeated_and_others_not_for_ever() {
        let asked = AtomicU32::new(0);
        let refused = ask(Policy::default(), 1, || async {
            asked.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(ConnectorError::new(ErrorKind::Auth, "no", "no"))
        });
        assert_eq!(refused.await.unwrap_err().code, "no");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let down = ask(Policy::default(), 1, || async {
            asked.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(transient(None))
        });
        assert_eq!(down.await.unwrap_err().code, "down");
        assert_eq!(asked.load(Ordering::Relaxed), 1 + Policy::default().attempts);
    }
}
