//! Credentials: static tokens with scopes, OAuth grants and the access tokens they gave.

use std::collections::HashMap;
use std::time::Duration;

use super::errors::ApiError;
use super::options::{Grant, Token};

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// The app: its requests share one window.
    pub(super) app: String,
    scopes: Option<Vec<String>>,
    /// Whether it came through OAuth.
    pub(super) oauth: bool,
}

impl Identity {
    /// 403 unless one of the alternatives is granted.
    pub(super) fn require_any(&self, alternatives: &[String]) -> Result<(), ApiError> {
        let granted = self
            .scopes
            .as_ref()
            .is_none_or(|scopes| alternatives.iter().any(|wanted| scopes.contains(wanted)));
        if granted {
            Ok(())
        } else {
            Err(ApiError::missing_scopes(alternatives))
        }
    }

    pub(super) fn scopes(&self) -> Vec<String> {
        self.scopes.clone().unwrap_or_else(|| vec!["oauth".into()])
    }
}

#[derive(Debug)]
struct Issued {
    identity: Identity,
    /// Milliseconds since 1970; `None` never.
    expires: Option<i64>,
    grant: Option<usize>,
}

/// All credentials of the account.
#[derive(Debug)]
pub(super) struct Credentials {
    tokens: HashMap<String, Issued>,
    grants: Vec<(Grant, bool)>,
    access_token_life: Duration,
    issued: u64,
}

/// What the token endpoint gives.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_in: u64,
    pub(super) scopes: Vec<String>,
}

/// Why the token endpoint refuses: the vendor's status word and the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: &'static str,
    pub(super) error: &'static str,
    pub(super) message: &'static str,
}

const BAD_CLIENT: Refused = Refused {
    status: "BAD_CLIENT_ID",
    error: "invalid_client",
    message: "missing or unknown client id",
};
const BAD_SECRET: Refused = Refused {
    status: "BAD_CLIENT_SECRET",
    error: "invalid_client",
    message: "missing or invalid client secret",
};
const BAD_REFRESH: Refused = Refused {
    status: "BAD_REFRESH_TOKEN",
    error: "invalid_grant",
    message: "missing or invalid refresh token",
};
const BAD_CODE: Refused = Refused {
    status: "BAD_AUTH_CODE",
    error: "invalid_grant",
    message: "missing or unknown auth code",
};

impl Credentials {
    pub(super) fn new(tokens: &[Token], grants: &[Grant], access_token_life: Duration) -> Self {
        let mut credentials = Self {
            tokens: HashMap::new(),
            grants: grants.iter().map(|grant| (grant.clone(), true)).collect(),
            access_token_life,
            issued: 0,
        };
        for token in tokens {
            credentials.add(token);
        }
        credentials
    }

    pub(super) fn add(&mut self, token: &Token) {
        let identity = Identity {
            app: token.secret.clone(),
            scopes: token.scopes.clone(),
            oauth: false,
        };
        self.tokens.insert(
            token.secret.clone(),
            Issued {
                identity,
                expires: None,
                grant: None,
            },
        );
    }

    /// The caller behind an `Authorization` header.
    pub(super) fn identify(&self, authorization: Option<&str>, now: i64) -> Result<&Identity, ApiError> {
        let secret = authorization.and_then(|header| {
            let (scheme, secret) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        });
        let issued = secret.and_then(|secret| self.tokens.get(secret));
        match issued {
            None => Err(ApiError::unauthorized(false)),
            Some(issued) if issued.expires.is_some_and(|expires| expires <= now) => {
                Err(ApiError::unauthorized(true))
            }
            Some(issued) => Ok(&issued.identity),
        }
    }

    /// Makes a token expire now.
    pub(super) fn expire(&mut self, secret: &str, now: i64) {
        if let Some(issued) = self.tokens.get_mut(secret) {
            issued.expires = Some(now);
        }
    }

    /// Revokes a refresh token; access tokens it gave stay valid.
    pub(super) fn revoke(&mut self, refresh_token: &str) -> bool {
        let mut found = false;
        for (grant, alive) in &mut self.grants {
            if grant.refresh_token == refresh_token {
                found |= std::mem::replace(alive, false);
            }
        }
        found
    }

    /// Checks an app's id and secret.
    pub(super) fn client(&self, id: &str, secret: &str) -> Result<(), Refused> {
        let mut apps = self
            .grants
            .iter()
            .map(|(grant, _)| grant)
            .filter(|grant| grant.client_id == id);
        let Some(app) = apps.next() else {
            return Err(BAD_CLIENT);
        };
        if app.client_secret == secret {
            Ok(())
        } else {
            Err(BAD_SECRET)
        }
    }

    /// `grant_type=refresh_token`.
    pub(super) fn refresh(
        &mut self,
        client: &str,
        refresh_token: &str,
        now: i64,
    ) -> Result<Exchanged, Refused> {
        let position = self.grants.iter().position(|(grant, alive)| {
            *alive && grant.client_id == client && grant.refresh_token == refresh_token
        });
        self.issue(position.ok_or(BAD_REFRESH)?, now).ok_or(BAD_REFRESH)
    }

    /// `grant_type=authorization_code`; a code works once.
    pub(super) fn redeem(&mut self, client: &str, code: &str, now: i64) -> Result<Exchanged, Refused> {
        let position = self.grants.iter().position(|(grant, alive)| {
            *alive && grant.client_id == client && grant.code.as_deref() == Some(code)
        });
        let position = position.ok_or(BAD_CODE)?;
        if let Some((grant, _)) = self.grants.get_mut(position) {
            grant.code = None;
        }
        self.issue(position, now).ok_or(BAD_CODE)
    }

    fn issue(&mut self, position: usize, now: i64) -> Option<Exchanged> {
        let (grant, _) = self.grants.get(position)?;
        self.issued += 1;
        let access_token = format!("CO-sandbox-access-{}", self.issued);
        let identity = Identity {
            app: grant.client_id.clone(),
            scopes: grant.scopes.clone(),
            oauth: true,
        };
        let exchanged = Exchanged {
            access_token: access_token.clone(),
            refresh_token: grant.refresh_token.clone(),
            expires_in: self.access_token_life.as_secs(),
            scopes: identity.scopes(),
        };
        let life = i64::try_from(self.access_token_life.as_millis()).unwrap_or(i64::MAX / 4);
        let issued = Issued {
            identity,
            expires: Some(now.saturating_add(life)),
            grant: Some(position),
        };
        self.tokens.insert(access_token, issued);
        Some(exchanged)
    }

    /// For introspection: scopes, client and seconds left of an access token that is alive.
    pub(super) fn introspect(&self, token: &str, now: i64) -> Option<(Vec<String>, &str, i64)> {
        let issued = self.tokens.get(token)?;
        let (grant, _) = self.grants.get(issued.grant?)?;
        let left = issued.expires?.saturating_sub(now) / 1000;
        (left > 0).then(|| (issued.identity.scopes(), grant.client_id.as_str(), left))
    }
}
