//! What a query's answer says of its result, checked for sense.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decode::{Content, Format, Part};
use crate::kind::Typed;
use crate::wire::{Answer, Chunk, QueryData};

/// A result: its first rows, and where the others are.
pub(crate) struct QueryResult {
    pub(crate) query_id: String,
    pub(crate) columns: Vec<Typed>,
    pub(crate) format: Format,
    /// Rows of the whole.
    pub(crate) total: u64,
    pub(crate) inline: Part,
    pub(crate) files: Files,
}

/// The files of a result.
#[derive(Clone, Default)]
pub(crate) struct Files {
    pub(crate) chunks: Vec<Chunk>,
    /// Headers that every request for one carries.
    pub(crate) headers: Vec<(String, String)>,
}

impl QueryResult {
    /// The result an answer tells of.
    ///
    /// # Errors
    /// What is amiss with the answer, in a few words.
    pub(crate) fn new(answer: &Answer) -> Result<Self, &'static str> {
        let data: QueryData<'_> = answer.data().ok_or("no result")?;
        let columns = columns(&data)?;
        let query_id = data.query_id.clone().ok_or("no query id")?;
        let format = match data.query_result_format.as_deref() {
            Some("arrow") => Format::Arrow,
            Some("json") | None => Format::Json,
            Some(_) => return Err("rows in a format that is not known"),
        };
        let total = data.total.ok_or("no count of rows")?;
        let inline = match format {
            Format::Arrow => {
                let text = data.rowset_base64.as_deref().unwrap_or_default();
                STANDARD.decode(text).map_err(|_| "rows that are no Base64")?
            }
            Format::Json => data
                .rowset
                .map(|rows| rows.get().as_bytes().to_vec())
                .unwrap_or_default(),
        };
        let files = files(data);
        let in_files = files
            .chunks
            .iter()
            .try_fold(0u64, |sum, chunk| sum.checked_add(chunk.row_count))
            .ok_or("more rows than can be counted")?;
        let rows = total
            .checked_sub(in_files)
            .ok_or("more rows in its files than in all")?;
        Ok(Self {
            query_id,
            columns,
            format,
            total,
            inline: Part {
                content: Content::Inline(inline),
                rows,
            },
            files,
        })
    }
}

/// The columns an answer tells of.
///
/// # Errors
/// When it tells of none.
pub(crate) fn columns(data: &QueryData<'_>) -> Result<Vec<Typed>, &'static str> {
    let rowtype = data.rowtype.as_ref().ok_or("no description of the rows")?;
    Ok(rowtype.iter().map(Typed::new).collect())
}

/// The files an answer tells of. Where the account's region needs a key to read them, it comes either among
/// the headers or as `qrmk`.
pub(crate) fn files(data: QueryData<'_>) -> Files {
    let headers = match (data.chunk_headers, data.qrmk) {
        (Some(headers), _) if !headers.is_empty() => headers.into_iter().collect(),
        (_, Some(key)) => vec![
            (
                "x-amz-server-side-encryption-customer-algorithm".to_owned(),
                "AES256".to_owned(),
            ),
            ("x-amz-server-side-encryption-customer-key".to_owned(), key),
        ],
        _ => Vec::new(),
    };
    Files {
        chunks: data.chunks.unwrap_or_default(),
        headers,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn result(changes: Value) -> Result<QueryResult, &'static str> {
        let mut data = json!({
            "queryId": "q", "total": 3, "queryResultFormat": "json", "rowset": [["1"]],
            "rowtype": [{"name": "A", "type": "fixed", "precision": 38, "scale": 0}],
            "chunks": [{"url": "https://x/y", "rowCount": 2}],
        });
        for (key, value) in changes.as_object().unwrap() {
            data[key] = value.clone();
        }
        let body = json!({"success": true, "data": data}).to_string();
        QueryResult::new(&Answer::parse(&Bytes::from(body)).unwrap())
    }

    #[test]
    fn the_rows_at_hand_are_those_that_are_in_no_file() {
        let result = result(json!({"qrmk": "key"})).unwrap();
        assert_eq!((result.total, result.inline.rows), (3, 1));
        assert_eq!(result.files.headers[1].1, "key");
        let headers = self::result(json!({"qrmk": "key", "chunkHeaders": {"a": "b"}})).unwrap();
        assert_eq!(headers.files.headers, [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn an_answer_that_does_not_add_up_is_refused() {
        for (changes, words) in [
            (json!({"total": 1}), "more rows in its files"),
            (json!({"total": null}), "no count"),
            (json!({"rowtype": null}), "no description"),
            (json!({"queryId": null}), "no query id"),
            (json!({"queryResultFormat": "parquet"}), "format"),
            (
                json!({"queryResultFormat": "arrow", "rowsetBase64": "%"}),
                "no Base64",
            ),
            (
                json!({"chunks": [{"url": "u", "rowCount": u64::MAX}, {"url": "u", "rowCount": 2}]}),
                "more rows than can be counted",
            ),
        ] {
            let refused = result(changes.clone()).err().unwrap();
            assert!(refused.contains(words), "{changes}: {refused}");
        }
    }
}
