//! Who may call `outflow serve`: the tokens of its API and the hooks that start syncs.

use std::collections::BTreeMap;

use outflow_sdk::secret::Secret;
use ring::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mapping_file::Names;

/// Settings of the HTTP API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpKeys {
    /// Who may call the API, by a name of your choice. Without tokens the API answers on a loopback
    /// address alone, and there everybody who can reach it.
    pub(crate) tokens: Option<BTreeMap<String, TokenKeys>>,
}

/// One caller of the API.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenKeys {
    /// What the caller may do.
    #[schemars(required)]
    pub(crate) role: Option<Role>,
    /// The token, sent as `Authorization: Bearer …`.
    #[schemars(required)]
    pub(crate) token: Option<Secret>,
}

/// A call from outside that starts syncs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookKeys {
    /// Who calls, which says how the call is signed and what it means.
    #[schemars(required)]
    pub(crate) profile: Option<HookProfile>,
    /// The secret that calls are signed with.
    #[schemars(required)]
    pub(crate) secret: Option<Secret>,
    /// The sync, or list of syncs, that a call starts.
    #[schemars(required)]
    pub(crate) syncs: Option<Names>,
    /// Where in the call's JSON body the key of a row is, as a JSON pointer such as `/user/id`; for a key of
    /// several columns a list of them in its order. Then a call brings that row alone up to date. For
    /// `generic` and `segment`.
    pub(crate) key: Option<Names>,
}

/// What a caller of the API may do; each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look: syncs, runs, rejects (with their keys and match values), metrics.
    Viewer,
    /// Start, stop, pause and plan syncs, and have rejects tried again.
    Operator,
    /// Have the project's files read again.
    Admin,
}

/// How a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookProfile {
    /// Any caller: `X-Outflow-Timestamp` (seconds since 1970, at most 5 minutes off) and
    /// `X-Outflow-Signature: sha256=` with the hexadecimal HMAC-SHA256 of `TIMESTAMP.BODY`.
    Generic,
    /// A webhook of dbt Cloud: a job that completed with success starts the syncs.
    DbtCloud,
    /// A webhook of Fivetran: a sync that ended with success starts the syncs.
    Fivetran,
    /// A webhook destination of Segment: any event starts the syncs, for the row of its `userId`.
    Segment,
}

/// A caller of the API. The token itself is not kept.
#[derive(Clone)]
pub struct ApiToken {
    /// Its name in the project.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
}

impl ApiToken {
    /// SHA-256 of a token.
    pub fn digest_of(token: &str) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        out
    }
}

/// A call from outside that starts syncs.
#[derive(Clone)]
pub struct Hook {
    /// Its name in the project.
    pub name: String,
    /// How it is called.
    pub profile: HookProfile,
    /// What its calls are signed with.
    pub secret: Secret,
    /// The syncs it starts.
    pub syncs: Vec<String>,
    /// JSON pointers to the parts of the key of the row that a call is about; none = the whole model.
    pub key: Vec<String>,
    /// Whether the project says where the key is; else it is the profile's own place.
    pub names_key: bool,
}

/// Where a Segment event names its user.
const SEGMENT_KEY: &str = "/userId";

impl HttpKeys {
    /// The callers that are complete.
    pub(crate) fn tokens(self) -> Vec<ApiToken> {
        let tokens = self.tokens.unwrap_or_default().into_iter();
        tokens
            .filter_map(|(name, keys)| {
                Some(ApiToken {
                    name,
                    role: keys.role?,
                    digest: ApiToken::digest_of(keys.token?.expose()),
                })
            })
            .collect()
    }
}

/// The hooks that are complete.
pub(crate) fn hooks(keys: BTreeMap<String, HookKeys>) -> Vec<Hook> {
    keys.into_iter()
        .filter_map(|(name, keys)| {
            let profile = keys.profile?;
            let names_key = keys.key.is_some();
            let key = match (keys.key, profile) {
                (Some(key), _) => key.0,
                (None, HookProfile::Segment) => vec![SEGMENT_KEY.to_owned()],
                (None, _) => Vec::new(),
            };
            Some(Hook {
                name,
                profile,
                secret: keys.secret?,
                syncs: keys.syncs?.0,
                key,
                names_key,
            })
        })
        .collect()
}
