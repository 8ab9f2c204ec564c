//! Sessions: what a browser has instead of a token, kept in memory and gone with the process.
//!
//! A session's id is random and known to the browser alone; here its hash is. A session refers to its
//! token by the token's hash, so that it ends with the token and its role is the token's at any time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use ring::{digest, hmac};

/// How long a session lasts, and how long without a request, milliseconds.
const LIFE_MS: i64 = 12 * 3_600_000;
const IDLE_MS: i64 = 2 * 3_600_000;

/// Most sessions at once; the one unused longest makes room.
const MOST: usize = 1_000;

/// The cookie's name.
const COOKIE: &str = "outflow_session";

/// SHA-256 of a session's id.
pub(super) type SessionKey = [u8; 32];

#[derive(Clone, Copy)]
struct Session {
    /// SHA-256 of the token that opened it.
    token: [u8; 32],
    ends_ms: i64,
    used_ms: i64,
}

/// Everybody who is signed in.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        // Entries are whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session; gives its id, for the browser alone.
    pub(super) fn open(&self, token: [u8; 32], now_ms: i64) -> String {
        let id = hex(&rand::random::<[u8; 32]>());
        let mut all = self.all();
        all.retain(|_, session| session.lasts(now_ms));
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, one)| one.used_ms).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        let session = Session {
            token,
            ends_ms: now_ms.saturating_add(LIFE_MS),
            used_ms: now_ms,
        };
        all.insert(key_of(&id), session);
        id
    }

    /// The token of a session that lasts, which counts as used now.
    pub(super) fn token(&self, key: &SessionKey, now_ms: i64) -> Option<[u8; 32]> {
        let mut all = self.all();
        let session = all.get_mut(key)?;
        if !session.lasts(now_ms) {
            all.remove(key);
            return None;
        }
        session.used_ms = now_ms;
        Some(session.token)
    }

    /// Ends a session.
    pub(super) fn close(&self, key: &SessionKey) {
        self.all().remove(key);
    }
}

impl Session {
    fn lasts(&self, now_ms: i64) -> bool {
        now_ms < self.ends_ms && now_ms < self.used_ms.saturating_add(IDLE_MS)
    }
}

fn key_of(id: &str) -> SessionKey {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, id.as_bytes()).as_ref());
    key
}

/// The session a browser says it has.
pub(super) fn presented(headers: &HeaderMap) -> Option<SessionKey> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(name, _)| *name == COOKIE)?;
    Some(key_of(id))
}

/// The `Set-Cookie` that gives a browser its session.
pub(super) fn cookie(id: &str, headers: &HeaderMap) -> String {
    let seconds = LIFE_MS / 1_000;
    format!("{COOKIE}={id}; Max-Age={seconds}{}", attributes(headers))
}

/// The `Set-Cookie` that takes it away.
pub(super) fn no_cookie(headers: &HeaderMap) -> String {
    format!("{COOKIE}=; Max-Age=0{}", attributes(headers))
}

fn attributes(headers: &HeaderMap) -> &'static str {
    // A proxy before us speaks TLS: then the cookie goes over TLS alone.
    let tls = headers
        .get("x-forwarded-proto")
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    if tls {
        "; Path=/; HttpOnly; SameSite=Strict; Secure"
    } else {
        "; Path=/; HttpOnly; SameSite=Strict"
    }
}

/// Seals of forms: a page of ours has them, and a page of another site cannot.
pub(super) struct Seals(hmac::Key);

impl Default for Seals {
    fn default() -> Self {
        let key: [u8; 32] = rand::random();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }
}

impl Seals {
    /// The seal of whoever `bearer` is.
    pub(super) fn seal(&self, bearer: &[u8]) -> String {
        hex(hmac::sign(&self.0, bearer).as_ref())
    }

    /// Whether this is their seal.
    pub(super) fn fits(&self, bearer: &[u8], seal: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        self.seal(bearer).as_bytes().ct_eq(seal.as_bytes()).into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TOKEN: [u8; 32] = [7; 32];

    fn browser(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    fn presented_of(id: &str) -> SessionKey {
        presented(&browser(&format!("a=b; {COOKIE}={id}; c"))).unwrap()
    }

    #[test]
    fn a_session_lasts_as_long_as_it_is_used_and_no_longer_than_half_a_day() {
        let sessions = Sessions::default();
        let key = presented_of(&sessions.open(TOKEN, 0));
        let mut now_ms = 0;
        while now_ms + IDLE_MS <= LIFE_MS {
            assert_eq!(sessions.token(&key, now_ms), Some(TOKEN), "{now_ms}");
            now_ms += IDLE_MS - 1;
        }
        assert_eq!(sessions.token(&key, LIFE_MS), None);
        let key = presented_of(&sessions.open(TOKEN, 0));
        assert_eq!(sessions.token(&key, IDLE_MS), None, "unused");
        assert_eq!(sessions.token(&key, 1), None, "it does not come back");
    }

    #[test]
    fn a_closed_or_unknown_session_is_none() {
        let sessions = Sessions::default();
        let key = presented_of(&sessions.open(TOKEN, 0));
        sessions.close(&key);
        assert_eq!(sessions.token(&key, 1), None);
        assert_eq!(sessions.token(&presented_of("guess"), 1), None);
        assert_eq!(presented(&browser("other=1")), None);
        assert_eq!(presented(&HeaderMap::new()), None);
    }

    #[test]
    fn the_session_unused_longest_makes_room() {
        let sessions = Sessions::default();
        let first = presented_of(&sessions.open(TOKEN, 0));
        let second = presented_of(&sessions.open(TOKEN, 1));
        for _ in 2..MOST {
            sessions.open(TOKEN, 2);
        }
        assert_eq!(sessions.token(&first, 3), Some(TOKEN));
        sessions.open(TOKEN, 4);
        assert_eq!(sessions.token(&second, 5), None);
        assert_eq!(sessions.token(&first, 5), Some(TOKEN));
    }

    #[test]
    fn a_seal_fits_its_bearer_in_this_process_alone() {
        let seals = Seals::default();
        let seal = seals.seal(b"one");
        assert!(seals.fits(b"one", &seal));
        assert!(!seals.fits(b"other", &seal) && !seals.fits(b"one", ""));
        assert!(!Seals::default().fits(b"one", &seal));
    }

    #[test]
    fn behind_tls_the_cookie_goes_over_tls_alone() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            cookie("x", &headers),
            "outflow_session=x; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict"
        );
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        assert!(cookie("x", &headers).ends_with("; Secure"));
        assert!(no_cookie(&headers).starts_with("outflow_session=; Max-Age=0;"));
    }
}
