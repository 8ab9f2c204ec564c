//! What Mailchimp limits: requests in flight alone, ten for each user over all applications.

use outflow_sdk::destination::Limits;
use outflow_sdk::limits::LimitSettings;

/// Requests in flight at once unless `limits:` says otherwise: one of the ten is left to others, and
/// a request that timed out here may still count there.
const CONCURRENCY: usize = 9;

/// The connection's limits, `given` taken into account.
pub(crate) fn limits(given: Option<&LimitSettings>) -> Limits {
    let implied = Limits {
        window: None,
        concurrency: CONCURRENCY,
        daily: None,
        reserve_percent: 0,
    };
    LimitSettings::over(given, implied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_of_ten_connections_are_used() {
        for given in [None, Some(LimitSettings::Unlimited)] {
            let limits = limits(given.as_ref());
            assert_eq!((limits.concurrency, limits.window, limits.daily), (9, None, None));
        }
    }
}
