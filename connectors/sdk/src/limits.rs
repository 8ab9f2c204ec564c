//! The `limits:` setting of a destination, the same for all of them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::destination::Limits;

/// Length of the window when neither `limits:` nor the connection says otherwise.
const WINDOW: Duration = Duration::from_secs(10);

/// `limits:` of a connection: the word `none`, or values that replace those of the tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitSettings {
    /// No window, no daily quota; the number of requests in flight stays limited.
    Unlimited,
    /// Values in place of those the connection implies.
    Given(GivenLimits),
}

/// Limits that replace those the connection implies, one by one.
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

impl LimitSettings {
    /// The limits in force: those the connection implies, with what is given in their place.
    pub fn over(given: Option<&Self>, implied: Limits) -> Limits {
        match given {
            None => implied,
            Some(LimitSettings::Unlimited) => Limits {
                window: None,
                daily: None,
                reserve_percent: 0,
                ..implied
            },
            Some(LimitSettings::Given(given)) => {
                let requests = given.requests.or(implied.window.map(|(requests, _)| requests));
                let per = given
                    .per
                    .map(|span| span.0)
                    .or(implied.window.map(|(_, per)| per));
                Limits {
                    window: requests.map(|requests| (requests, per.unwrap_or(WINDOW))),
                    concurrency: given.concurrency.unwrap_or(implied.concurrency),
                    daily: given.daily.or(implied.daily),
                    reserve_percent: given.reserve.map_or(implied.reserve_percent, |percent| percent.0),
                }
            }
        }
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
            "description": "The word `none`, or limits that replace those the connection implies",
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

    fn over(given: serde_json::Value, window: Option<(u32, Duration)>) -> Limits {
        let implied = Limits {
            window,
            concurrency: 6,
            daily: Some(1_000),
            reserve_percent: 5,
        };
        LimitSettings::over(Some(&parse(given).unwrap()), implied)
    }

    #[test]
    fn given_limits_replace_the_implied_ones_one_by_one() {
        let limits = over(
            json!({ "requests": 50, "per": "500ms", "reserve": "10%" }),
            Some((190, WINDOW)),
        );
        assert_eq!(limits.window, Some((50, Duration::from_millis(500))));
        assert_eq!(
            (limits.concurrency, limits.daily, limits.reserve_percent),
            (6, Some(1_000), 10)
        );
        assert_eq!(over(json!({ "concurrency": 4 }), None).window, None);
        assert_eq!(over(json!({ "requests": 9 }), None).window, Some((9, WINDOW)));
    }

    #[test]
    fn none_lifts_everything_but_concurrency() {
        let limits = over(json!("none"), Some((190, WINDOW)));
        assert_eq!(
            (
                limits.window,
                limits.daily,
                limits.concurrency,
                limits.reserve_percent
            ),
            (None, None, 6, 0)
        );
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
