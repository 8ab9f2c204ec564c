//! What REST writes, and what becomes of it.

#![allow(clippy::unwrap_used)]

use super::*;

fn parse(kind: Kind, text: &str) -> Result<Scalar<'_>, Unfit> {
    Scalar::parse(&kind, text.into())
}

fn canonical(kind: Kind, text: &str) -> String {
    parse(kind, text).unwrap().text().into_owned()
}

#[test]
fn instants_keep_every_microsecond_however_they_are_written() {
    for text in [
        "1710036000123456",
        "1.710036000123456E9",
        "1710036000.123456",
        "2024-03-10T02:00:00.123456Z",
        "2024-03-10 02:00:00.123456 UTC",
    ] {
        assert_eq!(
            parse(Kind::Timestamp, text),
            Ok(Scalar::Timestamp(1_710_036_000_123_456)),
            "{text}"
        );
    }
    // As a float, this one would end in 998.
    assert_eq!(
        parse(Kind::Timestamp, "2.53402300799999999E11"),
        Ok(Scalar::Timestamp(253_402_300_799_999_999))
    );
    assert_eq!(
        parse(Kind::Timestamp, "-62135596800000000"),
        Ok(Scalar::Timestamp(-62_135_596_800_000_000))
    );
    assert_eq!(
        parse(Kind::Timestamp, "-6.21355968E10"),
        Ok(Scalar::Timestamp(-62_135_596_800_000_000))
    );
    assert_eq!(parse(Kind::Timestamp, "1.0E-6"), Ok(Scalar::Timestamp(1)));
    assert_eq!(parse(Kind::Timestamp, "0.0"), Ok(Scalar::Timestamp(0)));
    assert_eq!(parse(Kind::Timestamp, "1e300"), Err(Unfit::OutOfRange));
    for text in ["", "now", "-", "12-5", "1.2.3", "2024-03-10"] {
        assert_eq!(parse(Kind::Timestamp, text), Err(Unfit::Malformed), "{text}");
    }
}

#[test]
fn numbers_are_exact_and_without_trailing_zeros() {
    assert_eq!(
        parse(Kind::Integer, "9007199254740993"),
        Ok(Scalar::Integer(9_007_199_254_740_993))
    );
    assert_eq!(parse(Kind::Integer, "1.9"), Err(Unfit::Malformed));
    for (kind, text, expected) in [
        (Kind::Numeric, "12.50", "12.5"),
        (Kind::Numeric, "1.5000000000", "1.5"),
        (Kind::Numeric, "-0.000000001", "-0.000000001"),
        (
            Kind::Numeric,
            "99999999999999999999999999999.999999999",
            "99999999999999999999999999999.999999999",
        ),
        (
            Kind::BigNumeric,
            "578960446186580977117854925043439539266.34992332820282019728792003956564819967",
            "578960446186580977117854925043439539266.34992332820282019728792003956564819967",
        ),
        (
            Kind::BigNumeric,
            "1E-38",
            "0.00000000000000000000000000000000000001",
        ),
        (Kind::Float, "1.5E10", "15000000000"),
        (Kind::Float, "-0.0", "0"),
        (Kind::Float, "nan", "NaN"),
        (Kind::Float, "-Infinity", "-inf"),
    ] {
        assert_eq!(canonical(kind, text), expected, "{text}");
    }
    assert_eq!(parse(Kind::Numeric, "0.0000000001"), Err(Unfit::Malformed));
    assert_eq!(parse(Kind::Numeric, "NaN"), Err(Unfit::Malformed));
}

#[test]
fn dates_and_times_are_read_and_written() {
    for (kind, text, expected) in [
        (Kind::Date, "0001-01-01", "0001-01-01"),
        (Kind::Date, "9999-12-31", "9999-12-31"),
        (
            Kind::Datetime,
            "2026-01-01T01:00:00.500000",
            "2026-01-01T01:00:00.5Z",
        ),
        (Kind::Datetime, "2026-01-01 01:00:00", "2026-01-01T01:00:00Z"),
        (Kind::Time, "10:00:00.250000", "10:00:00.25"),
        (Kind::Time, "23:59:59", "23:59:59"),
        (Kind::Interval, "1-2 3 4:5:6.700000", "1-2 3 4:5:6.7"),
        (Kind::Interval, "-0-1 -3 -87840000:0:0", "-0-1 -3 -87840000:0:0"),
    ] {
        assert_eq!(canonical(kind, text), expected, "{text}");
    }
    for (kind, text) in [
        (Kind::Date, "2026-02-30"),
        (Kind::Date, "25.11.2026"),
        (Kind::Time, "24:00:00"),
        (Kind::Time, "10:00:00.1234567"),
        (Kind::Datetime, "2026-01-01"),
        (Kind::Interval, "P1D"),
        (Kind::Boolean, "yes"),
        (Kind::Bytes, "not base64"),
    ] {
        assert_eq!(parse(kind, text), Err(Unfit::Malformed), "{text}");
    }
}

#[test]
fn bytes_are_hexadecimal_alone_and_base64_in_json() {
    let bytes = parse(Kind::Bytes, "AP8=").unwrap();
    assert_eq!(bytes.text(), "00ff");
    let mut json = String::new();
    bytes.json(&mut json);
    assert_eq!(json, "\"AP8=\"");
}

#[test]
fn what_json_has_no_number_for_is_text() {
    let mut json = String::new();
    for (kind, text) in [
        (Kind::Float, "NaN"),
        (Kind::Datetime, "2026-01-01T00:00:00"),
        (Kind::Numeric, "1.50"),
    ] {
        parse(kind, text).unwrap().json(&mut json);
        json.push(' ');
    }
    assert_eq!(json, "\"NaN\" \"2026-01-01T00:00:00\" 1.5 ");
}
