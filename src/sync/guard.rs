//! Guards: what must hold before anything is written.

use thiserror::Error;

use outflow_project::{Guards, Share};

/// A guard stopped the run; nothing was sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GuardStop {
    /// Fewer rows than the mapping promises.
    #[error(
        "the model gave {read} rows, fewer than min_rows: {least}; check the model, or lower guards.min_rows"
    )]
    TooFewRows {
        /// Rows read.
        read: u64,
        /// The guard.
        least: u64,
    },
    /// An empty model would remove everything.
    #[error(
        "the model gave no rows while {known} records are known, so nothing is removed; check the model, or run `outflow state reset` if it is meant"
    )]
    Empty {
        /// Records in the state.
        known: u64,
    },
    /// Too many removals at once.
    #[error("{}", too_many(*removed, *before, *known, guard))]
    TooManyRemoved {
        /// Removals planned.
        removed: u64,
        /// Removals by runs of some keys since the last run of the whole model.
        before: u64,
        /// Records in the state.
        known: u64,
        /// The guard as people write it.
        guard: String,
    },
    /// `key:` is not what the state was built with.
    #[error(
        "key is now {now}, but the state was built with {before}; put it back, or run `outflow state reset {sync}` to start anew"
    )]
    KeyChanged {
        /// Sync name.
        sync: String,
        /// Columns of the state.
        before: String,
        /// Columns of the mapping.
        now: String,
    },
    /// The destination is not the one the state describes.
    #[error(
        "the state describes {before}, but the mapping now leads to {now}; put it back, or run `outflow state reset {sync}` to start anew there"
    )]
    TargetChanged {
        /// Sync name.
        sync: String,
        /// Account and object of the state.
        before: String,
        /// Account and object of the mapping.
        now: String,
    },
}

impl GuardStop {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            GuardStop::TooFewRows { .. } => "too_few_rows",
            GuardStop::Empty { .. } => "empty_model",
            GuardStop::TooManyRemoved { .. } => "too_many_removed",
            GuardStop::KeyChanged { .. } => "key_changed",
            GuardStop::TargetChanged { .. } => "target_changed",
        }
    }
}

fn too_many(removed: u64, before: u64, known: u64, guard: &str) -> String {
    let what = format!("{removed} of {known} records would be removed");
    match before {
        0 => format!(
            "{what}, over the guard ({guard}); check the model, or raise guards.max_removed for one run"
        ),
        _ => format!(
            "{what}, after {before} that runs of some keys removed since the last run of the whole model: together \
             over the guard ({guard}); check the model and run it as a whole, or raise guards.max_removed for one run"
        ),
    }
}

/// Removals allowed without a guard in the mapping: both must be exceeded to stop.
const DEFAULT_ROWS: u64 = 100;
const DEFAULT_PERCENT: f64 = 5.0;

/// Checks a whole plan. Many runs of some keys must not remove together what one run may not, so a run of
/// some keys counts those `before` it.
///
/// # Errors
/// The first guard that does not hold.
pub fn check(
    guards: &Guards,
    read: u64,
    known: u64,
    removed: u64,
    forgotten: u64,
    before: u64,
) -> Result<(), GuardStop> {
    if let Some(least) = guards.min_rows
        && read < least
    {
        return Err(GuardStop::TooFewRows { read, least });
    }
    if read == 0 && removed + forgotten > 0 {
        return Err(GuardStop::Empty { known });
    }
    if removed == 0 {
        return Ok(());
    }
    let (all, of) = (removed + before, known + before);
    let percent = all as f64 * 100.0 / of.max(1) as f64;
    let (stop, guard) = match &guards.max_removed {
        None => (
            all > DEFAULT_ROWS && percent > DEFAULT_PERCENT,
            format!("{DEFAULT_ROWS} rows and {DEFAULT_PERCENT}%"),
        ),
        Some(Share::Rows(rows)) => (all > *rows, format!("max_removed: {rows}")),
        Some(Share::Percent(most)) => (percent > *most, format!("max_removed: {most}%")),
    };
    if stop {
        Err(GuardStop::TooManyRemoved {
            removed,
            before,
            known,
            guard,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn by_default_both_limits_must_be_exceeded() {
        let guards = Guards::default();
        assert!(
            check(&guards, 900, 1_000, 100, 0, 0).is_ok(),
            "100 rows are allowed whatever their share"
        );
        assert!(
            check(&guards, 9_899, 10_000, 101, 0, 0).is_ok(),
            "1 % is allowed whatever its number"
        );
        assert!(check(&guards, 800, 1_000, 101, 0, 0).is_err());
    }

    #[test]
    fn an_explicit_guard_is_taken_as_it_is() {
        let percent = Guards {
            max_removed: Some(Share::Percent(5.0)),
            ..Guards::default()
        };
        assert!(check(&percent, 90, 100, 5, 0, 0).is_ok());
        assert!(check(&percent, 90, 100, 6, 0, 0).is_err());
        let rows = Guards {
            max_removed: Some(Share::Rows(3)),
            ..Guards::default()
        };
        assert!(check(&rows, 90, 100, 4, 0, 0).is_err());
    }

    #[test]
    fn what_runs_of_some_keys_removed_before_counts_and_the_share_is_of_what_there_was() {
        let percent = Guards {
            max_removed: Some(Share::Percent(5.0)),
            ..Guards::default()
        };
        assert!(check(&percent, 1, 96, 1, 0, 4).is_ok(), "5 of 100");
        let stop = check(&percent, 1, 95, 1, 0, 5).unwrap_err();
        assert_eq!(
            stop.to_string(),
            "1 of 95 records would be removed, after 5 that runs of some keys removed since the last run of the \
             whole model: together over the guard (max_removed: 5%); check the model and run it as a whole, or raise \
             guards.max_removed for one run"
        );
        assert!(check(&percent, 1, 95, 0, 0, 50).is_ok(), "nothing is removed now");
        assert!(check(&Guards::default(), 1, 900, 1, 0, 99).is_ok(), "100 in all");
        assert!(check(&Guards::default(), 1, 900, 1, 0, 100).is_err());
    }

    #[test]
    fn an_empty_model_removes_nothing_and_few_rows_stop() {
        assert_eq!(
            check(&Guards::default(), 0, 10, 10, 0, 0),
            Err(GuardStop::Empty { known: 10 })
        );
        assert!(
            check(&Guards::default(), 0, 10, 0, 0, 0).is_ok(),
            "nothing to remove, nothing to guard"
        );
        let guards = Guards {
            min_rows: Some(5),
            ..Guards::default()
        };
        assert_eq!(
            check(&guards, 4, 0, 0, 0, 0),
            Err(GuardStop::TooFewRows { read: 4, least: 5 })
        );
    }
}
