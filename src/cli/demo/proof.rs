//! What the demo says is true, or the demo fails: the twin's log and records are the witnesses.

use outflow_sandbox::hubspot::{LoggedRequest, RecordView, Twin};

use super::super::failure::Failure;
use super::super::output::{Rows, counted};
use super::people::customer;
use super::shop;
use crate::state::RunStatus;
use crate::sync::error::Exit;
use crate::sync::report::RunReport;

/// Values the second sync may carry: a city, an address, and an order's sum, count and day.
const VALUES: u64 = 5;

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Bug,
        "demo",
        format!("the demo went differently: {}", what()),
    );
    Err(failure.hint("this is a bug in outflow: please report this line"))
}

fn report<'a>(reports: &'a [RunReport], sync: &str) -> Result<&'a RunReport, Failure> {
    let found = reports.iter().find(|report| report.sync == sync);
    found.ok_or_else(|| Failure::bug(format!("no report of {sync}")))
}

/// Everything arrived.
pub(super) fn first_run(reports: &[RunReport], twin: &Twin) -> Result<(), Failure> {
    for (sync, rows) in [("customers", shop::CUSTOMERS), ("companies", shop::COMPANIES)] {
        let report = report(reports, sync)?;
        let whole = report.status == RunStatus::Ok && report.tally.created == rows;
        expect(whole, || {
            format!("{} of {rows} {sync} were created", report.tally.created)
        })?;
    }
    let contacts = twin.contacts().len() as u64;
    expect(contacts == shop::CUSTOMERS, || {
        format!("the twin has {contacts} contacts")
    })
}

/// Three customers, one removal and two refusals, and no value that did not change; what was sent,
/// line by line.
pub(super) fn second_run(reports: &[RunReport], twin: &Twin) -> Result<Vec<String>, Failure> {
    let tally = report(reports, "customers")?.tally;
    let as_told = tally.updated == 3 && tally.removed == 1 && tally.rejected == 2 && tally.created == 0;
    expect(as_told, || {
        format!(
            "{} updated, {} removed, {} rejected",
            tally.updated, tally.removed, tally.rejected
        )
    })?;
    let mut lines = Vec::new();
    let mut values = 0;
    for request in twin.requests().iter().filter(|request| request.method != "GET") {
        let (records, carried) = carried(request);
        values += carried;
        lines.push(format!(
            "{} {}: {}, {}",
            request.method,
            request.path,
            counted(records, "record"),
            counted(carried, "value")
        ));
    }
    expect(values == VALUES, || {
        format!("{values} values were sent instead of {VALUES}")
    })?;
    Ok(lines)
}

/// Records and property values in a batch request.
fn carried(request: &LoggedRequest) -> (u64, u64) {
    let body = request.json();
    let inputs = body.get("inputs").and_then(|inputs| inputs.as_array());
    let inputs = inputs.map(Vec::as_slice).unwrap_or_default();
    let values = inputs
        .iter()
        .filter_map(|input| input.get("properties")?.as_object())
        .map(|properties| properties.len() as u64)
        .sum();
    (inputs.len() as u64, values)
}

/// Nothing at all was asked of the destination.
pub(super) fn third_run(reports: &[RunReport], twin: &Twin) -> Result<(), Failure> {
    let told: u64 = reports.iter().map(|report| report.tally.requests).sum();
    let seen = twin.request_count();
    expect(told == 0 && seen == 0, || {
        format!("{told} requests were reported and {seen} seen by the twin")
    })
}

/// The contacts of the story, as the twin has them.
pub(super) fn contacts(twin: &Twin) -> Result<Rows, Failure> {
    let all = twin.records("contacts");
    let mut rows = Rows::new(&["   CUSTOMER", "CONTACT", "WHAT HUBSPOT HAS", ""]);
    let story: [(u32, Option<&str>, &str); 6] = [
        (shop::MOVES, Some("city"), "updated"),
        (shop::RENAMES, Some("email"), "the same contact, renamed"),
        (shop::ORDERS, Some("lifetime_value"), "updated"),
        (shop::LEAVES, None, "archived"),
        (
            shop::BAD_ADDRESS,
            Some("email"),
            "as before: the new address was refused",
        ),
        (
            shop::BAD_STAGE,
            Some("lifecyclestage"),
            "as before: `vip` was refused",
        ),
    ];
    for (id, property, what) in story {
        let email = if id == shop::RENAMES {
            shop::new_address()
        } else {
            customer(u64::from(id)).email
        };
        let record = all
            .iter()
            .find(|record| record.get("email") == Some(email.as_str()));
        let gone = id == shop::LEAVES;
        let found = record.filter(|record| record.archived == gone);
        let Some(record) = found else {
            expect(false, || format!("customer {id} is not as told"))?;
            continue;
        };
        let value = property
            .map(|property| format!("{property} = {}", value_of(record, property)))
            .unwrap_or_default();
        rows.add([format!("   {id}"), email, value, what.to_owned()]);
    }
    let moved = all.iter().any(|record| {
        record.get("email") == Some(customer(u64::from(shop::MOVES)).email.as_str())
            && record.get("city") == Some(shop::NEW_CITY)
    });
    expect(moved, || "the new city is not there".into())?;
    Ok(rows)
}

fn value_of<'a>(record: &'a RecordView, property: &str) -> &'a str {
    record.get(property).unwrap_or("(empty)")
}
