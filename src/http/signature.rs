//! Who really called a hook, and whether the call starts anything: one function per kind of caller.
//!
//! Signatures are those the callers document: dbt Cloud puts the hexadecimal HMAC-SHA256 of the body
//! into `Authorization`, Fivetran into `X-Fivetran-Signature-256`, Segment an HMAC-SHA1 into
//! `X-Signature`. Only the generic profile signs a time too; for the others a call is told from its
//! repetition by its signature alone, which covers the event's own id.

use axum::http::HeaderMap;
use ring::hmac;
use serde::Deserialize;

use crate::project::{Hook, HookProfile};

/// How far a signed time may be off, seconds.
const WINDOW_S: i64 = 300;

/// A call that is what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Stands for the call: equal exactly for a repetition of it.
    pub(super) print: Vec<u8>,
    /// Whether it starts the hook's syncs.
    pub(super) starts: bool,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untrusted {
    /// A header is missing, or not of its form.
    Unsigned,
    /// It was signed with another secret, or changed on the way.
    Signature,
    /// It was signed too long ago, or in the future.
    Time,
    /// It is signed, and not understood.
    Body,
}

impl Untrusted {
    pub(super) fn code(self) -> &'static str {
        match self {
            Untrusted::Unsigned => "hook_unsigned",
            Untrusted::Signature => "hook_signature",
            Untrusted::Time => "hook_time",
            Untrusted::Body => "hook_body",
        }
    }
}

/// Checks a call of `hook`.
pub(super) fn check(hook: &Hook, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<Call, Untrusted> {
    let secret = hook.secret.expose().as_bytes();
    match hook.profile {
        HookProfile::Generic => generic(secret, headers, body, now_ms),
        HookProfile::DbtCloud => {
            let print = signed(hmac::HMAC_SHA256, secret, text(headers, "authorization")?, body)?;
            let event: DbtEvent = parse(body)?;
            let starts = event.event_type == "job.run.completed"
                && event
                    .data
                    .is_some_and(|data| data.run_status.as_deref() == Some("Success"));
            Ok(Call { print, starts })
        }
        HookProfile::Fivetran => {
            let signature = text(headers, "x-fivetran-signature-256")?;
            let print = signed(hmac::HMAC_SHA256, secret, signature, body)?;
            let event: FivetranEvent = parse(body)?;
            let starts = event.event == "sync_end"
                && event
                    .data
                    .is_some_and(|data| data.status.as_deref() == Some("SUCCESSFUL"));
            Ok(Call { print, starts })
        }
        HookProfile::Segment => {
            let signature = text(headers, "x-signature")?;
            let print = signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, signature, body)?;
            Ok(Call { print, starts: true })
        }
    }
}

fn generic(secret: &[u8], headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<Call, Untrusted> {
    let timestamp = text(headers, "x-outflow-timestamp")?;
    let signature = text(headers, "x-outflow-signature")?;
    let signature = signature.strip_prefix("sha256=").ok_or(Untrusted::Unsigned)?;
    let at: i64 = timestamp.parse().map_err(|_| Untrusted::Unsigned)?;
    let mut message = format!("{timestamp}.").into_bytes();
    message.extend_from_slice(body);
    // The signature first: who has no secret learns nothing about our clock.
    let print = signed(hmac::HMAC_SHA256, secret, signature, &message)?;
    if (now_ms / 1_000).saturating_sub(at).abs() > WINDOW_S {
        return Err(Untrusted::Time);
    }
    Ok(Call { print, starts: true })
}

/// The signature's bytes, if it is that of the message; compared in constant time.
fn signed(
    algorithm: hmac::Algorithm,
    secret: &[u8],
    signature: &str,
    message: &[u8],
) -> Result<Vec<u8>, Untrusted> {
    let bytes = hex(signature.trim()).ok_or(Untrusted::Unsigned)?;
    let key = hmac::Key::new(algorithm, secret);
    hmac::verify(&key, message, &bytes).map_err(|_| Untrusted::Signature)?;
    Ok(bytes)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Untrusted> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or(Untrusted::Unsigned)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(
        pairs
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Untrusted> {
    serde_json::from_slice(body).map_err(|_| Untrusted::Body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DbtEvent {
    event_type: String,
    data: Option<DbtData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DbtData {
    run_status: Option<String>,
}

#[derive(Deserialize)]
struct FivetranEvent {
    event: String,
    data: Option<FivetranData>,
}

#[derive(Deserialize)]
struct FivetranData {
    status: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use outflow_sdk::secret::Secret;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn hook(profile: HookProfile, secret: &str) -> Hook {
        Hook {
            name: "nightly".into(),
            profile,
            secret: Secret::new(secret),
            syncs: vec!["customers".into()],
            key: Vec::new(),
            names_key: false,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn sign(algorithm: hmac::Algorithm, secret: &str, message: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_signature_is_the_one_other_programs_compute() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            sign(hmac::HMAC_SHA256, "Jefe", "what do ya want for nothing?"),
            expected
        );
        // RFC 2202, test case 2.
        let expected = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        let sha1 = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        assert_eq!(sign(sha1, "Jefe", "what do ya want for nothing?"), expected);
    }

    #[test]
    fn a_generic_call_is_signed_with_its_time() {
        let hook = hook(HookProfile::Generic, "s3cret");
        let call = |age: i64, secret: &str, body: &str, sent: &str| {
            let timestamp = (NOW_MS / 1_000 - age).to_string();
            let signature = sign(hmac::HMAC_SHA256, secret, &format!("{timestamp}.{body}"));
            let headers = headers(&[
                ("x-outflow-timestamp", &timestamp),
                ("x-outflow-signature", &format!("sha256={signature}")),
            ]);
            check(&hook, &headers, sent.as_bytes(), NOW_MS)
        };
        let good = call(0, "s3cret", "{}", "{}").unwrap();
        assert!(good.starts && good.print.len() == 32);
        assert_eq!(
            call(0, "s3cret", "{}", "{}").unwrap(),
            good,
            "a repetition is known"
        );
        assert_ne!(call(1, "s3cret", "{}", "{}").unwrap().print, good.print);
        assert!(call(300, "s3cret", "", "").is_ok() && call(-300, "s3cret", "", "").is_ok());
        for (age, secret, sent, expected) in [
            (301, "s3cret", "{}", Untrusted::Time),
            (-301, "s3cret", "{}", Untrusted::Time),
            (0, "other", "{}", Untrusted::Signature),
            (0, "s3cret", "{ }", Untrusted::Signature),
            (9_999, "other", "{}", Untrusted::Signature),
        ] {
            assert_eq!(
                call(age, secret, "{}", sent),
                Err(expected),
                "{age} {secret} {sent}"
            );
        }
    }

    #[test]
    fn a_call_without_its_headers_or_with_nonsense_in_them_is_unsigned() {
        let hook = hook(HookProfile::Generic, "s3cret");
        for pairs in [
            &[][..],
            &[("x-outflow-timestamp", "1800000000")],
            &[
                ("x-outflow-timestamp", "now"),
                ("x-outflow-signature", "sha256=00"),
            ],
            &[
                ("x-outflow-timestamp", "1800000000"),
                ("x-outflow-signature", "00"),
            ],
            &[
                ("x-outflow-timestamp", "1800000000"),
                ("x-outflow-signature", "sha256=xyz"),
            ],
            &[
                ("x-outflow-timestamp", "1800000000"),
                ("x-outflow-signature", "sha256=000"),
            ],
        ] {
            let found = check(&hook, &headers(pairs), b"{}", NOW_MS);
            assert_eq!(found, Err(Untrusted::Unsigned), "{pairs:?}");
        }
    }

    #[test]
    fn vendors_calls_start_syncs_when_their_own_work_went_well() {
        let dbt = |status: &str, event: &str| {
            let body = format!(
                r#"{{"accountId":1,"eventId":"wev_1","eventType":"{event}","data":{{"runStatus":"{status}","runStatusCode":10}}}}"#
            );
            let signature = sign(hmac::HMAC_SHA256, "k", &body);
            let headers = headers(&[("authorization", &signature)]);
            check(
                &hook(HookProfile::DbtCloud, "k"),
                &headers,
                body.as_bytes(),
                NOW_MS,
            )
        };
        assert!(dbt("Success", "job.run.completed").unwrap().starts);
        assert!(!dbt("Errored", "job.run.completed").unwrap().starts);
        assert!(!dbt("Running", "job.run.started").unwrap().starts);

        let fivetran = |body: &str| {
            let signature = sign(hmac::HMAC_SHA256, "k", body).to_uppercase();
            let headers = headers(&[("x-fivetran-signature-256", &signature)]);
            check(
                &hook(HookProfile::Fivetran, "k"),
                &headers,
                body.as_bytes(),
                NOW_MS,
            )
        };
        let ended = r#"{"event":"sync_end","sync_id":"s","data":{"status":"SUCCESSFUL"}}"#;
        assert!(fivetran(ended).unwrap().starts);
        assert!(!fivetran(&ended.replace("SUCCESSFUL", "FAILURE")).unwrap().starts);
        assert!(
            !fivetran(r#"{"event":"test_event","connector_id":"c"}"#)
                .unwrap()
                .starts
        );
        assert_eq!(fivetran("not json"), Err(Untrusted::Body));

        let body = r#"{"type":"track","messageId":"m"}"#;
        let segment = |secret: &str| {
            let signature = sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, body);
            let headers = headers(&[("x-signature", &signature)]);
            check(
                &hook(HookProfile::Segment, "k"),
                &headers,
                body.as_bytes(),
                NOW_MS,
            )
        };
        assert!(segment("k").unwrap().starts);
        assert_eq!(segment("j"), Err(Untrusted::Signature));
    }
}
