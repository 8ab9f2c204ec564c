//! Operations as request bodies. Pure and deterministic; written straight into the buffer, since
//! this runs for every row sent.

use std::collections::HashSet;

use bytes::Bytes;
use outflow_sdk::destination::{Action, Encoded, Operation, Request, Route};
use outflow_sdk::value::Value;

use crate::capabilities::{MATCH, MAX_BODY, Verb};
use crate::layout::{Layout, Mark, mark, stored_hash};
use crate::target::{Kind, Plain};
use crate::values::{self, Status, bool_of, write_plain, write_text};

/// Members without a value for a required field are accepted: the audience may require fields that
/// the mapping does not have, which would refuse every update.
const LENIENT: &str = "skip_merge_validation=true";
/// Bytes of a row besides its values, for sizing the buffer.
const ROW_BYTES: usize = 300;

/// A JSON object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Writes the key; its value goes into what is returned.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_text(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        write_text(text, self.key(name));
    }

    pub(crate) fn plain(&mut self, name: &str, value: &dyn std::fmt::Display) {
        write_plain(value, self.key(name));
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

impl Layout {
    /// One request from the first of `operations`, all of which go to `route`.
    pub(crate) fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let verb = Verb::of(route).unwrap_or(Verb::Lookup);
        let (body, fields) = match (verb, operations.first()) {
            (_, None) => (Vec::new(), Vec::new()),
            (Verb::Subscribe | Verb::Create, _) => self.encode_batch(verb, route, operations),
            (Verb::Segment, _) => self.encode_segment(route, operations),
            (_, Some(operation)) => {
                let (body, carried) = self.encode_one(verb, route, operation);
                (body, vec![carried])
            }
        };
        let (method, path) = self.address(verb, route, operations.first());
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

    fn address(&self, verb: Verb, route: Route, operation: Option<&Operation>) -> (&'static str, String) {
        let hash = operation
            .map(|operation| self.hash(operation))
            .unwrap_or_default();
        let base = &self.path;
        let segment = match self.field(route.lane).map(|field| &field.kind) {
            Some(Kind::Segment(id)) => id.as_str(),
            _ => "",
        };
        match verb {
            Verb::Subscribe | Verb::Create => ("POST", format!("{base}?{LENIENT}")),
            Verb::Update | Verb::Unsubscribe => ("PATCH", format!("{base}/members/{hash}?{LENIENT}")),
            Verb::Revive => ("POST", format!("{base}/members?{LENIENT}")),
            Verb::Lookup => ("GET", format!("{base}/members/{hash}?fields=id,status")),
            Verb::Tags => ("POST", format!("{base}/members/{hash}/tags")),
            Verb::Segment => ("POST", format!("{base}/segments/{segment}")),
            Verb::SegmentLeave => ("DELETE", format!("{base}/segments/{segment}/members/{hash}")),
            Verb::Archive => ("DELETE", format!("{base}/members/{hash}")),
            Verb::Delete => ("POST", format!("{base}/members/{hash}/actions/delete-permanent")),
        }
    }

    fn encode_batch(&self, verb: Verb, route: Route, operations: &[Operation]) -> (Vec<u8>, Vec<Vec<u16>>) {
        let rows = operations.len().min(route.max_rows);
        let mut body = Vec::with_capacity(rows * ROW_BYTES);
        body.extend_from_slice(b"{\"members\":[");
        let mut fields = Vec::with_capacity(rows);
        let mut seen = HashSet::with_capacity(rows);
        for operation in operations.iter().take(rows) {
            // Mailchimp refuses a whole batch that names one address twice.
            let is_first = seen.insert(self.hash(operation));
            let mark = body.len();
            if !fields.is_empty() {
                body.push(b',');
            }
            let carried = self.write_member(verb, operation, &mut body);
            if !fields.is_empty() && (!is_first || body.len() > MAX_BODY) {
                body.truncate(mark);
                break;
            }
            fields.push(carried);
        }
        body.extend_from_slice(b"],\"update_existing\":");
        write_plain(&(verb == Verb::Subscribe), &mut body);
        body.push(b'}');
        (body, fields)
    }

    fn encode_one(&self, verb: Verb, route: Route, operation: &Operation) -> (Vec<u8>, Vec<u16>) {
        let mut body = Vec::new();
        let carried = match verb {
            Verb::Update | Verb::Revive => self.write_member(verb, operation, &mut body),
            Verb::Tags => self.write_tags(operation, &mut body),
            Verb::Unsubscribe => {
                let mut object = Object::begin(&mut body);
                object.text("status", Status::Unsubscribed.word());
                object.end();
                Vec::new()
            }
            Verb::SegmentLeave => self.carried_apart(operation, |number, _| number == route.lane),
            _ => Vec::new(),
        };
        (body, carried)
    }

    /// Writes one member and returns the numbers of the fields this settles.
    fn write_member(&self, verb: Verb, operation: &Operation, body: &mut Vec<u8>) -> Vec<u16> {
        // What is known of a member that is new to us, or archived, is nothing: everything goes out.
        let whole = verb == Verb::Revive || stored_hash(operation).is_none();
        let numbers: Vec<u16> = if whole && operation.action == Action::Write {
            (0u16..).take(self.fields.len()).collect()
        } else {
            operation.pending.clone()
        };
        let mut writer = MemberWriter {
            layout: self,
            verb,
            operation,
            carried: Vec::with_capacity(numbers.len()),
        };
        let mut object = Object::begin(body);
        writer.write_head(&numbers, &mut object);
        writer.write_merge_fields(&numbers, &mut object);
        writer.write_interests(&numbers, &mut object);
        writer.write_permissions(&numbers, &mut object);
        object.end();
        let mut carried = writer.carried;
        let is_pending = |number: &u16| operation.pending.binary_search(number).is_ok();
        let unsent = |number: &u16| self.is_settled_unsent(operation, *number) && is_pending(number);
        carried.extend(numbers.iter().copied().filter(unsent));
        if verb == Verb::Subscribe {
            carried.extend(self.absent_tags(operation));
        }
        carried.sort_unstable();
        carried.dedup();
        carried
    }
}

struct MemberWriter<'a> {
    layout: &'a Layout,
    verb: Verb,
    operation: &'a Operation,
    carried: Vec<u16>,
}

impl<'a> MemberWriter<'a> {
    fn clears(&self) -> bool {
        self.operation.action != Action::Write
    }

    /// The value to send; NULL when the member is to be cleared; none when nothing is to be sent.
    fn value(&self, number: u16) -> Option<&'a Value> {
        if self.layout.is_settled_unsent(self.operation, number) {
            return None;
        }
        if self.clears() {
            return Some(&Value::Null);
        }
        self.operation.record.get(usize::from(number))?.as_ref()
    }

    /// Address, consent, and what else stands beside the merge fields.
    fn write_head(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        let email = self.layout.email(self.operation);
        let email_field = self.layout.email.and_then(|at| u16::try_from(at).ok());
        let names_member = self.verb != Verb::Update;
        let email_goes = email_field.is_some_and(|number| numbers.contains(&number)) && !self.clears();
        if let Some(email) = email.filter(|_| names_member || email_goes) {
            object.text(MATCH, email);
            self.carried
                .extend(email_field.filter(|number| numbers.contains(number)));
        }
        self.write_status(numbers, object);
        for number in numbers {
            let Some(Kind::Plain(plain)) = self.layout.field(*number).map(|field| &field.kind) else {
                continue;
            };
            let Some(value) = self.value(*number) else {
                continue;
            };
            self.carried.push(*number);
            if !plain.is_location() {
                write_property(*plain, value, object);
            }
        }
        self.write_location(numbers, object);
    }

    fn write_status(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        let layout = self.layout;
        let wanted = layout.wanted_status(self.operation);
        let is_asked = layout.status.is_some_and(|number| numbers.contains(&number)) && !self.clears();
        match self.verb {
            Verb::Subscribe | Verb::Create => {
                // Without `status`, Mailchimp leaves the consent of those that exist alone. A status
                // that opts out may go along; for others the answer tells the member's own.
                if let Some(status) = layout.status_if_new(self.operation) {
                    object.text("status_if_new", status);
                }
                if let Some(status) = wanted.filter(|wanted| wanted.is_opted_out())
                    && is_asked
                    && self.verb == Verb::Subscribe
                {
                    object.text("status", status.word());
                }
            }
            Verb::Revive => {
                if let Some(status) = layout.status_if_new(self.operation) {
                    object.text("status", status);
                }
            }
            _ => {
                let may = |wanted: &Status| wanted.is_opted_out() || mark(self.operation) == Mark::Seen;
                match wanted.filter(may) {
                    Some(status) if is_asked => object.text("status", status.word()),
                    _ => return,
                }
            }
        }
        let is_pending = |number: &u16| self.operation.pending.binary_search(number).is_ok();
        if wanted.is_some() {
            self.carried.extend(layout.status.filter(is_pending));
        }
    }

    /// Both coordinates go out when either of them does.
    fn write_location(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        let layout = self.layout;
        let find = |wanted: Plain| {
            layout
                .fields
                .iter()
                .position(|field| field.kind == Kind::Plain(wanted))
        };
        let (latitude, longitude) = (find(Plain::Latitude), find(Plain::Longitude));
        let is_sent = |at: Option<usize>| {
            at.and_then(|at| u16::try_from(at).ok())
                .is_some_and(|number| numbers.contains(&number) && self.value(number).is_some())
        };
        if !is_sent(latitude) && !is_sent(longitude) {
            return;
        }
        let clears = self.clears();
        let out = object.key("location");
        let mut location = Object::begin(out);
        for (name, at) in [("latitude", latitude), ("longitude", longitude)] {
            let value = at.and_then(|at| self.operation.record.get(at)?.as_ref());
            match value.filter(|_| !clears).and_then(values::number_of) {
                Some(number) => location.plain(name, &number),
                None => location.plain(name, &0),
            }
        }
        location.end();
    }

    fn write_merge_fields(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        let layout = self.layout;
        let sent: Vec<_> = numbers
            .iter()
            .filter_map(|number| {
                let field = layout.field(*number)?;
                let Kind::Merge(kind) = &field.kind else {
                    return None;
                };
                Some((*number, field, kind, self.value(*number)?))
            })
            .collect();
        if sent.is_empty() {
            return;
        }
        let mut fields = Object::begin(object.key("merge_fields"));
        for (number, field, kind, value) in sent {
            values::write(kind, value, fields.key(&field.name));
            self.carried.push(number);
        }
        fields.end();
    }

    fn write_interests(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        let layout = self.layout;
        let sent: Vec<_> = numbers
            .iter()
            .filter_map(|number| match &layout.field(*number)?.kind {
                kind @ (Kind::Interest(_) | Kind::Interests(_)) => {
                    Some((*number, kind, self.value(*number)?))
                }
                _ => None,
            })
            .collect();
        if sent.is_empty() {
            return;
        }
        let mut interests = Object::begin(object.key("interests"));
        for (number, kind, value) in sent {
            match kind {
                Kind::Interest(id) => interests.plain(id, &bool_of(value).unwrap_or(false)),
                Kind::Interests(known) => {
                    let chosen = values::items_of(value).unwrap_or_default();
                    for interest in known {
                        let is_on = chosen.iter().any(|item| interest.is_called(item));
                        interests.plain(&interest.id, &is_on);
                    }
                }
                _ => {}
            }
            self.carried.push(number);
        }
        interests.end();
    }

    /// Permissions, which a batch cannot carry.
    fn write_permissions(&mut self, numbers: &[u16], object: &mut Object<'_>) {
        if matches!(self.verb, Verb::Subscribe | Verb::Create) {
            return;
        }
        let mut is_first = true;
        for number in numbers {
            let Some(Kind::Permission(id)) = self.layout.field(*number).map(|field| &field.kind) else {
                continue;
            };
            let Some(value) = self.value(*number) else {
                continue;
            };
            if is_first {
                object.key("marketing_permissions").push(b'[');
            } else {
                object.out.push(b',');
            }
            is_first = false;
            let mut permission = Object::begin(object.out);
            permission.text("marketing_permission_id", id);
            permission.plain("enabled", &bool_of(value).unwrap_or(false));
            permission.end();
            self.carried.push(*number);
        }
        if !is_first {
            object.out.push(b']');
        }
    }
}

fn write_property(plain: Plain, value: &Value, object: &mut Object<'_>) {
    match plain {
        Plain::Vip => object.plain(plain.name(), &bool_of(value).unwrap_or(false)),
        Plain::TimestampOpt | Plain::TimestampSignup => {
            let instant = values::instant_of(value).unwrap_or_default();
            object.text(plain.name(), &instant);
        }
        _ => object.text(plain.name(), values::text_of(value).trim()),
    }
}

#[cfg(test)]
mod tests;
