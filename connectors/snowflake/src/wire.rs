//! What the server answers. Fields that no decision hangs on are left out, and those that official
//! drivers do without are optional here too.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use outflow_sdk::secret::Secret;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Statement still running: ask again at `getResultUrl`.
pub(crate) const IN_PROGRESS: [&str; 2] = ["333333", "333334"];
/// The session token's hour is over; the master token gets a new one.
pub(crate) const SESSION_EXPIRED: &str = "390112";
/// The session is gone for good: log in again.
pub(crate) const SESSION_GONE: [&str; 6] = ["390104", "390108", "390111", "390113", "390114", "390115"];
/// The query to abort is not (yet) running.
pub(crate) const NOT_EXECUTING: &str = "000605";

/// Every answer of the API, with its `data` still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    /// The text of `data`, empty when there is none.
    data: Bytes,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    success: bool,
    #[serde(default, borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

impl Answer {
    /// Reads an answer; none when it is not one of this API.
    pub(crate) fn parse(body: &Bytes) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
        let data = envelope
            .data
            .map_or_else(Bytes::new, |data| body.slice_ref(data.get().as_bytes()));
        Some(Self {
            success: envelope.success,
            code: envelope.code.map(Cow::into_owned),
            message: envelope.message,
            data,
        })
    }

    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The `data`; none when it does not have the form.
    pub(crate) fn data<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_slice(&self.data).ok()
    }
}

/// What a log-in gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedIn {
    pub(crate) token: Secret,
    #[serde(default)]
    pub(crate) master_token: Option<Secret>,
    #[serde(default)]
    pub(crate) session_info: Option<Place>,
}

/// Where a session works: what was asked for, or what the user has by default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    #[serde(default)]
    pub(crate) role_name: Option<String>,
    #[serde(default)]
    pub(crate) warehouse_name: Option<String>,
    #[serde(default)]
    pub(crate) database_name: Option<String>,
    #[serde(default)]
    pub(crate) schema_name: Option<String>,
}

/// What a renewal gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Renewed {
    pub(crate) session_token: Secret,
    #[serde(default)]
    pub(crate) master_token: Option<Secret>,
}

/// What a query gives, or what is wrong with it, or where to ask again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueryData<'a> {
    #[serde(default)]
    pub(crate) query_id: Option<String>,
    #[serde(default)]
    pub(crate) sql_state: Option<String>,
    #[serde(default)]
    pub(crate) get_result_url: Option<String>,
    #[serde(default)]
    pub(crate) total: Option<u64>,
    #[serde(default)]
    pub(crate) query_result_format: Option<String>,
    #[serde(default)]
    pub(crate) rowtype: Option<Vec<RowType>>,
    #[serde(default, borrow)]
    pub(crate) rowset: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) rowset_base64: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) chunks: Option<Vec<Chunk>>,
    #[serde(default)]
    pub(crate) chunk_headers: Option<HashMap<String, String>>,
    #[serde(default)]
    pub(crate) qrmk: Option<String>,
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowType {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    #[serde(default)]
    pub(crate) ext_type_name: Option<String>,
    #[serde(default)]
    pub(crate) precision: Option<u8>,
    #[serde(default)]
    pub(crate) scale: Option<u8>,
}

/// One file of a result.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chunk {
    /// Carries its own authorization.
    pub(crate) url: String,
    pub(crate) row_count: u64,
    #[serde(default)]
    pub(crate) uncompressed_size: u64,
    #[serde(default)]
    pub(crate) compressed_size: u64,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Chunk")
            .field("row_count", &self.row_count)
            .finish_non_exhaustive()
    }
}

/// Statistics of a query (`/monitoring/queries/ID`).
#[derive(Debug, Deserialize)]
pub(crate) struct Monitored {
    pub(crate) queries: Vec<MonitoredQuery>,
}

/// One query of them.
#[derive(Debug, Deserialize)]
pub(crate) struct MonitoredQuery {
    #[serde(default)]
    pub(crate) stats: Option<Stats>,
}

/// What a query did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    #[serde(default)]
    pub(crate) scan_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(text: &str) -> Answer {
        Answer::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn an_answer_is_read_without_what_is_optional() {
        let login = answer(r#"{"data":{"token":"t"},"success":true}"#);
        let data: LoggedIn = login.data().unwrap();
        assert_eq!((data.token.expose(), data.master_token.is_none()), ("t", true));
        let refused = answer(r#"{"data":null,"code":"390112","message":"expired","success":false}"#);
        assert_eq!(refused.code(), SESSION_EXPIRED);
        assert!(refused.data::<QueryData<'_>>().is_none());
        assert!(Answer::parse(&Bytes::from_static(b"<html>")).is_none());
    }

    #[test]
    fn a_result_is_read_whichever_form_it_has() {
        let text = r#"{"success":true,"code":null,"message":null,"data":{"queryId":"q","total":2,
            "rowtype":[{"name":"A","type":"fixed","precision":38,"scale":0,"nullable":true,"length":null}],
            "rowset":[["1"],[null]],"chunks":[{"url":"https://x/y","rowCount":1,"uncompressedSize":9}],
            "queryResultFormat":"json","parameters":[{"name":"TIMEZONE","value":"UTC"}]}}"#;
        let answer = answer(text);
        let data: QueryData<'_> = answer.data().unwrap();
        assert_eq!(data.rowset.unwrap().get(), r#"[["1"],[null]]"#);
        assert_eq!(data.rowtype.unwrap()[0].precision, Some(38));
        assert!(!format!("{:?}", data.chunks.unwrap()).contains("https://x/y"));
    }
}
