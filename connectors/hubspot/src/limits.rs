//! The limits a HubSpot tier implies.

use std::time::Duration;

use outflow_sdk::destination::Limits;
use outflow_sdk::limits::LimitSettings;

use crate::config::Tier;

/// Requests in flight at once unless `limits:` says otherwise; HubSpot's own SDK uses the same.
const CONCURRENCY: usize = 6;
/// Share of the day's quota left to others unless `limits:` says otherwise, in per cent.
const RESERVE_PERCENT: u8 = 5;
/// Length of HubSpot's rolling window.
const WINDOW: Duration = Duration::from_secs(10);
/// Requests per window of an OAuth app installed from the marketplace.
const OAUTH_WINDOW_REQUESTS: u32 = 110;

/// Limits of an account of `tier` with `add_ons` API limit increases, `given` taken into account.
pub(crate) fn limits(tier: Tier, add_ons: u8, oauth: bool, given: Option<&LimitSettings>) -> Limits {
    let (mut requests, mut daily): (u32, u64) = match tier {
        Tier::Free | Tier::Starter => (100, 250_000),
        Tier::Professional => (190, 625_000),
        Tier::Enterprise => (190, 1_000_000),
    };
    if add_ons > 0 {
        requests = 250;
        daily += 1_000_000 * u64::from(add_ons);
    }
    if oauth {
        requests = requests.min(OAUTH_WINDOW_REQUESTS);
    }
    let implied = Limits {
        window: Some((requests, WINDOW)),
        concurrency: CONCURRENCY,
        daily: Some(daily),
        reserve_percent: RESERVE_PERCENT,
    };
    LimitSettings::over(given, implied)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tier_implies_its_limits() {
        let professional = limits(Tier::Professional, 0, false, None);
        assert_eq!(professional.window, Some((190, Duration::from_secs(10))));
        assert_eq!(professional.daily, Some(625_000));
        assert_eq!(professional.reserve_percent, 5);
        let free = limits(Tier::Free, 0, false, None);
        assert_eq!((free.window.unwrap().0, free.daily), (100, Some(250_000)));
        let raised = limits(Tier::Enterprise, 2, false, None);
        assert_eq!((raised.window.unwrap().0, raised.daily), (250, Some(3_000_000)));
        assert_eq!(limits(Tier::Enterprise, 0, true, None).window.unwrap().0, 110);
    }

    #[test]
    fn no_limits_still_means_six_in_flight() {
        let limits = limits(Tier::Free, 0, false, Some(&LimitSettings::Unlimited));
        assert_eq!((limits.window, limits.daily, limits.concurrency), (None, None, 6));
    }
}
