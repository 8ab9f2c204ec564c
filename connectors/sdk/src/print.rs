//! Prints: keyed 64-bit hashes of canonical values.
//!
//! The encoding below is version 1 and is part of the state's format: a change of it needs a new
//! [`ENCODING_VERSION`], or every row of every state would look changed.
//!
//! Values of fixed size, and texts of at most 12 bytes, are one 128-bit word and a tag; the print is
//! `fold(fold(low ^ a, high ^ b) ^ c, tag × ODD ^ d)`, where `fold` is the xor of the halves of a 64 by
//! 64 bit product and `a` to `d` come from the project's secret. That is two multiplications, an
//! eighth of what hashing their bytes takes, and a run prints every cell of its model. Longer values
//! are XXH3 of their bytes, seeded with the secret and the tag.
//!
//! | value | tag | word, or bytes |
//! |---|---|---|
//! | null | `0` | 0 |
//! | bool | `b` | 0 or 1 |
//! | number | `n` + 256 × scale | unscaled, 128 bits |
//! | number beyond 38 digits | `N` | its text |
//! | text up to 12 bytes | `s` | length (32 bits) and NFC UTF-8, as Arrow's views hold it |
//! | longer text | `t` | NFC UTF-8 |
//! | date | `d` | days |
//! | timestamp | `z` | microseconds |
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

/// Longest text, in bytes, that is printed as one word.
pub const SHORT_TEXT: usize = 12;

/// Spreads tags over the multiplier of the last step.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes values with one project's secret.
#[derive(Clone, Copy)]
pub struct Printer {
    seed: u64,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Printer(…)")
    }
}

impl Printer {
    /// A printer for the project whose secret is `seed`.
    pub fn new(seed: u64) -> Self {
        let key = |number: u64| mix(seed.wrapping_add(ODD.wrapping_mul(number)));
        Self {
            seed,
            a: key(1),
            b: key(2),
            c: key(3),
            d: key(4),
        }
    }

    /// The print of any value.
    pub fn value(&self, value: &Value, scratch: &mut Vec<u8>) -> Print {
        match value {
            Value::Null => self.null(),
            Value::Bool(value) => self.bool(*value),
            Value::Number(value) => self.number(value),
            Value::Text(value) => self.text(value),
            Value::Date(days) => self.date(*days),
            Value::Timestamp(micros) => self.timestamp(*micros),
            Value::Json(text) => self.bytes(b'j', text.as_bytes()),
            Value::List(_) => {
                scratch.clear();
                encode(value, scratch);
                self.bytes(b'l', &scratch[1..])
            }
        }
    }

    /// The print of a value that is one word.
    #[inline(always)]
    fn word(&self, tag: u64, low: u64, high: u64) -> Print {
        let inner = fold(low ^ self.a, high ^ self.b);
        fold(inner ^ self.c, tag.wrapping_mul(ODD) ^ self.d)
    }

    /// The print of a value of any length.
    #[inline]
    fn bytes(&self, tag: u8, bytes: &[u8]) -> Print {
        xxh3_64_with_seed(bytes, self.seed ^ u64::from(tag).wrapping_mul(ODD))
    }

    /// The print of NULL.
    #[inline]
    pub fn null(&self) -> Print {
        self.word(u64::from(b'0'), 0, 0)
    }

    /// The print of a boolean.
    #[inline]
    pub fn bool(&self, value: bool) -> Print {
        self.word(u64::from(b'b'), u64::from(value), 0)
    }

    /// The print of an integer: equal to that of any equal decimal.
    #[inline]
    pub fn integer(&self, value: i128) -> Print {
        self.decimal(value, 0)
    }

    /// The print of a decimal already without trailing zeros.
    #[inline]
    pub fn decimal(&self, unscaled: i128, scale: u8) -> Print {
        let word = unscaled.cast_unsigned();
        self.word(
            u64::from(b'n') | u64::from(scale) << 8,
            word as u64,
            (word >> 64) as u64,
        )
    }

    /// The print of a number.
    #[inline]
    pub fn number(&self, value: &Decimal) -> Print {
        match value {
            Decimal::Small { unscaled, scale } => self.decimal(*unscaled, *scale),
            Decimal::Big(text) => self.bytes(b'N', text.as_bytes()),
        }
    }

    /// The print of a text, which may not be in NFC yet.
    #[inline]
    pub fn text(&self, text: &str) -> Print {
        if is_plain(text.as_bytes()) {
            self.plain_text(text.as_bytes())
        } else {
            self.plain_text(crate::value::nfc(text).as_bytes())
        }
    }

    #[inline]
    fn plain_text(&self, text: &[u8]) -> Print {
        if text.len() > SHORT_TEXT {
            return self.bytes(b't', text);
        }
        let mut view = [0u8; 16];
        view[0] = text.len() as u8;
        view[4..4 + text.len()].copy_from_slice(text);
        self.short_text(u128::from_le_bytes(view))
    }

    /// The print of a text of at most [`SHORT_TEXT`] bytes in NFC, given as Arrow's inline view of it.
    #[inline(always)]
    pub fn short_text(&self, view: u128) -> Print {
        self.word(u64::from(b's'), view as u64, (view >> 64) as u64)
    }

    /// The print of a date, in days since 1970-01-01.
    #[inline]
    pub fn date(&self, days: i32) -> Print {
        self.word(u64::from(b'd'), i64::from(days).cast_unsigned(), 0)
    }

    /// The print of an instant, in microseconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub fn timestamp(&self, micros: i64) -> Print {
        self.word(u64::from(b'z'), micros.cast_unsigned(), 0)
    }

    /// The hash of a key. One integer is two words; anything else is XXH3 of each part in its
    /// canonical encoding behind its length.
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a Value>, scratch: &mut Vec<u8>) -> KeyHash {
        scratch.clear();
        let mut parts = parts.into_iter().peekable();
        let first = parts.next();
        if let (Some(Value::Number(Decimal::Small { unscaled, scale: 0 })), None) = (first, parts.peek()) {
            return self.integer_key(*unscaled);
        }
        for part in first.into_iter().chain(parts) {
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
        let word = value.cast_unsigned();
        let (low, high) = (word as u64, (word >> 64) as u64);
        let half = |tag: u8| KeyHash::from(self.word(u64::from(tag), low, high));
        half(b'K') << 64 | half(b'k')
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

/// Whether UTF-8 text is in NFC by its looks: every character is below U+0300, where the combining
/// ones begin.
#[inline]
pub fn is_plain(text: &[u8]) -> bool {
    let mut above = 0;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        above |= not_below_u0300(u64::from_le_bytes(*word));
    }
    for byte in rest {
        above |= u64::from(*byte >= 0xcc);
    }
    above == 0
}

/// The same for an inline view of Arrow's.
#[inline(always)]
pub fn is_plain_view(view: u128) -> bool {
    not_below_u0300((view >> 32) as u64) | not_below_u0300((view >> 96) as u64) == 0
}

/// Not 0 if some byte is at least 0xCC, the first lead byte of U+0300 and above.
#[inline(always)]
fn not_below_u0300(bytes: u64) -> u64 {
    let low = bytes & 0x7f7f_7f7f_7f7f_7f7f;
    (low + 0x3434_3434_3434_3434) & bytes & 0x8080_8080_8080_8080
}

/// Adds one field's print to a row's. The order of fields does not matter.
#[inline(always)]
pub fn add_field(row: Print, field: u64, print: Print) -> Print {
    row.wrapping_add(fold(print ^ field, field | 1))
}

#[inline(always)]
fn fold(x: u64, y: u64) -> u64 {
    let product = u128::from(x) * u128::from(y);
    (product as u64) ^ ((product >> 64) as u64)
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
        same(printer.text("e\u{301}"), Value::text("\u{e9}"));
        same(
            printer.number(&Decimal::new(150, 2)),
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
        let printer = Printer::new(7);
        let mut scratch = Vec::new();
        let mut print = |value: Value| printer.value(&value, &mut scratch);
        let prints = [
            print(Value::Null),
            print(Value::Bool(true)),
            print(Value::Number(Decimal::from(1))),
            print(Value::Number(Decimal::new(-1, 2))),
            print(Value::text("a")),
            print(Value::text("thirteen char")),
            print(Value::Date(1)),
            print(Value::Timestamp(1)),
            print(Value::Json("{}".into())),
            print(Value::List(vec!["a".into(), "b".into()])),
        ];
        let expected = [
            "975d2133a72f09c4",
            "3817b99e6f7c135f",
            "d7625534fa44638b",
            "5ae4804d04b535e9",
            "a7c5089c42e3013c",
            "c3280f911f2aea61",
            "8999e7c330e6aaf1",
            "d0ddc408f852d5be",
            "d76ffa84797d3bc8",
            "b239c2b201cef628",
        ];
        assert_eq!(prints.map(|print| format!("{print:016x}")), expected);
        assert_eq!(
            format!("{:016x}", bind_to_key(add_field(add_field(0, 3, 5), 4, 6), 9)),
            "d633b1846faf2b49"
        );
    }

    #[test]
    fn values_of_different_kinds_have_different_prints() {
        let printer = Printer::new(0);
        assert_ne!(printer.integer(1), printer.text("1"));
        assert_ne!(printer.integer(1), printer.date(1));
        assert_ne!(printer.integer(10), printer.decimal(10, 1));
        assert_ne!(printer.text(""), printer.null());
        assert_ne!(printer.text("a"), printer.text("a\0"));
        assert_ne!(Printer::new(1).integer(1), printer.integer(1));
    }

    #[test]
    fn plain_looks_are_told_byte_by_byte() {
        assert!(is_plain("Zürich, Kraków, ʷ".as_bytes()), "below U+0300");
        for text in ["e\u{301}", "12345678e\u{301}", "日本", "a\u{0300}"] {
            assert!(!is_plain(text.as_bytes()), "{text}");
        }
        let view = |text: &str| {
            let mut view = [0u8; 16];
            view[0] = text.len() as u8;
            view[4..4 + text.len()].copy_from_slice(text.as_bytes());
            u128::from_le_bytes(view)
        };
        assert!(is_plain_view(view("Zürich")) && !is_plain_view(view("e\u{301}")));
        assert_eq!(
            Printer::new(5).short_text(view("Zürich")),
            Printer::new(5).text("Zürich")
        );
    }
}
