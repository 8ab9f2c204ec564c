//! Prints: keyed 64-bit hashes of canonical values.
//!
//! The encoding below is version 1 and is part of the state's format: a change of it needs a new
//! [`ENCODING_VERSION`], or every row of every state would look changed. A value is one tag byte and
//! its payload; the hash is XXH3 seeded with the project's secret.
//!
//! | value | tag | payload |
//! |---|---|---|
//! | null | `0` | |
//! | bool | `b` | one byte |
//! | number | `n` | scale byte, unscaled as 16 bytes little endian |
//! | number beyond 38 digits | `N` | its text |
//! | text | `t` | NFC UTF-8 |
//! | date | `d` | days, 4 bytes little endian |
//! | timestamp | `z` | microseconds, 8 bytes little endian |
//! | json | `j` | sorted compact text |
//! | list | `l` | per item: length, 4 bytes little endian, and text |

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::value::{Decimal, Value};

/// Version of the canonical encoding and of the hash, kept in the state's header.
pub const ENCODING_VERSION: u32 = 1;

/// Hash of one canonical value.
pub type Print = u64;

/// 128-bit hash of a row's key.
pub type KeyHash = u128;

/// Hashes values with one project's secret.
#[derive(Clone, Copy)]
pub struct Printer {
    seed: u64,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Printer(…)")
    }
}

impl Printer {
    /// A printer for the project whose secret is `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The print of any value.
    pub fn value(&self, value: &Value, scratch: &mut Vec<u8>) -> Print {
        scratch.clear();
        encode(value, scratch);
        xxh3_64_with_seed(scratch, self.seed)
    }

    /// The print of NULL.
    #[inline]
    pub fn null(&self) -> Print {
        xxh3_64_with_seed(b"0", self.seed)
    }

    /// The print of a boolean.
    #[inline]
    pub fn bool(&self, value: bool) -> Print {
        xxh3_64_with_seed(&[b'b', u8::from(value)], self.seed)
    }

    /// The print of an integer: equal to that of any equal decimal.
    #[inline]
    pub fn integer(&self, value: i128) -> Print {
        self.decimal(value, 0)
    }

    /// The print of a decimal already without trailing zeros.
    #[inline]
    fn decimal(&self, unscaled: i128, scale: u8) -> Print {
        let mut bytes = [0u8; 18];
        bytes[0] = b'n';
        bytes[1] = scale;
        bytes[2..].copy_from_slice(&unscaled.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }

    /// The print of a number.
    #[inline]
    pub fn number(&self, value: &Decimal, scratch: &mut Vec<u8>) -> Print {
        match value {
            Decimal::Small { unscaled, scale } => self.decimal(*unscaled, *scale),
            Decimal::Big(text) => self.tagged(b'N', text.as_bytes(), scratch),
        }
    }

    /// The print of a text, which may not be in NFC yet.
    #[inline]
    pub fn text(&self, text: &str, scratch: &mut Vec<u8>) -> Print {
        if text.is_ascii() {
            self.tagged(b't', text.as_bytes(), scratch)
        } else {
            self.tagged(b't', crate::value::nfc(text).as_bytes(), scratch)
        }
    }

    /// The print of a date, in days since 1970-01-01.
    #[inline]
    pub fn date(&self, days: i32) -> Print {
        let mut bytes = [b'd'; 5];
        bytes[1..].copy_from_slice(&days.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }

    /// The print of an instant, in microseconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub fn timestamp(&self, micros: i64) -> Print {
        let mut bytes = [b'z'; 9];
        bytes[1..].copy_from_slice(&micros.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed)
    }

    #[inline]
    fn tagged(&self, tag: u8, payload: &[u8], scratch: &mut Vec<u8>) -> Print {
        scratch.clear();
        scratch.push(tag);
        scratch.extend_from_slice(payload);
        xxh3_64_with_seed(scratch, self.seed)
    }

    /// The hash of a key: each part in its canonical encoding behind its length.
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a Value>, scratch: &mut Vec<u8>) -> KeyHash {
        scratch.clear();
        for part in parts {
            let at = scratch.len();
            scratch.extend_from_slice(&[0; 4]);
            encode(part, scratch);
            let length = u32::try_from(scratch.len() - at - 4).unwrap_or(u32::MAX);
            scratch[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
        xxh3_128_with_seed(scratch, self.seed)
    }

    /// The hash of a key that is one integer, without building its value.
    #[inline]
    pub fn integer_key(&self, value: i128) -> KeyHash {
        let mut bytes = [0u8; 22];
        bytes[0] = 18;
        bytes[4] = b'n';
        bytes[6..].copy_from_slice(&value.to_le_bytes());
        xxh3_128_with_seed(&bytes, self.seed)
    }

    /// The hash of a key that is one text, without building its value.
    #[inline]
    pub fn text_key(&self, text: &str, scratch: &mut Vec<u8>) -> KeyHash {
        if !text.is_ascii() {
            return self.key([&Value::text(text)], scratch);
        }
        scratch.clear();
        let length = u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
        scratch.extend_from_slice(&length.to_le_bytes());
        scratch.push(b't');
        scratch.extend_from_slice(text.as_bytes());
        xxh3_128_with_seed(scratch, self.seed)
    }

    /// The identity of a field, from its name: part of a row's print.
    pub fn field(&self, name: &str) -> u64 {
        xxh3_64_with_seed(name.as_bytes(), self.seed ^ 0x9e37_79b9_7f4a_7c15)
    }
}

/// Adds one field's print to a row's. The order of fields does not matter.
#[inline]
pub fn add_field(row: Print, field: u64, print: Print) -> Print {
    row.wrapping_add(mix(print ^ field))
}

/// The row's print as the filter keeps it: bound to the key.
#[inline]
pub fn bind_to_key(row: Print, key: KeyHash) -> Print {
    mix(row ^ (key as u64))
}

#[inline]
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Appends the canonical encoding of `value`.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.extend_from_slice(&[b'b', u8::from(*value)]),
        Value::Number(Decimal::Small { unscaled, scale }) => {
            out.extend_from_slice(&[b'n', *scale]);
            out.extend_from_slice(&unscaled.to_le_bytes());
        }
        Value::Number(Decimal::Big(text)) => tag_text(b'N', text, out),
        Value::Text(text) => tag_text(b't', text, out),
        Value::Date(days) => {
            out.push(b'd');
            out.extend_from_slice(&days.to_le_bytes());
        }
        Value::Timestamp(micros) => {
            out.push(b'z');
            out.extend_from_slice(&micros.to_le_bytes());
        }
        Value::Json(text) => tag_text(b'j', text, out),
        Value::List(items) => {
            out.push(b'l');
            for item in items {
                out.extend_from_slice(&u32::try_from(item.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend_from_slice(item.as_bytes());
            }
        }
    }
}

fn tag_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_paths_agree_with_the_encoding() {
        let printer = Printer::new(7);
        let mut scratch = Vec::new();
        let mut same =
            |fast: Print, value: Value| assert_eq!(fast, printer.value(&value, &mut scratch), "{value:?}");
        same(printer.null(), Value::Null);
        same(printer.bool(true), Value::Bool(true));
        same(printer.integer(-5), Value::Number(Decimal::from(-5)));
        same(printer.date(20_000), Value::Date(20_000));
        same(printer.timestamp(-1), Value::Timestamp(-1));
        let mut other = Vec::new();
        same(printer.text("e\u{301}", &mut other), Value::text("\u{e9}"));
        same(
            printer.number(&Decimal::new(150, 2), &mut other),
            Value::Number(Decimal::new(15, 1)),
        );
        let seven = Value::Number(Decimal::from(7));
        assert_eq!(printer.integer_key(7), printer.key([&seven], &mut scratch));
        for text in ["c-1", "", "e\u{301}"] {
            let value = Value::text(text);
            assert_eq!(
                printer.text_key(text, &mut other),
                printer.key([&value], &mut scratch)
            );
        }
    }

    #[test]
    fn the_encoding_is_fixed() {
        // A state written today is read by every later version: these numbers never change.
        let printer = Printer::new(0);
        let mut scratch = Vec::new();
        assert_eq!(
            printer.integer(1),
            printer.value(&Value::Number(Decimal::new(100, 2)), &mut scratch)
        );
        assert_eq!(printer.text("a", &mut scratch), xxh3_64_with_seed(b"ta", 0));
        assert_ne!(printer.integer(1), printer.text("1", &mut scratch));
        assert_ne!(Printer::new(1).integer(1), printer.integer(1));
    }
}
