//! Operations as request bodies.

use bytes::Bytes;
use outflow_sdk::destination::{Action, Encoded, Operation, Removed, Request, Route};
use outflow_sdk::value::Value;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::capabilities::{
    CONSENT, CONTACTS, DELETE, DIRECT_COLUMNS, DIRECT_ROWS, MAX_BODY, MAX_DIRECT_BODY,
};
use crate::client::{SOAP_PATH, SOAP_TYPE};
use crate::layout::{Layout, known_address};
use crate::soap;
use crate::values::{self, Kind};

/// Content type of REST bodies.
pub(crate) const JSON_TYPE: &str = "application/json; charset=utf-8";

/// One row, ready to be written.
struct Row<'a> {
    layout: &'a Layout,
    operation: &'a Operation,
    keys: Vec<String>,
    /// Numbers of the fields that go out, ascending, key columns left out.
    fields: Vec<u16>,
}

/// What a field is to hold; nothing when the row is to be emptied.
fn value_of(operation: &Operation, field: u16) -> Option<&Value> {
    if operation.action == Action::Remove(Removed::Clear) {
        return Some(&Value::Null);
    }
    operation.record.get(usize::from(field))?.as_ref()
}

impl Layout {
    /// One request from the first operations that fit.
    pub(crate) fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        if route.name == DELETE.name {
            return self.encode_delete(route, operations);
        }
        if route.name == CONTACTS.name {
            return self.encode_contacts(route, operations);
        }
        if route.name == CONSENT.name {
            return self.encode_lookup(route, operations);
        }
        let operations = operations.get(..route.max_rows).unwrap_or(operations);
        let rows: Vec<Row<'_>> = operations.iter().map(|operation| self.row(operation)).collect();
        let direct = rows.len() <= DIRECT_ROWS && rows.iter().all(Row::can_go_direct);
        let (body, taken) = if direct {
            direct_body(&rows)
        } else {
            job_body(&rows)
        };
        let segment = &self.segment;
        let (method, path) = if direct {
            ("POST", format!("/hub/v1/dataevents/{segment}/rowset"))
        } else {
            ("PUT", format!("/data/v1/async/dataextensions/{segment}/rows"))
        };
        Encoded {
            request: Request {
                route,
                method,
                path,
                content_type: JSON_TYPE,
                body: Bytes::from(body),
            },
            taken,
            fields: rows
                .iter()
                .take(taken)
                .map(|row| self.acknowledged(row))
                .collect(),
        }
    }

    fn row<'a>(&'a self, operation: &'a Operation) -> Row<'a> {
        let is_write = operation.action == Action::Write;
        // A row that may not be there needs every value; one that is there what differs, and with it
        // what the data extension requires of every row.
        let whole = is_write && (known_address(operation).is_none() || self.is_renamed(operation));
        let goes_out = |number: &u16| {
            let Some(column) = self.column(*number) else {
                return false;
            };
            let Some(value) = value_of(operation, *number) else {
                return false;
            };
            let wanted =
                whole || operation.pending.binary_search(number).is_ok() || (is_write && column.required);
            let can_be_empty = !(column.required && values::is_empty(value));
            wanted && can_be_empty && !self.is_key(*number)
        };
        Row {
            layout: self,
            operation,
            keys: self.target(operation).unwrap_or_default(),
            fields: (0..).take(self.columns.len()).filter(goes_out).collect(),
        }
    }

    /// What an acceptance of the row acknowledges: everything pending, but the new key of a row whose
    /// old one is still to be deleted.
    fn acknowledged(&self, row: &Row<'_>) -> Vec<u16> {
        let renamed = self.is_renamed(row.operation);
        let mut fields: Vec<u16> = row.operation.pending.clone();
        fields.extend(&row.fields);
        fields.retain(|field| !(renamed && self.is_key(*field)));
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    fn encode_delete(&self, route: Route, operations: &[Operation]) -> Encoded {
        let mut objects = String::new();
        let mut taken = 0;
        for operation in operations.iter().take(route.max_rows) {
            let stored = self.stored(operation).map(|address| address.keys);
            let keys = stored.or_else(|| self.own(operation)).unwrap_or_default();
            let pairs: String = self
                .keys
                .iter()
                .zip(&keys)
                .map(|(field, value)| {
                    let name = self.column(*field).map_or("", |column| column.name.as_str());
                    format!(
                        "<Key>{}{}</Key>",
                        soap::leaf("Name", name),
                        soap::leaf("Value", value)
                    )
                })
                .collect();
            let object = format!(
                "<Objects xsi:type=\"DataExtensionObject\">{}<Keys>{pairs}</Keys></Objects>",
                soap::leaf("CustomerKey", &self.key)
            );
            if taken > 0 && objects.len() + object.len() > MAX_BODY {
                break;
            }
            objects += &object;
            taken += 1;
        }
        let body = format!(
            "<DeleteRequest xmlns=\"http://exacttarget.com/wsdl/partnerAPI\"><Options/>{objects}</DeleteRequest>"
        );
        let acknowledged = |operation: &Operation| match operation.action {
            Action::Write => operation.pending.clone(),
            Action::Remove(_) => Vec::new(),
        };
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: SOAP_PATH.into(),
                content_type: SOAP_TYPE,
                body: Bytes::from(body),
            },
            taken: taken.max(1),
            fields: operations.iter().take(taken.max(1)).map(acknowledged).collect(),
        }
    }
}

impl Row<'_> {
    /// Whether the synchronous route takes the row: it has values beside its key, and none is null,
    /// which that route is reported to fail on.
    fn can_go_direct(&self) -> bool {
        let is_null = |number: &u16| {
            let value = value_of(self.operation, *number);
            let is_text = matches!(
                self.layout.column(*number).map(|column| column.kind),
                Some(Kind::Text(_))
            );
            value.is_some_and(values::is_empty) && !is_text
        };
        let columns = self.keys.len() + self.fields.len();
        (1..=DIRECT_COLUMNS).contains(&self.fields.len())
            && columns <= DIRECT_COLUMNS
            && !self.fields.iter().any(is_null)
    }

    fn keys<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for (field, text) in self.layout.keys.iter().zip(&self.keys) {
            let Some(column) = self.layout.column(*field) else {
                continue;
            };
            let value = values::json(
                column.kind,
                &Value::Text(text.as_str().into()),
                self.layout.instants,
            );
            map.serialize_entry(&column.name, &value)?;
        }
        Ok(())
    }

    fn values<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for field in &self.fields {
            let value = value_of(self.operation, *field);
            if let (Some(column), Some(value)) = (self.layout.column(*field), value) {
                let value = values::json(column.kind, value, self.layout.instants);
                map.serialize_entry(&column.name, &value)?;
            }
        }
        Ok(())
    }
}

/// `{"Col": value, …}`: a row of a job.
struct Flat<'a>(&'a Row<'a>);

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.keys(&mut map)?;
        self.0.values(&mut map)?;
        map.end()
    }
}

/// `{"keys": {…}, "values": {…}}`: a row of the synchronous route.
#[derive(Serialize)]
struct Split<'a> {
    keys: Keys<'a>,
    values: Values<'a>,
}

struct Keys<'a>(&'a Row<'a>);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.keys(&mut map)?;
        map.end()
    }
}

struct Values<'a>(&'a Row<'a>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.values(&mut map)?;
        map.end()
    }
}

fn direct_body(rows: &[Row<'_>]) -> (Vec<u8>, usize) {
    listed(rows, MAX_DIRECT_BODY, b"[", b"]", |row, out| {
        let split = Split {
            keys: Keys(row),
            values: Values(row),
        };
        serde_json::to_writer(out, &split)
    })
}

fn job_body(rows: &[Row<'_>]) -> (Vec<u8>, usize) {
    listed(rows, MAX_BODY, b"{\"items\":[", b"]}", |row, out| {
        serde_json::to_writer(out, &Flat(row))
    })
}

/// The rows that fit into one body, at least one.
fn listed(
    rows: &[Row<'_>],
    most: usize,
    open: &[u8],
    close: &[u8],
    write: impl Fn(&Row<'_>, &mut Vec<u8>) -> serde_json::Result<()>,
) -> (Vec<u8>, usize) {
    let mut body = open.to_vec();
    let mut taken = 0;
    for row in rows {
        let before = body.len();
        if taken > 0 {
            body.push(b',');
        }
        // Writing into memory does not fail; a row that cannot be written would leave no valid body.
        let written = write(row, &mut body).is_ok();
        if taken > 0 && (!written || body.len() + close.len() > most) {
            body.truncate(before);
            break;
        }
        taken += 1;
    }
    body.extend_from_slice(close);
    (body, taken.max(1))
}

#[cfg(test)]
mod tests;
