//! What can be done with each object, as data, and the routes of requests.

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::ObjectKind;
use outflow_sdk::destination::{Capabilities, Mode, Removed, Route};

/// `object:` of rows of a data extension.
pub(crate) const DATA_EXTENSION: &str = "data_extension";
/// `object:` of journey entry events.
pub(crate) const JOURNEY_EVENT: &str = "journey_event";

/// The kinds of object a mapping may name.
pub(crate) const OBJECTS: [ObjectKind; 2] = [
    ObjectKind {
        object: DATA_EXTENSION,
        title: "rows of a data extension",
    },
    ObjectKind {
        object: JOURNEY_EVENT,
        title: "journey entry events",
    },
];

/// The field that identifies the contact of a journey entry event.
pub(crate) const CONTACT_KEY: &str = "ContactKey";

/// Rows in one asynchronous job. 32,000 are allowed; this is what keeps a job's body and its results
/// within reason.
pub(crate) const JOB_ROWS: usize = 2_500;
/// Rows in one synchronous request, as its documentation advises.
pub(crate) const DIRECT_ROWS: usize = 50;
/// Columns of each row in it, keys included.
pub(crate) const DIRECT_COLUMNS: usize = 50;
/// Rows in one SOAP request.
const DELETE_ROWS: usize = 200;
/// Subscribers asked for in one SOAP request.
const LOOKUP_ROWS: usize = 200;
/// Largest body we build, in bytes: about 5.9 MB are taken.
pub(crate) const MAX_BODY: usize = 5_500_000;
/// Largest body of a synchronous request, in bytes: 5 MB are taken.
pub(crate) const MAX_DIRECT_BODY: usize = 4_900_000;

/// Upserts rows.
pub(crate) const ROWS: Route = Route {
    name: "rows",
    lane: 0,
    max_rows: JOB_ROWS,
    writes: true,
    replay_safe: true,
};

/// Asks All Subscribers about rows that are to be written.
pub(crate) const CONSENT: Route = Route {
    name: "consent",
    lane: 0,
    max_rows: LOOKUP_ROWS,
    writes: false,
    replay_safe: true,
};

/// Deletes rows.
pub(crate) const DELETE: Route = Route {
    name: "delete",
    lane: 0,
    max_rows: DELETE_ROWS,
    writes: true,
    // A row that is gone already is told as such.
    replay_safe: true,
};

/// Asks for contacts to be deleted in the whole enterprise.
pub(crate) const CONTACTS: Route = Route {
    name: "contact_delete",
    lane: 0,
    max_rows: DELETE_ROWS,
    writes: true,
    // A contact that is gone, or going, is not deleted twice.
    replay_safe: true,
};

/// Fires one journey entry event.
pub(crate) const EVENT: Route = Route {
    name: "event",
    lane: 0,
    max_rows: 1,
    writes: true,
    // A contact would enter the journey twice.
    replay_safe: false,
};

/// What a mapping may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object<'a> {
    /// Rows of a data extension; its key where no mapping names one.
    Rows(Option<&'a str>),
    /// Journey entry events.
    Events,
}

/// Reads `object:`: `data_extension`, `data_extension:KEY` or `journey_event`.
///
/// # Errors
/// `Config` when it is none of them.
pub(crate) fn object_in(object: &str) -> Result<Object<'_>, ConnectorError> {
    match object.split_once(':') {
        None if object == DATA_EXTENSION => Ok(Object::Rows(None)),
        None if object == JOURNEY_EVENT => Ok(Object::Events),
        Some((DATA_EXTENSION, key)) if !key.trim().is_empty() => Ok(Object::Rows(Some(key.trim()))),
        _ => Err(ConnectorError::config(
            "unknown_object",
            format!("Marketing Cloud has no object `{object}`"),
        )
        .with_hint(
            "name a data extension by its key in `data_extension:`, or write `object: journey_event`",
        )),
    }
}

/// What can be done with an object.
pub(crate) fn capabilities(object: Object<'_>) -> Capabilities {
    match object {
        Object::Rows(_) => Capabilities {
            modes: vec![Mode::Upsert, Mode::Mirror],
            removed: vec![Removed::Keep, Removed::Clear, Removed::Delete],
            match_fields: Vec::new(),
            partial_records: true,
            creates_fields: true,
            routes: vec![ROWS, CONSENT, CONTACTS, DELETE],
            max_body: MAX_BODY,
            notes: vec![
                "`match:` is the data extension's primary key, all of it. One without a primary key cannot be synced.",
                "Rows go out as asynchronous jobs whose results are read row by row; up to 50 rows that are left go \
                 out in one synchronous request.",
                "One data extension is written by one request at a time unless `parallel:` says more: parallel \
                 writers of it deadlock, and deadlocked rows are sent again.",
                "A row whose primary key changed is written whole under the new one, then the old row is deleted.",
                "Consent is All Subscribers' alone and is never written; a column named `Status` is a column like any \
                 other. With `respect_unsubscribes: true` rows of people who are Unsubscribed, Held or Deleted there \
                 are `suppressed`.",
                "Deletion goes by SOAP, which the credential must be allowed.",
                "Contacts are deleted only with `removed: delete` and `yes_delete_contacts_everywhere: true`; that is \
                 enterprise-wide, takes hours or days, and cannot be undone. Otherwise rows go and contacts stay.",
                "A column that is added later can be neither part of the primary key nor required.",
            ],
        },
        Object::Events => Capabilities {
            modes: vec![Mode::Append],
            removed: Vec::new(),
            match_fields: vec![CONTACT_KEY.to_owned()],
            partial_records: false,
            creates_fields: false,
            routes: vec![EVENT],
            max_body: MAX_BODY,
            notes: vec![
                "Every new key fires the entry event once, in a request of its own; an event whose answer got lost is \
                 held, not repeated.",
                "Every other mapped field goes into the event's `Data`.",
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn objects_are_known_by_name() {
        assert_eq!(object_in("data_extension").unwrap(), Object::Rows(None));
        assert_eq!(
            object_in("data_extension: customers").unwrap(),
            Object::Rows(Some("customers"))
        );
        assert_eq!(object_in("journey_event").unwrap(), Object::Events);
        for bad in ["", "contacts", "data_extension:", "journey_event:x"] {
            assert_eq!(object_in(bad).unwrap_err().code, "unknown_object", "{bad}");
        }
    }
}
