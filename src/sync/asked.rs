//! Asked: the keys of rows that are to be brought up to date at once, as callers write them.
//!
//! Callers send JSON, or words of a command line. A part of a key is a text or a number; what type its
//! column has is known only when the model is read.

use std::collections::BTreeMap;
use std::fmt;

use outflow_sdk::keys::Keys;
use outflow_sdk::print::{Printer, encode};
use outflow_sdk::value::{Decimal, Value};
use serde_json::value::RawValue;
use thiserror::Error;

/// Longest text of a part of a key, bytes.
const LONGEST_PART: usize = 512;

/// Most keys of one run.
pub const MOST_KEYS: usize = 5_000;

/// Most bytes that the keys of one run have together; a query must hold them.
pub const MOST_BYTES: usize = 256 << 10;

/// The keys a run is asked for, each once.
#[derive(Clone, PartialEq, Eq)]
pub struct AskedKeys {
    columns: Vec<String>,
    /// By their canonical encoding.
    keys: BTreeMap<Vec<u8>, Vec<Value>>,
    bytes: usize,
}

/// How many there are, and not which: a key may be an address.
impl fmt::Debug for AskedKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AskedKeys({})", self.keys.len())
    }
}

/// A key that no row can have, whatever the model gives. Holds none of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// NULL.
    #[error("is null; rows without a key cannot be asked for")]
    Null,
    /// Not a text or a number.
    #[error("is no text and no number")]
    Type,
    /// A map or list where the key has one column, or of another length.
    #[error("has not the parts of the sync's key, in its order or by their names")]
    Shape,
    /// Too long, or with a zero character in it.
    #[error("is longer than 512 bytes, or has a zero character in it")]
    Text,
    /// A number of more digits than any key has.
    #[error("is a number of more than 38 digits")]
    Number,
}

impl AskedKeys {
    /// No keys yet, of a sync with these key columns.
    pub fn new(columns: &[String]) -> Self {
        Self {
            columns: columns.to_vec(),
            keys: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The key's columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is asked for.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a key written as JSON: a scalar, a list of the parts in the order of `key:`, or a map of them
    /// by the names of their columns.
    ///
    /// # Errors
    /// When no row can have it.
    pub fn add_json(&mut self, key: &RawValue) -> Result<(), BadKey> {
        let parts = match key.get().as_bytes().first() {
            Some(b'[') => parse::<Vec<&RawValue>>(key)?.into_iter().map(part).collect(),
            Some(b'{') => {
                let parts: BTreeMap<String, &RawValue> = parse(key)?;
                if parts.len() != self.columns.len() {
                    return Err(BadKey::Shape);
                }
                let by_name = |name: &String| parts.get(name).ok_or(BadKey::Shape);
                let parts = self
                    .columns
                    .iter()
                    .map(|name| by_name(name).and_then(|raw| part(raw)));
                parts.collect()
            }
            _ => part(key).map(|part| vec![part]),
        };
        self.add(parts?)
    }

    /// Adds a key written as text, the parts of a composite one joined by `/`.
    ///
    /// # Errors
    /// When no row can have it.
    pub fn add_text(&mut self, key: &str) -> Result<(), BadKey> {
        let parts: Result<Vec<Value>, BadKey> = match self.columns.len() {
            1 => text(key).map(|part| vec![part]),
            _ => key.split('/').map(text).collect(),
        };
        self.add(parts?)
    }

    fn add(&mut self, parts: Vec<Value>) -> Result<(), BadKey> {
        if parts.len() != self.columns.len() {
            return Err(BadKey::Shape);
        }
        let mut encoded = Vec::new();
        for part in &parts {
            let start = encoded.len();
            encoded.extend_from_slice(&[0; 4]);
            encode(part, &mut encoded);
            let length = u32::try_from(encoded.len() - start - 4).unwrap_or(u32::MAX);
            encoded[start..start + 4].copy_from_slice(&length.to_le_bytes());
        }
        let length = encoded.len();
        if self.keys.insert(encoded, parts).is_none() {
            self.bytes += length;
        }
        Ok(())
    }

    /// Whether one run can be asked for these.
    pub fn fit_one_run(&self) -> bool {
        self.keys.len() <= MOST_KEYS && self.bytes <= MOST_BYTES
    }

    /// Takes the keys of another call up; false, and nothing is taken, when they are too many for one run
    /// or keys of other columns.
    pub fn join(&mut self, other: &Self) -> bool {
        let keys = self.keys.len() + other.keys.len();
        if keys > MOST_KEYS || self.bytes + other.bytes > MOST_BYTES || self.columns != other.columns {
            return false;
        }
        for (encoded, key) in &other.keys {
            if self.keys.insert(encoded.clone(), key.clone()).is_none() {
                self.bytes += encoded.len();
            }
        }
        true
    }

    /// What a source is asked for.
    pub(super) fn keys(&self) -> Keys {
        Keys {
            columns: self.columns.clone(),
            keys: self.keys.values().cloned().collect(),
            nulls: false,
        }
    }

    /// Equal for the same keys, in whatever order they were given. It is kept, so it is made with the state's
    /// own secret: a key may be an address.
    pub fn print(&self, printer: Printer) -> u64 {
        let mut scratch = Vec::new();
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for key in self.keys.values() {
            hash.update(&printer.key(key, &mut scratch).to_le_bytes());
        }
        hash.digest()
    }
}

fn parse<'k, T: serde::Deserialize<'k>>(raw: &'k RawValue) -> Result<T, BadKey> {
    serde_json::from_str(raw.get()).map_err(|_| BadKey::Shape)
}

/// A part of a key. Numbers are read from their text: a float would lose digits.
fn part(raw: &RawValue) -> Result<Value, BadKey> {
    let written = raw.get();
    match written.as_bytes().first() {
        Some(b'"') => text(&parse::<String>(raw)?),
        Some(b'-' | b'0'..=b'9') => match Decimal::parse(written) {
            Some(number @ Decimal::Small { .. }) => Ok(Value::Number(number)),
            _ => Err(BadKey::Number),
        },
        Some(b'n') => Err(BadKey::Null),
        _ => Err(BadKey::Type),
    }
}

fn text(text: &str) -> Result<Value, BadKey> {
    if text.len() > LONGEST_PART || text.contains('\0') {
        return Err(BadKey::Text);
    }
    Ok(Value::text(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn asked(columns: &[&str]) -> AskedKeys {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        AskedKeys::new(&columns)
    }

    #[test]
    fn a_key_is_a_scalar_or_its_parts_in_order_or_by_name_and_counts_once() {
        let mut one = asked(&["id"]);
        for json in ["7", "7.0", "[7]", "{\"id\": 7}", "\"x\"", "\"x\""] {
            one.add_json(&raw(json)).unwrap();
        }
        assert_eq!(one.len(), 2);
        let mut two = asked(&["shop", "id"]);
        for json in ["[\"a\", 1]", "{\"id\": 1, \"shop\": \"a\"}", "[\"a\", 2]"] {
            two.add_json(&raw(json)).unwrap();
        }
        two.add_text("a/3").unwrap();
        assert_eq!(two.len(), 3);
        assert_eq!(format!("{two:?}"), "AskedKeys(3)");
    }

    #[test]
    fn numbers_keep_their_digits() {
        let mut asked = asked(&["id"]);
        for json in ["9007199254740992", "9007199254740993", "\"9007199254740993\""] {
            asked.add_json(&raw(json)).unwrap();
        }
        assert_eq!(asked.len(), 3);
    }

    #[test]
    fn what_no_row_can_have_is_refused() {
        let long = format!("\"{}\"", "x".repeat(513));
        let digits = "1".repeat(40);
        for (columns, json, expected) in [
            (&["id"][..], "null", BadKey::Null),
            (&["id"], "true", BadKey::Type),
            (&["id"], "[[1]]", BadKey::Type),
            (&["id"], "[]", BadKey::Shape),
            (&["id"], "[1, 2]", BadKey::Shape),
            (&["id"], "{\"key\": 1}", BadKey::Shape),
            (&["id"], "\"a\\u0000b\"", BadKey::Text),
            (&["id"], &long, BadKey::Text),
            (&["id"], &digits, BadKey::Number),
            (&["shop", "id"], "1", BadKey::Shape),
            (&["shop", "id"], "[\"a\", null]", BadKey::Null),
            (
                &["shop", "id"],
                "{\"id\": 1, \"shop\": 2, \"x\": 3}",
                BadKey::Shape,
            ),
        ] {
            assert_eq!(asked(columns).add_json(&raw(json)), Err(expected), "{json}");
        }
        assert_eq!(asked(&["shop", "id"]).add_text("a"), Err(BadKey::Shape));
    }

    #[test]
    fn calls_are_joined_as_long_as_one_run_can_hold_them() {
        let call = |from: usize, count: usize| {
            let mut call = asked(&["id"]);
            for key in from..from + count {
                call.add_json(&raw(&key.to_string())).unwrap();
            }
            call
        };
        let mut first = call(0, 1_000);
        assert!(first.join(&call(500, 1_000)));
        assert_eq!(first.len(), 1_500);
        assert!(first.fit_one_run() && !first.join(&call(10_000, MOST_KEYS)));
        assert!(!first.join(&asked(&["other"])));
        assert_eq!(first.len(), 1_500, "nothing of a call that does not fit is taken");
        let print = |from, secret| call(from, 5).print(Printer::new(secret));
        assert_eq!(print(1, 7), print(1, 7));
        assert_ne!(print(1, 7), print(2, 7));
        assert_ne!(
            print(1, 7),
            print(1, 8),
            "nobody without the state's secret can try keys"
        );
    }
}
