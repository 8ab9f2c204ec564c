//! What is written down of a job when the destination accepts it.

use outflow_deliver::{AcceptedJob, JobNumber};
use outflow_sdk::destination::{Action, Operation};
use outflow_state::{Job, JobId, JobRow};

use super::{RunLedger, UnderWay, is_complete, locked};

impl RunLedger {
    pub(super) fn job_id(&self, number: JobNumber) -> JobId {
        JobId {
            run: self.run,
            number,
        }
    }

    /// A job, with what is written when its rows are acknowledged.
    pub(super) fn job(&self, number: JobNumber, job: &AcceptedJob<'_>) -> Job {
        let under_way = locked(&self.under_way);
        let rows = job.operations.iter().zip(job.fields).zip(&job.addresses);
        let rows = rows.map(|((operation, fields), address)| {
            let row = under_way.get(&operation.row);
            self.job_row(row, operation, fields, address.as_deref())
        });
        Job {
            id: self.job_id(number),
            ticket: job.ticket.clone(),
            replay_safe: job.replay_safe,
            layout: self.layout,
            schema_print: self.schema_print,
            accepted_ms: self.clock.now_ms(),
            rows: rows.collect(),
        }
    }

    fn job_row(
        &self,
        row: Option<&UnderWay>,
        operation: &Operation,
        fields: &[u16],
        address: Option<&str>,
    ) -> JobRow {
        let mut prints = row.map(|row| row.prints.clone()).unwrap_or_default();
        prints.resize(self.sync.fields.len(), 0);
        let now = row.map_or(&[][..], |row| &row.now);
        let mut acknowledged = Vec::with_capacity(fields.len());
        for &field in fields {
            let at = usize::from(field);
            if let (Some(print), Some(now)) = (prints.get_mut(at), now.get(at).filter(|now| **now != 0)) {
                *print = *now;
                acknowledged.push((field, *now));
            }
        }
        let is_last = operation.pending.iter().all(|field| fields.contains(field));
        let (removed, complete) = match operation.action {
            Action::Write => (None, is_last && is_complete(now, &prints)),
            Action::Remove(rule) => (Some(rule), is_last || fields.is_empty()),
        };
        JobRow {
            key: row.map_or(0, |row| row.key),
            print: row.map_or(0, |row| row.print),
            removed,
            complete,
            fields: acknowledged.iter().map(|(field, _)| *field).collect(),
            prints: acknowledged.iter().map(|(_, print)| *print).collect(),
            remote: operation.remote.as_deref().map(str::to_owned),
            address: address.map(str::to_owned),
            key_text: self.keep_key_text.then(|| operation.key.to_string()),
        }
    }
}
