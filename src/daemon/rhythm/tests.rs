//! Times of a calendar, over clock changes and years.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use jiff::civil::Time;
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn iso(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap().to_string()
}

fn cron(expression: &str, zone: &str) -> (Cron, TimeZone) {
    (parse_cron(expression).unwrap(), TimeZone::get(zone).unwrap())
}

/// Times of the calendar in `from..to`, without jitter.
fn times(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let (cron, zone) = cron(expression, zone);
    let (mut at, end) = (ms(from) - 1, ms(to));
    let mut all = Vec::new();
    while let Some(next) = next_time(&cron, &zone, at).filter(|next| *next < end) {
        all.push(iso(next));
        at = next;
    }
    all
}

#[test]
fn a_time_of_day_in_the_skipped_hour_is_due_right_after_it() {
    // Berlin skips 02:00 to 03:00 on 29 March 2026.
    let found = times(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T00:00:00Z",
        "2026-03-31T00:00:00Z",
    );
    assert_eq!(
        found,
        [
            "2026-03-28T01:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-30T00:30:00Z"
        ]
    );
}

#[test]
fn a_time_of_day_in_the_repeated_hour_is_due_once_the_first_time() {
    // Berlin repeats 02:00 to 03:00 on 25 October 2026.
    let found = times(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T00:00:00Z",
        "2026-10-27T00:00:00Z",
    );
    assert_eq!(
        found,
        [
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z"
        ]
    );
}

#[test]
fn what_comes_every_hour_leaves_the_skipped_hour_out_and_comes_in_both_repeated_ones() {
    let spring = times(
        "@hourly",
        "Europe/Berlin",
        "2026-03-29T00:00:00Z",
        "2026-03-29T03:00:00Z",
    );
    assert_eq!(
        spring,
        [
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T02:00:00Z"
        ],
        "an hour apart, whatever the wall clock says"
    );
    let autumn = times(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-25T00:00:00Z",
        "2026-10-25T02:00:00Z",
    );
    assert_eq!(autumn.len(), 4, "{autumn:?}");
}

/// The zones of the promise: whole hours, half hours, both hemispheres, none.
const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Santiago",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
];

#[test]
fn a_daily_time_comes_once_on_each_of_ten_years_days_in_ten_zones() {
    for name in ZONES {
        let (cron, zone) = cron("30 2 * * *", name);
        let noon = |year| {
            let noon = jiff::civil::date(year, 1, 1).at(12, 0, 0, 0);
            zone.to_timestamp(noon).unwrap().as_millisecond()
        };
        let (mut at, end) = (noon(2026), noon(2036));
        let mut last = jiff::civil::date(2026, 1, 1);
        let mut moved = 0;
        while let Some(next) = next_time(&cron, &zone, at).filter(|next| *next < end) {
            let local = Timestamp::from_millisecond(next)
                .unwrap()
                .to_zoned_datetime(zone.clone());
            assert_eq!(
                local.date(),
                last.tomorrow().unwrap(),
                "{name}: no day twice, none left out"
            );
            if local.time() != Time::constant(2, 30, 0, 0) {
                // Only where 02:30 does not exist that day.
                let wanted = local.date().at(2, 30, 0, 0);
                assert!(
                    matches!(
                        zone.to_ambiguous_zoned_datetime(wanted).offset(),
                        AmbiguousOffset::Gap { .. }
                    ),
                    "{name}: {local}"
                );
                moved += 1;
            }
            last = local.date();
            at = next;
        }
        assert_eq!(last, jiff::civil::date(2036, 1, 1), "{name}");
        assert!(moved <= 10, "{name}: at most one gap a year");
    }
}

/// Noon to noon around every clock change of ten years in a zone.
fn clock_changes(zone: &TimeZone) -> Vec<(i64, i64)> {
    let noon = |day: jiff::civil::Date| zone.to_timestamp(day.at(12, 0, 0, 0)).unwrap();
    let offset = |at: Timestamp| at.to_zoned_datetime(zone.clone()).offset();
    let mut changes = Vec::new();
    let mut day = jiff::civil::date(2026, 1, 1);
    while day < jiff::civil::date(2036, 1, 1) {
        let next = day.tomorrow().unwrap();
        if offset(noon(day)) != offset(noon(next)) {
            changes.push((noon(day).as_millisecond(), noon(next).as_millisecond()));
        }
        day = next;
    }
    changes
}

#[test]
fn an_hourly_sync_keeps_its_pace_over_every_clock_change_of_ten_years_in_ten_zones() {
    let mut changes = 0;
    for name in ZONES {
        let (cron, zone) = cron("@hourly", name);
        for (from, to) in clock_changes(&zone) {
            changes += 1;
            let mut at = from;
            while at < to {
                let next = next_time(&cron, &zone, at).unwrap();
                // Lord Howe moves its clock by half an hour, so one hour there is longer.
                let longest = if name == "Australia/Lord_Howe" {
                    HOUR + HOUR / 2
                } else {
                    HOUR
                };
                assert!((HOUR..=longest).contains(&(next - at)), "{name}: {}", iso(at));
                at = next;
            }
        }
    }
    assert!(
        changes >= 7 * 20,
        "seven of the zones change their clocks: {changes}"
    );
}

#[test]
fn jitter_follows_from_the_name_and_stays_under_a_minute_and_a_tenth_of_the_interval() {
    let every = |name: &str, seconds| match Rhythm::new(name, &Schedule::Every(Duration::from_secs(seconds)))
    {
        Ok(Rhythm::Every { jitter_ms, .. }) => jitter_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(every("customers", 900), every("customers", 900));
    let names: Vec<String> = (0..50).map(|number| format!("sync{number}")).collect();
    let delays: Vec<i64> = names.iter().map(|name| every(name, 3_600)).collect();
    assert!(
        delays.iter().all(|delay| (0..MINUTE).contains(delay)),
        "{delays:?}"
    );
    let different: std::collections::HashSet<_> = delays.iter().collect();
    assert!(different.len() > 25, "they spread: {delays:?}");
    assert!(names.iter().all(|name| every(name, 60) < 6_000));
    assert!(
        names.iter().all(|name| every(name, 59) == 0),
        "none under a minute"
    );
    let hourly = Schedule::Cron {
        expression: "@hourly".into(),
        time_zone: None,
    };
    let due = Rhythm::new("customers", &hourly)
        .unwrap()
        .due_ms(None, ms("2026-11-29T10:10:00Z"))
        .unwrap();
    assert!(
        (0..MINUTE).contains(&(due - ms("2026-11-29T11:00:00Z"))),
        "{}",
        iso(due)
    );
}

#[test]
fn an_interval_counts_from_the_last_start_and_begins_at_once() {
    let rhythm = Rhythm::new("orders", &Schedule::Every(Duration::from_secs(2))).unwrap();
    assert_eq!(rhythm.due_ms(None, 500), Some(500));
    assert_eq!(rhythm.due_ms(Some(10_000), 500), Some(12_000));
}

#[test]
fn what_nobody_times_is_never_due_by_the_clock() {
    for schedule in [Schedule::Manual, Schedule::After(vec!["accounts".into()])] {
        assert_eq!(Rhythm::new("orders", &schedule).unwrap().due_ms(None, 0), None);
    }
}

#[test]
fn a_schedule_that_cannot_be_read_is_told() {
    let zone = Schedule::Cron {
        expression: "@daily".into(),
        time_zone: Some("Europe/Atlantis".into()),
    };
    assert!(
        Rhythm::new("a", &zone)
            .unwrap_err()
            .to_string()
            .contains("Europe/Atlantis")
    );
    let cron = Schedule::Cron {
        expression: "61 * * * *".into(),
        time_zone: None,
    };
    assert!(
        Rhythm::new("a", &cron)
            .unwrap_err()
            .to_string()
            .contains("61 * * * *")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A run that starts whenever it is due, however late, is due again later, and no time between
    /// is run twice.
    #[test]
    fn a_started_sync_is_due_later_never_again_for_the_same_time(
        from in 1_767_225_600_000_i64..2_082_758_400_000,
        late in 0_i64..3 * DAY,
        zone in 0_usize..10,
        expression in prop::sample::select(vec!["@hourly", "30 2 * * *", "*/5 * * * *", "0 9 * * 1-5", "@monthly"]),
        name in "[a-z]{1,8}",
    ) {
        let schedule = Schedule::Cron { expression: expression.into(), time_zone: Some(ZONES[zone].into()) };
        let rhythm = Rhythm::new(&name, &schedule).unwrap();
        let due = rhythm.due_ms(None, from).unwrap();
        prop_assert!(due > from);
        let started = due + late;
        let again = rhythm.due_ms(Some(started), from).unwrap();
        prop_assert!(again > started, "{due} {started} {again}");
    }
}
