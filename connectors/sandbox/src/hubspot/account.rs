//! The account behind a twin: everything its requests read and change.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::front::Desk;

use super::auth::Credentials;
use super::defaults;
use super::faults::FaultKind;
use super::json::iso;
use super::limits::Meter;
use super::lists::Lists;
use super::options::Options;
use super::store::{Kind, ObjectStore};

/// Record ids start here, so that they have the vendor's eleven digits.
const FIRST_CONTACT: u64 = 20_140_000_001;
const FIRST_COMPANY: u64 = 31_270_000_001;
const FIRST_CUSTOM: u64 = 42_390_000_001;
/// Custom object types are numbered from here.
pub(super) const FIRST_CUSTOM_TYPE: u64 = 37_100_001;

/// One account: settings that do not change, and what does behind a lock.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) options: Options,
    pub(super) desk: Desk<FaultKind>,
    pub(super) zone: TimeZone,
    state: Mutex<State>,
}

/// What requests change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) objects: Vec<ObjectStore>,
    pub(super) lists: Lists,
    pub(super) credentials: Credentials,
    pub(super) meter: Meter,
    /// Addresses erased for good; they cannot be used again.
    pub(super) blocked: HashSet<String>,
    /// Records that a request in progress writes.
    pub(super) locked: HashSet<String>,
    pub(super) rng: StdRng,
    pub(super) latency: std::time::Duration,
}

impl Account {
    /// # Errors
    /// An unknown time zone, or saved data that cannot be read.
    pub(super) fn new(options: Options) -> io::Result<Self> {
        let zone = TimeZone::get(&options.time_zone).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("time zone {}: {error}", options.time_zone),
            )
        })?;
        let desk = Desk::new(options.log_requests, options.log_body_bytes);
        let state = State::new(&options, zone.clone(), desk.started());
        Ok(Self {
            desk,
            zone,
            state: Mutex::new(state),
            options,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything but the settings.
    pub(super) fn reset(&self) {
        let fresh = State::new(&self.options, self.zone.clone(), self.desk.now_ms());
        *self.state() = fresh;
    }
}

impl State {
    fn new(options: &Options, zone: TimeZone, now: i64) -> Self {
        let since = iso(now);
        let mut objects = vec![
            ObjectStore::new(
                "0-1",
                &["contacts"],
                Kind::Contact,
                defaults::contacts(&since),
                FIRST_CONTACT,
            ),
            ObjectStore::new(
                "0-2",
                &["companies"],
                Kind::Company,
                defaults::companies(&since),
                FIRST_COMPANY,
            ),
        ];
        for store in &mut objects {
            configure(store, options);
        }
        Self {
            objects,
            lists: Lists::default(),
            credentials: Credentials::new(&options.tokens, &options.grants, options.access_token_life),
            meter: Meter::new(options.rate, zone),
            blocked: HashSet::new(),
            locked: HashSet::new(),
            rng: StdRng::seed_from_u64(options.seed),
            latency: options.latency,
        }
    }

    /// Adds a custom object type and gives its position.
    pub(super) fn add_custom_type(&mut self, options: &Options, name: &str, label: &str, now: i64) -> usize {
        let number = (self.objects.len() as u64).saturating_sub(2);
        let type_id = format!("2-{}", FIRST_CUSTOM_TYPE + number);
        let qualified = format!("p{}_{name}", options.hub_id);
        let definitions = defaults::custom(name, label, &iso(now));
        let first_id = FIRST_CUSTOM + number * 1_000_000_000;
        let mut store = ObjectStore::new(&type_id, &[&qualified], Kind::Custom, definitions, first_id);
        configure(&mut store, options);
        self.objects.push(store);
        self.objects.len() - 1
    }

    /// The store of an object type as paths name it.
    pub(super) fn object(&self, name: &str) -> Option<usize> {
        self.objects
            .iter()
            .position(|store| store.type_id == name || store.names.iter().any(|known| known == name))
    }

    /// A fresh id in the form of a UUID.
    pub(super) fn uuid(&mut self) -> String {
        crate::uuid::fresh(&mut self.rng)
    }
}

/// Applies the settings an object store needs to know.
pub(super) fn configure(store: &mut ObjectStore, options: &Options) {
    store.unique_ignores_case = options.unique_ignores_case;
    store.lag = i64::try_from(options.index_lag.as_millis()).unwrap_or(i64::MAX / 4);
}
