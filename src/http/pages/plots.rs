//! Small plots of a sync's runs as the geometry of an SVG.

use serde::Serialize;

use super::when::took;
use crate::state::{RunRecord, RunStatus};
use outflow_sdk::numbers::count;

/// Size of a plot, in its own units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 64.0;

/// Fewer runs than this do not fill a plot: bars stay narrow.
const LEAST_SLOTS: usize = 24;

/// Something too small to be seen is drawn so high.
const LEAST: f64 = 2.0;

/// A plot.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Plot {
    title: &'static str,
    /// The newest value.
    now: String,
    /// The largest value.
    peak: String,
    width: f64,
    height: f64,
    bars: Vec<Bar>,
    /// An area under a line, as the data of an SVG path.
    area: Option<String>,
}

/// One part of a bar.
#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: &'static str,
    title: String,
}

/// The plots of `runs`, the newest of which comes first.
pub(super) fn plots(runs: &[RunRecord], now_ms: i64) -> Vec<Plot> {
    let ended: Vec<&RunRecord> = runs
        .iter()
        .rev()
        .filter(|run| run.status != RunStatus::Running)
        .collect();
    if ended.is_empty() {
        return Vec::new();
    }
    [
        Some(rows(&ended)),
        Some(durations(&ended)),
        freshness(&ended, now_ms),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn rows(runs: &[&RunRecord]) -> Plot {
    let changed = |run: &RunRecord| run.tally.created + run.tally.updated + run.tally.removed;
    let parts = |run: &RunRecord| [(changed(run), "bar"), (run.tally.rejected, "bar bad")];
    let title = |run: &RunRecord| {
        format!(
            "run {}: {} changed, {} rejected",
            run.id,
            changed(run),
            run.tally.rejected
        )
    };
    let most = runs.iter().map(|run| changed(run) + run.tally.rejected).max();
    Plot {
        title: "Records changed",
        now: count(runs.last().map_or(0, |run| changed(run))),
        peak: count(most.unwrap_or(0)),
        width: WIDTH,
        height: HEIGHT,
        bars: bars(runs, most.unwrap_or(0), parts, title),
        area: None,
    }
}

fn durations(runs: &[&RunRecord]) -> Plot {
    let ms = |run: &RunRecord| {
        let ended = run.finished_ms.unwrap_or(run.started_ms);
        ended.saturating_sub(run.started_ms).max(0).unsigned_abs()
    };
    let class = |run: &RunRecord| match run.status {
        RunStatus::Failed | RunStatus::Guarded => "bar bad",
        _ => "bar",
    };
    let words = |ms: u64| took(i64::try_from(ms).unwrap_or(i64::MAX));
    let most = runs.iter().map(|run| ms(run)).max().unwrap_or(0);
    Plot {
        title: "Time a run takes",
        now: words(runs.last().map_or(0, |run| ms(run))),
        peak: words(most),
        width: WIDTH,
        height: HEIGHT,
        bars: bars(
            runs,
            most,
            |run| [(ms(run), class(run))],
            |run| format!("run {}: {}", run.id, words(ms(run))),
        ),
        area: None,
    }
}

/// A bar for each run, of parts that stand on each other.
fn bars<const PARTS: usize>(
    runs: &[&RunRecord],
    most: u64,
    parts: impl Fn(&RunRecord) -> [(u64, &'static str); PARTS],
    title: impl Fn(&RunRecord) -> String,
) -> Vec<Bar> {
    let slot = WIDTH / runs.len().max(LEAST_SLOTS) as f64;
    let mut bars = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let mut base = HEIGHT;
        for (value, class) in parts(run) {
            if value == 0 {
                continue;
            }
            let height = (HEIGHT * value as f64 / most.max(1) as f64).max(LEAST);
            base = (base - height).max(0.0);
            bars.push(Bar {
                x: round(at as f64 * slot),
                y: round(base),
                width: round(slot * 0.75),
                height: round(height),
                class,
                title: title(run),
            });
        }
    }
    bars
}

/// The age of what the destination has, from the first run that went through until now: it grows with
/// time, and a run that goes through brings it down.
fn freshness(runs: &[&RunRecord], now_ms: i64) -> Option<Plot> {
    let through = |run: &&&RunRecord| matches!(run.status, RunStatus::Ok | RunStatus::Rejects);
    let times: Vec<i64> = runs
        .iter()
        .filter(through)
        .filter_map(|run| run.finished_ms)
        .filter(|at| *at <= now_ms)
        .collect();
    let (first, last) = (*times.first()?, *times.last()?);
    let ages = times.windows(2).map(|pair| pair[1] - pair[0]);
    let oldest = ages.chain([now_ms - last]).max()?.max(1);
    let x = |at: i64| round(WIDTH * (at - first) as f64 / (now_ms - first).max(1) as f64);
    let y = |age: i64| round(HEIGHT - (HEIGHT - 1.0) * age as f64 / oldest as f64);
    let mut path = format!("M0 {HEIGHT}");
    let mut before = first;
    for at in times.iter().skip(1).chain([&now_ms]) {
        path.push_str(&format!("L{} {}L{} {HEIGHT}", x(*at), y(at - before), x(*at)));
        before = *at;
    }
    path.push('Z');
    Some(Plot {
        title: "Age of the data",
        now: took(now_ms - last),
        peak: took(oldest),
        width: WIDTH,
        height: HEIGHT,
        bars: Vec::new(),
        area: Some(path),
    })
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::state::{RunDetail, Tally};

    fn run(id: i64, finished_ms: i64, status: RunStatus, updated: u64) -> RunRecord {
        RunRecord {
            id,
            sync: "customers".into(),
            started_ms: finished_ms - 1_000,
            finished_ms: Some(finished_ms),
            status,
            tally: Tally {
                updated,
                rejected: u64::from(status == RunStatus::Rejects),
                ..Tally::default()
            },
            error: None,
            keys: None,
            detail: RunDetail::default(),
        }
    }

    #[test]
    fn every_run_has_its_bar_and_small_ones_are_seen() {
        let runs = [
            run(2, 9_000, RunStatus::Rejects, 1),
            run(1, 5_000, RunStatus::Ok, 10_000),
        ];
        let plots = plots(&runs, 10_000);
        let bars: Vec<(f64, f64, f64, &str)> = plots[0]
            .bars
            .iter()
            .map(|bar| (bar.x, bar.y, bar.height, bar.class))
            .collect();
        assert_eq!(
            bars,
            [
                (0.0, 0.0, 64.0, "bar"),
                (12.5, 62.0, 2.0, "bar"),
                (12.5, 60.0, 2.0, "bar bad")
            ]
        );
        assert_eq!((plots[0].now.as_str(), plots[0].peak.as_str()), ("1", "10,000"));
        assert_eq!(plots[1].bars.len(), 2);
    }

    #[test]
    fn the_age_grows_until_a_run_goes_through() {
        let runs = [
            run(4, 10_000, RunStatus::Ok, 0),
            run(3, 8_000, RunStatus::Failed, 0),
            run(2, 4_000, RunStatus::Ok, 0),
            run(1, 2_000, RunStatus::Ok, 0),
        ];
        let plots = plots(&runs, 12_000);
        let age = &plots[2];
        assert_eq!((age.now.as_str(), age.peak.as_str()), ("2.0 s", "6.0 s"));
        assert_eq!(
            age.area.as_deref(),
            Some("M0 64L60 43L60 64L240 1L240 64L300 43L300 64Z")
        );
    }

    #[test]
    fn without_runs_there_are_no_plots_and_without_success_no_age() {
        assert!(plots(&[], 5).is_empty());
        assert_eq!(plots(&[run(1, 2_000, RunStatus::Failed, 0)], 9_000).len(), 2);
    }
}
