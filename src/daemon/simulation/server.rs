//! The accounts as their vendor keeps them: records with unique e-mails, and a strict way with requests.

use std::collections::BTreeMap;

use outflow_sdk::destination::{Answer, Asked, Effect, Outcome, Rejection, Sent, Ticket};
use outflow_sdk::error::LimitScope;
use outflow_sdk::{ConnectorError, ErrorKind};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::trouble::What;
use super::world::{Around, BEGIN, MINUTE, SECOND};

/// The fields a record may have; the first is unique among the records of an object.
pub(super) const FIELDS: [&str; 5] = ["email", "customer", "name", "score", "rev"];

/// Most records in a request.
pub(super) const MOST: usize = 10;

/// Most bytes in a request.
pub(super) const BODY: usize = 900;

/// One record of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) id: Option<u64>,
    pub(super) set: BTreeMap<String, Option<String>>,
}

/// A request's body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    pub(super) records: Vec<Part>,
}

/// A record that was not removed.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) object: String,
    pub(super) fields: Fields,
}

type Fields = BTreeMap<String, String>;

#[derive(Default)]
pub(super) struct Account {
    pub(super) records: BTreeMap<u64, Record>,
    /// Ids by object and e-mail.
    holders: BTreeMap<(String, String), u64>,
    ids: u64,
    /// Results of jobs, and when they are ready.
    jobs: BTreeMap<String, (i64, Vec<Outcome>)>,
    /// What was written, for whoever must find out what went wrong.
    pub(super) written: Vec<String>,
}

impl Account {
    fn holder(&self, object: &str, email: &str) -> Option<u64> {
        self.holders.get(&(object.to_owned(), email.to_owned())).copied()
    }

    /// The e-mails of an object's records, by their row.
    pub(super) fn emails(&self, object: &str) -> Vec<(i64, String)> {
        let mine = self.records.values().filter(|record| record.object == object);
        let named = mine.map(|record| {
            (
                record.fields["customer"].parse().unwrap(),
                record.fields["email"].clone(),
            )
        });
        named.collect()
    }

    fn remove(&mut self, id: u64) -> Option<Record> {
        let record = self.records.remove(&id)?;
        self.holders
            .remove(&(record.object.clone(), record.fields["email"].clone()));
        Some(record)
    }

    /// Writes a record; gives it as it was, and as it is.
    fn write(&mut self, object: &str, id: u64, set: BTreeMap<String, Option<String>>) -> (Fields, Fields) {
        let before = self
            .records
            .get(&id)
            .map(|record| record.fields.clone())
            .unwrap_or_default();
        let mut after = before.clone();
        for (field, value) in set {
            match value {
                Some(value) => after.insert(field, value),
                None => after.remove(&field),
            };
        }
        if let Some(email) = before.get("email") {
            self.holders.remove(&(object.to_owned(), email.clone()));
        }
        self.holders
            .insert((object.to_owned(), after["email"].clone()), id);
        let (object, fields) = (object.to_owned(), after.clone());
        self.records.insert(id, Record { object, fields });
        (before, after)
    }

    /// Why a record cannot take this, if so.
    fn refusal(
        &self,
        object: &str,
        id: Option<u64>,
        set: &BTreeMap<String, Option<String>>,
    ) -> Option<Rejection> {
        if set
            .get("name")
            .is_some_and(|name| name.as_ref().is_some_and(|name| name.starts_with('?')))
        {
            return Some(rejection("bad_name", "name"));
        }
        let email = set.get("email")?.as_ref()?;
        let holder = self.holder(object, email);
        (id.is_some() && holder.is_some() && holder != id).then(|| rejection("email_taken", "email"))
    }
}

fn rejection(code: &str, field: &str) -> Rejection {
    Rejection {
        code: code.to_owned(),
        field: Some(field.to_owned()),
        message: format!("this {field} cannot be taken"),
    }
}

fn error(kind: ErrorKind, code: &'static str) -> ConnectorError {
    ConnectorError::new(kind, code, "the account refuses")
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// What keeps any request from being looked at.
pub(super) fn turned_away(around: &mut Around, place: &str) -> Result<(), ConnectorError> {
    if around.hit(place, What::Down, 1.0) {
        return Err(error(ErrorKind::Transient { after: None }, "unreachable"));
    }
    if around.hit(place, What::Locked, 1.0) {
        return Err(error(ErrorKind::Auth, "unauthorized"));
    }
    if around.hit(place, What::Exhausted, 1.0) {
        let now_ms = around.now_ms();
        let until = around
            .until(place, What::Exhausted)
            .map(|end| millis(end - now_ms));
        return Err(error(ErrorKind::QuotaExhausted { until }, "quota"));
    }
    if around.hit(place, What::Throttling, 0.7) {
        let after = Some(millis(around.random.random_range(1..40) * SECOND));
        let scope = LimitScope::Window;
        return Err(error(ErrorKind::RateLimited { scope, after }, "too_many"));
    }
    if around.hit(place, What::Failing, 0.6) {
        return Err(error(ErrorKind::Transient { after: None }, "server_error"));
    }
    Ok(())
}

/// One request, from its arrival to its answer.
pub(super) fn handle(
    around: &mut Around,
    place: &str,
    object: &str,
    verb: &str,
    body: &[u8],
) -> Result<Sent, ConnectorError> {
    turned_away(around, place)?;
    if around.hit(place, What::Lossy, 0.15) {
        return Err(error(ErrorKind::Ambiguous, "no_answer"));
    }
    let Body { records } = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(cause) => {
            around.wrong(format!("{place}: a body nobody understands: {cause}"));
            return Err(error(ErrorKind::Contract, "bad_body"));
        }
    };
    if records.is_empty() || records.len() > MOST || body.len() > BODY && records.len() > 1 {
        around.wrong(format!(
            "{place}: {} records, {} bytes",
            records.len(),
            body.len()
        ));
    }
    // The second account takes all of a request or nothing, and does it later.
    let is_job = place == "news" && verb != "remove";
    if is_job {
        let account = &around.accounts[place];
        let refused = records
            .iter()
            .find_map(|part| account.refusal(object, part.id, &part.set));
        if let Some(Rejection { code, field, .. }) = refused {
            return Err(error(ErrorKind::BatchRejected { code, field }, "bad_batch"));
        }
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for part in records {
        let skipped = around.hit(place, What::Picky, 0.2);
        outcomes.push(match (skipped, around.random.random_bool(0.5)) {
            (true, true) => Outcome::Retry {
                code: "busy".into(),
                after: None,
            },
            (true, false) => {
                // Done or not: nobody says.
                if around.random.random_bool(0.5) {
                    apply(around, place, object, verb, part);
                }
                Outcome::InDoubt
            }
            _ => apply(around, place, object, verb, part),
        });
    }
    let sent = if is_job {
        let ready_ms = around.now_ms() + around.random.random_range(5..90) * SECOND;
        let account = around.accounts.get_mut(place).unwrap();
        let id = format!("job-{}", account.jobs.len());
        account.jobs.insert(id.clone(), (ready_ms, outcomes));
        Sent::Accepted(Ticket {
            id,
            poll_every: millis(10 * SECOND),
            deadline: millis(3_600 * SECOND),
        })
    } else {
        Sent::Settled(answer(outcomes))
    };
    if around.hit(place, What::Lossy, 0.5) {
        return Err(error(ErrorKind::Ambiguous, "no_answer"));
    }
    Ok(sent)
}

fn answer(outcomes: Vec<Outcome>) -> Answer {
    Answer {
        outcomes,
        observed: None,
        correlation: None,
    }
}

/// The result of a job, if it is ready.
pub(super) fn result(around: &mut Around, place: &str, job: &str) -> Result<Asked, ConnectorError> {
    turned_away(around, place)?;
    let now_ms = around.now_ms();
    let account = around.accounts.get_mut(place).unwrap();
    Ok(match &account.jobs[job] {
        (ready_ms, outcomes) if *ready_ms <= now_ms => Asked::Answered(answer(outcomes.clone())),
        _ => Asked::Running,
    })
}

/// Does what is asked for one record.
fn apply(around: &mut Around, place: &str, object: &str, verb: &str, part: Part) -> Outcome {
    let minute = (around.now_ms() - BEGIN) / MINUTE;
    let asked = format!("{verb} {part:?}");
    let Part { id, set } = part;
    if let Some(words) = misuse(&set, id, verb) {
        around.wrong(format!("{place}: {verb} {words}"));
    }
    let account = around.accounts.get_mut(place).unwrap();
    let known = match id {
        Some(id) => account.records.get(&id).map(|_| id),
        None => set
            .get("email")
            .and_then(|email| account.holder(object, email.as_deref()?)),
    };
    if verb == "remove" {
        let record = known.and_then(|id| account.remove(id));
        account.written.push(format!(
            "minute {minute}: {object} {known:?}: {record:?}: removed"
        ));
        still_there(around, object, record);
        return Outcome::Applied {
            effect: Effect::Removed,
            remote: None,
        };
    }
    if id.is_some() && known.is_none() {
        return Outcome::StaleRemote;
    }
    if let Some(rejection) = account.refusal(object, known, &set) {
        return Outcome::Rejected(rejection);
    }
    let created = known.is_none();
    let id = known.unwrap_or_else(|| {
        account.ids += 1;
        account.ids
    });
    let (before, after) = account.write(object, id, set);
    account
        .written
        .push(format!("minute {minute}: {object} {id}: {before:?}: {asked}"));
    went_back(around, place, &format!("{object} {id}: "), &before, &after);
    let effect = if created { Effect::Created } else { Effect::Updated };
    Outcome::Applied {
        effect,
        remote: Some(id.to_string().into()),
    }
}

/// What a client must not send, whatever is wrong elsewhere.
fn misuse(set: &BTreeMap<String, Option<String>>, id: Option<u64>, verb: &str) -> Option<&'static str> {
    if set.keys().any(|field| !FIELDS.contains(&field.as_str())) {
        return Some("names a field there is not");
    }
    match verb {
        "upsert" if id.is_some() || set.get("email").is_none_or(Option::is_none) => Some("goes by e-mail"),
        "update" if id.is_none() || set.is_empty() => Some("needs an id and something to change"),
        "remove" if id.is_none() || !set.is_empty() => Some("needs an id alone"),
        _ => None,
    }
}

/// A record that is removed must not be one the model showed at the last read.
fn still_there(around: &mut Around, object: &str, record: Option<Record>) {
    let Some(record) = record else { return };
    let id: Option<i64> = record.fields.get("customer").and_then(|id| id.parse().ok());
    let table = &around.tables[object];
    if id.is_some_and(|id| table.read.contains_key(&id)) {
        around.wrong(format!("{object} {id:?} is removed, and the model holds it"));
    }
}

/// Of one row, an older state must not overwrite a newer one.
fn went_back(around: &mut Around, place: &str, record: &str, before: &Fields, after: &Fields) {
    let rev = |fields: &Fields| fields.get("rev").and_then(|rev| rev.parse::<i64>().ok());
    if before.get("customer") == after.get("customer") && rev(before) > rev(after) {
        let written = around.accounts[place].written.iter().rev();
        let latest: Vec<String> = written
            .filter(|line| line.contains(record))
            .take(20)
            .cloned()
            .collect();
        around.wrong(format!(
            "{place}: an older state overwrites a newer one: {latest:#?}"
        ));
    }
}
