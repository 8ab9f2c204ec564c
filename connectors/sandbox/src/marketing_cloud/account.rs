//! The tenant behind a twin: everything its requests read and change.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::front::Desk;

use super::extension::Extension;
use super::faults::FaultKind;
use super::jobs::Job;
use super::options::Options;
use super::subscribers::Subscriber;

/// One tenant: settings that do not change, and what does behind a lock.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) options: Options,
    pub(super) desk: Desk<FaultKind>,
    state: Mutex<State>,
}

/// A token and what it opens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) account: u64,
    pub(super) until: i64,
}

/// An entry event that was fired.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FiredEvent {
    /// Whose it is.
    pub contact_key: String,
    /// Key of the entry source.
    pub event_definition_key: String,
    /// Its data.
    pub data: serde_json::Value,
}

/// What requests change, and what of it outlives a stop: tokens do not.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) extensions: Vec<Extension>,
    #[serde(skip)]
    pub(super) tokens: HashMap<String, Token>,
    pub(super) jobs: HashMap<String, Job>,
    pub(super) events: Vec<FiredEvent>,
    pub(super) entry_sources: Vec<String>,
    #[serde(default)]
    pub(super) subscribers: Vec<Subscriber>,
    #[serde(default)]
    pub(super) deleted_contacts: Vec<String>,
    #[serde(skip)]
    pub(super) tokens_given: u64,
    #[serde(skip)]
    pub(super) latency: Duration,
    #[serde(skip, default = "unseeded")]
    pub(super) rng: StdRng,
    /// How often a kept account was started before: ids of one start are not those of another.
    pub(super) starts: u64,
}

/// A generator that [`State::resume`] replaces.
fn unseeded() -> StdRng {
    StdRng::seed_from_u64(0)
}

impl Account {
    pub(super) fn new(options: Options) -> Self {
        Self {
            desk: Desk::new(options.log_requests, options.log_body_bytes),
            state: Mutex::new(State::new(&options)),
            options,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The business unit a token opens; none when it is unknown or has expired.
    pub(super) fn opened_by(&self, token: &str) -> Option<u64> {
        let now = self.desk.now_ms();
        let known = self.state().tokens.get(token).copied()?;
        (now < known.until).then_some(known.account)
    }

    /// Forgets everything but the settings.
    pub(super) fn reset(&self) {
        *self.state() = State::new(&self.options);
    }
}

impl State {
    fn new(options: &Options) -> Self {
        Self {
            extensions: Vec::new(),
            tokens: HashMap::new(),
            jobs: HashMap::new(),
            events: Vec::new(),
            entry_sources: Vec::new(),
            subscribers: Vec::new(),
            deleted_contacts: Vec::new(),
            tokens_given: 0,
            latency: options.latency,
            rng: StdRng::seed_from_u64(options.seed),
            starts: 0,
        }
    }

    /// Makes a state that was read back one to go on with.
    pub(super) fn resume(&mut self, options: &Options) {
        self.starts += 1;
        self.extensions.iter_mut().for_each(Extension::index);
        self.latency = options.latency;
        self.rng = StdRng::seed_from_u64(options.seed.wrapping_add(self.starts));
    }

    /// A fresh id in the form of a UUID.
    pub(super) fn uuid(&mut self) -> String {
        crate::uuid::fresh(&mut self.rng)
    }

    /// The data extension under this key, which a business unit sees.
    pub(super) fn extension(&mut self, account: u64, key: &str) -> Option<&mut Extension> {
        self.extensions
            .iter_mut()
            .find(|extension| extension.account == account && extension.key.eq_ignore_ascii_case(key))
    }
}
