//! A destination in memory, and the binding that speaks to it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use outflow_sdk::destination::{
    Action, Answer, Asked, Binding, Effect, Encoded, FieldProblem, Operation, Outcome, RateObservation,
    Rejection, Request, Route, Sent, Ticket,
};
use outflow_sdk::error::LimitScope;
use outflow_sdk::value::Value;
use outflow_sdk::{ConnectorError, ErrorKind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

/// What happens to a request beside what it asks for.
pub(super) enum Fault {
    None,
    /// Refused before anything was applied.
    Before(ConnectorError),
    /// Applied, and then this came instead of an answer.
    After(ConnectorError),
    /// These rows answer so (nothing of them is applied); the others as usual.
    Rows(Vec<(u64, Outcome)>),
    /// The answer lacks its last row.
    Short,
    /// The connector panics.
    Panic,
    /// A job is started.
    Job(Ticket),
}

pub(super) fn transient(code: &'static str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Transient { after: None }, code, "the twin fails")
}

pub(super) fn ambiguous() -> ConnectorError {
    ConnectorError::new(ErrorKind::Ambiguous, "timed_out", "the twin does not answer")
}

pub(super) fn of_kind(kind: ErrorKind, code: &'static str) -> ConnectorError {
    ConnectorError::new(kind, code, "the twin refuses")
}

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub at: Instant,
    pub route: &'static str,
    pub rows: Vec<u64>,
    pub body: String,
    /// Requests that were encoded by then.
    pub encoded: usize,
}

/// Decides the fault of each call.
pub(super) type Faults = Box<dyn FnMut(&Seen, &mut StdRng) -> Fault + Send>;

/// What asking for a job's result tells.
pub(super) enum Told {
    Running,
    Partly,
    Done,
    /// Done, and the answer lacks its last row.
    Short,
}

/// A job's result by how often it was asked for.
pub(super) type JobScript = Box<dyn FnMut(u32) -> Result<Told, ConnectorError> + Send>;

/// What the server is like.
pub(crate) struct Rules {
    pub max_rows: usize,
    pub max_bytes: usize,
    pub replay_safe: bool,
    /// Writes need an address that a look-up finds.
    pub looks_up: bool,
    /// Window that counts requests at arrival.
    pub window: Option<(usize, Duration)>,
    /// What a refusal by the window says.
    pub retry_after: Option<Duration>,
    /// Requests a day; then the quota is gone.
    pub daily: Option<u64>,
    /// Latency in milliseconds, half before and half after arrival.
    pub latency_ms: (u64, u64),
    /// Rows that can never be written.
    pub bad: HashSet<u64>,
    /// Whether a bad row spoils its whole batch.
    pub atomic: bool,
    /// Addresses that lead nowhere.
    pub stale: HashSet<String>,
    /// What the headers tell of the window's rest, beyond what this server itself counts.
    pub used_by_others: Option<u32>,
    /// Most requests the binding wants in flight.
    pub parallel: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_rows: 10,
            max_bytes: usize::MAX,
            replay_safe: true,
            looks_up: false,
            window: None,
            retry_after: None,
            daily: None,
            latency_ms: (20, 400),
            bad: HashSet::new(),
            atomic: false,
            stale: HashSet::new(),
            used_by_others: None,
            parallel: usize::MAX,
        }
    }
}

#[derive(Default)]
pub(super) struct World {
    /// Field values by record: the number of the operation that wrote them last.
    pub records: BTreeMap<u64, BTreeMap<u16, u64>>,
    pub seen: Vec<Seen>,
    pub throttled: u64,
    pub most_in_flight: usize,
    /// Requests encoded.
    pub encoded: usize,
    /// What must not happen and did.
    pub violations: Vec<String>,
    arrivals: VecDeque<Instant>,
    busy: HashSet<u64>,
    in_flight: usize,
    asks: u32,
}

/// The binding; the server is in it.
pub(crate) struct Twin {
    pub rules: Rules,
    world: Mutex<World>,
    faults: Mutex<Faults>,
    job: Mutex<JobScript>,
    random: Mutex<StdRng>,
}

/// Fields from this number on are of stage 1.
pub(super) const STAGE_1: u16 = 10;

pub(super) fn identity(operation: &Operation) -> u64 {
    operation.key.parse().unwrap()
}

impl Twin {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            world: Mutex::new(World::default()),
            faults: Mutex::new(Box::new(|_, _| Fault::None)),
            job: Mutex::new(Box::new(|_| Ok(Told::Done))),
            random: Mutex::new(StdRng::seed_from_u64(7)),
        }
    }

    pub(super) fn with_faults(
        self,
        faults: impl FnMut(&Seen, &mut StdRng) -> Fault + Send + 'static,
    ) -> Self {
        *self.faults.lock().unwrap() = Box::new(faults);
        self
    }

    pub(super) fn with_job(
        self,
        job: impl FnMut(u32) -> Result<Told, ConnectorError> + Send + 'static,
    ) -> Self {
        *self.job.lock().unwrap() = Box::new(job);
        self
    }

    pub(super) fn with_seed(self, seed: u64) -> Self {
        *self.random.lock().unwrap() = StdRng::seed_from_u64(seed);
        self
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn half_way(&self) {
        let (least, most) = self.rules.latency_ms;
        let ms = self.random.lock().unwrap().random_range(least..=most) as f64 / 2.0;
        sleep(Duration::from_secs_f64(ms / 1e3)).await;
    }

    /// Counts the request; an error when a limit refuses it.
    fn arrive(&self, world: &mut World) -> Result<Option<RateObservation>, ConnectorError> {
        let now = Instant::now();
        let mut observed = None;
        if let Some((limit, per)) = self.rules.window {
            while world.arrivals.front().is_some_and(|at| *at + per <= now) {
                world.arrivals.pop_front();
            }
            let others = self.rules.used_by_others.unwrap_or(0) as usize;
            if world.arrivals.len() + others >= limit {
                world.throttled += 1;
                let kind = ErrorKind::RateLimited {
                    scope: LimitScope::Window,
                    after: self.rules.retry_after,
                };
                return Err(of_kind(kind, "twin_429"));
            }
            world.arrivals.push_back(now);
            let remaining = (limit - others - world.arrivals.len()) as u32;
            observed = Some(RateObservation {
                window: Some((limit as u32, per)),
                window_remaining: Some(remaining),
                ..RateObservation::default()
            });
        }
        if self
            .rules
            .daily
            .is_some_and(|daily| world.seen.len() as u64 > daily)
        {
            return Err(of_kind(ErrorKind::QuotaExhausted { until: None }, "twin_daily"));
        }
        Ok(observed)
    }

    fn apply(&self, world: &mut World, route: Route, operation: &Operation) -> Outcome {
        let identity = identity(operation);
        if operation
            .remote
            .as_ref()
            .is_some_and(|remote| self.rules.stale.contains(remote.as_str()))
        {
            return Outcome::StaleRemote;
        }
        if self.rules.bad.contains(&operation.row) {
            return Outcome::Rejected(rejection("bad_row"));
        }
        if route.name == "lookup" {
            return Outcome::Resolved {
                remote: format!("id-{identity}").into(),
            };
        }
        if operation.action != Action::Write {
            world.records.remove(&identity);
            return Outcome::Applied {
                effect: Effect::Removed,
                remote: None,
            };
        }
        let created = !world.records.contains_key(&identity);
        for field in carried(route, operation) {
            let record = world.records.entry(identity).or_default();
            let before = record.insert(field, operation.row);
            if before.is_some_and(|before| before > operation.row) {
                let words = format!(
                    "row {} overwrote a newer value of record {identity}",
                    operation.row
                );
                world.violations.push(words);
            }
        }
        Outcome::Applied {
            effect: if created { Effect::Created } else { Effect::Updated },
            remote: Some(format!("id-{identity}").into()),
        }
    }

    fn apply_all(&self, world: &mut World, route: Route, operations: &[Operation]) -> Vec<Outcome> {
        operations
            .iter()
            .map(|operation| self.apply(world, route, operation))
            .collect()
    }

    fn enter(&self, operations: &[Operation]) {
        let mut world = self.world();
        world.in_flight += 1;
        world.most_in_flight = world.most_in_flight.max(world.in_flight);
        for operation in operations {
            if !world.busy.insert(identity(operation)) {
                world
                    .violations
                    .push(format!("record {} twice in flight", operation.key));
            }
        }
    }

    fn leave(&self, operations: &[Operation]) {
        let mut world = self.world();
        world.in_flight -= 1;
        for operation in operations {
            world.busy.remove(&identity(operation));
        }
    }

    async fn exchange(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        self.half_way().await;
        let answer = self.handle(request, operations);
        self.half_way().await;
        answer
    }

    fn handle(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        let mut world = self.world();
        let seen = Seen {
            at: Instant::now(),
            route: request.route.name,
            rows: operations.iter().map(|operation| operation.row).collect(),
            body: String::from_utf8(request.body.to_vec()).unwrap(),
            encoded: world.encoded,
        };
        world.seen.push(seen.clone());
        let observed = self.arrive(&mut world)?;
        let fault = (self.faults.lock().unwrap())(&seen, &mut self.random.lock().unwrap());
        if self.rules.atomic
            && operations
                .iter()
                .any(|operation| self.rules.bad.contains(&operation.row))
        {
            let kind = ErrorKind::BatchRejected {
                code: "bad_batch".into(),
                field: Some("email".into()),
            };
            return Err(of_kind(kind, "twin_400"));
        }
        let route = request.route;
        let mut outcomes = match fault {
            Fault::Before(error) => return Err(error),
            Fault::Panic => {
                drop(world);
                panic!("the connector has a bug");
            }
            Fault::After(error) => {
                self.apply_all(&mut world, route, operations);
                return Err(error);
            }
            Fault::Job(ticket) => return Ok(Sent::Accepted(ticket)),
            Fault::Rows(mut rows) => operations
                .iter()
                .map(
                    |operation| match rows.iter().position(|(row, _)| *row == operation.row) {
                        Some(at) => rows.swap_remove(at).1,
                        None => self.apply(&mut world, route, operation),
                    },
                )
                .collect(),
            Fault::Short => {
                let mut outcomes = self.apply_all(&mut world, route, operations);
                outcomes.pop();
                outcomes
            }
            Fault::None => self.apply_all(&mut world, route, operations),
        };
        Ok(Sent::Settled(Answer {
            outcomes: std::mem::take(&mut outcomes),
            observed,
            correlation: Some(format!("exchange-{}", world.seen.len())),
        }))
    }
}

pub(crate) fn rejection(code: &str) -> Rejection {
    Rejection {
        code: code.to_owned(),
        field: None,
        message: "the twin does not like it".to_owned(),
    }
}

/// Fields of an operation that a request on this route carries.
fn carried(route: Route, operation: &Operation) -> Vec<u16> {
    let later = route.name == "tags";
    operation
        .pending
        .iter()
        .copied()
        .filter(|field| (*field >= STAGE_1) == later)
        .collect()
}

#[async_trait]
impl Binding for Twin {
    fn target(&self) -> String {
        "account 1, things".into()
    }

    fn schema_print(&self) -> u64 {
        1
    }

    fn problems(&self) -> Vec<FieldProblem> {
        Vec::new()
    }

    fn parallel(&self) -> usize {
        self.rules.parallel
    }

    fn stage(&self, field: u16) -> u8 {
        u8::from(field >= STAGE_1)
    }

    fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        let first = operation.record.first().and_then(Option::as_ref);
        first.map_or(Ok(()), |value| self.inspect_value(0, value))
    }

    fn inspect_value(&self, field: u16, value: &Value) -> Result<(), Rejection> {
        match (field, value) {
            (0, Value::Text(text)) if text == "invalid" => Err(rejection("invalid_value")),
            _ => Ok(()),
        }
    }

    fn identity(&self, operation: &Operation) -> u64 {
        identity(operation)
    }

    fn route(&self, operation: &Operation) -> Route {
        let route = |name, writes| Route {
            name,
            lane: 0,
            max_rows: self.rules.max_rows,
            writes,
            replay_safe: self.rules.replay_safe,
        };
        if operation.action != Action::Write {
            route("remove", true)
        } else if self.rules.looks_up && operation.remote.is_none() {
            route("lookup", false)
        } else if operation.pending.iter().any(|field| *field < STAGE_1) {
            route("upsert", true)
        } else {
            route("tags", true)
        }
    }

    fn encode(&self, route: Route, operations: &[Operation]) -> Encoded {
        assert!(
            operations.len() <= route.max_rows,
            "offered more than the route takes"
        );
        self.world().encoded += 1;
        let mut body = String::new();
        let mut fields = Vec::new();
        for operation in operations {
            let carried = carried(route, operation);
            let line = format!("{} {:?} {:?};", operation.key, operation.remote, carried);
            if !fields.is_empty() && body.len() + line.len() > self.rules.max_bytes {
                break;
            }
            body.push_str(&line);
            fields.push(carried);
        }
        Encoded {
            request: Request {
                route,
                method: "POST",
                path: format!("/{}", route.name),
                content_type: "text/plain",
                body: body.into(),
            },
            taken: fields.len(),
            fields,
        }
    }

    async fn send(&self, request: &Request, operations: &[Operation]) -> Result<Sent, ConnectorError> {
        self.enter(operations);
        let _leaving = Leaving(self, operations);
        self.exchange(request, operations).await
    }

    async fn settle(&self, _ticket: &Ticket, operations: &[Operation]) -> Result<Asked, ConnectorError> {
        self.half_way().await;
        let mut world = self.world();
        world.seen.push(Seen {
            at: Instant::now(),
            route: "settle",
            rows: operations.iter().map(|operation| operation.row).collect(),
            body: String::new(),
            encoded: 0,
        });
        world.asks += 1;
        let asks = world.asks;
        let told = (self.job.lock().unwrap())(asks)?;
        let Some(first) = operations.first() else {
            return Ok(Asked::Running);
        };
        let route = self.route(first);
        let mut outcomes = match told {
            Told::Running => return Ok(Asked::Running),
            Told::Partly => return Ok(Asked::Partly),
            Told::Done | Told::Short => self.apply_all(&mut world, route, operations),
        };
        if matches!(told, Told::Short) {
            outcomes.pop();
        }
        Ok(Asked::Answered(Answer {
            outcomes,
            observed: None,
            correlation: None,
        }))
    }
}

/// Takes a request's records off the list when it is over, also by a panic.
struct Leaving<'a>(&'a Twin, &'a [Operation]);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}
