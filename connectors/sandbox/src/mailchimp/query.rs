//! Query parameters, times and partial answers.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::options::{LargeCount, Options};
use super::problem::Problem;

/// Most rows of a page.
const MOST_ROWS: usize = 1000;

/// The query of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a str);

impl Query<'_> {
    pub(super) fn get(self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.0.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A boolean as the official clients write it: `true` (Node) or `True` (Python).
    pub(super) fn flag(self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// Parts of a comma list.
    pub(super) fn list(self, name: &str) -> Vec<String> {
        self.get(name)
            .map(|value| {
                value
                    .split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect()
            })
            .unwrap_or_default()
    }

    fn number(self, name: &str, default: usize) -> Result<usize, Problem> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| Problem::field(name, "This value should be a whole number from 0 on.")),
        }
    }

    /// An instant, in milliseconds since 1970.
    pub(super) fn time(self, name: &str) -> Result<Option<i64>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => time(&text).ok_or_else(|| Problem::field(name, BAD_TIME)),
        }
    }

    /// Which rows are wanted.
    pub(super) fn page(self, options: &Options) -> Result<Page, Problem> {
        let count = self.number("count", 10)?;
        if count > MOST_ROWS && options.large_count == LargeCount::Refuse {
            return Err(Problem::field("count", "This value should be 1000 or less."));
        }
        Ok(Page {
            count: count.min(MOST_ROWS),
            offset: self.number("offset", 0)?,
        })
    }
}

/// What a time that does not fit is refused with.
pub(super) const BAD_TIME: &str = "Data did not match any of the schemas described in anyOf.";

/// The rows wanted of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    count: usize,
    offset: usize,
}

impl Page {
    pub(super) fn of<T>(self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        items.into_iter().skip(self.offset).take(self.count).collect()
    }
}

/// A sent time in milliseconds since 1970: `YYYY-MM-DD HH:MM:SS`, or ISO 8601 with `Z` or an offset and
/// without fractions. Nothing is no time. `None` if it is neither.
pub(super) fn time(text: &str) -> Option<Option<i64>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.contains(['.', ',']) {
        return None;
    }
    let instant = if text.contains('T') {
        text.parse::<Timestamp>().ok()?
    } else {
        let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()?
    };
    Some(Some(instant.as_millisecond()))
}

/// An instant as the vendor writes it: ISO 8601, seconds, an offset.
pub(super) fn iso(ms: i64) -> String {
    match Timestamp::from_second(ms.div_euclid(1000)) {
        Ok(instant) => {
            let mut text = instant.to_string();
            if text.ends_with('Z') {
                text.pop();
            }
            text.push_str("+00:00");
            text
        }
        Err(_) => String::new(),
    }
}

/// An instant that may be missing: then it is the empty string.
pub(super) fn iso_or_empty(ms: Option<i64>) -> String {
    ms.map(iso).unwrap_or_default()
}

/// Cuts an answer down to what `fields` and `exclude_fields` leave of it.
pub(super) fn partial(query: Query<'_>, body: Vec<u8>) -> Result<Vec<u8>, Problem> {
    let fields = query.list("fields");
    let without = query.list("exclude_fields");
    if fields.is_empty() && without.is_empty() {
        return Ok(body);
    }
    let named = |path: &String| {
        path.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    if !fields.iter().chain(&without).all(named) {
        return Err(Problem::requested_fields());
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
        return Ok(body);
    };
    if !fields.is_empty() {
        let paths: Vec<&str> = fields.iter().map(String::as_str).collect();
        value = keep(value, &paths);
    }
    let paths: Vec<&str> = without.iter().map(String::as_str).collect();
    drop_paths(&mut value, &paths);
    Ok(value.to_string().into_bytes())
}

/// Paths below a key, and whether the key itself is named.
fn below<'p>(paths: &[&'p str], key: &str) -> (bool, Vec<&'p str>) {
    let mut whole = false;
    let mut rest = Vec::new();
    for path in paths {
        match path.strip_prefix(key) {
            Some("") => whole = true,
            Some(deeper) => rest.extend(deeper.strip_prefix('.')),
            None => {}
        }
    }
    (whole, rest)
}

fn keep(value: Value, paths: &[&str]) -> Value {
    match value {
        Value::Object(map) => {
            let mut kept = Map::new();
            for (key, value) in map {
                let (whole, rest) = below(paths, &key);
                if whole {
                    kept.insert(key, value);
                } else if !rest.is_empty() {
                    kept.insert(key, keep(value, &rest));
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(|item| keep(item, paths)).collect(),
        other => other,
    }
}

fn drop_paths(value: &mut Value, paths: &[&str]) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            let (whole, rest) = below(paths, key);
            if !whole && !rest.is_empty() {
                drop_paths(value, &rest);
            }
            !whole
        }),
        Value::Array(items) => {
            for item in items {
                drop_paths(item, paths);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_written_with_an_offset() {
        let second = Some(Some(1_637_707_916_000));
        for text in [
            "2021-11-23T22:51:56+00:00",
            "2021-11-23T22:51:56Z",
            "2021-11-24T00:51:56+02:00",
            "2021-11-23 22:51:56",
        ] {
            assert_eq!(time(text), second, "{text}");
        }
        for text in [
            "2021-11-23T22:51:56",
            "2021-11-23T22:51:56.5Z",
            "yesterday",
            "2021-11-23",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(time(""), Some(None));
        assert_eq!(iso(1_637_707_916_123), "2021-11-23T22:51:56+00:00");
        assert_eq!(iso_or_empty(None), "");
    }

    #[test]
    fn booleans_of_both_official_clients_are_understood() {
        let query = Query("a=true&b=True&c=false&d=False");
        assert!(query.flag("a") && query.flag("b"));
        assert!(!query.flag("c") && !query.flag("d") && !query.flag("e"));
    }

    #[test]
    fn pages_have_ten_rows_unless_told_and_a_thousand_at_most() {
        let options = Options::default();
        let page = |query| Query(query).page(&options);
        assert_eq!(page("").unwrap().of(0..100).len(), 10);
        assert_eq!(page("count=3&offset=98").unwrap().of(0..100), [98, 99]);
        assert!(page("count=1001").is_err() && page("count=-1").is_err() && page("offset=x").is_err());
        let capped = Options {
            large_count: LargeCount::Cap,
            ..Options::default()
        };
        let page = Query("count=5000").page(&capped).unwrap();
        assert_eq!(page.of(0..5000).len(), 1000);
    }

    #[test]
    fn answers_are_cut_down_to_what_is_asked_for() {
        let body =
            json!({ "members": [{ "id": "a", "merge_fields": { "X": 1 }, "_links": [] }], "total_items": 1 });
        let cut = |query| -> Value {
            serde_json::from_slice(&partial(Query(query), body.to_string().into_bytes()).unwrap()).unwrap()
        };
        assert_eq!(
            cut("fields=members.id%2Ctotal_items"),
            json!({ "members": [{ "id": "a" }], "total_items": 1 })
        );
        assert_eq!(
            cut("exclude_fields=members._links,total_items"),
            json!({ "members": [{ "id": "a", "merge_fields": { "X": 1 } }] })
        );
        assert!(partial(Query("fields=a[0]"), b"{}".to_vec()).is_err());
    }
}
