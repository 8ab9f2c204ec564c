//! The list of files that Redshift writes at the end of an UNLOAD
//! (<https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html>, MANIFEST VERBOSE).

use serde::Deserialize;

/// What an UNLOAD wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) files: Vec<File>,
}

/// One Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its key in the bucket.
    pub(crate) key: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Why a manifest cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unusable(pub(crate) &'static str);

#[derive(Deserialize)]
struct Entry {
    url: String,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    content_length: u64,
    record_count: u64,
}

/// The end of the document. What stands between is not always JSON: the lengths of columns have no name.
#[derive(Deserialize)]
struct Document {
    meta: Meta,
}

impl Manifest {
    /// Reads a manifest whose files must all lie below `s3://bucket/folder/`.
    ///
    /// # Errors
    /// When it does not read, lists a file elsewhere or twice, or its numbers contradict each other.
    pub(crate) fn parse(text: &[u8], bucket: &str, folder: &str) -> Result<Self, Unusable> {
        let text = std::str::from_utf8(text).map_err(|_| Unusable("is no text"))?;
        let entries: Vec<Entry> =
            array_of(text, "\"entries\"").ok_or(Unusable("does not list its files with rows and bytes"))?;
        let place = format!("s3://{bucket}/{folder}/");
        let mut files: Vec<File> = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(name) = entry.url.strip_prefix(&place).filter(|name| !name.is_empty()) else {
                return Err(Unusable("lists a file in another place"));
            };
            files.push(File {
                key: format!("{folder}/{name}"),
                rows: entry.meta.record_count,
                bytes: entry.meta.content_length,
            });
        }
        let mut keys: Vec<&str> = files.iter().map(|file| file.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < files.len() {
            return Err(Unusable("lists a file twice"));
        }
        let manifest = Self { files };
        let total = total(text).ok_or(Unusable("has no sum of rows at its end"))?;
        if total.record_count != manifest.rows() {
            return Err(Unusable("lists files with another number of rows than their sum"));
        }
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        if total.content_length != bytes {
            return Err(Unusable(
                "lists files with another number of bytes than their sum",
            ));
        }
        Ok(manifest)
    }

    /// Rows of all files.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// The array behind a key, whatever stands after it.
fn array_of(text: &str, key: &str) -> Option<Vec<Entry>> {
    let (_, rest) = text.split_once(key)?;
    let array = rest.get(rest.find('[')?..)?;
    serde_json::Deserializer::from_str(array)
        .into_iter::<Vec<Entry>>()
        .next()?
        .ok()
}

/// The sums: the last `meta` of the document, whose own end must be there.
fn total(text: &str) -> Option<Meta> {
    if let Ok(document) = serde_json::from_str::<Document>(text) {
        return Some(document.meta);
    }
    if !is_closed(text) {
        return None;
    }
    let (before, rest) = text.rsplit_once("\"meta\"")?;
    // One of a file is no sum.
    before.rfind("\"schema\"")?;
    let object = rest.get(rest.find('{')?..)?;
    serde_json::Deserializer::from_str(object)
        .into_iter::<Meta>()
        .next()?
        .ok()
}

/// Whether every brace and bracket outside strings is closed: the document was not cut short.
fn is_closed(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0i64, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    depth == 0 && !in_string
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// As the vendor's documentation shows it; the lengths there have no name.
    const DOCUMENTED: &str = r#"{
      "entries": [
        {"url":"s3://acme/run/0000_part_00.parquet", "meta": { "content_length": 32295, "record_count": 10 }},
        {"url":"s3://acme/run/0001_part_00.parquet", "meta": { "content_length": 32771, "record_count": 20 }}
      ],
      "schema": {
        "elements": [
          {"name": "venueid", "type": { "base": "integer" }},
          {"name": "venuename", "type": { "base": "character varying", 25 }}
        ]
      },
      "meta": { "content_length": 65066, "record_count": 30 },
      "author": { "name": "Amazon Redshift", "version": "1.0.0" }
    }"#;

    fn parse(text: &str) -> Result<Manifest, Unusable> {
        Manifest::parse(text.as_bytes(), "acme", "run")
    }

    #[test]
    fn files_rows_and_bytes_are_read() {
        let named = DOCUMENTED.replace(", 25", ", \"length\": 25");
        for text in [DOCUMENTED, named.as_str()] {
            let manifest = parse(text).unwrap();
            assert_eq!(manifest.rows(), 30);
            assert_eq!(
                manifest.files[1],
                File {
                    key: "run/0001_part_00.parquet".into(),
                    rows: 20,
                    bytes: 32_771
                }
            );
        }
    }

    #[test]
    fn whatever_does_not_hold_together_is_refused() {
        for (before, after, why) in [
            (
                "\"entries\"",
                "\"files\"",
                "does not list its files with rows and bytes",
            ),
            (
                ", \"record_count\": 20 }}",
                " }}",
                "does not list its files with rows and bytes",
            ),
            (
                "s3://acme/run/0001",
                "s3://acme/other/0001",
                "lists a file in another place",
            ),
            (
                "s3://acme/run/0001",
                "s3://other/run/0001",
                "lists a file in another place",
            ),
            ("run/0001", "run/0000", "lists a file twice"),
            (
                "\"record_count\": 20",
                "\"record_count\": 21",
                "lists files with another number of rows than their sum",
            ),
            (
                "32771",
                "32770",
                "lists files with another number of bytes than their sum",
            ),
        ] {
            let text = DOCUMENTED.replace(before, after);
            assert_ne!(text, DOCUMENTED, "{before}");
            assert_eq!(parse(&text), Err(Unusable(why)), "{before}");
        }
    }

    #[test]
    fn a_manifest_cut_short_is_refused_wherever_it_is_cut() {
        let whole = DOCUMENTED.trim_end();
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}: {}", &whole[..end]);
        }
    }
}
