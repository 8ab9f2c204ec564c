//! Progress bars on stderr, when a person watches.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::logging::bars;
use super::output::{count, span};
use crate::deliver::Waiting;
use crate::sync::progress::{Progress, Silent};

/// Bars when stderr is a terminal, else nothing.
pub(crate) fn progress() -> Arc<dyn Progress> {
    if std::io::stderr().is_terminal() {
        Arc::new(Bars::default())
    } else {
        Arc::new(Silent)
    }
}

/// One bar per sync.
#[derive(Default)]
struct Bars {
    syncs: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn with(&self, sync: &str, act: impl FnOnce(&ProgressBar)) {
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = syncs.entry(sync.to_owned()).or_insert_with(|| {
            let bar = bars().add(ProgressBar::new_spinner());
            bar.set_prefix(sync.to_owned());
            bar.set_style(style("{spinner} {prefix}: {msg}", ProgressStyle::default_spinner));
            bar
        });
        act(bar);
    }
}

impl Progress for Bars {
    fn read(&self, sync: &str, rows: u64) {
        self.with(sync, |bar| {
            bar.set_message(format!("reading the model, {} rows", count(rows)));
            bar.tick();
        });
    }

    fn planned(&self, sync: &str, operations: u64) {
        self.with(sync, |bar| {
            bar.set_length(operations);
            bar.set_position(0);
            bar.set_message("");
            bar.set_style(style(
                "{prefix}: {bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left {msg}",
                ProgressStyle::default_bar,
            ));
        });
    }

    fn settled(&self, sync: &str, operations: u64) {
        self.with(sync, |bar| {
            bar.set_message("");
            bar.inc(operations);
        });
    }

    fn waiting(&self, sync: &str, why: Waiting, at_most: Option<Duration>) {
        let reason = match why {
            Waiting::Window => return,
            Waiting::Throttled => "asked to slow down",
            Waiting::Outage => "the destination does not answer",
            Waiting::Job => "the destination works on a job of an earlier run",
        };
        let time = at_most
            .map(|time| format!(", waiting {}", span(time)))
            .unwrap_or_default();
        self.with(sync, |bar| bar.set_message(format!("{reason}{time}")));
    }

    fn done(&self, sync: &str) {
        let mut syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = syncs.remove(sync) {
            bar.finish_and_clear();
            bars().remove(&bar);
        }
    }
}

fn style(template: &str, otherwise: fn() -> ProgressStyle) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| otherwise())
}
