//! What requests carried: the values of each record, read from the twins' logs.

use outflow_sandbox::hubspot::LoggedRequest;
use serde_json::{Map, Value};

use super::super::output::counted;
use super::super::sandbox::Twins;

/// One request that may have changed something.
pub(super) struct Carried {
    /// What it was, for people.
    pub(super) line: String,
    /// The values of each of its records, what identifies them left out.
    pub(super) records: Vec<Map<String, Value>>,
}

/// What one destination was sent since the logs were cleared.
pub(super) struct Sent {
    pub(super) destination: &'static str,
    pub(super) requests: Vec<Carried>,
}

impl Sent {
    /// Values in all records.
    pub(super) fn values(&self) -> usize {
        self.records().map(Map::len).sum()
    }

    /// The names of the values that went out together with this one.
    pub(super) fn beside(&self, value: &str) -> Vec<&str> {
        let has = |record: &&Map<String, Value>| record.values().any(|one| one.as_str() == Some(value));
        let record = self.records().find(has);
        record.map_or_else(Vec::new, |record| record.keys().map(String::as_str).collect())
    }

    fn records(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.requests.iter().flat_map(|request| &request.records)
    }
}

/// What each destination was sent since the logs were cleared.
pub(super) fn sent(twins: &Twins) -> [Sent; 3] {
    let of = |destination, log: Vec<LoggedRequest>, read: fn(&LoggedRequest) -> Option<Vec<_>>| Sent {
        destination,
        requests: log
            .iter()
            .filter_map(|request| {
                let records = read(request)?;
                let values: usize = records.iter().map(Map::len).sum();
                let line = format!(
                    "{} {}: {}, {}",
                    request.method,
                    request.path,
                    counted(records.len() as u64, "record"),
                    counted(values as u64, "value")
                );
                Some(Carried { line, records })
            })
            .collect(),
    };
    [
        of("HubSpot", twins.hubspot.requests(), hubspot),
        of("Mailchimp", twins.mailchimp.requests(), mailchimp),
        of(
            "Marketing Cloud",
            twins.marketing_cloud.requests(),
            marketing_cloud,
        ),
    ]
}

/// The members `name` of the items of a list.
fn parts(list: Option<&Value>, name: &str) -> Vec<Map<String, Value>> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice);
    let part = |item: &Value| item.get(name).and_then(Value::as_object).cloned();
    let items = items.unwrap_or_default().iter();
    items.map(|item| part(item).unwrap_or_default()).collect()
}

/// `{"inputs": [{"properties": {…}}]}`.
fn hubspot(request: &LoggedRequest) -> Option<Vec<Map<String, Value>>> {
    let reads = request.method == "GET" || request.path.ends_with("/batch/read");
    (!reads).then(|| parts(request.json().get("inputs"), "properties"))
}

/// `{"members": [{"merge_fields": {…}}]}`, or one member whose new address is a value as well.
fn mailchimp(request: &LoggedRequest) -> Option<Vec<Map<String, Value>>> {
    if request.method == "GET" {
        return None;
    }
    let body = request.json();
    if let Some(members) = body.get("members") {
        return Some(parts(Some(members), "merge_fields"));
    }
    let merge_fields = body.get("merge_fields").and_then(Value::as_object);
    let mut one = merge_fields.cloned().unwrap_or_default();
    if let Some(email) = body.get("email_address") {
        one.insert("email_address".into(), email.clone());
    }
    Some(vec![one])
}

/// `[{"keys": {…}, "values": {…}}]`, or a deletion of rows; tokens and look-ups change nothing.
fn marketing_cloud(request: &LoggedRequest) -> Option<Vec<Map<String, Value>>> {
    if request.path == "/Service.asmx" {
        let text = String::from_utf8_lossy(&request.body);
        let rows = text.matches("<Objects").count();
        return text.contains("<DeleteRequest").then(|| vec![Map::new(); rows]);
    }
    let writes = request.method != "GET" && request.path != "/v2/token";
    writes.then(|| parts(Some(&request.json()), "values"))
}
