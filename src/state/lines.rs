//! The state as lines of JSON: a copy to keep, to move, to read.
//!
//! The first line is the header, the last one counts the lines, so that a cut-off file is noticed:
//!
//! ```text
//! {"header":{"format":1,"schema":2,"encoding":1,"seed":"00c0…"}}
//! {"layout":{"id":1,"fields":["email","firstname"]}}
//! {"sync":{"id":1,"name":"customers","identity":{…},"generation":7,"adopt":false}}
//! {"row":{"sync":1,"key":"<32 hex digits>","print":"<16>","layout":1,"prints":"<16 for each field>",…}}
//! {"reject":{"sync":1,"key":"…",…}}  {"attempt":{…}}  {"job":{…}}  {"run":{…}}  {"note":{"name":"…","value":"…"}}
//! {"end":{"lines":1234}}
//! ```
//!
//! The header holds the project's secret, and rejects hold keys and match values: an export is to be
//! kept like the state itself.

use compact_str::CompactString;
use outflow_sdk::destination::Ticket;
use outflow_sdk::print::{KeyHash, Print};
use serde::{Deserialize, Serialize};

use super::jobs::{Job, JobRowLine};
use super::{
    Attempt, Identity, Reject, RejectClass, RunDetail, RunId, RunRecord, RunStatus, StoredRow, SyncId, Tally,
};

/// Version of the lines.
pub(super) const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    Header {
        format: u32,
        schema: i64,
        encoding: u32,
        seed: Hex,
    },
    Layout {
        id: u32,
        fields: Vec<String>,
    },
    Sync {
        id: SyncId,
        name: String,
        identity: Option<Identity>,
        generation: u64,
        adopt: bool,
    },
    Row(RowLine),
    Reject(RejectLine),
    Attempt {
        sync: SyncId,
        key: Hex,
        at_ms: i64,
        run: RunId,
        outcome: String,
        code: String,
        correlation: Option<String>,
    },
    Job {
        sync: SyncId,
        run: RunId,
        number: u64,
        ticket: Ticket,
        replay_safe: bool,
        layout: u32,
        schema_print: Hex,
        accepted_ms: i64,
        rows: Vec<JobRowLine>,
    },
    Run {
        id: RunId,
        sync: String,
        started_ms: i64,
        finished_ms: Option<i64>,
        status: RunStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keys: Option<u64>,
        tally: Tally,
        error: Option<(String, String)>,
        #[serde(default)]
        detail: RunDetail,
    },
    Note {
        name: String,
        value: String,
    },
    End {
        lines: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowLine {
    pub(super) sync: SyncId,
    key: Hex,
    print: Hex,
    layout: u32,
    prints: String,
    remote: Option<CompactString>,
    key_text: Option<String>,
    match_text: Option<String>,
    applied_ms: i64,
    run: RunId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectLine {
    pub(super) sync: SyncId,
    key: Hex,
    print: Hex,
    schema_print: Hex,
    class: RejectClass,
    code: String,
    field: Option<String>,
    message: String,
    key_text: String,
    match_text: Option<String>,
    attempts: u32,
    first_seen_ms: i64,
    last_seen_ms: i64,
    next_retry_ms: Option<i64>,
}

/// A number in hexadecimal: JSON numbers are not exact at 64 bits everywhere.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Hex(String);

impl Hex {
    pub(super) fn key(key: KeyHash) -> Self {
        Hex(format!("{key:032x}"))
    }

    pub(super) fn print(print: Print) -> Self {
        Hex(format!("{print:016x}"))
    }

    pub(super) fn to_key(&self) -> Result<KeyHash, String> {
        self.digits(32)
            .and_then(|digits| KeyHash::from_str_radix(digits, 16).ok())
            .ok_or_else(|| "a key is not 32 hexadecimal digits".to_owned())
    }

    pub(super) fn to_print(&self) -> Result<Print, String> {
        self.digits(16)
            .and_then(|digits| Print::from_str_radix(digits, 16).ok())
            .ok_or_else(|| "a print is not 16 hexadecimal digits".to_owned())
    }

    fn digits(&self, count: usize) -> Option<&str> {
        (self.0.len() == count && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(&self.0)
    }
}

pub(super) fn prints_text(prints: &[Print]) -> String {
    prints.iter().map(|print| format!("{print:016x}")).collect()
}

pub(super) fn prints_of(text: &str) -> Result<Vec<Print>, String> {
    text.as_bytes()
        .chunks(16)
        .map(|digits| Hex(String::from_utf8_lossy(digits).into_owned()).to_print())
        .collect()
}

/// What an export or import moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Syncs.
    pub syncs: u64,
    /// Rows.
    pub rows: u64,
    /// Open rejects.
    pub rejects: u64,
    /// Runs.
    pub runs: u64,
}

pub(super) fn row_line(sync: SyncId, row: StoredRow) -> Line {
    Line::Row(RowLine {
        sync,
        key: Hex::key(row.key),
        print: Hex::print(row.print),
        layout: row.layout,
        prints: prints_text(&row.prints),
        remote: row.remote,
        key_text: row.key_text,
        match_text: row.match_text,
        applied_ms: row.applied_ms,
        run: row.run,
    })
}

pub(super) fn reject_line(sync: SyncId, reject: Reject) -> Line {
    Line::Reject(RejectLine {
        sync,
        key: Hex::key(reject.key),
        print: Hex::print(reject.print),
        schema_print: Hex::print(reject.schema_print),
        class: reject.class,
        code: reject.code,
        field: reject.field,
        message: reject.message,
        key_text: reject.key_text,
        match_text: reject.match_text,
        attempts: reject.attempts,
        first_seen_ms: reject.first_seen_ms,
        last_seen_ms: reject.last_seen_ms,
        next_retry_ms: reject.next_retry_ms,
    })
}

pub(super) fn attempt_line(sync: SyncId, attempt: Attempt) -> Line {
    Line::Attempt {
        sync,
        key: Hex::key(attempt.key),
        at_ms: attempt.at_ms,
        run: attempt.run,
        outcome: attempt.outcome,
        code: attempt.code,
        correlation: attempt.correlation,
    }
}

pub(super) fn job_line(sync: SyncId, job: Job) -> Line {
    Line::Job {
        sync,
        run: job.id.run,
        number: job.id.number,
        replay_safe: job.replay_safe,
        layout: job.layout,
        schema_print: Hex::print(job.schema_print),
        accepted_ms: job.accepted_ms,
        rows: job.rows.iter().map(JobRowLine::new).collect(),
        ticket: job.ticket,
    }
}

pub(super) fn run_line(run: RunRecord) -> Line {
    Line::Run {
        id: run.id,
        sync: run.sync,
        started_ms: run.started_ms,
        finished_ms: run.finished_ms,
        status: run.status,
        keys: run.keys,
        tally: run.tally,
        error: run.error,
        detail: run.detail,
    }
}

impl RowLine {
    /// The row, or what is wrong with it.
    pub(super) fn into_row(self) -> Result<StoredRow, String> {
        Ok(StoredRow {
            key: self.key.to_key()?,
            print: self.print.to_print()?,
            layout: self.layout,
            prints: prints_of(&self.prints)?,
            remote: self.remote,
            key_text: self.key_text,
            match_text: self.match_text,
            applied_ms: self.applied_ms,
            run: self.run,
        })
    }
}

impl RejectLine {
    /// The reject, or what is wrong with it.
    pub(super) fn into_reject(self) -> Result<Reject, String> {
        Ok(Reject {
            key: self.key.to_key()?,
            print: self.print.to_print()?,
            schema_print: self.schema_print.to_print()?,
            class: self.class,
            code: self.code,
            field: self.field,
            message: self.message,
            key_text: self.key_text,
            match_text: self.match_text,
            attempts: self.attempts,
            first_seen_ms: self.first_seen_ms,
            last_seen_ms: self.last_seen_ms,
            next_retry_ms: self.next_retry_ms,
        })
    }
}
