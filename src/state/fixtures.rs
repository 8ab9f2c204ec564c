//! What the tests of the store share.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use outflow_sdk::destination::{Removed, Ticket};
use outflow_sdk::print::{KeyHash, Print, Printer, bind_to_key};
use tempfile::TempDir;

use super::{
    Access, Attempt, Changes, Identity, Job, JobId, JobRow, Reject, RejectClass, RunId, Store, StoredRow,
    SyncState,
};

/// A store of its own, with one sync.
pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) sync: SyncState,
    pub(super) folder: TempDir,
}

pub(super) fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Access::Write).unwrap();
    let sync = store.ensure_sync("customers", &identity()).unwrap();
    Fixture { store, sync, folder }
}

impl Fixture {
    /// The sync as the store knows it now.
    pub(super) fn state(&self) -> SyncState {
        self.store.sync("customers").unwrap().unwrap()
    }

    pub(super) fn commit(&self, changes: &Changes) -> u64 {
        self.store.commit(self.sync.id, [changes]).unwrap()
    }

    pub(super) fn add(&self, numbers: impl IntoIterator<Item = i128>) {
        self.commit(&rows(
            numbers
                .into_iter()
                .map(|number| row(key(number), print(number, 7))),
        ));
    }
}

pub(super) fn identity() -> Identity {
    Identity {
        key: vec!["customer_id".to_owned()],
        account: String::new(),
        object: "contacts".to_owned(),
        match_fields: vec!["email".to_owned()],
    }
}

/// Keys are spread like those of a model.
pub(super) fn key(number: i128) -> KeyHash {
    Printer::new(1).integer_key(number)
}

/// A row's print as the map stage makes it: bound to its key.
pub(super) fn print(number: i128, version: u64) -> Print {
    bind_to_key(version, key(number)).max(1)
}

pub(super) fn row(key: KeyHash, print: Print) -> StoredRow {
    StoredRow {
        key,
        print,
        layout: 1,
        prints: vec![print, 0, u64::MAX],
        remote: Some("51".into()),
        key_text: None,
        match_text: None,
        applied_ms: 1_700_000_000_000,
        run: 3,
    }
}

pub(super) fn rows(rows: impl IntoIterator<Item = StoredRow>) -> Changes {
    Changes {
        rows: rows.into_iter().collect(),
        ..Changes::default()
    }
}

pub(super) fn reject(key: KeyHash, email: &str) -> Reject {
    Reject {
        key,
        print: 9,
        schema_print: u64::MAX,
        class: RejectClass::Permanent,
        code: "hubspot_invalid_email".to_owned(),
        field: Some("email".to_owned()),
        message: "the e-mail address is not valid".to_owned(),
        key_text: format!("key of {email}"),
        match_text: Some(email.to_owned()),
        attempts: 1,
        first_seen_ms: 10,
        last_seen_ms: 20,
        next_retry_ms: None,
    }
}

pub(super) fn attempt(key: KeyHash, at_ms: i64) -> Attempt {
    Attempt {
        key,
        at_ms,
        run: 3,
        outcome: "rejected".to_owned(),
        code: "hubspot_invalid_email".to_owned(),
        correlation: None,
    }
}

/// A job with a write and a removal, accepted at second 1,000, lost a minute later.
pub(super) fn job(run: RunId, number: u64) -> Job {
    let write = JobRow {
        key: key(1),
        print: u64::MAX,
        removed: None,
        complete: true,
        fields: vec![0, 2],
        prints: vec![u64::MAX, 7],
        remote: None,
        address: Some("51".into()),
        key_text: None,
    };
    let removal = JobRow {
        key: key(2),
        print: 0,
        removed: Some(Removed::Clear),
        complete: false,
        fields: Vec::new(),
        prints: Vec::new(),
        remote: Some("52".into()),
        address: None,
        key_text: Some("2".to_owned()),
    };
    Job {
        id: JobId { run, number },
        ticket: Ticket {
            id: format!("job-{number}"),
            poll_every: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
        },
        replay_safe: number == 1,
        layout: 1,
        schema_print: u64::MAX,
        accepted_ms: 1_000_000,
        rows: vec![write, removal],
    }
}
