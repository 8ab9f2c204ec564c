//! JSON in and out of the hot path: borrowed on the way in, written straight to bytes on the way out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A string that borrows from the request where it has no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A property value as sent: JSON numbers and booleans are taken for their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent<'a> {
    Text(Cow<'a, str>),
    Null,
}

impl<'de: 'a, 'a> Deserialize<'de> for Sent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SentVisitor;
        impl<'de> Visitor<'de> for SentVisitor {
            type Value = Sent<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a property value")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Borrowed(if value { "true" } else { "false" })))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Owned(value.to_string())))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Owned(value.to_string())))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Sent::Text(Cow::Owned(value.to_string())))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Sent::Null)
            }
            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::invalid_type(Unexpected::Map, &self))
            }
        }
        deserializer.deserialize_any(SentVisitor)
    }
}

/// Property values in the order sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties<'a>(pub(super) Vec<(Cow<'a, str>, Sent<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Properties<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = Properties<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of property values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry()? {
                    entries.push((name, value));
                }
                Ok(Properties(entries))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

/// Appends a quoted string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Writing into a Vec cannot fail.
    let _ = serde_json::to_writer(&mut *out, text);
}

/// Whether JSON writes the text with escapes: of quotes, backslashes and control characters.
pub(super) fn has_escapes(text: &str) -> bool {
    // Without an end on the first one found, so that many bytes are looked at in one step.
    text.bytes().fold(false, |found, byte| {
        found | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    })
}

/// Appends text that needs no quoting.
#[inline]
pub(super) fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// An instant as the vendor writes it: ISO 8601, milliseconds, `Z`.
pub(super) fn iso(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => "1970-01-01T00:00:00.000Z".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_and_booleans_are_taken_for_their_text() {
        let properties: Properties<'_> =
            serde_json::from_str(r#"{"a":"x","b":1.5,"c":true,"d":null,"e":12,"f":"\u00e9"}"#).unwrap();
        let texts: Vec<_> = properties
            .0
            .iter()
            .map(|(name, value)| match value {
                Sent::Text(text) => format!("{name}={text}"),
                Sent::Null => format!("{name}!"),
            })
            .collect();
        assert_eq!(texts, ["a=x", "b=1.5", "c=true", "d!", "e=12", "f=é"]);
    }

    #[test]
    fn an_object_is_no_property_value() {
        assert!(serde_json::from_str::<Properties<'_>>(r#"{"a":{"b":1}}"#).is_err());
        assert!(serde_json::from_str::<Properties<'_>>(r#"{"a":["b"]}"#).is_err());
    }

    #[test]
    fn texts_with_escapes_are_those_that_json_changes() {
        for letter in (0..0x180).filter_map(char::from_u32) {
            let text = format!("long enough for a step over sixteen bytes {letter} and a rest");
            let mut out = Vec::new();
            string(&mut out, &text);
            assert_eq!(has_escapes(&text), out.len() != text.len() + 2, "{letter:?}");
        }
        assert!(!has_escapes(""));
    }

    #[test]
    fn instants_have_milliseconds_and_z() {
        assert_eq!(iso(1_793_607_330_123), "2026-11-02T08:15:30.123Z");
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
    }
}
