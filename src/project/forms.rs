//! Values with a notation of their own: lengths of time and shares.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::model::Share;

/// A length of time such as `15m`, `2s` or `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl Interval {
    /// Reads `1h30m`: whole numbers with the units `ms`, `s`, `m`, `h`, `d`, larger units first.
    pub fn parse(text: &str) -> Option<Self> {
        let mut total: u64 = 0;
        let mut rest = text;
        let mut last_unit = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.find(|char: char| !char.is_ascii_digit())?;
            let (number, tail) = rest.split_at(digits);
            let end = tail
                .find(|char: char| char.is_ascii_digit())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let millis = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            if millis >= last_unit {
                return None;
            }
            last_unit = millis;
            let part = number.parse::<u64>().ok()?.checked_mul(millis)?;
            total = total.checked_add(part)?;
            rest = tail;
        }
        (!text.is_empty()).then(|| Interval(Duration::from_millis(total)))
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Interval::parse(&text)
            .ok_or_else(|| D::Error::custom("a length of time is written like `15m` or `1h30m`"))
    }
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Eight digits a unit cannot overflow.
        json_schema!({
            "type": "string",
            "minLength": 2,
            "pattern": "^([0-9]{1,8}d)?([0-9]{1,8}h)?([0-9]{1,8}m)?([0-9]{1,8}s)?([0-9]{1,8}ms)?$",
            "examples": ["15m", "2s", "1h30m"],
        })
    }
}

/// A number of rows or a share in per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit(pub(crate) Share);

impl Limit {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(share) => {
                let percent: f64 = share.trim_end().parse().ok()?;
                (0.0..=100.0)
                    .contains(&percent)
                    .then_some(Limit(Share::Percent(percent)))
            }
            None => text.parse().ok().map(|rows| Limit(Share::Rows(rows))),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowsOrShare;
        impl Visitor<'_> for RowsOrShare {
            type Value = Limit;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number of rows or a share such as `5%`")
            }
            fn visit_u64<E: Error>(self, rows: u64) -> Result<Limit, E> {
                Ok(Limit(Share::Rows(rows)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Limit, E> {
                Limit::parse(text).ok_or_else(|| E::custom("a share is written like `5%`"))
            }
        }
        deserializer.deserialize_any(RowsOrShare)
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {
                    "type": "string",
                    "pattern": "^(100(\\.0+)?|[0-9]{1,2}(\\.[0-9]+)?) ?%$",
                    "examples": ["5%", "0.5%", "500"],
                },
                { "type": "integer", "minimum": 0 },
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        let millis = |text| Interval::parse(text).map(|interval| interval.0.as_millis());
        assert_eq!(millis("15m"), Some(900_000));
        assert_eq!(millis("2s"), Some(2_000));
        assert_eq!(millis("1h30m"), Some(5_400_000));
        assert_eq!(millis("1d12h"), Some(129_600_000));
        assert_eq!(millis("500ms"), Some(500));
        for wrong in [
            "",
            "15",
            "m",
            "15 m",
            "30m1h",
            "1m1m",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999d",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn limits_are_rows_or_a_share() {
        assert_eq!(Limit::parse("5%"), Some(Limit(Share::Percent(5.0))));
        assert_eq!(Limit::parse("0.5 %"), Some(Limit(Share::Percent(0.5))));
        assert_eq!(Limit::parse("500"), Some(Limit(Share::Rows(500))));
        for wrong in ["", "%", "101%", "-1%", "five", "NaN%"] {
            assert_eq!(Limit::parse(wrong), None, "{wrong}");
        }
    }
}
