//! Keeps the alarm with what it is judged by, and writes down whom to tell.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use super::alarm::{self, Alarm, Change};
use super::notify;
use super::rhythm::Rhythm;
use super::timetable::Past;
use crate::project::{AlertTarget, SyncSpec, Trouble};
use crate::state::{Alert, Notice, RunStatus, StateError, Store};
use crate::sync::report::RunReport;

/// How often lateness is looked at, milliseconds.
const LOOK_EVERY_MS: i64 = 5_000;

/// See the module.
pub(super) struct Watchman {
    store: Arc<Store>,
    alarm: Alarm,
    watched: Vec<Watched>,
    /// When lateness is looked at next, milliseconds since 1970.
    look_ms: i64,
    news: Arc<Notify>,
}

/// What lateness of a sync is judged by.
pub(super) struct Watched {
    sync: String,
    rhythm: Rhythm,
    late_after_ms: Option<i64>,
    since_ms: i64,
    fresh_ms: Option<i64>,
    paused: bool,
}

impl Watchman {
    /// One who knows what was wrong before.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn new(store: Arc<Store>) -> Result<Self, StateError> {
        let open = store.alerts()?.into_iter().filter_map(|alert| {
            let trouble = Trouble::from_word(&alert.trouble)?;
            Some((alert.sync, trouble, alert.since_ms))
        });
        Ok(Self {
            alarm: Alarm::new(open),
            store,
            watched: Vec::new(),
            look_ms: 0,
            news: Arc::default(),
        })
    }

    /// Notified when there is something to be sent.
    pub(super) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// What a sync is judged by.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn watched(
        &self,
        spec: &SyncSpec,
        rhythm: &Rhythm,
        past: &Past,
    ) -> Result<Watched, StateError> {
        let after = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Ok(Watched {
            sync: spec.name.clone(),
            rhythm: rhythm.clone(),
            late_after_ms: spec.late_after.map(after),
            since_ms: past.since_ms,
            fresh_ms: self
                .store
                .last_completed(&spec.name)?
                .and_then(|run| run.finished_ms),
            paused: past.paused,
        })
    }

    /// Watches these syncs from now on.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn adopt(&mut self, watched: Vec<Watched>) -> Result<(), StateError> {
        let names = watched.iter().map(|one| one.sync.as_str());
        let gone: Vec<Alert> = self
            .alarm
            .retain(&names.collect())
            .into_iter()
            .map(|(sync, trouble)| Alert {
                sync,
                trouble: trouble.word().to_owned(),
                since_ms: 0,
            })
            .collect();
        self.watched = watched;
        if gone.is_empty() {
            return Ok(());
        }
        self.store.change_alerts(&[], &gone, &[])
    }

    /// A sync was paused, or goes on.
    pub(super) fn pause(&mut self, sync: &str, paused: bool) {
        if let Some(one) = self.watched.iter_mut().find(|one| one.sync == sync) {
            one.paused = paused;
        }
    }

    /// A run ended.
    pub(super) fn ended(&mut self, targets: &[AlertTarget], report: &RunReport, now_ms: i64) {
        // What became of some rows says nothing of the others, good or bad.
        if report.keys.is_some() {
            return;
        }
        if matches!(report.status, RunStatus::Ok | RunStatus::Rejects)
            && let Some(one) = self.watched.iter_mut().find(|one| one.sync == report.sync)
        {
            one.fresh_ms = Some(now_ms);
        }
        let changes = self.alarm.ended(report, now_ms);
        self.tell(targets, &changes, now_ms);
    }

    /// Notices which syncs are late, now and then.
    pub(super) fn look(&mut self, targets: &[AlertTarget], now_ms: i64) {
        // A clock that was set back must not put it off.
        if (self.look_ms - LOOK_EVERY_MS..self.look_ms).contains(&now_ms) {
            return;
        }
        self.look_ms = now_ms + LOOK_EVERY_MS;
        let mut changes = Vec::new();
        for one in &self.watched {
            // Whoever paused a sync knows that it does not run.
            let late_ms = if one.paused {
                None
            } else {
                alarm::late_ms(&one.rhythm, one.late_after_ms, one.fresh_ms, one.since_ms)
            };
            changes.extend(self.alarm.watch(&one.sync, one.fresh_ms, late_ms, now_ms));
        }
        self.tell(targets, &changes, now_ms);
    }

    /// Results of these syncs wait for `report_to` to be written.
    pub(super) fn unreported(
        &mut self,
        targets: &[AlertTarget],
        syncs: &BTreeSet<String>,
        reason: &str,
        now_ms: i64,
    ) {
        let changes: Vec<Change> = syncs
            .iter()
            .filter_map(|sync| self.alarm.unreported(sync, reason, now_ms))
            .collect();
        self.tell(targets, &changes, now_ms);
    }

    /// No results wait.
    pub(super) fn reported(&mut self, targets: &[AlertTarget], now_ms: i64) {
        let changes = self.alarm.reported(now_ms);
        self.tell(targets, &changes, now_ms);
    }

    /// Nobody wants results any more.
    pub(super) fn unasked(&mut self, targets: &[AlertTarget], now_ms: i64) {
        let changes = self.alarm.unasked(now_ms);
        self.tell(targets, &changes, now_ms);
    }

    fn tell(&self, targets: &[AlertTarget], changes: &[Change], now_ms: i64) {
        if changes.is_empty() {
            return;
        }
        let (mut opened, mut closed, mut notices) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let alert = Alert {
                sync: change.sync.clone(),
                trouble: change.trouble.word().to_owned(),
                since_ms: change.since_ms,
            };
            if change.recovered {
                closed.push(alert);
            } else {
                opened.push(alert);
            }
            notices.extend(alarm::told(targets, change).map(|target| Notice {
                id: 0,
                target: target.name.clone(),
                text: notify::text(target, change),
                written_ms: now_ms,
            }));
        }
        if let Err(error) = self.store.change_alerts(&opened, &closed, &notices) {
            tracing::error!(%error, "alerts cannot be written down");
        }
        self.news.notify_one();
    }
}
