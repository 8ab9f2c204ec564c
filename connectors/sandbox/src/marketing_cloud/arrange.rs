//! What a test arranges and looks at without the API.

use std::time::Duration;

use super::Twin;
use super::account::{Account, FiredEvent};
use super::extension::{Column, Extension};

/// Adds a data extension to the first business unit; one under the same key is replaced.
pub(super) fn define(account: &Account, key: &str, columns: Vec<Column>) {
    let mut state = account.state();
    let id = state.uuid();
    let unit = account.options.account_id;
    state
        .extensions
        .retain(|known| !known.key.eq_ignore_ascii_case(key) || known.account != unit);
    state.extensions.push(Extension::new(id, key, key, unit, columns));
}

impl Twin {
    /// Adds a data extension to the first business unit; one under the same key is replaced.
    pub fn define(&self, key: &str, columns: Vec<Column>) {
        define(&self.account, key, columns);
    }

    /// Adds the entry source of a journey.
    pub fn define_entry_source(&self, key: &str) {
        self.account.state().entry_sources.push(key.to_owned());
    }

    /// Takes a column away, with all its values.
    pub fn drop_column(&self, key: &str, name: &str) {
        let unit = self.account.options.account_id;
        if let Some(extension) = self.account.state().extension(unit, key) {
            extension.drop_column(name);
        }
    }

    /// Rows of a data extension.
    pub fn count(&self, key: &str) -> usize {
        let unit = self.account.options.account_id;
        self.account
            .state()
            .extension(unit, key)
            .map_or(0, |extension| extension.count())
    }

    /// A value as reads show it; none when there is no such row or column.
    pub fn value(&self, key: &str, row: &[(&str, &str)], column: &str) -> Option<String> {
        let unit = self.account.options.account_id;
        let mut state = self.account.state();
        let cells = state.extension(unit, key)?.row(row)?;
        cells
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(column))
            .map(|(_, value)| value)
    }

    /// Entry events so far, oldest first.
    pub fn events(&self) -> Vec<FiredEvent> {
        self.account.state().events.clone()
    }

    /// Tokens given so far.
    pub fn tokens_given(&self) -> u64 {
        self.account.state().tokens_given
    }

    /// Jobs accepted so far.
    pub fn jobs(&self) -> usize {
        self.account.state().job_count()
    }

    /// Moves the twin's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.account.clock.advance(by);
    }
}
