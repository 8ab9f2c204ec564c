//! `schedule:` in its forms.

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};

use super::forms::Interval;
use super::mapping_file::{ScheduleEntry, ScheduleKeys};
use super::model::Schedule;
use super::problem::{Fault, closest, did_you_mean, quoted};
use super::tree::Node;

/// The schedule a mapping asks for.
pub(crate) fn read(entry: ScheduleEntry, tree: &Node, faults: &mut Vec<Fault>) -> Option<Schedule> {
    match entry {
        ScheduleEntry::Text(text) if text == "manual" => Some(Schedule::Manual),
        ScheduleEntry::Text(expression) => cron(expression, None, "schedule", tree, faults),
        ScheduleEntry::Keys(keys) => from_keys(keys, tree, faults),
    }
}

fn from_keys(keys: ScheduleKeys, tree: &Node, faults: &mut Vec<Fault>) -> Option<Schedule> {
    let written = tree.get("schedule")?;
    let has = |key: &str| written.entry(key).is_some();
    let kinds = ["every", "cron", "after"]
        .into_iter()
        .filter(|kind| has(kind))
        .count();
    if kinds != 1 {
        let fault = Fault::error(
            tree.entry("schedule")?.key_span,
            "bad_schedule",
            "`schedule` needs exactly one of `every`, `cron` and `after`",
        );
        faults.push(fault.at("schedule"));
        return None;
    }
    if has("time_zone") && !has("cron") {
        let span = tree.locate("schedule.time_zone");
        faults.push(
            Fault::error(span, "misplaced_key", "`time_zone` belongs to `cron`").at("schedule.time_zone"),
        );
        return None;
    }
    if let Some(Interval(every)) = keys.every {
        if every.is_zero() {
            let span = tree.locate("schedule.every");
            faults.push(Fault::error(span, "bad_schedule", "`every` must not be zero").at("schedule.every"));
            return None;
        }
        return Some(Schedule::Every(every));
    }
    if let Some(expression) = keys.cron {
        return cron(expression, keys.time_zone, "schedule.cron", tree, faults);
    }
    keys.after.map(|after| Schedule::After(after.0))
}

fn cron(
    expression: String,
    time_zone: Option<String>,
    path: &str,
    tree: &Node,
    faults: &mut Vec<Fault>,
) -> Option<Schedule> {
    let before = faults.len();
    if let Err(fault) = check_cron(&expression, path, tree) {
        faults.push(fault);
    }
    if let Some(name) = &time_zone
        && jiff::tz::TimeZone::get(name).is_err()
    {
        let path = "schedule.time_zone";
        let message = format!("there is no time zone {}", quoted(name));
        let known: Vec<String> = jiff::tz::db()
            .available()
            .map(|known| known.to_string())
            .collect();
        let hint = did_you_mean(name, known.iter().map(String::as_str))
            .unwrap_or_else(|| "write an IANA name such as `Europe/Berlin`".into());
        faults.push(
            Fault::error(tree.locate(path), "bad_time_zone", message)
                .hint(hint)
                .at(path),
        );
    }
    (faults.len() == before).then_some(Schedule::Cron {
        expression,
        time_zone,
    })
}

/// A cron expression of five fields, or a word such as `@hourly`.
pub fn parse_cron(expression: &str) -> Result<Cron, CronError> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(expression)
}

fn check_cron(expression: &str, path: &str, tree: &Node) -> Result<(), Fault> {
    let Err(error) = parse_cron(expression) else {
        return Ok(());
    };
    let fault = Fault::error(
        tree.locate(path),
        "bad_cron",
        format!(
            "{} is neither a cron expression nor another schedule",
            quoted(expression)
        ),
    )
    .at(path);
    let words = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];
    let bare = expression.trim_start_matches('@');
    let word = closest(&format!("@{bare}"), words);
    let looks_like_interval = bare
        .strip_prefix("every ")
        .unwrap_or(bare)
        .ends_with(['s', 'm', 'h', 'd'])
        && bare.contains(|char: char| char.is_ascii_digit());
    Err(match word {
        Some(word) => fault.hint(format!("did you mean {}?", quoted(&format!("\"{word}\"")))),
        None if looks_like_interval => fault.hint("an interval is written `schedule: { every: 15m }`"),
        None if expression.split_whitespace().count() != 5 => fault
            .hint("five fields: minute, hour, day of month, month, day of week, such as `\"30 6 * * 1-5\"`"),
        None => fault.hint(format!(
            "the parser says: {}",
            error.to_string().trim_end_matches('.')
        )),
    })
}
