//! What a test arranges and looks at without the API.

use std::time::Duration;

use super::Twin;
use super::account::{Account, FiredEvent};
use super::extension::{Column, Extension};
use super::subscribers::{Subscriber, SubscriberStatus};

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

/// Puts a person into All Subscribers, in place of whoever had the key.
pub(super) fn put_subscriber(account: &Account, subscriber: Subscriber) {
    let mut state = account.state();
    let key = &subscriber.key;
    state
        .subscribers
        .retain(|known| !known.key.eq_ignore_ascii_case(key));
    state.subscribers.push(subscriber);
}

impl Twin {
    /// Puts a person into All Subscribers, in place of whoever had the key.
    pub fn put_subscriber(&self, key: &str, email: &str, status: SubscriberStatus) {
        let (key, email) = (key.to_owned(), email.to_owned());
        put_subscriber(&self.account, Subscriber { key, email, status });
    }

    /// What All Subscribers says of a person; none when it does not have them.
    pub fn subscriber(&self, key: &str) -> Option<Subscriber> {
        let state = self.account.state();
        let mut all = state.subscribers.iter();
        all.find(|one| one.key.eq_ignore_ascii_case(key)).cloned()
    }

    /// Keys of contacts that were asked to be deleted, each once, in the order of the first time.
    pub fn deleted_contacts(&self) -> Vec<String> {
        self.account.state().deleted_contacts.clone()
    }

    /// Makes a data extension of the first business unit sendable: `column` leads to what subscribers
    /// have in `subscriber` (`_SubscriberKey` or `_EmailAddress`).
    pub fn make_sendable(&self, key: &str, column: &str, subscriber: &str) {
        let unit = self.account.options.account_id;
        if let Some(extension) = self.account.state().extension(unit, key) {
            extension.sendable = Some((column.to_owned(), subscriber.to_owned()));
        }
    }

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
        self.account.desk.advance(by);
    }
}
