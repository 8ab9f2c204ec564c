//! Consent: what All Subscribers says about the people behind rows, asked before their rows are written.
//!
//! All Subscribers decides whether someone is mailed, whatever a data extension holds. A mapping with
//! `respect_unsubscribes: true` keeps the rows of those who are not to be mailed out of it: they are
//! `suppressed`. Nothing here, or anywhere else in this destination, writes a subscriber.
//!
//! Source: SOAP partner API, `Retrieve` of `Subscriber`; its statuses are Active, Bounced, Held,
//! Unsubscribed and Deleted.

use std::collections::HashMap;

use bytes::Bytes;
use outflow_sdk::destination::{Encoded, Operation, Outcome, Rejection, Request, Route};

use crate::client::{SOAP_PATH, SOAP_TYPE};
use crate::config::SubscriberField;
use crate::layout::{Layout, goes_on};
use crate::soap::{self, Element};
use crate::values;

/// What is asked of a subscriber.
const PROPERTIES: [&str; 3] = ["SubscriberKey", "EmailAddress", "Status"];

/// How rows lead to subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The mapped field that leads to the subscriber.
    pub(crate) field: u16,
    /// What of the subscriber it holds.
    pub(crate) by: SubscriberField,
}

impl Relation {
    fn property(self) -> &'static str {
        match self.by {
            SubscriberField::SubscriberKey => "SubscriberKey",
            SubscriberField::EmailAddress => "EmailAddress",
        }
    }

    /// What leads to the subscriber of a row; none when the row has nothing that does.
    fn of(self, operation: &Operation) -> Option<String> {
        let value = operation.record.get(usize::from(self.field))?.as_ref()?;
        let text = values::text_of(value).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

impl Layout {
    /// One request for the subscribers of the first operations.
    pub(crate) fn encode_lookup(&self, route: Route, operations: &[Operation]) -> Encoded {
        let asked = operations.get(..route.max_rows).unwrap_or(operations);
        let body = self.relation.map_or_else(String::new, |relation| {
            let values: Vec<String> = asked.iter().filter_map(|one| relation.of(one)).collect();
            soap::retrieve("Subscriber", &PROPERTIES, relation.property(), &distinct(&values))
        });
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: SOAP_PATH.into(),
                content_type: SOAP_TYPE,
                body: Bytes::from(body),
            },
            taken: asked.len(),
            fields: vec![Vec::new(); asked.len()],
        }
    }

    /// Whether any of these rows leads to a subscriber.
    pub(crate) fn leads_somewhere(&self, operations: &[Operation]) -> bool {
        let relation = self.relation;
        relation.is_some_and(|relation| operations.iter().any(|one| relation.of(one).is_some()))
    }

    /// What the subscribers found mean for each row: it goes on, or is suppressed. A row whose person is
    /// not among the subscribers goes on: nobody has unsubscribed.
    pub(crate) fn consent(&self, operations: &[Operation], subscribers: &[Element]) -> Vec<Outcome> {
        let Some(relation) = self.relation else {
            return operations.iter().map(goes_on).collect();
        };
        let mut opted_out: HashMap<String, &str> = HashMap::new();
        for subscriber in subscribers {
            let found = subscriber.text_of(relation.property());
            let status = subscriber.text_of("Status").and_then(refusing);
            // Of several subscribers with one address, one who opted out speaks for all.
            if let (Some(found), Some(status)) = (found, status) {
                opted_out.insert(values::fold(found), status);
            }
        }
        let outcome = |operation: &Operation| {
            let person = relation.of(operation).map(|text| values::fold(&text));
            match person.and_then(|person| opted_out.get(&person)) {
                Some(status) => Outcome::Suppressed(self.suppressed(relation, status)),
                None => goes_on(operation),
            }
        };
        operations.iter().map(outcome).collect()
    }

    fn suppressed(&self, relation: Relation, status: &str) -> Rejection {
        Rejection {
            code: "opted_out".into(),
            field: self.column(relation.field).map(|column| column.name.clone()),
            message: format!(
                "the person is {status} in All Subscribers, and the mapping says `respect_unsubscribes: true`"
            ),
        }
    }
}

/// The status, if it is one of a person who is not to be mailed. Bounced ones are still tried.
fn refusing(status: &str) -> Option<&'static str> {
    ["Unsubscribed", "Held", "Deleted"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(status.trim()))
}

fn distinct(values: &[String]) -> Vec<&str> {
    let mut distinct: Vec<&str> = values.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

#[cfg(test)]
mod tests;
