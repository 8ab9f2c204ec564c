//! Logging in, and new tokens for old.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::server::{Asked, Reply};
use super::{ACCESS_TOKEN, Account, OAUTH_TOKEN, PASSWORD, USER, done, refused};

impl Account {
    pub(super) fn log_in(&self, asked: &Asked) -> Reply {
        let data = asked.json()["data"].clone();
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        if text("LOGIN_NAME") != USER && text("AUTHENTICATOR") != "OAUTH" {
            return refused(
                "390100",
                "",
                "Incorrect username or password was specified.",
                None,
            );
        }
        let good = match text("AUTHENTICATOR").as_str() {
            "SNOWFLAKE" => text("PASSWORD") == PASSWORD,
            "PROGRAMMATIC_ACCESS_TOKEN" => text("TOKEN") == ACCESS_TOKEN,
            "OAUTH" => text("TOKEN") == OAUTH_TOKEN,
            "SNOWFLAKE_JWT" => is_signed(&text("TOKEN"), &text("ACCOUNT_NAME")),
            _ => false,
        };
        let (code, message) = match text("AUTHENTICATOR").as_str() {
            "SNOWFLAKE_JWT" => (
                "390144",
                "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]",
            ),
            "OAUTH" => ("390303", "Invalid OAuth access token. [0ce9eb56]"),
            "PROGRAMMATIC_ACCESS_TOKEN" => ("394400", "Programmatic access token is invalid."),
            _ => ("390100", "Incorrect username or password was specified."),
        };
        if !good {
            return refused(code, "", message, None);
        }
        for (parameter, code, message) in [
            (
                "roleName",
                "390189",
                "Role 'NOWHERE' specified in the connect string does not exist or not authorized.",
            ),
            (
                "warehouse",
                "390201",
                "The requested warehouse does not exist or not authorized.",
            ),
            (
                "databaseName",
                "390201",
                "The requested database does not exist or not authorized.",
            ),
        ] {
            if asked.parameter(parameter).as_deref() == Some("nowhere") {
                return refused(code, "", message, None);
            }
        }
        let (token, master) = self.new_tokens();
        let mut data = json!({
            "token": token, "validityInSeconds": 3_599, "sessionId": 1,
            "sessionInfo": {"roleName": "READER", "warehouseName": "LOADING", "databaseName": "DB", "schemaName": null},
        });
        if self.options.master {
            data["masterToken"] = master.into();
            data["masterValidityInSeconds"] = 14_400.into();
        }
        done(&data)
    }

    fn new_tokens(&self) -> (String, String) {
        let mut state = self.lock();
        state.next += 1;
        let token = format!("secret-session-token-{}", state.next);
        let master = format!("secret-master-token-{}", state.next);
        state.sessions.insert(token.clone(), master.clone());
        (token, master)
    }

    pub(super) fn renew(&self, asked: &Asked) -> Reply {
        let header = asked.header("authorization").unwrap_or_default().to_owned();
        let body = asked.json();
        let old = body["oldSessionToken"].as_str().unwrap_or_default();
        let good = self
            .lock()
            .sessions
            .get(old)
            .is_some_and(|master| header == format!("Snowflake Token=\"{master}\""));
        if !good || body["requestType"] != "RENEW" {
            return refused(
                "390114",
                "",
                "Authentication token has expired. The user must authenticate again.",
                None,
            );
        }
        self.lock().sessions.remove(old);
        let (token, master) = self.new_tokens();
        done(&json!({"sessionToken": token, "masterToken": master, "validityInSecondsST": 3_600}))
    }
}

/// Whether a token is one of the test key's, for the test user.
fn is_signed(token: &str, account: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let pem = include_str!("../keys/public.pem");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(der).unwrap();
    // The key itself stands behind 24 bytes that say what it is.
    let key =
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, &der[24..]);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let claims = signed
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims
        .and_then(|claims| serde_json::from_slice(&claims).ok())
        .unwrap_or_default();
    let fingerprint = include_str!("../keys/fingerprint.txt").trim();
    let subject = format!("{}.{}", account.to_uppercase(), USER.to_uppercase());
    claims["iss"] == format!("{subject}.SHA256:{fingerprint}")
        && claims["sub"] == subject
        && key.verify(signed.as_bytes(), &signature).is_ok()
}
