//! What the demo says is true, or the demo fails: the twins' logs and records are the witnesses.

use std::collections::HashMap;

use outflow_sandbox::mailchimp::AUDIENCE;

use super::super::failure::Failure;
use super::super::sandbox::Twins;
use super::carried::{self, Sent};
use super::people::customer;
use super::shop;
use crate::state::{RunStatus, Tally};
use crate::sync::error::Exit;
use crate::sync::report::RunReport;

/// The sync to each destination.
pub(super) const SYNCS: [&str; 3] = [
    "customers_hubspot",
    "customers_mailchimp",
    "customers_marketing_cloud",
];

/// Fails the demo unless something is as it was told.
pub(super) fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
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

/// Everything arrived everywhere.
pub(super) fn first_run(reports: &[RunReport], twins: &Twins) -> Result<(), Failure> {
    let customers = SYNCS.map(|sync| (sync, shop::CUSTOMERS));
    for (sync, rows) in customers.into_iter().chain([("companies", shop::COMPANIES)]) {
        let report = report(reports, sync)?;
        let whole = report.status == RunStatus::Ok && report.tally.created == rows;
        expect(whole, || {
            format!("{} of {rows} rows of {sync} were created", report.tally.created)
        })?;
    }
    let arrived = [
        twins.hubspot.contacts().len(),
        twins.mailchimp.members(AUDIENCE).len(),
        twins.marketing_cloud.count("customers"),
    ];
    expect(arrived.iter().all(|rows| *rows as u64 == shop::CUSTOMERS), || {
        format!("the twins have {arrived:?} customers")
    })?;
    templates(twins)
}

/// HubSpot has the name of every customer as the mapping's template makes it of two columns.
fn templates(twins: &Twins) -> Result<(), Failure> {
    let contacts = twins.hubspot.contacts();
    let names = contacts.iter().filter_map(|contact| {
        let name = contact.get("full_name")?;
        Some((contact.get("email")?, name))
    });
    let names: HashMap<&str, &str> = names.collect();
    for id in 1..=shop::CUSTOMERS {
        let customer = customer(id);
        let first_name = customer.first_name.unwrap_or_default();
        let expected = format!("{first_name} {}", customer.last_name);
        let expected = expected.trim_start();
        let found = names.get(customer.email.as_str()).copied().unwrap_or_default();
        expect(found == expected, || {
            format!("HubSpot has the full_name `{found}` of customer {id}, not `{expected}`")
        })?;
    }
    Ok(())
}

/// What the second sync does at each destination, and how many values it sends there.
///
/// | customer | HubSpot | Mailchimp | Marketing Cloud |
/// |---|---|---|---|
/// | moves | 1 value | 1 value | 1 value |
/// | changes address | 1 | 1 | 1 |
/// | orders: sum, count and day | 3 | 3 | 3 |
/// | leaves | removed | removed | removed |
/// | has a bad address | rejected | rejected | rejected |
/// | has an unknown stage | rejected | rejected | 1 (any text) |
/// | unsubscribed, and is to be subscribed | not mapped | suppressed | 1 (a column) |
const SECOND: [(Buckets, usize); 3] = [([0, 3, 1, 2, 0], 5), ([0, 3, 1, 2, 1], 5), ([0, 5, 1, 1, 0], 7)];

/// Rows created, updated, removed, rejected, suppressed.
type Buckets = [u64; 5];

fn buckets(tally: &Tally) -> Buckets {
    [
        tally.created,
        tally.updated,
        tally.removed,
        tally.rejected,
        tally.suppressed,
    ]
}

/// Just what changed went to each destination; what was sent, line by line.
pub(super) fn second_run(reports: &[RunReport], twins: &Twins) -> Result<[Sent; 3], Failure> {
    let all = carried::sent(twins);
    for ((sync, sent), (wanted, values)) in SYNCS.iter().zip(&all).zip(SECOND) {
        let found = buckets(&report(reports, sync)?.tally);
        expect(found == wanted, || {
            format!("{sync} created, updated, removed, rejected, suppressed {found:?}")
        })?;
        expect(sent.values() == values, || {
            format!(
                "{} values were sent to {}, not {values}",
                sent.values(),
                sent.destination
            )
        })?;
        let beside = sent.beside(shop::NEW_CITY);
        expect(beside.len() == 1, || {
            format!(
                "the new city went to {} together with {beside:?}",
                sent.destination
            )
        })?;
    }
    Ok(all)
}

/// Nothing at all was asked of any destination.
pub(super) fn third_run(reports: &[RunReport], twins: &Twins) -> Result<(), Failure> {
    let told: u64 = reports.iter().map(|report| report.tally.requests).sum();
    let seen = twins.request_count();
    expect(told == 0 && seen == 0, || {
        format!("{told} requests were reported and {seen} seen by the twins")
    })
}
