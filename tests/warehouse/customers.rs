//! 50,000 customers with every kind of value that warehouses share, the odd ones first.

use crate::table::{Table, Type};

/// Rows of the table.
pub const ROWS: usize = 50_000;

const COLUMNS: [(&str, Type); 15] = [
    ("id", Type::Integer),
    ("email", Type::Text),
    ("name", Type::Text),
    ("note", Type::Text),
    ("segment", Type::Text),
    ("vip", Type::Boolean),
    ("orders", Type::Integer),
    ("points", Type::Small),
    ("lifetime_value", Type::Decimal(12, 2)),
    ("balance", Type::Decimal(38, 9)),
    ("score", Type::Float),
    ("born", Type::Date),
    ("created_at", Type::Timestamp),
    ("seen_at", Type::Instant),
    ("attributes", Type::Json),
];

const IDS: [&str; 6] = [
    "-9223372036854775808",
    "9223372036854775807",
    "9007199254740993",
    "-9007199254740993",
    "0",
    "-1",
];
/// Composed and decomposed, beyond the basic plane, from right to left, with quotes and line ends.
const NAMES: [&str; 12] = [
    "Zoë Müller",
    "Zoe\u{308} Mu\u{308}ller",
    "Ngo\u{302}\u{323}c",
    "Ngộc",
    "한국",
    "\u{1112}\u{1161}\u{11ab}",
    "😀 👩‍👩‍👧",
    "שלום",
    "O'Neil \"Bob\"",
    "back\\slash",
    "two\nlines\r\nand a\ttab",
    "ﬁ Å Ω",
];
const NOTES: [&str; 10] = [
    "", " ", "NULL", "null", "\\N", "007", "1.50", " padded ", "true", "{}",
];
const SEGMENTS: [&str; 4] = ["new", "loyal", "at risk", "lost"];
const POINTS: [&str; 4] = ["-32768", "32767", "0", "-1"];
const VALUES: [&str; 6] = ["0.00", "-0.01", "9999999999.99", "-9999999999.99", "12.50", "100"];
const BALANCES: [&str; 6] = [
    "12345678901234567890123456789.123456789",
    "-99999999999999999999999999999.999999999",
    "0.000000001",
    "-0.000000001",
    "0",
    "10000000000000000000000000000",
];
const SCORES: [&str; 10] = [
    "-0.0",
    "0.0",
    "0.1",
    "0.30000000000000004",
    "1e300",
    "-1.7976931348623157e308",
    "2.5e-10",
    "9007199254740993",
    "123456.789",
    "3.4028234663852886e38",
];
const DAYS: [&str; 6] = [
    "0001-01-01",
    "9999-12-31",
    "1969-12-31",
    "1970-01-01",
    "2000-02-29",
    "1582-10-10",
];
const TIMES: [&str; 5] = [
    "0001-01-01T00:00:00",
    "9999-12-30T21:59:59.999999",
    "1969-12-31T23:59:59.999999",
    "2026-03-29T02:30:00",
    "1900-01-01T12:00:00.5",
];
const INSTANTS: [&str; 5] = [
    "0001-01-01T00:00:00Z",
    "9999-12-30T21:59:59.999999Z",
    "2026-01-01T00:30:00.000001+05:30",
    "2025-12-31T23:59:59-08:00",
    "1969-12-31T23:59:59.5Z",
];
const DOCUMENTS: [&str; 8] = [
    "{}",
    "[]",
    "{\"b\": 1, \"a\": [true, null, \"x\"]}",
    "{\"price\": 1.50, \"deep\": {\"z\": {\"y\": []}, \"a\": \"\"}}",
    "[1, 2.0, -0.5]",
    "{\"name\": \"Zoe\\u0308\", \"quote\": \"\\\"\"}",
    "{\"é\": \"😀\"}",
    "{\"true\": \"true\", \"null\": null}",
];

/// The table, the same every time.
pub fn customers() -> Table {
    let mut dice = Dice(20_261_129);
    let rows = (0..ROWS).map(|number| row(number, &mut dice)).collect();
    Table {
        name: "everything",
        columns: COLUMNS.to_vec(),
        rows,
    }
}

fn row(number: usize, dice: &mut Dice) -> Vec<Option<String>> {
    let id = IDS
        .get(number)
        .map_or_else(|| number.to_string(), |id| (*id).to_owned());
    let mut cells = vec![
        Some(id),
        Some(format!("c{number}@example.com")),
        dice.odd(&NAMES, |dice| format!("Name {}", dice.roll(1_000_000))),
        dice.odd(&NOTES, |dice| "lorem ipsum ".repeat(dice.roll(400) as usize)),
        dice.odd(&SEGMENTS, |_| "regular".to_owned()),
        dice.odd(&["true", "false"], |_| "true".to_owned()),
        dice.odd(&["0", "-5", "9007199254740993"], |dice| {
            dice.roll(1_000).to_string()
        }),
        dice.odd(&POINTS, |dice| dice.roll(30_000).to_string()),
        dice.odd(&VALUES, |dice| {
            format!("{}.{:02}", dice.roll(100_000), dice.roll(100))
        }),
        dice.odd(&BALANCES, |dice| {
            format!(
                "{}{:09}.{:09}",
                dice.roll(1 << 60),
                dice.roll(1_000_000_000),
                dice.roll(1_000_000_000)
            )
        }),
        dice.odd(&SCORES, |dice| format!("{}", dice.roll(1 << 50) as f64 / 7.0)),
        dice.odd(&DAYS, day),
        dice.odd(&TIMES, |dice| format!("{}T{}", day(dice), clock(dice))),
        dice.odd(&INSTANTS, |dice| format!("{}T{}Z", day(dice), clock(dice))),
        dice.odd(&DOCUMENTS, |dice| {
            format!("{{\"visits\": {}, \"last\": \"{}\"}}", dice.roll(50), day(dice))
        }),
    ];
    // One row has nothing but its key.
    if number == 100 {
        cells.iter_mut().skip(2).for_each(|cell| *cell = None);
    }
    cells
}

fn day(dice: &mut Dice) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        1930 + dice.roll(95),
        1 + dice.roll(12),
        1 + dice.roll(28)
    )
}

fn clock(dice: &mut Dice) -> String {
    let fraction = ["", ".5", ".000001", ".123456", ".999"][dice.roll(5) as usize];
    format!(
        "{:02}:{:02}:{:02}{fraction}",
        dice.roll(24),
        dice.roll(60),
        dice.roll(60)
    )
}

/// A stream of numbers that depends on its seed alone (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % sides
    }

    /// NULL in one of ten cells, one of `odd` in four, and `usual` in the others.
    fn odd(&mut self, odd: &[&str], usual: impl FnOnce(&mut Self) -> String) -> Option<String> {
        match self.roll(10) {
            0 => None,
            1..=4 => {
                let at = self.roll(odd.len() as u64) as usize;
                Some(odd[at].to_owned())
            }
            _ => Some(usual(self)),
        }
    }
}
