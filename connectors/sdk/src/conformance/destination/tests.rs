//! Each rule finds the destination that breaks it, and none complains of one that keeps them all.

#![allow(clippy::unwrap_used)]

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;

use super::*;
use crate::destination::{
    AccountInfo, Action, Capabilities, Field, FieldProblem, Limits, Mode, ObjectSpec, Rejection, Removed,
    Request,
};
use crate::error::LimitScope;
use crate::http::{Exchange, HttpRequest, MAX_ANSWER};
use crate::value::Value;

const SECRET: &str = "sesame-open";

/// A rule broken on purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    ModeTwice,
    SecretInAccount,
    SecretInBody,
    TooManyRows,
    RandomBody,
    NoFields,
    FieldsUnordered,
    OutcomeMissing,
    SuccessByStatus,
    RefusalsAreBugs,
    QuotesVendor,
    TakesNullMatch,
    RefusesGoodValues,
    CaseSensitive,
    SendsTwice,
    TargetChanges,
    AnyObject,
    UnlistedRoute,
    LargeBody,
}

struct Sample {
    fault: Fault,
    script: Arc<Script>,
    counter: Mutex<u64>,
}

impl Sample {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn next(&self) -> u64 {
        let mut counter = self.counter.lock().unwrap();
        *counter += 1;
        *counter
    }
}

fn route() -> Route {
    Route {
        name: "write",
        lane: 0,
        max_rows: 3,
        writes: true,
        replay_safe: true,
    }
}

#[async_trait]
impl Destination for Sample {
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError> {
        if object != "people" && !self.is(Fault::AnyObject) {
            return Err(ConnectorError::config("unknown_object", "no such object"));
        }
        let twice = self.is(Fault::ModeTwice);
        Ok(Capabilities {
            modes: if twice {
                vec![Mode::Upsert; 2]
            } else {
                vec![Mode::Upsert]
            },
            removed: vec![Removed::Keep],
            match_fields: vec!["email".into()],
            partial_records: false,
            creates_fields: false,
            routes: vec![Route {
                replay_safe: !self.is(Fault::UnlistedRoute),
                ..route()
            }],
            max_body: if self.is(Fault::LargeBody) { 40 } else { 1_000 },
            notes: Vec::new(),
        })
    }

    fn account_key(&self) -> String {
        let secret = self.is(Fault::SecretInAccount);
        if secret {
            format!("sample:{SECRET}")
        } else {
            "sample:1".into()
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            window: None,
            concurrency: 1,
            daily: None,
            reserve_percent: 0,
        }
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        Ok(AccountInfo {
            label: "sample".into(),
            time_zone: None,
        })
    }

    async fn describe(&self, _: &str) -> Result<Vec<Field>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn bind(&self, _: ObjectSpec, _: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        Err(ConnectorError::config("sample", "bound already"))
    }
}

fn email(operation: &Operation) -> Option<&str> {
    match operation.record.first() {
        Some(Some(Value::Text(text))) => Some(text),
        _ => None,
    }
}

#[async_trait]
impl Binding for Sample {
    fn target(&self) -> String {
        let changes = self.is(Fault::TargetChanges);
        if changes {
            format!("account {}", self.next())
        } else {
            "account 1".into()
        }
    }

    fn schema_print(&self) -> u64 {
        7
    }

    fn problems(&self) -> Vec<FieldProblem> {
        Vec::new()
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        if email(operation).is_some() || self.is(Fault::TakesNullMatch) {
            return Ok(());
        }
        Err(Rejection {
            code: "missing_match".into(),
            field: None,
            message: "no match value".into(),
        })
    }

    fn inspect_value(&self, _: u16, _: &Value) -> Result<(), Rejection> {
        if !self.is(Fault::RefusesGoodValues) {
            return Ok(());
        }
        Err(Rejection {
            code: "invalid_value".into(),
            field: None,
            message: "no good".into(),
        })
    }

    fn identity(&self, operation: &Operation) -> u64 {
        let email = email(operation).unwrap_or_default();
        let sensitive = self.is(Fault::CaseSensitive);
        let email = if sensitive {
            email.to_owned()
        } else {
            email.to_lowercase()
        };
        xxhash_rust::xxh3::xxh3_64(email.as_bytes())
    }

    fn route(&self, _: &Operation) -> Route {
        route()
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        let most = if self.is(Fault::TooManyRows) {
            usize::MAX
        } else {
            route.max_rows
        };
        let taken = operations.len().min(most);
        let mut body: String = operations.iter().take(taken).filter_map(email).collect();
        if self.is(Fault::RandomBody) {
            body.push_str(&self.next().to_string());
        }
        if self.is(Fault::SecretInBody) {
            body.push_str(SECRET);
        }
        let fields = match self.fault {
            Fault::NoFields => Vec::new(),
            Fault::FieldsUnordered => vec![1, 0],
            _ => vec![0, 1],
        };
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: "/people".into(),
                content_type: "text/plain",
                body: Bytes::from(body),
            },
            taken,
            fields: vec![fields; taken],
        }
    }

    async fn send(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let sends = if self.is(Fault::SendsTwice) { 2 } else { 1 };
        let mut response = Err(lost());
        for _ in 0..sends {
            response = self
                .script
                .exchange(HttpRequest {
                    method: request.method,
                    url: request.path.clone(),
                    headers: Vec::new(),
                    body: request.body.clone(),
                    timeout: Duration::from_secs(1),
                    max_answer: MAX_ANSWER,
                })
                .await;
        }
        let response = response?;
        let quoted = String::from_utf8_lossy(&response.body).into_owned();
        let message = if self.is(Fault::QuotesVendor) {
            format!("refused: {quoted}")
        } else {
            "refused".into()
        };
        let error = |kind| Err(ConnectorError::new(kind, "sample_refused", message.clone()));
        match response.status {
            200..=299 => {
                let by_status = self.is(Fault::SuccessByStatus);
                let outcome = if by_status {
                    Outcome::Applied {
                        effect: Effect::Updated,
                        remote: None,
                    }
                } else {
                    Outcome::InDoubt
                };
                let missing = usize::from(self.is(Fault::OutcomeMissing));
                Ok(Sent::Settled(Answer {
                    outcomes: vec![outcome; operations.len() - missing],
                    observed: None,
                    correlation: None,
                }))
            }
            _ if self.is(Fault::RefusalsAreBugs) => error(ErrorKind::Internal),
            401 | 403 => error(ErrorKind::Auth),
            429 => error(ErrorKind::RateLimited {
                scope: LimitScope::Window,
                after: None,
            }),
            500..=599 => error(ErrorKind::Transient { after: None }),
            _ => error(ErrorKind::Contract),
        }
    }
}

fn person(row: u64, email: Option<&str>) -> Operation {
    Operation {
        row,
        key: CompactString::from(row.to_string()),
        action: Action::Write,
        remote: None,
        record: Arc::from([
            Some(email.map_or(Value::Null, Value::text)),
            Some(Value::Bool(true)),
        ]),
        pending: vec![0, 1],
    }
}

fn another(row: u64) -> Operation {
    person(row, Some(&format!("p{row}@example.com")))
}

/// Ids of the rules a destination with this fault breaks.
async fn broken(fault: Fault) -> Vec<&'static str> {
    let script = Arc::new(Script::new());
    let sample = || {
        Arc::new(Sample {
            fault,
            script: Arc::clone(&script),
            counter: Mutex::new(0),
        })
    };
    let fixture = Fixture {
        destination: sample(),
        binding: sample(),
        script: Arc::clone(&script),
        object: "people".into(),
        secrets: vec![SECRET.into()],
        operations: vec![another(1), another(2)],
        another,
        without_match: person(9, None),
        same_record: Some((
            person(1, Some("Ann@example.com")),
            person(2, Some("ann@example.com")),
        )),
        renewals: 0,
        silent_success: Vec::new(),
        impossible_object: "planets".into(),
    };
    let mut rules: Vec<_> = run(&fixture)
        .await
        .iter()
        .map(|violation| violation.rule)
        .collect();
    rules.dedup();
    rules
}

#[tokio::test]
async fn a_destination_that_keeps_the_rules_passes() {
    assert!(broken(Fault::None).await.is_empty());
}

#[tokio::test]
async fn every_broken_rule_is_named() {
    for (fault, rule) in [
        (Fault::ModeTwice, "DST-001"),
        (Fault::SecretInAccount, "DST-002"),
        (Fault::SecretInBody, "DST-003"),
        (Fault::TooManyRows, "DST-005"),
        (Fault::RandomBody, "DST-006"),
        (Fault::NoFields, "DST-007"),
        (Fault::FieldsUnordered, "DST-007"),
        (Fault::OutcomeMissing, "DST-008"),
        (Fault::SuccessByStatus, "DST-009"),
        (Fault::RefusalsAreBugs, "DST-010"),
        (Fault::QuotesVendor, "DST-011"),
        (Fault::TakesNullMatch, "DST-012"),
        (Fault::RefusesGoodValues, "DST-012"),
        (Fault::CaseSensitive, "DST-013"),
        (Fault::SendsTwice, "DST-014"),
        (Fault::TargetChanges, "DST-015"),
        (Fault::AnyObject, "DST-016"),
        (Fault::UnlistedRoute, "DST-017"),
        (Fault::LargeBody, "DST-018"),
    ] {
        assert_eq!(broken(fault).await, [rule], "a fault of {rule}");
    }
}
