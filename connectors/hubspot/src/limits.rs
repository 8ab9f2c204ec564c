//! The `limits:` setting, and the limits a HubSpot tier implies.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use outflow_sdk::destination::Limits;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::Tier;

/// Requests in flight at once unless `limits:` says otherwise; HubSpot's own SDK uses the same.
const CONCURRENCY: usize = 6;
/// Share of the day's quota left to others unless `limits:` says otherwise, in per cent.
const RESERVE_PERCENT: u8 = 5;
/// Length of HubSpot's rolling window.
const WINDOW: Duration = Duration::from_secs(10);
/// Requests per window of an OAuth app installed from the marketplace.
const OAUTH_WINDOW_REQUESTS: u32 = 110;

/// `limits:` of a connection: the word `none`, or values that replace those of the tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitSettings {
    /// No window, no daily quota; the number of requests in flight stays limited.
    Unlimited,
    /// Values in place of the tier's.
    Given(GivenLimits),
}

/// Limits that replace those of the tier, one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GivenLimits {
    /// Requests in any window of length `per`.
    #[schemars(range(min = 1))]
    pub requests: Option<u32>,
    /// Length of the window, such as `10s`.
    pub per: Option<Span>,
    /// Requests in flight at once.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: Option<usize>,
    /// Requests a day, shared by everything that uses the account.
    #[schemars(range(min = 1))]
    pub daily: Option<u64>,
    /// Share of the daily requests left to others, such as `5%`.
    pub reserve: Option<Percent>,
}

/// A length of time written as a number and a unit: `500ms`, `10s`, `2m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A whole percentage from `0%` to `100%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u8);

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
    match given {
        None => Limits {
            window: Some((requests, WINDOW)),
            concurrency: CONCURRENCY,
            daily: Some(daily),
            reserve_percent: RESERVE_PERCENT,
        },
        Some(LimitSettings::Unlimited) => Limits {
            window: None,
            concurrency: CONCURRENCY,
            daily: None,
            reserve_percent: 0,
        },
        Some(LimitSettings::Given(given)) => Limits {
            window: Some((
                given.requests.unwrap_or(requests),
                given.per.map_or(WINDOW, |span| span.0),
            )),
            concurrency: given.concurrency.unwrap_or(CONCURRENCY),
            daily: Some(given.daily.unwrap_or(daily)),
            reserve_percent: given.reserve.map_or(RESERVE_PERCENT, |percent| percent.0),
        },
    }
}

impl<'de> Deserialize<'de> for LimitSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NoneOrMap;
        impl<'de> Visitor<'de> for NoneOrMap {
            type Value = LimitSettings;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`none` or a map of limits")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == "none" {
                    Ok(LimitSettings::Unlimited)
                } else {
                    Err(E::custom("limits must be `none` or a map of limits"))
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let given = GivenLimits::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(LimitSettings::Given(given))
            }
        }
        deserializer.deserialize_any(NoneOrMap)
    }
}

impl JsonSchema for LimitSettings {
    fn schema_name() -> Cow<'static, str> {
        "LimitSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let given = GivenLimits::json_schema(generator);
        json_schema!({
            "description": "The word `none`, or limits that replace those of the tier",
            "oneOf": [{ "const": "none" }, given],
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).ok_or_else(|| D::Error::custom("a length of time is written like `10s` or `500ms`"))
    }
}

fn parse_span(text: &str) -> Option<Span> {
    let at = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.checked_mul(millis)?;
    (millis > 0).then(|| Span(Duration::from_millis(millis)))
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_suffix('%')
            .and_then(|number| number.trim().parse::<u8>().ok())
            .filter(|percent| *percent <= 100)
            .map(Percent)
            .ok_or_else(|| D::Error::custom("a share is written like `5%`, at most `100%`"))
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(100|[0-9]{1,2}) ?%$" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn parse(value: serde_json::Value) -> Result<LimitSettings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

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
    fn given_limits_replace_those_of_the_tier_one_by_one() {
        let given = parse(json!({ "requests": 50, "per": "500ms", "reserve": "10%" })).unwrap();
        let limits = limits(Tier::Professional, 0, false, Some(&given));
        assert_eq!(limits.window, Some((50, Duration::from_millis(500))));
        assert_eq!(
            (limits.concurrency, limits.daily, limits.reserve_percent),
            (6, Some(625_000), 10)
        );
    }

    #[test]
    fn none_lifts_everything_but_concurrency() {
        let limits = limits(Tier::Free, 0, false, Some(&parse(json!("none")).unwrap()));
        assert_eq!((limits.window, limits.daily, limits.concurrency), (None, None, 6));
    }

    #[test]
    fn wrong_limits_say_what_is_expected() {
        for (value, expected) in [
            (json!("off"), "limits must be `none`"),
            (json!({ "requests": 10, "per": "10" }), "like `10s`"),
            (json!({ "per": "0s" }), "like `10s`"),
            (json!({ "reserve": "101%" }), "at most `100%`"),
            (json!({ "burst": 10 }), "unknown field `burst`"),
            (json!(5), "`none` or a map"),
        ] {
            let error = parse(value).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
