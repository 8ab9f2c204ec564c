//! Which type a column gets, decided from its declared type and from every one of its values.
//!
//! SQLite lets any column hold anything and JSON lines have no types, while an Arrow column has one
//! type and a batch once given away cannot be taken back. So a column is observed as a whole first:
//!
//! * If all values fit the declared type, that is the type. Text that reads as a number fits a
//!   column declared numeric; `true`/`false`, `1`/`0` fit BOOLEAN; `YYYY-MM-DD` fits DATE.
//! * Else (or without a declared type) the values decide. Numbers alone get the narrowest type that
//!   holds each of them exactly; which one that is does not show, since canonical values are exact
//!   decimals. Where numbers or booleans meet text the column is text and they are read as their
//!   canonical text. Where nested values meet anything the column is JSON.
//! * A column in which any value is a BLOB can be described but not read.

use arrow_schema::{DataType, Field, TimeUnit};
use outflow_sdk::value::Decimal;

use crate::cell::Cell;

/// Whole numbers up to this size are exact as 64-bit floats.
const EXACT_IN_FLOAT: u64 = 1 << 53;

/// A column's type as SQLite's DDL declares it, as far as it says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Nothing,
    Boolean,
    Integer,
    Real,
    Numeric,
    Decimal { precision: u8, scale: u8 },
    Text,
    Json,
    Date,
    Timestamp,
    Blob,
}

impl Declared {
    /// Reads a declared type such as `DECIMAL(12, 2)`; unknown words mean nothing.
    pub(crate) fn parse(declaration: Option<&str>) -> Self {
        let Some(declaration) = declaration else {
            return Declared::Nothing;
        };
        let upper = declaration.to_ascii_uppercase();
        let (base, arguments) = upper.split_once('(').unwrap_or((&upper, ""));
        let base = base.trim();
        let has = |words: &[&str]| words.iter().any(|word| base.contains(word));
        if base == "BOOL" || base == "BOOLEAN" {
            Declared::Boolean
        } else if base == "DATE" {
            Declared::Date
        } else if base.starts_with("TIMESTAMP") || base.starts_with("DATETIME") {
            Declared::Timestamp
        } else if has(&["JSON"]) {
            Declared::Json
        } else if has(&["DECIMAL", "NUMERIC", "NUMBER"]) {
            Self::decimal(arguments)
        } else if has(&["INT"]) {
            Declared::Integer
        } else if has(&["CHAR", "CLOB", "TEXT", "STRING", "UUID"]) {
            Declared::Text
        } else if has(&["BLOB", "BINARY"]) {
            Declared::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Declared::Real
        } else {
            Declared::Nothing
        }
    }

    fn decimal(arguments: &str) -> Self {
        let mut numbers = arguments
            .trim_end_matches(')')
            .split(',')
            .map(|part| part.trim().parse::<u8>());
        match (numbers.next(), numbers.next()) {
            (Some(Ok(precision)), scale) if (1..=76).contains(&precision) => match scale {
                None => Declared::Decimal { precision, scale: 0 },
                Some(Ok(scale)) if scale <= precision => Declared::Decimal { precision, scale },
                _ => Declared::Numeric,
            },
            _ => Declared::Numeric,
        }
    }

    fn is_number(self) -> bool {
        matches!(
            self,
            Declared::Integer | Declared::Real | Declared::Numeric | Declared::Decimal { .. }
        )
    }

    /// Whether a look at the values can be spared: columns declared as text hold text or BLOBs only
    /// (SQLite turns numbers into text as they are written), and both end the same way.
    pub(crate) fn is_certain(self) -> bool {
        self == Declared::Text
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Float,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Text,
    Json,
    Date,
    Timestamp,
    /// Described, but never read.
    Blob,
}

impl Kind {
    /// The Arrow type of the column's batches.
    pub(crate) fn arrow_type(self) -> DataType {
        match self {
            Kind::Boolean => DataType::Boolean,
            Kind::Integer => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Decimal { precision, scale } => {
                let scale = i8::try_from(scale).unwrap_or_default();
                if precision <= 38 {
                    DataType::Decimal128(precision, scale)
                } else {
                    DataType::Decimal256(precision, scale)
                }
            }
            Kind::Text | Kind::Json => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Blob => DataType::Binary,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The Arrow field of a column called `name`.
    pub(crate) fn field(self, name: &str) -> Field {
        let field = Field::new(name, self.arrow_type(), true);
        if self == Kind::Json {
            json_field(field)
        } else {
            field
        }
    }
}

/// Marks a text field as JSON.
pub(crate) fn json_field(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert("outflow.type".into(), "json".into());
    field.with_metadata(metadata)
}

/// Whether a text field is marked as JSON.
pub(crate) fn is_json_field(field: &Field) -> bool {
    field
        .metadata()
        .get("outflow.type")
        .is_some_and(|kind| kind == "json")
}

/// The most digits before and after the point that any number had.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    whole: usize,
    fraction: usize,
}

impl Extent {
    fn add(&mut self, number: &Decimal) {
        let (whole, fraction) = match number {
            Decimal::Small { unscaled, scale } => {
                let digits = unscaled
                    .unsigned_abs()
                    .checked_ilog10()
                    .map_or(0, |log| log as usize + 1);
                (digits.saturating_sub(usize::from(*scale)), usize::from(*scale))
            }
            Decimal::Big(text) => {
                let digits = text.trim_start_matches('-');
                let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
                (whole.len(), fraction.len())
            }
        };
        self.whole = self.whole.max(whole);
        self.fraction = self.fraction.max(fraction);
    }

    fn fits(self, precision: u8, scale: u8) -> bool {
        self.fraction <= usize::from(scale) && self.whole + usize::from(scale) <= usize::from(precision)
    }

    /// The decimal type that holds every number, if there is one.
    fn kind(self) -> Option<Kind> {
        let scale = u8::try_from(self.fraction).ok()?;
        [38u8, 76]
            .into_iter()
            .find(|precision| self.fits(*precision, scale))
            .map(|precision| Kind::Decimal { precision, scale })
    }
}

/// What a column was seen to hold.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    declared: Declared,
    fits: bool,
    bools: bool,
    integers: bool,
    largest: u64,
    reals: bool,
    exact: bool,
    infinite: bool,
    numeric_texts: bool,
    texts: bool,
    nested: bool,
    blobs: bool,
    extent: Extent,
}

impl Observed {
    pub(crate) fn new(declared: Declared) -> Self {
        Self {
            declared,
            fits: declared != Declared::Nothing,
            bools: false,
            integers: false,
            largest: 0,
            reals: false,
            exact: false,
            infinite: false,
            numeric_texts: false,
            texts: false,
            nested: false,
            blobs: declared == Declared::Blob,
            extent: Extent::default(),
        }
    }

    /// Takes one more value into account.
    pub(crate) fn add(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Null => return,
            Cell::Bool(_) => self.bools = true,
            Cell::Integer(value) => {
                self.integers = true;
                self.largest = self.largest.max(value.unsigned_abs());
            }
            Cell::Real(value) => {
                self.reals = true;
                match Decimal::from_f64(*value) {
                    Some(number) => self.extent.add(&number),
                    None => self.infinite = true,
                }
            }
            Cell::Number(text) => {
                self.exact = true;
                match Decimal::parse(text) {
                    Some(number) => self.extent.add(&number),
                    None => self.infinite = true,
                }
            }
            Cell::Text(text) => match Decimal::parse(text).filter(|_| self.declared.is_number()) {
                Some(number) => {
                    self.numeric_texts = true;
                    self.extent.add(&number);
                }
                None => self.texts = true,
            },
            Cell::Json(_) => self.nested = true,
            Cell::Blob => self.blobs = true,
        }
        self.fits = self.fits && self.fits_declared(cell);
    }

    fn fits_declared(&self, cell: &Cell<'_>) -> bool {
        match self.declared {
            Declared::Boolean => cell.boolean().is_some(),
            Declared::Date => cell.date().is_some(),
            Declared::Timestamp => cell.timestamp().is_some(),
            Declared::Json => cell.is_json(),
            Declared::Text => true,
            // Numbers are settled at the end, from all of them.
            _ => true,
        }
    }

    /// The column's type.
    pub(crate) fn decide(&self) -> Kind {
        if self.blobs {
            return Kind::Blob;
        }
        if self.fits {
            match self.declared {
                Declared::Boolean => return Kind::Boolean,
                Declared::Date => return Kind::Date,
                Declared::Timestamp => return Kind::Timestamp,
                Declared::Json => return Kind::Json,
                Declared::Text => return Kind::Text,
                _ => {}
            }
        }
        if self.nested {
            return Kind::Json;
        }
        let numbers = self.integers || self.reals || self.exact || self.numeric_texts;
        match (self.texts, self.bools, numbers) {
            (false, false, true) => self.number(),
            (false, true, false) => Kind::Boolean,
            (false, false, false) => self.without_values(),
            _ => Kind::Text,
        }
    }

    fn number(&self) -> Kind {
        let mut extent = self.extent;
        if self.integers {
            extent.add(&Decimal::new(i128::from(self.largest), 0));
        }
        if let Declared::Decimal { precision, scale } = self.declared
            && !self.infinite
            && extent.fits(precision, scale)
        {
            return Kind::Decimal { precision, scale };
        }
        let written = self.exact || self.numeric_texts;
        if !written && !self.reals {
            return Kind::Integer;
        }
        if !written && self.largest <= EXACT_IN_FLOAT {
            return Kind::Float;
        }
        extent.kind().filter(|_| !self.infinite).unwrap_or(Kind::Text)
    }

    fn without_values(&self) -> Kind {
        match self.declared {
            Declared::Integer => Kind::Integer,
            Declared::Real => Kind::Float,
            Declared::Decimal { precision, scale } => Kind::Decimal { precision, scale },
            Declared::Numeric => Kind::Decimal {
                precision: 38,
                scale: 10,
            },
            _ => Kind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(declared: &str, cells: &[Cell<'_>]) -> Kind {
        let mut observed = Observed::new(Declared::parse(Some(declared)));
        for cell in cells {
            observed.add(cell);
        }
        observed.decide()
    }

    #[test]
    fn declared_types_are_understood() {
        let cases = [
            ("boolean", Declared::Boolean),
            ("BIGINT", Declared::Integer),
            (
                "decimal(12, 2)",
                Declared::Decimal {
                    precision: 12,
                    scale: 2,
                },
            ),
            (
                "DECIMAL(5)",
                Declared::Decimal {
                    precision: 5,
                    scale: 0,
                },
            ),
            ("NUMERIC", Declared::Numeric),
            ("DECIMAL(2,5)", Declared::Numeric),
            ("VARCHAR(20)", Declared::Text),
            ("TIMESTAMP WITH TIME ZONE", Declared::Timestamp),
            ("DATETIME", Declared::Timestamp),
            ("DATE", Declared::Date),
            ("JSON", Declared::Json),
            ("DOUBLE PRECISION", Declared::Real),
            ("BLOB", Declared::Blob),
            ("", Declared::Nothing),
        ];
        for (text, expected) in cases {
            assert_eq!(Declared::parse(Some(text)), expected, "{text}");
        }
        assert_eq!(Declared::parse(None), Declared::Nothing);
    }

    #[test]
    fn a_decimal_column_takes_text_reals_and_integers() {
        let cells = [Cell::Text("12.50"), Cell::Real(0.1), Cell::Integer(7), Cell::Null];
        assert_eq!(
            kind("DECIMAL(10,2)", &cells),
            Kind::Decimal {
                precision: 10,
                scale: 2
            }
        );
        // One value is finer than declared: exact, in a wider type.
        assert_eq!(
            kind("DECIMAL(10,2)", &[Cell::Text("12.505")]),
            Kind::Decimal {
                precision: 38,
                scale: 3
            }
        );
        assert_eq!(
            kind("DECIMAL(10,2)", &[Cell::Text("n/a"), Cell::Integer(1)]),
            Kind::Text
        );
    }

    #[test]
    fn numbers_without_a_declared_type_stay_exact() {
        let big = i64::MAX;
        assert_eq!(kind("", &[Cell::Integer(big)]), Kind::Integer);
        assert_eq!(kind("", &[Cell::Integer(3), Cell::Real(0.5)]), Kind::Float);
        assert_eq!(
            kind("", &[Cell::Integer(big), Cell::Real(0.5)]),
            Kind::Decimal {
                precision: 38,
                scale: 1
            }
        );
        assert_eq!(kind("", &[Cell::Integer(big), Cell::Real(1e300)]), Kind::Text);
        assert_eq!(
            kind(
                "",
                &[
                    Cell::Number("123456789012345678901234567890.5"),
                    Cell::Number("1e-20")
                ]
            ),
            Kind::Decimal {
                precision: 76,
                scale: 20
            }
        );
    }

    #[test]
    fn values_that_do_not_fit_make_the_column_wider_not_wrong() {
        assert_eq!(
            kind("BOOLEAN", &[Cell::Integer(1), Cell::Integer(2)]),
            Kind::Integer
        );
        assert_eq!(
            kind("DATE", &[Cell::Text("2026-01-31"), Cell::Text("soon")]),
            Kind::Text
        );
        assert_eq!(kind("DATE", &[Cell::Integer(1_700_000_000)]), Kind::Integer);
        assert_eq!(kind("INTEGER", &[Cell::Integer(1), Cell::Text("x")]), Kind::Text);
        assert_eq!(kind("", &[Cell::Bool(true), Cell::Integer(1)]), Kind::Text);
        assert_eq!(kind("", &[Cell::Json("{}"), Cell::Text("x")]), Kind::Json);
        assert_eq!(kind("", &[]), Kind::Text);
        assert_eq!(kind("DATE", &[Cell::Null]), Kind::Date);
    }

    #[test]
    fn blobs_are_known_for_what_they_are() {
        let mut observed = Observed::new(Declared::Nothing);
        observed.add(&Cell::Blob);
        assert_eq!(observed.decide(), Kind::Blob);
        assert_eq!(Observed::new(Declared::Blob).decide(), Kind::Blob);
    }
}
