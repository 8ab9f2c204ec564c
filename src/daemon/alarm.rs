//! What is wrong with each sync: one message when something goes wrong, one when it is well again.
//!
//! A run that went through ends every trouble of runs; one that failed, was refused its credentials or
//! was stopped by a guard begins the trouble of that name and ends the others. A run without an ending of
//! its own (deferred, cancelled) changes nothing. A sync is *late* when no run has gone through by some
//! time after it was due: half an interval, at least five minutes and at most an hour; or by the
//! mapping's own `late_after`. That is looked at by the clock, so it is noticed even if nothing runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::rhythm::Rhythm;
use crate::documents::time::{iso, moment};
use crate::project::{AlertTarget, Trouble};
use crate::state::RunStatus;
use crate::sync::error::Exit;
use crate::sync::report::RunReport;

/// Bounds of the time a sync may be behind.
const LEAST_BEHIND_MS: i64 = 300_000;
const MOST_BEHIND_MS: i64 = 3_600_000;

/// A change of state, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// The sync.
    pub(super) sync: String,
    /// What is or was wrong.
    pub(super) trouble: Trouble,
    /// Whether it is over.
    pub(super) recovered: bool,
    /// Since when it was wrong.
    since: Option<String>,
    /// When it changed.
    at: Option<String>,
    /// Stable code, where there is one.
    code: Option<String>,
    /// It is over because it does not matter any more, not because it is well.
    #[serde(skip)]
    moot: bool,
    /// What is wrong, and what to do.
    message: String,
    #[serde(skip)]
    pub(super) since_ms: i64,
}

impl Change {
    /// One line for people.
    pub(super) fn line(&self) -> String {
        let what = match (self.trouble, self.recovered) {
            (Trouble::Late, false) => "is late",
            (Trouble::Late, true) => "is up to date again",
            (Trouble::Guarded, false) => "was stopped by a guard",
            (Trouble::Credentials, false) => "was refused its credentials",
            (Trouble::Failed, false) => "failed",
            (Trouble::Unreported, false) => "has results that could not be written to `report_to`",
            (Trouble::Unreported, true) if self.moot => "is not reported any more",
            (Trouble::Unreported, true) => "is reported again",
            (_, true) => "has recovered",
        };
        format!("Outflow: sync {} {what}. {}", self.sync, self.message)
    }
}

/// Everything that is wrong, by sync, with since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm {
    open: BTreeMap<(String, Trouble), i64>,
}

impl Alarm {
    /// What was wrong before.
    pub(super) fn new(open: impl IntoIterator<Item = (String, Trouble, i64)>) -> Self {
        let open = open
            .into_iter()
            .map(|(sync, trouble, since)| ((sync, trouble), since));
        Self { open: open.collect() }
    }

    /// A run ended.
    pub(super) fn ended(&mut self, report: &RunReport, now_ms: i64) -> Vec<Change> {
        let now = match report.status {
            RunStatus::Ok | RunStatus::Rejects => None,
            RunStatus::Guarded => Some(Trouble::Guarded),
            RunStatus::Failed if report.exit() == Exit::Credentials => Some(Trouble::Credentials),
            RunStatus::Failed => Some(Trouble::Failed),
            RunStatus::Running | RunStatus::Deferred => return Vec::new(),
        };
        let mut changes = Vec::new();
        for trouble in [Trouble::Failed, Trouble::Credentials, Trouble::Guarded] {
            if now != Some(trouble) {
                changes.extend(self.close(&report.sync, trouble, now_ms));
            }
        }
        // A run that went through is as fresh as it gets.
        if now.is_none() {
            changes.extend(self.close(&report.sync, Trouble::Late, now_ms));
        }
        if let (Some(trouble), Some(error)) = (now, &report.error) {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = format!("run {}: {error}{hint}", report.run_id);
            let code = Some(error.code().to_owned());
            changes.extend(self.open(&report.sync, trouble, code, message, now_ms));
        }
        changes
    }

    /// Looks at a sync by the clock; `late_ms` is when it is late, if nothing goes through until then.
    pub(super) fn watch(
        &mut self,
        sync: &str,
        fresh_ms: Option<i64>,
        late_ms: Option<i64>,
        now_ms: i64,
    ) -> Option<Change> {
        match late_ms {
            Some(at) if now_ms >= at => {
                let message = match fresh_ms {
                    Some(fresh) => format!("No run has gone through since {}", moment(fresh)),
                    None => "No run has gone through yet".into(),
                };
                self.open(sync, Trouble::Late, None, message, now_ms)
            }
            _ => self.close(sync, Trouble::Late, now_ms),
        }
    }

    /// The results of a sync's run could not be written to `report_to`.
    pub(super) fn unreported(&mut self, sync: &str, reason: &str, now_ms: i64) -> Option<Change> {
        let message = format!("{reason}; they wait, and the next run writes them too");
        self.open(sync, Trouble::Unreported, None, message, now_ms)
    }

    /// Nobody wants results any more: `report_to` is not set.
    pub(super) fn unasked(&mut self, now_ms: i64) -> Vec<Change> {
        let mut changes = self.reported(now_ms);
        for change in &mut changes {
            change.moot = true;
            change.message = format!("`report_to` is not set any more. {}", change.message);
        }
        changes
    }

    /// All results are where they belong.
    pub(super) fn reported(&mut self, now_ms: i64) -> Vec<Change> {
        let waiting = self
            .open
            .keys()
            .filter(|(_, trouble)| *trouble == Trouble::Unreported);
        let syncs: Vec<String> = waiting.map(|(sync, _)| sync.clone()).collect();
        let over = syncs
            .iter()
            .map(|sync| self.close(sync, Trouble::Unreported, now_ms));
        over.flatten().collect()
    }

    /// Forgets syncs that are gone; nobody is told.
    pub(super) fn retain(&mut self, syncs: &BTreeSet<&str>) -> Vec<(String, Trouble)> {
        let gone: Vec<(String, Trouble)> = self
            .open
            .keys()
            .filter(|(sync, _)| !syncs.contains(sync.as_str()))
            .cloned()
            .collect();
        for key in &gone {
            self.open.remove(key);
        }
        gone
    }

    fn open(
        &mut self,
        sync: &str,
        trouble: Trouble,
        code: Option<String>,
        message: String,
        now_ms: i64,
    ) -> Option<Change> {
        let key = (sync.to_owned(), trouble);
        if self.open.contains_key(&key) {
            return None;
        }
        self.open.insert(key, now_ms);
        Some(Change {
            sync: sync.to_owned(),
            trouble,
            recovered: false,
            since: iso(now_ms),
            at: iso(now_ms),
            code,
            moot: false,
            message,
            since_ms: now_ms,
        })
    }

    fn close(&mut self, sync: &str, trouble: Trouble, now_ms: i64) -> Option<Change> {
        let since_ms = self.open.remove(&(sync.to_owned(), trouble))?;
        Some(Change {
            sync: sync.to_owned(),
            trouble,
            recovered: true,
            since: iso(since_ms),
            at: iso(now_ms),
            code: None,
            moot: false,
            message: format!("It was {} since {}", trouble.word(), moment(since_ms)),
            since_ms,
        })
    }
}

/// When a sync is late that last went through at `fresh_ms` (or has not since `since_ms`).
pub(super) fn late_ms(
    rhythm: &Rhythm,
    late_after_ms: Option<i64>,
    fresh_ms: Option<i64>,
    since_ms: i64,
) -> Option<i64> {
    let base_ms = fresh_ms.map_or(since_ms, |fresh| fresh.max(since_ms));
    if let Some(after) = late_after_ms {
        return Some(base_ms.saturating_add(after));
    }
    let due_ms = rhythm.due_ms(Some(base_ms), since_ms)?;
    let next_ms = rhythm.due_ms(Some(due_ms), since_ms).unwrap_or(due_ms);
    let behind = ((next_ms - due_ms) / 2).clamp(LEAST_BEHIND_MS, MOST_BEHIND_MS);
    Some(due_ms.saturating_add(behind))
}

/// Who is told of a change.
pub(super) fn told<'t>(targets: &'t [AlertTarget], change: &Change) -> impl Iterator<Item = &'t AlertTarget> {
    let (sync, trouble) = (change.sync.clone(), change.trouble);
    targets.iter().filter(move |target| target.wants(&sync, trouble))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use outflow_sdk::{ConnectorError, ErrorKind};

    use super::*;
    use crate::deliver::Slowest;
    use crate::project::Schedule;
    use crate::state::Tally;
    use crate::sync::error::RunError;

    fn report(status: RunStatus, error: Option<RunError>) -> RunReport {
        RunReport {
            sync: "customers".into(),
            run_id: 7,
            status,
            keys: None,
            tally: Tally::default(),
            removals: 0,
            duration: Duration::ZERO,
            limiter_wait: Duration::ZERO,
            retries: 0,
            slowest: Slowest::default(),
            resumes_in: None,
            error,
            duplicate_keys: Vec::new(),
            null_key_rows: Vec::new(),
        }
    }

    fn failed(kind: ErrorKind, code: &'static str) -> RunReport {
        let error = ConnectorError::new(kind, code, "it did not work").with_hint("look at it");
        report(RunStatus::Failed, Some(RunError::Destination(error)))
    }

    fn told(changes: &[Change]) -> Vec<(Trouble, bool)> {
        changes
            .iter()
            .map(|change| (change.trouble, change.recovered))
            .collect()
    }

    #[test]
    fn there_is_one_message_for_each_change_of_state() {
        let mut alarm = Alarm::default();
        let transient = || failed(ErrorKind::Transient { after: None }, "unreachable");
        let auth = || failed(ErrorKind::Auth, "unauthorized");
        let ok = || report(RunStatus::Ok, None);
        assert!(alarm.ended(&ok(), 0).is_empty());
        let first = alarm.ended(&transient(), 1);
        assert_eq!(told(&first), [(Trouble::Failed, false)]);
        assert_eq!(
            first[0].line(),
            "Outflow: sync customers failed. run 7: it did not work; look at it"
        );
        assert!(alarm.ended(&transient(), 2).is_empty(), "it still fails");
        assert_eq!(
            told(&alarm.ended(&auth(), 3)),
            [(Trouble::Failed, true), (Trouble::Credentials, false)]
        );
        assert!(alarm.ended(&report(RunStatus::Deferred, None), 4).is_empty());
        let over = alarm.ended(&report(RunStatus::Rejects, None), 5);
        assert_eq!(told(&over), [(Trouble::Credentials, true)]);
        assert_eq!(over[0].since_ms, 3);
        assert!(alarm.ended(&ok(), 6).is_empty());
    }

    #[test]
    fn a_sync_that_does_not_run_at_all_is_late_once() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.watch("customers", Some(0), Some(100), 99), None);
        let late = alarm.watch("customers", Some(0), Some(100), 100).unwrap();
        assert!(
            late.line()
                .contains("is late. No run has gone through since 1970-01-01"),
            "{}",
            late.line()
        );
        assert_eq!(alarm.watch("customers", Some(0), Some(100), 200), None);
        let over = alarm.ended(&report(RunStatus::Ok, None), 300);
        assert_eq!(told(&over), [(Trouble::Late, true)]);
        assert_eq!(alarm.watch("customers", Some(300), Some(400), 301), None);
    }

    #[test]
    fn results_that_wait_are_told_once_and_so_is_their_delivery() {
        let mut alarm = Alarm::default();
        let change = alarm
            .unreported("customers", "/reports cannot be written: no space", 1)
            .unwrap();
        assert_eq!(
            change.line(),
            "Outflow: sync customers has results that could not be written to `report_to`. \
             /reports cannot be written: no space; they wait, and the next run writes them too"
        );
        assert_eq!(alarm.unreported("customers", "/reports", 2), None);
        assert!(
            alarm.ended(&report(RunStatus::Ok, None), 3).is_empty(),
            "the run is another matter"
        );
        assert_eq!(told(&alarm.reported(4)), [(Trouble::Unreported, true)]);
        assert!(alarm.reported(5).is_empty());
    }

    #[test]
    fn results_that_nobody_wants_any_more_are_no_trouble() {
        let mut alarm = Alarm::default();
        assert!(
            alarm
                .unreported("customers", "/reports cannot be written", 1)
                .is_some()
        );
        let changes = alarm.unasked(2);
        assert_eq!(told(&changes), [(Trouble::Unreported, true)]);
        assert_eq!(
            changes[0].line(),
            "Outflow: sync customers is not reported any more. `report_to` is not set any more. \
             It was unreported since 1970-01-01 00:00:00Z"
        );
        assert!(alarm.unasked(3).is_empty());
    }

    #[test]
    fn late_is_some_time_after_the_next_time_or_as_the_mapping_says() {
        const HOUR: i64 = 3_600_000;
        let hourly = Schedule::Cron {
            expression: "@hourly".into(),
            time_zone: None,
        };
        let hourly = Rhythm::new("customers", &hourly).unwrap();
        let late = late_ms(&hourly, None, Some(10 * HOUR + 60_000), 0).unwrap();
        assert!(
            (11 * HOUR + HOUR / 2..11 * HOUR + HOUR / 2 + 60_000).contains(&late),
            "{late}"
        );
        let often = Rhythm::new("customers", &Schedule::Every(Duration::from_secs(2))).unwrap();
        assert_eq!(
            late_ms(&often, None, Some(1_000), 0),
            Some(3_000 + LEAST_BEHIND_MS)
        );
        assert_eq!(late_ms(&often, Some(HOUR), Some(1_000), 0), Some(HOUR + 1_000));
        assert_eq!(late_ms(&Rhythm::Asked, None, Some(1_000), 0), None);
        assert_eq!(late_ms(&Rhythm::Asked, Some(HOUR), None, 500), Some(HOUR + 500));
    }

    #[test]
    fn what_was_wrong_before_a_restart_is_not_told_again() {
        let mut alarm = Alarm::new([("customers".to_owned(), Trouble::Failed, 5)]);
        let again = failed(ErrorKind::Transient { after: None }, "unreachable");
        assert!(alarm.ended(&again, 10).is_empty());
        assert_eq!(alarm.ended(&report(RunStatus::Ok, None), 11)[0].since_ms, 5);
        let mut gone = Alarm::new([("customers".to_owned(), Trouble::Late, 5)]);
        assert_eq!(
            gone.retain(&BTreeSet::new()),
            [("customers".to_owned(), Trouble::Late)]
        );
    }
}
