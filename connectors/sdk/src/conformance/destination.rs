//! The rules of a destination.
//!
//! | Rule | A destination … |
//! |---|---|
//! | DST-001 | offers at least one mode, and each mode and removal rule once |
//! | DST-002 | names its account the same way every time, without a secret |
//! | DST-003 | puts no secret into a request's path or body |
//! | DST-004 | sends an operation the same way every time it is asked |
//! | DST-005 | takes at least one operation, and no more than its route allows |
//! | DST-006 | encodes the same operations to the same bytes, for the route it was asked for |
//! | DST-007 | says for every operation which fields are acknowledged: known, ascending, pending ones among them |
//! | DST-008 | gives exactly one outcome for every operation, whatever the answer |
//! | DST-009 | takes no answer for a success that does not say so |
//! | DST-010 | classifies refusals of the request: credentials, limits, outages, lost answers |
//! | DST-011 | repeats nothing of a vendor's text, nor a secret, in errors and outcomes |
//! | DST-012 | accepts good rows and their values, and refuses rows without a match value |
//! | DST-013 | knows one record under two spellings of its match, and tells other records apart |
//! | DST-014 | sends once: one exchange for every request |
//! | DST-015 | has the same target and schema print when asked again |
//! | DST-016 | refuses an object it cannot have |
//! | DST-017 | takes no route its capabilities do not list, and none of another size or replay safety |
//! | DST-018 | builds no body over the size its capabilities state, unless one row needs it |

use std::sync::Arc;

use super::Violation;
use super::script::{Script, answer, lost};
use crate::destination::{
    Answer, Binding, Capabilities, Destination, Effect, Encoded, Operation, Outcome, Route, Sent,
};
use crate::error::{ConnectorError, ErrorKind};
use crate::http::{ExchangeError, HttpResponse};

/// Stands in answers where a vendor would quote a contact's value.
const QUOTED: &str = "quoted-value@example.com";

/// A destination bound to an object, over a scripted network.
pub struct Fixture {
    /// The network under the destination.
    pub script: Arc<Script>,
    /// The destination.
    pub destination: Arc<dyn Destination>,
    /// It, bound.
    pub binding: Arc<dyn Binding>,
    /// The object it is bound to.
    pub object: String,
    /// Every credential in its settings.
    pub secrets: Vec<String>,
    /// Good operations on distinct records, covering every route the binding has.
    pub operations: Vec<Operation>,
    /// A write like the good ones for any number, each of another record.
    pub another: fn(u64) -> Operation,
    /// A write without a match value.
    pub without_match: Operation,
    /// Two writes of one record whose match is spelt in two ways, if the destination ignores that.
    pub same_record: Option<(Operation, Operation)>,
    /// Exchanges beyond the one that renew a credential that was refused, and repeat the request.
    pub renewals: usize,
    /// Names of routes that succeed with an empty body.
    pub silent_success: Vec<&'static str>,
    /// An object the destination cannot have.
    pub impossible_object: String,
}

/// Runs every rule.
pub async fn run(fixture: &Fixture) -> Vec<Violation> {
    let mut suite = Suite {
        fixture,
        violations: Vec::new(),
    };
    suite.capabilities();
    suite.account();
    suite.rows();
    let groups = suite.groups();
    for (route, operations) in &groups {
        suite.encoding(*route, operations);
        suite.answers(*route, operations).await;
    }
    suite.many();
    suite.violations
}

struct Suite<'a> {
    fixture: &'a Fixture,
    violations: Vec<Violation>,
}

impl Suite<'_> {
    fn require(&mut self, rule: &'static str, kept: bool, message: impl FnOnce() -> String) {
        if !kept {
            self.violations.push(Violation {
                rule,
                message: message(),
            });
        }
    }

    fn capabilities(&mut self) {
        let object = &self.fixture.object;
        match self.fixture.destination.capabilities(object) {
            Ok(capabilities) => {
                let distinct = |count: usize, all: usize| count == all;
                let modes: std::collections::HashSet<_> = capabilities.modes.iter().collect();
                let removed: std::collections::HashSet<_> = capabilities.removed.iter().collect();
                let kept = !modes.is_empty()
                    && distinct(modes.len(), capabilities.modes.len())
                    && distinct(removed.len(), capabilities.removed.len());
                self.require("DST-001", kept, || format!("{capabilities:?}"));
            }
            Err(error) => self.require("DST-001", false, || {
                format!("no capabilities of {object}: {error}")
            }),
        }
        let impossible = self
            .fixture
            .destination
            .capabilities(&self.fixture.impossible_object);
        let refused = impossible.is_err_and(|error| error.kind == ErrorKind::Config);
        self.require("DST-016", refused, || {
            format!(
                "object `{}` is not refused as config",
                self.fixture.impossible_object
            )
        });
    }

    fn account(&mut self) {
        let destination = &self.fixture.destination;
        let key = destination.account_key();
        let same = key == destination.account_key() && !key.is_empty();
        self.require("DST-002", same && !self.tells(&key), || {
            "the account key changes or tells a secret".into()
        });
        let binding = &self.fixture.binding;
        let lasting =
            binding.target() == binding.target() && binding.schema_print() == binding.schema_print();
        let target = binding.target();
        self.require(
            "DST-015",
            lasting && !target.is_empty() && !self.tells(&target),
            || "target or schema print changes, or tells a secret".into(),
        );
    }

    fn tells(&self, text: &str) -> bool {
        self.fixture.secrets.iter().any(|secret| text.contains(secret))
    }

    fn rows(&mut self) {
        let fixture = self.fixture;
        let binding = &fixture.binding;
        for operation in &fixture.operations {
            let refused = binding.inspect(operation).err();
            self.require("DST-012", refused.is_none(), || {
                format!("row {}: {refused:?}", operation.row)
            });
            let values = (0..).zip(operation.record.iter());
            let refused = values
                .filter_map(|(field, value)| binding.inspect_value(field, value.as_ref()?).err())
                .next();
            self.require("DST-012", refused.is_none(), || {
                format!("a value of row {}: {refused:?}", operation.row)
            });
            let route = binding.route(operation);
            let same = route == binding.route(operation) && route.max_rows > 0 && !route.name.is_empty();
            self.require("DST-004", same, || format!("row {}: {route:?}", operation.row));
            self.listed(route);
        }
        let accepted = binding.inspect(&fixture.without_match).is_ok();
        self.require("DST-012", !accepted, || {
            "a row without a match value is accepted".into()
        });
        if let Some((one, other)) = &fixture.same_record {
            let same = binding.identity(one) == binding.identity(other);
            self.require("DST-013", same, || {
                "one record under two spellings has two identities".into()
            });
        }
        let (one, other) = ((fixture.another)(1), (fixture.another)(2));
        let apart = binding.identity(&one) != binding.identity(&other);
        self.require("DST-013", apart, || "two records have one identity".into());
    }

    /// Whether people were told of this route.
    fn listed(&mut self, route: Route) {
        let listed = self
            .capabilities_of_object()
            .is_some_and(|known| known.routes.contains(&Route { lane: 0, ..route }));
        self.require("DST-017", listed, || {
            format!("capabilities do not list {route:?}")
        });
    }

    fn capabilities_of_object(&self) -> Option<Capabilities> {
        let fixture = self.fixture;
        fixture.destination.capabilities(&fixture.object).ok()
    }

    /// The fixture's operations by the route they take.
    fn groups(&self) -> Vec<(Route, Vec<Operation>)> {
        let mut groups: Vec<(Route, Vec<Operation>)> = Vec::new();
        for operation in &self.fixture.operations {
            let route = self.fixture.binding.route(operation);
            match groups.iter_mut().find(|(known, _)| *known == route) {
                Some((_, operations)) => operations.push(operation.clone()),
                None => groups.push((route, vec![operation.clone()])),
            }
        }
        groups
    }

    fn encoding(&mut self, route: Route, operations: &[Operation]) {
        let binding = &self.fixture.binding;
        let encoded = binding.encode(route, operations);
        let again = binding.encode(route, operations);
        let name = route.name;
        let fits = encoded.taken >= 1 && encoded.taken <= operations.len().min(route.max_rows);
        self.require("DST-005", fits, || {
            format!("{name}: {} of {}", encoded.taken, operations.len())
        });
        let same = encoded.request == again.request && encoded.request.route == route;
        self.require("DST-006", same, || {
            format!("{name}: two requests from the same operations")
        });
        let body = String::from_utf8_lossy(&encoded.request.body).into_owned();
        let tells = self.tells(&body) || self.tells(&encoded.request.path);
        self.require("DST-003", !tells, || {
            format!("{name}: a secret is in the request")
        });
        let fault = fields_fault(&encoded, operations);
        self.require("DST-007", fault.is_none(), || {
            format!("{name}: {}", fault.unwrap_or_default())
        });
        self.size(&encoded);
    }

    fn size(&mut self, encoded: &Encoded) {
        let most = self
            .capabilities_of_object()
            .map_or(usize::MAX, |known| known.max_body);
        let size = encoded.request.body.len();
        self.require("DST-018", size <= most || encoded.taken == 1, || {
            format!("{}: {size} bytes", encoded.request.route.name)
        });
    }

    /// A full request of many rows, and the rest of them in the next.
    fn many(&mut self) {
        let binding = &self.fixture.binding;
        let first = (self.fixture.another)(0);
        let route = binding.route(&first);
        let count = route.max_rows as u64 + 1;
        let operations: Vec<Operation> = (0..count).map(self.fixture.another).collect();
        let encoded = binding.encode(route, &operations);
        let fits = encoded.taken >= 1 && encoded.taken <= route.max_rows;
        self.require("DST-005", fits, || {
            format!("{}: {} of {count}", route.name, encoded.taken)
        });
        let fault = fields_fault(&encoded, &operations);
        self.require("DST-007", fault.is_none(), || fault.unwrap_or_default());
        self.size(&encoded);
    }

    async fn answers(&mut self, route: Route, operations: &[Operation]) {
        for (name, given) in refusals().into_iter().chain(empty_answers()) {
            self.fixture.script.take_requests();
            self.fixture.script.always(given.clone());
            let encoded = self.fixture.binding.encode(route, operations);
            let sent_operations = operations.get(..encoded.taken).unwrap_or(operations);
            let sent = self.fixture.binding.send(&encoded.request, sent_operations).await;
            let what = format!("{}: {name}", route.name);
            let exchanges = self.fixture.script.take_requests().len();
            let is_refused = given.as_ref().is_ok_and(|given| given.status == 401);
            let allowed = if is_refused { 1 + self.fixture.renewals } else { 1 };
            self.require("DST-014", (1..=allowed).contains(&exchanges), || {
                format!("{what}: {exchanges} exchanges")
            });
            let shown = format!("{sent:?}");
            let told = shown.contains(QUOTED) || self.tells(&shown);
            self.require("DST-011", !told, || format!("{what}: repeats what it must not"));
            match sent {
                Ok(Sent::Settled(answer)) => self.settled(&what, route, &given, &answer, sent_operations),
                Ok(Sent::Accepted(_)) => {
                    self.require("DST-009", false, || format!("{what}: taken for an accepted job"));
                }
                Err(error) => self.failed(&what, &given, &error),
            }
        }
    }

    fn settled(
        &mut self,
        what: &str,
        route: Route,
        given: &Result<HttpResponse, ExchangeError>,
        answer: &Answer,
        operations: &[Operation],
    ) {
        let (outcomes, sent) = (answer.outcomes.len(), operations.len());
        self.require("DST-008", outcomes == sent, || {
            format!("{what}: {outcomes} outcomes for {sent}")
        });
        let is_silent = given.as_ref().is_ok_and(|given| given.body.is_empty())
            && self.fixture.silent_success.contains(&route.name);
        let success = |outcome: &Outcome| match outcome {
            Outcome::Applied { effect, .. } => *effect != Effect::Untouched,
            Outcome::Resolved { .. } => true,
            _ => false,
        };
        let taken = answer.outcomes.iter().any(success);
        self.require("DST-009", is_silent || !taken, || {
            format!("{what}: taken for a success")
        });
        let status = given.as_ref().map_or(0, |given| given.status);
        let must_fail = status == 401 || status == 403 || status == 429 || status >= 500 || given.is_err();
        self.require("DST-010", !must_fail, || {
            format!("{what}: not an error of the request")
        });
    }

    fn failed(&mut self, what: &str, given: &Result<HttpResponse, ExchangeError>, error: &ConnectorError) {
        let kind = &error.kind;
        let fits = match given {
            Err(ExchangeError::Unreachable { .. }) => matches!(kind, ErrorKind::Transient { .. }),
            Err(_) => matches!(kind, ErrorKind::Ambiguous | ErrorKind::Transient { .. }),
            Ok(given) => match given.status {
                // Some vendors throttle with a bare 403; what is no JSON comes from before their API.
                403 if !is_json(&given.body) => {
                    matches!(kind, ErrorKind::Auth | ErrorKind::RateLimited { .. })
                }
                401 | 403 => *kind == ErrorKind::Auth,
                429 => matches!(
                    kind,
                    ErrorKind::RateLimited { .. } | ErrorKind::QuotaExhausted { .. }
                ),
                500..=599 => matches!(kind, ErrorKind::Ambiguous | ErrorKind::Transient { .. }),
                200..=299 => matches!(
                    kind,
                    ErrorKind::Ambiguous | ErrorKind::Transient { .. } | ErrorKind::Contract
                ),
                _ => !matches!(kind, ErrorKind::Internal),
            },
        };
        self.require("DST-010", fits, || format!("{what}: {kind:?}"));
        let worded = !error.code.is_empty() && !error.message.is_empty();
        self.require("DST-010", worded, || format!("{what}: no code or message"));
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn fields_fault(encoded: &Encoded, operations: &[Operation]) -> Option<String> {
    if encoded.fields.len() != encoded.taken {
        return Some(format!(
            "{} lists of fields for {}",
            encoded.fields.len(),
            encoded.taken
        ));
    }
    for (fields, operation) in encoded.fields.iter().zip(operations) {
        let ascending = fields.windows(2).all(|pair| pair.first() < pair.last());
        let known = fields
            .iter()
            .all(|field| operation.pending.contains(field) || usize::from(*field) < operation.record.len());
        let progress = fields.iter().any(|field| operation.pending.contains(field));
        let needs_progress = encoded.request.route.writes && !operation.pending.is_empty();
        if !ascending || !known || (needs_progress && !progress) {
            return Some(format!(
                "row {}: fields {fields:?}, pending {:?}",
                operation.row, operation.pending
            ));
        }
    }
    None
}

type Given = (&'static str, Result<HttpResponse, ExchangeError>);

/// Answers outside 2xx, and no answer at all.
fn refusals() -> Vec<Given> {
    let html = format!("<html><body>{QUOTED}</body></html>");
    let json = format!("{{\"message\":\"{QUOTED}\",\"title\":\"{QUOTED}\",\"category\":\"{QUOTED}\"}}");
    let unreachable = ExchangeError::Unreachable {
        host: "script".into(),
        reason: "refused".into(),
    };
    let mut given: Vec<Given> = vec![
        ("unreachable", Err(unreachable)),
        ("no answer", Err(lost())),
        ("a refusal in JSON", Ok(answer(400, json.clone()))),
        ("a refusal in HTML", Ok(answer(400, html.clone()))),
        ("a refusal without a body", Ok(answer(400, ""))),
    ];
    for status in [401, 403, 404, 409, 429, 500, 502, 503, 504] {
        given.push(("a status with JSON", Ok(answer(status, json.clone()))));
        given.push(("a status with HTML", Ok(answer(status, html.clone()))));
    }
    given
}

/// 2xx answers that say nothing of any row.
fn empty_answers() -> Vec<Given> {
    vec![
        ("an empty body", Ok(answer(200, ""))),
        ("an empty object", Ok(answer(200, "{}"))),
        ("an empty list", Ok(answer(200, "[]"))),
        ("null", Ok(answer(200, "null"))),
        ("a cut body", Ok(answer(200, "{\"results\":[{\"id\":\"1\","))),
        ("a page", Ok(answer(200, format!("<html>{QUOTED}</html>")))),
        ("no results", Ok(answer(200, "{\"results\":[],\"errors\":[]}"))),
    ]
}

#[cfg(test)]
mod tests;
