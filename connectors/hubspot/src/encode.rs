//! Operations as request bodies. Pure and deterministic; written straight into the buffer, since
//! this runs for every row sent.

use std::borrow::Cow;

use bytes::Bytes;
use foldhash::{HashSet, HashSetExt};
use outflow_sdk::destination::{Action, Encoded, Operation, Removed, Request, Route};
use outflow_sdk::value::Value;

use crate::capabilities::{MAX_BODY, Verb};
use crate::layout::Layout;
use crate::values::{self, bool_of, comparable, text_of, write_text};

/// Bytes of a row's input besides its values, for sizing the buffer.
const INPUT_BYTES: usize = 400;

impl Layout {
    /// One request from the first of `operations`, all of which go to `route`.
    pub(crate) fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let verb = Verb::of(route).unwrap_or(Verb::Lookup);
        let (body, fields) = match verb {
            Verb::Membership => self.encode_memberships(route, operations),
            _ => self.encode_batch(verb, route, operations),
        };
        let (method, path) = match verb {
            Verb::Membership => ("PUT", self.membership_path(route.lane)),
            _ => ("POST", format!("{}/{}", self.batch_path, route.name)),
        };
        Encoded {
            taken: fields.len(),
            fields,
            request: Request {
                route,
                method,
                path,
                content_type: "application/json",
                body: Bytes::from(body),
            },
        }
    }

    fn membership_path(&self, field: u16) -> String {
        let list = self
            .fields
            .get(usize::from(field))
            .and_then(|field| field.list.as_deref())
            .unwrap_or_default();
        format!("{}/{list}/memberships/add-and-remove", self.lists_path)
    }

    fn encode_batch(&self, verb: Verb, route: Route, operations: &[Operation]) -> (Vec<u8>, Vec<Vec<u16>>) {
        let rows = operations.len().min(route.max_rows);
        let mut body = Vec::with_capacity(rows * INPUT_BYTES);
        body.push(b'{');
        if verb == Verb::Lookup {
            self.write_lookup_head(&mut body);
        }
        body.extend_from_slice(b"\"inputs\":[");
        let mut fields = Vec::with_capacity(rows);
        let mut seen = HashSet::with_capacity(rows);
        for operation in operations.iter().take(rows) {
            // HubSpot refuses a whole batch that names one record twice.
            let address = self.address(verb, operation);
            let is_first = seen.insert(address);
            let mark = body.len();
            if !fields.is_empty() {
                body.push(b',');
            }
            let carried = self.write_input(verb, operation, &mut body);
            if !fields.is_empty() && (!is_first || body.len() > MAX_BODY) {
                body.truncate(mark);
                break;
            }
            fields.push(carried);
        }
        body.extend_from_slice(b"]}");
        (body, fields)
    }

    /// What names the operation's record in a batch of this verb, in comparable form.
    pub(crate) fn address<'a>(&self, verb: Verb, operation: &'a Operation) -> Cow<'a, str> {
        if verb.by_record_id() {
            return Cow::Borrowed(operation.remote.as_deref().unwrap_or_default());
        }
        match self.match_value(operation).map(text_of) {
            Some(Cow::Borrowed(text)) => comparable(text),
            Some(Cow::Owned(text)) => Cow::Owned(comparable(&text).into_owned()),
            None => Cow::Borrowed(""),
        }
    }

    fn write_lookup_head(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(b"\"properties\":[");
        if !self.keyed_by_record_id() {
            write_text(&self.key_name, body);
        }
        if self.has_secondary_addresses {
            body.extend_from_slice(b",\"hs_additional_emails\"");
        }
        body.push(b']');
        if !self.keyed_by_record_id() {
            body.extend_from_slice(b",\"idProperty\":");
            write_text(&self.key_name, body);
        }
        body.push(b',');
    }

    /// Writes one input and returns the numbers of the fields it settles.
    fn write_input(&self, verb: Verb, operation: &Operation, body: &mut Vec<u8>) -> Vec<u16> {
        body.push(b'{');
        match verb {
            Verb::Upsert => {
                body.extend_from_slice(b"\"idProperty\":");
                write_text(&self.key_name, body);
                body.extend_from_slice(b",\"id\":");
                self.write_key(operation, body);
                body.push(b',');
            }
            Verb::Update | Verb::Archive => {
                body.extend_from_slice(b"\"id\":");
                write_text(operation.remote.as_deref().unwrap_or_default(), body);
            }
            Verb::Lookup => {
                body.extend_from_slice(b"\"id\":");
                self.write_key(operation, body);
            }
            Verb::Create | Verb::Membership => {}
        }
        if verb == Verb::Update {
            body.push(b',');
        }
        let mut carried = Vec::new();
        if matches!(verb, Verb::Upsert | Verb::Create | Verb::Update) {
            body.extend_from_slice(b"\"objectWriteTraceId\":\"r-");
            body.extend_from_slice(itoa::Buffer::new().format(operation.row).as_bytes());
            body.extend_from_slice(b"\",\"properties\":{");
            carried = if verb == Verb::Update {
                self.write_changes(operation, body)
            } else {
                self.write_record(operation, body)
            };
            body.push(b'}');
        }
        body.push(b'}');
        carried
    }

    fn write_key(&self, operation: &Operation, body: &mut Vec<u8>) {
        match (
            self.match_value(operation),
            self.key.and_then(|key| self.fields.get(key)),
        ) {
            (Some(value), Some(field)) => values::write(&field.kind, value, body),
            _ => body.extend_from_slice(b"\"\""),
        }
    }

    /// The full record: every property that has a value or is to be emptied.
    fn write_record(&self, operation: &Operation, body: &mut Vec<u8>) -> Vec<u16> {
        let mut carried = Vec::with_capacity(self.fields.len());
        let mut is_first = true;
        for (number, field) in (0u16..).zip(&self.fields) {
            let Some(Some(value)) = operation.record.get(usize::from(number)) else {
                // Pending, but to be left as it is.
                if operation.pending.binary_search(&number).is_ok() {
                    carried.push(number);
                }
                continue;
            };
            if field.stage() != 0 {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                body.push(b',');
            }
            body.extend_from_slice(&field.json_key);
            values::write(&field.kind, value, body);
            carried.push(number);
        }
        carried
    }

    /// The changed properties alone; emptied ones when the record is to be cleared.
    fn write_changes(&self, operation: &Operation, body: &mut Vec<u8>) -> Vec<u16> {
        let clears = operation.action == Action::Remove(Removed::Clear);
        let mut carried = Vec::with_capacity(operation.pending.len());
        let mut is_first = true;
        for number in &operation.pending {
            let Some(field) = self.fields.get(usize::from(*number)) else {
                continue;
            };
            if self.is_settled_unsent(operation, *number) {
                carried.push(*number);
                continue;
            }
            if field.stage() != 0 {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                body.push(b',');
            }
            body.extend_from_slice(&field.json_key);
            match operation.record.get(usize::from(*number)) {
                Some(Some(value)) if !clears => values::write(&field.kind, value, body),
                _ => body.extend_from_slice(b"\"\""),
            }
            carried.push(*number);
        }
        carried
    }

    /// `{"recordIdsToAdd":[…],"recordIdsToRemove":[…]}` for the list of the route's lane.
    fn encode_memberships(&self, route: Route, operations: &[Operation]) -> (Vec<u8>, Vec<Vec<u16>>) {
        let (mut add, mut remove): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        let mut fields = Vec::new();
        let mut seen = HashSet::new();
        for operation in operations.iter().take(route.max_rows) {
            let record = operation.remote.as_deref().unwrap_or_default();
            if !seen.insert(record) {
                break;
            }
            if self.is_member(route.lane, operation) {
                add.push(record);
            } else {
                remove.push(record);
            }
            let unsent = |number: &u16| self.is_settled_unsent(operation, *number);
            fields.push(
                operation
                    .pending
                    .iter()
                    .copied()
                    .filter(|number| *number == route.lane || unsent(number))
                    .collect(),
            );
        }
        let mut body = Vec::with_capacity(64 + 16 * fields.len());
        body.extend_from_slice(b"{\"recordIdsToAdd\":");
        // Writing into memory cannot fail.
        let _ = serde_json::to_writer(&mut body, &add);
        body.extend_from_slice(b",\"recordIdsToRemove\":");
        let _ = serde_json::to_writer(&mut body, &remove);
        body.push(b'}');
        (body, fields)
    }

    /// Whether the operation wants its record in the list behind a field.
    fn is_member(&self, field: u16, operation: &Operation) -> bool {
        operation.action == Action::Write
            && operation
                .record
                .get(usize::from(field))
                .and_then(Option::as_ref)
                .and_then(|value: &Value| bool_of(value))
                .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use insta::assert_snapshot;
    use outflow_sdk::destination::Mode;

    use super::*;
    use crate::capabilities::{ARCHIVE, CREATE, LOOKUP, UPDATE, UPSERT, membership};
    use crate::testing::{contacts, contacts_by, op, record};

    fn body(encoded: &Encoded) -> &str {
        std::str::from_utf8(&encoded.request.body).unwrap()
    }

    #[test]
    fn an_unknown_contact_goes_out_whole_under_its_address() {
        let layout = contacts(Mode::Upsert);
        let operation = op(7, None, record("Ann@Example.com", "Ann"));
        let encoded = layout.encode(UPSERT, &[operation]);
        assert_eq!(encoded.request.path, "/crm/objects/2026-03/contacts/batch/upsert");
        assert_eq!(encoded.fields, [vec![0, 1, 2]]);
        assert_snapshot!(body(&encoded), @r#"{"inputs":[{"idProperty":"email","id":"Ann@Example.com","objectWriteTraceId":"r-7","properties":{"email":"Ann@Example.com","firstname":"Ann","ltv":"12.5"}}]}"#);
    }

    #[test]
    fn a_known_contact_gets_the_changed_field_alone() {
        let layout = contacts(Mode::Upsert);
        let mut operation = op(3, Some("51201"), record("ann@example.com", "Anne"));
        operation.pending = vec![1];
        assert_eq!(layout.route(&operation), UPDATE);
        let encoded = layout.encode(UPDATE, &[operation]);
        assert_eq!(encoded.fields, [vec![1]]);
        assert_snapshot!(body(&encoded), @r#"{"inputs":[{"id":"51201","objectWriteTraceId":"r-3","properties":{"firstname":"Anne"}}]}"#);
    }

    #[test]
    fn a_new_address_of_a_known_contact_is_an_update_of_that_contact() {
        let layout = contacts(Mode::Upsert);
        let mut operation = op(3, Some("51201"), record("new@example.com", "Anne"));
        operation.pending = vec![0];
        let encoded = layout.encode(layout.route(&operation), &[operation]);
        assert_snapshot!(body(&encoded), @r#"{"inputs":[{"id":"51201","objectWriteTraceId":"r-3","properties":{"email":"new@example.com"}}]}"#);
    }

    #[test]
    fn modes_differ_only_while_the_record_is_unknown() {
        let unknown = op(1, None, record("ann@example.com", "Ann"));
        let known = op(1, Some("5"), record("ann@example.com", "Ann"));
        for (mode, route) in [
            (Mode::Upsert, UPSERT),
            (Mode::Mirror, UPSERT),
            (Mode::Update, LOOKUP),
            (Mode::Create, CREATE),
        ] {
            assert_eq!(contacts(mode).route(&unknown), route);
            assert_eq!(contacts(mode).route(&known), UPDATE);
        }
    }

    #[test]
    fn create_needs_no_key_beside_the_record() {
        let encoded = contacts(Mode::Create).encode(CREATE, &[op(1, None, record("ann@example.com", "Ann"))]);
        assert_snapshot!(body(&encoded), @r#"{"inputs":[{"objectWriteTraceId":"r-1","properties":{"email":"ann@example.com","firstname":"Ann","ltv":"12.5"}}]}"#);
    }

    #[test]
    fn a_lookup_asks_for_the_key_and_secondary_addresses() {
        let encoded = contacts(Mode::Update).encode(LOOKUP, &[op(1, None, record("ann@example.com", "Ann"))]);
        assert_eq!(encoded.fields, [Vec::<u16>::new()]);
        assert_snapshot!(body(&encoded), @r#"{"properties":["email","hs_additional_emails"],"idProperty":"email","inputs":[{"id":"ann@example.com"}]}"#);
        let by_id = contacts_by("hs_object_id", Mode::Update);
        let encoded = by_id.encode(
            LOOKUP,
            &[op(1, None, vec![Some(Value::text("5")), None, None, None, None])],
        );
        assert_snapshot!(body(&encoded), @r#"{"properties":[],"inputs":[{"id":"5"}]}"#);
    }

    #[test]
    fn archive_names_record_ids() {
        let mut operation = op(1, Some("51201"), vec![]);
        operation.action = Action::Remove(Removed::Archive);
        let layout = contacts(Mode::Mirror);
        assert_eq!(layout.route(&operation), ARCHIVE);
        assert_snapshot!(body(&layout.encode(ARCHIVE, &[operation])), @r#"{"inputs":[{"id":"51201"}]}"#);
    }

    #[test]
    fn clear_empties_all_but_the_match_then_leaves_the_lists() {
        let layout = contacts(Mode::Mirror);
        let mut operation = op(1, Some("51201"), vec![]);
        operation.action = Action::Remove(Removed::Clear);
        operation.pending = vec![0, 1, 2, 3, 4];
        assert_eq!(layout.route(&operation), UPDATE);
        let encoded = layout.encode(UPDATE, std::slice::from_ref(&operation));
        assert_eq!(encoded.fields, [vec![0, 1, 2]]);
        assert_snapshot!(body(&encoded), @r#"{"inputs":[{"id":"51201","objectWriteTraceId":"r-1","properties":{"firstname":"","ltv":""}}]}"#);
        operation.pending = vec![3, 4];
        assert_eq!(layout.route(&operation), membership(3));
        let encoded = layout.encode(membership(3), &[operation]);
        assert_eq!(encoded.fields, [vec![3]]);
        assert_snapshot!(body(&encoded), @r#"{"recordIdsToAdd":[],"recordIdsToRemove":["51201"]}"#);
    }

    #[test]
    fn one_list_changes_for_many_records_at_once() {
        let layout = contacts(Mode::Upsert);
        let flags = [
            Some(Value::Bool(true)),
            Some(Value::Bool(false)),
            Some(Value::Null),
        ];
        let operations: Vec<_> = (1..)
            .zip(flags)
            .map(|(row, flag)| {
                let mut operation = op(row, Some(&format!("10{row}")), vec![None, None, None, flag, None]);
                operation.pending = vec![3, 4];
                operation
            })
            .collect();
        let route = layout.route(operations.first().unwrap());
        let encoded = layout.encode(route, &operations);
        assert_eq!(
            encoded.request.path,
            "/crm/lists/2026-03/8/memberships/add-and-remove"
        );
        assert_eq!(encoded.request.method, "PUT");
        assert_snapshot!(body(&encoded), @r#"{"recordIdsToAdd":["101"],"recordIdsToRemove":["102","103"]}"#);
    }

    #[test]
    fn null_empties_and_keep_leaves_alone() {
        let layout = contacts(Mode::Upsert);
        let values = vec![Some(Value::text("a@b.c")), Some(Value::Null), None, None, None];
        let encoded = layout.encode(UPSERT, &[op(1, None, values)]);
        assert_eq!(encoded.fields, [vec![0, 1]]);
        assert!(body(&encoded).ends_with(r#""properties":{"email":"a@b.c","firstname":""}}]}"#));
    }

    #[test]
    fn a_request_never_names_one_record_twice() {
        let layout = contacts(Mode::Upsert);
        let twice = [
            op(1, None, record("ann@example.com", "Ann")),
            op(2, None, record("ANN@example.com ", "Ann")),
        ];
        assert_eq!(layout.encode(UPSERT, &twice).taken, 1);
        let by_id = [
            op(1, Some("5"), record("a@b.c", "A")),
            op(2, Some("5"), record("d@e.f", "B")),
        ];
        assert_eq!(layout.encode(UPDATE, &by_id).taken, 1);
        assert_eq!(layout.encode(membership(3), &by_id).taken, 1);
    }

    #[test]
    fn batches_end_at_a_hundred_rows_and_before_a_megabyte() {
        let layout = contacts(Mode::Upsert);
        let small: Vec<_> = (0..150)
            .map(|row| op(row, None, record(&format!("p{row}@x.y"), "A")))
            .collect();
        assert_eq!(layout.encode(UPSERT, &small).taken, 100);
        let large: Vec<_> = (0..100)
            .map(|row| op(row, None, record(&format!("p{row}@x.y"), &"x".repeat(60_000))))
            .collect();
        let encoded = layout.encode(UPSERT, &large);
        assert_eq!(encoded.taken, 14);
        assert!(encoded.request.body.len() <= MAX_BODY + 2);
        assert!(serde_json::from_slice::<serde_json::Value>(&encoded.request.body).is_ok());
    }

    #[test]
    fn a_row_too_large_for_any_batch_goes_alone() {
        let layout = contacts(Mode::Upsert);
        let huge = op(1, None, record("a@b.c", &"x".repeat(MAX_BODY)));
        let next = op(2, None, record("d@e.f", "x"));
        assert_eq!(layout.encode(UPSERT, &[huge, next]).taken, 1);
    }
}
