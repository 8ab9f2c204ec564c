//! Search: filters over an index that lags behind writes.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use hyper::StatusCode;
use serde::Deserialize;

use super::call::{Call, Handled, Reply};
use super::definitions::{Derived, PropertyId, PropertyType};
use super::errors::ApiError;
use super::json::{iso, raw, string};
use super::record::{Record, Standing};
use super::render::{Beside, Renderer, Shown};
use super::store::{ObjectStore, Overwritten, Slot};

const MAX_BODY_CHARACTERS: usize = 3000;
const MAX_RESULTS: usize = 10_000;
const MAX_LIMIT: usize = 200;
const MAX_GROUPS: usize = 5;
const MAX_GROUP_FILTERS: usize = 6;
const MAX_FILTERS: usize = 18;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    filter_groups: Vec<Group>,
    properties: Vec<String>,
    sorts: Vec<Sort>,
    limit: Option<usize>,
    after: Option<serde_json::Value>,
    query: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: Operator,
    value: Option<String>,
    high_value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    HasProperty,
    NotHasProperty,
    ContainsToken,
    NotContainsToken,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sort {
    property_name: String,
    #[serde(default)]
    direction: Option<String>,
}

/// `POST …/{type}/search`.
pub(super) fn handle(call: &Call<'_>, object: usize) -> Handled {
    if String::from_utf8_lossy(call.body).chars().count() > MAX_BODY_CHARACTERS {
        return Err(ApiError::validation(format!(
            "The request body must be at most {MAX_BODY_CHARACTERS} characters"
        )));
    }
    let body: Body = call.parse()?;
    let (limit, offset) = page(&body)?;
    let state = call.account.state();
    let store = state.objects.get(object).ok_or_else(ApiError::no_route)?;
    let groups = compile(store, &body.filter_groups)?;
    let sort = match body.sorts.as_slice() {
        [] => None,
        [sort] => {
            let descending = match sort.direction.as_deref() {
                None | Some("ASCENDING") => false,
                Some("DESCENDING") => true,
                Some(_) => return Err(ApiError::validation("direction is ASCENDING or DESCENDING")),
            };
            Some((live(store, &sort.property_name)?, descending))
        }
        _ => return Err(ApiError::validation("At most one sort is allowed")),
    };

    let horizon = call.now - store.lag;
    let mut found = visible(store, &groups, horizon);
    found.retain(|record| {
        let fits = groups.is_empty()
            || groups
                .iter()
                .any(|group| group.iter().all(|filter| filter.accepts(store, record)));
        fits && body
            .query
            .as_deref()
            .is_none_or(|query| mentions(store, record, query))
    });
    if let Some((property, descending)) = sort {
        found.sort_by(|left, right| {
            let order = order(store, left, right, property);
            if descending { order.reverse() } else { order }
        });
    }

    let asked: Vec<PropertyId> = if body.properties.is_empty() {
        store.defaults.clone()
    } else {
        body.properties
            .iter()
            .filter_map(|name| store.definitions.live(name).map(|(id, _)| id))
            .collect()
    };
    let mut out = format!("{{\"total\":{},\"results\":[", found.len()).into_bytes();
    let mut renderer = Renderer::new(store);
    for (position, record) in found.iter().skip(offset).take(limit).enumerate() {
        if position > 0 {
            raw(&mut out, ",");
        }
        renderer.write(&mut out, record, Shown::Asked(&asked), Beside::default());
    }
    raw(&mut out, "]");
    if offset + limit < found.len() {
        raw(&mut out, ",\"paging\":{\"next\":{\"after\":");
        string(&mut out, &(offset + limit).to_string());
        raw(&mut out, "}}");
    }
    raw(&mut out, "}");
    Ok(Reply {
        status: StatusCode::OK,
        body: out,
    })
}

fn page(body: &Body) -> Result<(usize, usize), ApiError> {
    let limit = body.limit.unwrap_or(10);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::validation(format!(
            "limit must be from 1 to {MAX_LIMIT}"
        )));
    }
    let offset = match &body.after {
        None | Some(serde_json::Value::Null) => Some(0),
        Some(serde_json::Value::String(text)) if text.is_empty() => Some(0),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64().and_then(|offset| usize::try_from(offset).ok()),
    };
    let offset = offset.ok_or_else(|| ApiError::validation("after must be a whole number"))?;
    if offset + limit > MAX_RESULTS {
        return Err(ApiError::validation(format!(
            "A query gives at most {MAX_RESULTS} results"
        )));
    }
    Ok((limit, offset))
}

fn live(store: &ObjectStore, name: &str) -> Result<PropertyId, ApiError> {
    let found = store.definitions.live(name);
    found
        .map(|(id, _)| id)
        .ok_or_else(|| ApiError::validation(format!("Property \"{name}\" does not exist")))
}

/// A filter with its values in comparable form.
#[derive(Debug)]
struct Test {
    property: PropertyId,
    operator: Operator,
    value: Option<Key>,
    high: Option<Key>,
    values: Vec<Key>,
    /// As sent, for token filters and for the indexes.
    texts: Vec<String>,
}

/// A value in the form in which it is compared.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
}

fn compile(store: &ObjectStore, groups: &[Group]) -> Result<Vec<Vec<Test>>, ApiError> {
    let total: usize = groups.iter().map(|group| group.filters.len()).sum();
    let too_many = groups.len() > MAX_GROUPS
        || total > MAX_FILTERS
        || groups.iter().any(|group| group.filters.len() > MAX_GROUP_FILTERS);
    if too_many {
        return Err(ApiError::validation(format!(
            "At most {MAX_GROUPS} filterGroups of {MAX_GROUP_FILTERS} filters, {MAX_FILTERS} in all"
        )));
    }
    groups
        .iter()
        .map(|group| {
            group
                .filters
                .iter()
                .map(|filter| compile_filter(store, filter))
                .collect()
        })
        .collect()
}

fn compile_filter(store: &ObjectStore, filter: &Filter) -> Result<Test, ApiError> {
    let property = live(store, &filter.property_name)?;
    let key = |text: &str| key(store, property, text);
    let one = |text: &Option<String>| match text {
        Some(text) => Ok(text.clone()),
        None => Err(ApiError::validation(format!(
            "A filter on {} lacks its value",
            filter.property_name
        ))),
    };
    let mut test = Test {
        property,
        operator: filter.operator,
        value: None,
        high: None,
        values: Vec::new(),
        texts: Vec::new(),
    };
    match filter.operator {
        Operator::HasProperty | Operator::NotHasProperty => {}
        Operator::In | Operator::NotIn => {
            if filter.values.is_empty() {
                return Err(ApiError::validation(format!(
                    "A filter on {} lacks values",
                    filter.property_name
                )));
            }
            // Not lower-cased: upper-case letters in the values of text properties find nothing.
            test.values = filter
                .values
                .iter()
                .map(|text| match key(text) {
                    Key::Number(number) => Key::Number(number),
                    Key::Text(_) => Key::Text(text.clone()),
                })
                .collect();
            test.texts.clone_from(&filter.values);
        }
        Operator::Between => {
            test.value = Some(key(&one(&filter.value)?));
            test.high = Some(key(&one(&filter.high_value)?));
        }
        _ => {
            let text = one(&filter.value)?;
            test.value = Some(key(&text));
            test.texts.push(text);
        }
    }
    Ok(test)
}

fn key(store: &ObjectStore, property: PropertyId, text: &str) -> Key {
    let value_type = store
        .definitions
        .get(property)
        .map_or(PropertyType::String, |known| known.value_type);
    let number = match value_type {
        PropertyType::Number => text.parse::<f64>().ok(),
        PropertyType::Date | PropertyType::Datetime => milliseconds(text),
        PropertyType::Enumeration => return Key::Text(text.to_owned()),
        _ => None,
    };
    number.map_or_else(|| Key::Text(text.to_lowercase()), Key::Number)
}

#[allow(clippy::cast_precision_loss)]
fn milliseconds(text: &str) -> Option<f64> {
    let ms = match text.parse::<i64>() {
        Ok(ms) => Some(ms),
        Err(_) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .map(jiff::Timestamp::as_millisecond)
            .or_else(|| {
                let day = text.parse::<jiff::civil::Date>().ok()?;
                let start = day.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
                Some(start.timestamp().as_millisecond())
            }),
    };
    // Milliseconds of this age are exact in 53 bits.
    ms.map(|ms| ms as f64)
}

impl Test {
    fn accepts(&self, store: &ObjectStore, record: &Record) -> bool {
        let Some(text) = value_of(store, record, self.property) else {
            return matches!(
                self.operator,
                Operator::NotHasProperty | Operator::NotIn | Operator::NotContainsToken
            );
        };
        let stored = key(store, self.property, &text);
        let against = |wanted: &Option<Key>| wanted.as_ref().and_then(|wanted| stored.partial_cmp(wanted));
        let order = against(&self.value);
        match self.operator {
            Operator::HasProperty => true,
            Operator::NotHasProperty => false,
            Operator::Eq => order == Some(Ordering::Equal),
            Operator::Neq => order != Some(Ordering::Equal),
            Operator::Lt => order == Some(Ordering::Less),
            Operator::Lte => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::Gt => order == Some(Ordering::Greater),
            Operator::Gte => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Between => {
                matches!(order, Some(Ordering::Greater | Ordering::Equal))
                    && matches!(against(&self.high), Some(Ordering::Less | Ordering::Equal))
            }
            Operator::In => self.values.contains(&stored),
            Operator::NotIn => !self.values.contains(&stored),
            Operator::ContainsToken => self.texts.iter().all(|token| has_token(&text, token)),
            Operator::NotContainsToken => !self.texts.iter().all(|token| has_token(&text, token)),
        }
    }
}

/// Whether a word of `text` equals `token`; `*` at its ends stands for anything.
fn has_token(text: &str, token: &str) -> bool {
    let (text, token) = (text.to_lowercase(), token.to_lowercase());
    let core = token.trim_matches('*');
    let (open_start, open_end) = (token.starts_with('*'), token.ends_with('*'));
    if core.is_empty() {
        return true;
    }
    text.match_indices(core).any(|(start, found)| {
        let before = text.get(..start).and_then(|rest| rest.chars().next_back());
        let after = text
            .get(start + found.len()..)
            .and_then(|rest| rest.chars().next());
        let ends = |neighbour: Option<char>| neighbour.is_none_or(|letter| !letter.is_alphanumeric());
        (open_start || ends(before)) && (open_end || ends(after))
    })
}

fn value_of<'r>(store: &ObjectStore, record: &'r Record, property: PropertyId) -> Option<Cow<'r, str>> {
    match store.definitions.derived(property) {
        None => record.content.get(property).map(Cow::Borrowed),
        Some(Derived::Created) => Some(Cow::Owned(iso(record.created))),
        Some(Derived::Modified) => Some(Cow::Owned(iso(record.updated))),
        Some(Derived::Id) => Some(Cow::Owned(record.id.to_string())),
        Some(Derived::Source | Derived::SourceId | Derived::SourceLabel) => None,
    }
}

/// Free text is looked for in the record's names and addresses.
fn mentions(store: &ObjectStore, record: &Record, query: &str) -> bool {
    let query = query.to_lowercase();
    [
        "email",
        "firstname",
        "lastname",
        "phone",
        "company",
        "name",
        "domain",
    ]
    .iter()
    .filter_map(|name| store.definitions.find(name))
    .filter_map(|property| record.content.get(property))
    .any(|text| text.to_lowercase().contains(&query))
}

fn order(store: &ObjectStore, left: &Record, right: &Record, property: PropertyId) -> Ordering {
    let value = |record| value_of(store, record, property).map(|text| key(store, property, &text));
    match (value(left), value(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Live records as the index shows them: as they were at `horizon`.
fn visible<'s>(store: &'s ObjectStore, groups: &[Vec<Test>], horizon: i64) -> Vec<Cow<'s, Record>> {
    let mut before: HashMap<Slot, &Overwritten> = HashMap::new();
    for old in store.overwritten_since(horizon) {
        before.entry(old.slot).or_insert(old);
    }
    let show = |slot: Slot, record: &'s Record| -> Option<Cow<'s, Record>> {
        if record.created > horizon {
            return None;
        }
        let shown = match before.get(&slot) {
            None => Cow::Borrowed(record),
            Some(old) => Cow::Owned(Record {
                id: record.id,
                created: record.created,
                updated: old.updated,
                standing: old.standing,
                content: old.content.clone(),
            }),
        };
        (shown.standing == Standing::Live && record.standing != Standing::Erased).then_some(shown)
    };
    match candidates(store, groups) {
        Some(mut slots) => {
            slots.extend(before.keys());
            slots
                .into_iter()
                .filter_map(|slot| show(slot, store.record(slot)?))
                .collect()
        }
        None => store
            .records()
            .filter_map(|(slot, record)| show(slot, record))
            .collect(),
    }
}

/// Slots worth looking at when every group names unique values; `None`: all of them.
fn candidates(store: &ObjectStore, groups: &[Vec<Test>]) -> Option<BTreeSet<Slot>> {
    if groups.is_empty() {
        return None;
    }
    let mut slots = BTreeSet::new();
    for group in groups {
        let test = group.iter().find(|test| {
            matches!(test.operator, Operator::Eq | Operator::In)
                && store.is_unique(test.property)
                && (store.unique_ignores_case || store.email == Some(test.property))
        })?;
        for text in &test.texts {
            let wanted = store.comparable(test.property, text);
            slots.extend(store.by_unique(test.property, &wanted));
        }
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_whole_words_unless_starred() {
        assert!(has_token("Ann Lee", "ann"));
        assert!(!has_token("Annabel", "ann"));
        assert!(has_token("Annabel", "ann*"));
        assert!(has_token("x@example.com", "*example*"));
        assert!(!has_token("Lee", "ann"));
    }
}
