//! What the codes of this connector mean.

use outflow_sdk::codes::{Code, code};

const RUN_AGAIN: &str = "Nothing: the next run tries again.";

/// Codes beside those that every connector shares.
#[rustfmt::skip]
pub(crate) const CODES: &[Code] = &[
    code("unknown_account", "No Snowflake account answers at this address.", "Check `account:` (ORGANIZATION-ACCOUNT) or `base_url:`."),
    code("account_suspended", "The account is suspended.", "Snowflake suspends accounts whose trial or payment has ended."),
    code("network_policy", "This machine's address is not let in.", "Add it to the network policy of the account or user."),
    code("private_key", "The private key cannot be read.", "Give the whole file that openssl wrote, and its passphrase if it has one."),
    code("sign", "The private key cannot sign.", "Use an RSA key of at least 2048 bits."),
    code("key_refused", "The user is refused with this key.", "Set the user's RSA_PUBLIC_KEY to its public half; check the machine's clock."),
    code("token_refused", "The OAuth access token is refused.", "Get a new one; `oauth:` with a client gets one for every connection."),
    code("oauth_unreachable", "The OAuth server cannot be reached.", "Check `token_url:`."),
    code("oauth_answer", "The OAuth server's answer has no access token in it.", "Check `token_url:`."),
    code("oauth_refused", "The OAuth server refuses the client.", "Check `client_id:`, `client_secret:` and `scope:`."),
    code("missing_role", "There is no such role for the user.", "Check `role:`; GRANT ROLE … TO USER …."),
    code("missing_object", "The warehouse, database or schema is not there, or may not be used.", "Check the source's keys, and that the role has USAGE on them."),
    code("no_warehouse", "There is no warehouse to run models.", "Name one as `warehouse:`, and grant USAGE on it."),
    code("warehouse_suspended", "The warehouse is suspended and does not start by itself.", "ALTER WAREHOUSE … SET AUTO_RESUME = TRUE."),
    code("resource_monitor", "A resource monitor's quota is used up.", "Raise it, name another `warehouse:`, or wait until its period ends."),
    code("session_gone", "The session ended.", RUN_AGAIN),
    code("server_failed", "The server failed.", RUN_AGAIN),
    code("result_lost", "A part of the result cannot be fetched; nothing of this read is used.", "Run it again; let this machine reach the account's storage (SYSTEM$ALLOWLIST())."),
    code("result_damaged", "A part of the result is damaged or cut short; nothing of this read is used.", "Run it again; if it stays so, look for a proxy that changes answers."),
];
