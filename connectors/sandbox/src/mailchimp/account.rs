//! The account behind a twin: everything its requests read and change.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::front::Desk;

use super::AUDIENCE;
use super::audience::Audience;
use super::auth::Credentials;
use super::batches::Batches;
use super::faults::FaultKind;
use super::options::Options;
use super::problem::Problem;

/// Numbers of audiences in the vendor's pages start here.
const FIRST_WEB_ID: u64 = 612_001;

/// One account: settings that do not change, and what does behind a lock.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) options: Options,
    pub(super) desk: Desk<FaultKind>,
    state: Mutex<State>,
}

/// What requests change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) audiences: Vec<Audience>,
    pub(super) credentials: Credentials,
    pub(super) batches: Batches,
    pub(super) connections: Option<usize>,
    pub(super) latency: std::time::Duration,
    pub(super) rng: StdRng,
    /// How often a kept account was started before: ids of one start are not those of another.
    pub(super) starts: u64,
}

impl Account {
    pub(super) fn new(options: Options) -> Self {
        let desk = Desk::new(options.log_requests, options.log_body_bytes);
        Self {
            state: Mutex::new(State::new(&options, desk.started())),
            desk,
            options,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything but the settings.
    pub(super) fn reset(&self) {
        let fresh = State::new(&self.options, self.desk.now_ms());
        *self.state() = fresh;
    }
}

impl State {
    fn new(options: &Options, now: i64) -> Self {
        let name = options.audience.clone();
        Self {
            audiences: vec![Audience::new(AUDIENCE.into(), FIRST_WEB_ID, name, now)],
            credentials: Credentials::new(options),
            batches: Batches::default(),
            connections: options.connections,
            latency: options.latency,
            rng: StdRng::seed_from_u64(options.seed),
            starts: 0,
        }
    }

    /// Takes over what an earlier start kept: its audiences, and how many starts it had before.
    pub(super) fn restore(&mut self, options: &Options, mut audiences: Vec<Audience>, starts: u64) {
        audiences.iter_mut().for_each(Audience::index);
        self.audiences = audiences;
        self.starts = starts + 1;
        self.rng = StdRng::seed_from_u64(options.seed.wrapping_add(self.starts));
    }

    /// A fresh id in the form of a UUID.
    pub(super) fn uuid(&mut self) -> String {
        crate::uuid::fresh(&mut self.rng)
    }

    /// A fresh id of ten hexadecimal digits.
    pub(super) fn short_id(&mut self) -> String {
        format!("{:010x}", self.rng.random::<u64>() >> 24)
    }

    /// Adds an audience and gives its position.
    pub(super) fn add_audience(&mut self, name: &str, now: i64) -> usize {
        let id = self.short_id();
        let web_id = self
            .audiences
            .iter()
            .map(|audience| audience.web_id)
            .max()
            .map_or(FIRST_WEB_ID, |last| last + 1);
        self.audiences
            .push(Audience::new(id, web_id, name.to_owned(), now));
        self.audiences.len() - 1
    }

    /// The audience of an id.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn audience(&mut self, id: &str) -> Result<&mut Audience, Problem> {
        self.audiences
            .iter_mut()
            .find(|audience| audience.id == id)
            .ok_or_else(Problem::not_found)
    }
}
