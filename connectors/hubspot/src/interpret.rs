//! What an answer of a batch endpoint means for every row in it.
//!
//! Results come in any order and errors name their inputs in several ways, so rows are found by
//! trace id, then by record id or key, and whatever is left is settled only when the counts leave
//! no doubt. A row that the answer does not account for is in doubt, never taken as done.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use foldhash::HashMap;
use memchr::memchr2;
use outflow_sdk::CompactString;
use outflow_sdk::destination::{Action, Effect, Operation, Outcome, Rejection};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::capabilities::Verb;
use crate::layout::Layout;
use crate::refusal::ErrorItem;
use crate::values::comparable;

/// The part of a batch answer that matters; properties stay unread unless they are needed.
#[derive(Deserialize)]
pub(crate) struct BatchAnswer<'a> {
    #[serde(borrow, default)]
    results: Option<Vec<ResultRow<'a>>>,
    #[serde(borrow, default)]
    errors: Option<Vec<&'a RawValue>>,
    #[serde(default, rename = "numErrors")]
    error_count: Option<u64>,
}

#[derive(Deserialize)]
struct ResultRow<'a> {
    #[serde(borrow)]
    id: Id<'a>,
    #[serde(default)]
    new: Option<bool>,
    #[serde(borrow, default, rename = "objectWriteTraceId")]
    trace: Option<Id<'a>>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

/// An id, which HubSpot writes as text and older calls as a number.
struct Id<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl<'de> Visitor<'de> for TextOrNumber {
            type Value = Id<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an id")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Id(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Id(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Id(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// Reads an answer of a batch endpoint; none when it is not one.
pub(crate) fn parse(body: &[u8]) -> Option<BatchAnswer<'_>> {
    // Looked through for its encoding once, instead of at every string.
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

impl BatchAnswer<'_> {
    /// Whether every row failed because of the mapping itself, so that going on is pointless.
    pub(crate) fn mapping_fault(&self) -> Option<ErrorItem> {
        let nothing_done = self.results.as_ref().is_none_or(Vec::is_empty);
        let mut errors = self.errors.iter().flatten().map(|error| read_error(error));
        let first = errors.next()?;
        (nothing_done && first.is_about_the_mapping() && errors.all(|error| error.is_about_the_mapping()))
            .then_some(first)
    }
}

fn read_error(error: &RawValue) -> ErrorItem {
    ErrorItem::read(&serde_json::from_str(error.get()).unwrap_or_default())
}

/// One outcome for every operation of a 2xx answer.
pub(crate) fn settle(
    answer: &BatchAnswer<'_>,
    verb: Verb,
    layout: &Layout,
    operations: &[Operation],
) -> Vec<Outcome> {
    let mut rows = Rows::new(verb, layout, operations);
    let mut unnamed = false;
    let errors = answer.errors.as_deref().unwrap_or_default();
    for error in errors {
        unnamed |= !rows.refuse(&read_error(error));
    }
    unnamed |= answer
        .error_count
        .is_some_and(|count| count > errors.len() as u64);
    let unplaced: Vec<&ResultRow<'_>> = answer
        .results
        .iter()
        .flatten()
        .filter(|result| !rows.confirm(result))
        .collect();
    if !unnamed {
        rows.settle_by_count(&unplaced);
    }
    rows.finish()
}

/// Rows that a refusal of the whole batch named; the others were not written and may go again.
pub(crate) fn settle_refused(
    errors: &[ErrorItem],
    verb: Verb,
    layout: &Layout,
    operations: &[Operation],
) -> Option<Vec<Outcome>> {
    let mut rows = Rows::new(verb, layout, operations);
    if !errors.iter().all(|error| rows.refuse(error)) {
        return None;
    }
    let again = || Outcome::Retry {
        code: "hubspot_batch_refused".into(),
        after: None,
    };
    Some(
        rows.slots
            .into_iter()
            .map(|slot| slot.unwrap_or_else(again))
            .collect(),
    )
}

/// The operations of one request, and what is known of each so far.
struct Rows<'a> {
    verb: Verb,
    layout: &'a Layout,
    operations: &'a [Operation],
    slots: Vec<Option<Outcome>>,
    /// Made when the first address is looked for: most results are found by their trace.
    by_address: OnceCell<HashMap<Cow<'a, str>, usize>>,
    by_number: HashMap<u64, usize>,
}

impl<'a> Rows<'a> {
    fn new(verb: Verb, layout: &'a Layout, operations: &'a [Operation]) -> Self {
        Self {
            verb,
            layout,
            operations,
            slots: vec![None; operations.len()],
            by_address: OnceCell::new(),
            by_number: HashMap::default(),
        }
    }

    fn traced(&mut self, trace: &str) -> Option<usize> {
        let number: u64 = trace.strip_prefix("r-")?.parse().ok()?;
        if self.by_number.is_empty() {
            let numbers = self.operations.iter().enumerate();
            self.by_number = numbers.map(|(at, operation)| (operation.row, at)).collect();
        }
        self.by_number.get(&number).copied()
    }

    fn addressed(&self, address: &str) -> Option<usize> {
        let by_address = self.by_address.get_or_init(|| {
            let operations = self.operations.iter().enumerate();
            operations
                .map(|(at, operation)| (self.layout.address(self.verb, operation), at))
                .collect()
        });
        by_address.get(comparable(address).as_ref()).copied()
    }

    /// Settles the rows an error names; false when it names none of ours.
    fn refuse(&mut self, error: &ErrorItem) -> bool {
        let mut named: Vec<usize> = error
            .traces
            .iter()
            .filter_map(|trace| self.traced(trace))
            .collect();
        named.extend(error.ids.iter().filter_map(|id| self.addressed(id)));
        for at in &named {
            let outcome = match error.outcome(self.verb, self.layout) {
                _ if self.verb == Verb::Lookup => self.not_found(*at),
                Outcome::StaleRemote => self.stale(*at),
                outcome => outcome,
            };
            if let Some(slot) = self.slots.get_mut(*at) {
                slot.get_or_insert(outcome);
            }
        }
        !named.is_empty()
    }

    /// A look-up that found nothing: there is nothing to update, and nothing left to remove.
    fn not_found(&self, at: usize) -> Outcome {
        let effect = match self.operations.get(at).map(|operation| operation.action) {
            Some(Action::Remove(_)) => Effect::Removed,
            _ => Effect::Untouched,
        };
        Outcome::Applied { effect, remote: None }
    }

    /// A record id that leads nowhere. A removal that does not know the match value either could
    /// never find the record again, which may live on under another id after a merge.
    fn stale(&self, at: usize) -> Outcome {
        match self.operations.get(at) {
            Some(operation)
                if operation.action != Action::Write && self.layout.match_value(operation).is_none() =>
            {
                Outcome::Rejected(Rejection {
                    code: "record_gone".into(),
                    field: None,
                    message: "the record was merged or deleted in HubSpot, so it cannot be emptied".into(),
                })
            }
            _ => Outcome::StaleRemote,
        }
    }

    /// Settles the row a result is about; false when the result does not say which.
    fn confirm(&mut self, result: &ResultRow<'_>) -> bool {
        let by_trace = result.trace.as_ref().and_then(|trace| self.traced(&trace.0));
        let Some(at) = by_trace.or_else(|| self.place(result)) else {
            return false;
        };
        let outcome = self.success(at, Some(result.id.0.as_ref()), result.new);
        if let Some(slot) = self.slots.get_mut(at) {
            // Both an error and a result for one row: believe neither.
            *slot = Some(match slot {
                Some(Outcome::Rejected(_) | Outcome::Suppressed(_) | Outcome::StaleRemote) => {
                    Outcome::InDoubt
                }
                _ => outcome,
            });
        }
        true
    }

    fn place(&self, result: &ResultRow<'_>) -> Option<usize> {
        if self.verb.by_record_id() || self.layout.keyed_by_record_id() {
            return self.addressed(&result.id.0);
        }
        let properties = result.properties?;
        let plain = self.plain_key(properties.get());
        if let Some(at) = plain.and_then(|key| self.addressed(key)) {
            return Some(at);
        }
        let (key, others) = pick(properties, &self.layout.key_name);
        key.as_deref().and_then(|key| self.addressed(key)).or_else(|| {
            let others = others.filter(|_| self.layout.has_secondary_addresses)?;
            others.split(';').find_map(|address| self.addressed(address))
        })
    }

    /// The key property's text where it stands plainly among the properties, most of which need not be looked
    /// at then. None says nothing.
    ///
    /// `"NAME":"` is that member: within a text its quotes would be escaped, and no name follows on the quote
    /// that ends a text.
    fn plain_key<'t>(&self, properties: &'t str) -> Option<&'t str> {
        let member = &self.layout.key_member;
        let at = member.find(properties.as_bytes())?;
        let text = properties.get(at + member.needle().len()..)?;
        let end = memchr2(b'"', b'\\', text.as_bytes())?;
        let is_whole = !properties[..at].ends_with('\\') && text.as_bytes().get(end) == Some(&b'"');
        text.get(..end).filter(|_| is_whole)
    }

    fn success(&self, at: usize, id: Option<&str>, new: Option<bool>) -> Outcome {
        let remote: Option<CompactString> = id.map(CompactString::from);
        let effect = match (
            self.verb,
            self.operations.get(at).map(|operation| operation.action),
        ) {
            (Verb::Lookup, _) => {
                return remote.map_or(Outcome::InDoubt, |remote| Outcome::Resolved { remote });
            }
            (_, Some(Action::Remove(_))) => Effect::Removed,
            (Verb::Create, _) => Effect::Created,
            (Verb::Upsert, _) if new == Some(true) => Effect::Created,
            _ => Effect::Updated,
        };
        Outcome::Applied { effect, remote }
    }

    /// As many results left as rows left: all of them succeeded. With one of each it is also clear
    /// which; with more, only their ids stay unknown.
    fn settle_by_count(&mut self, unplaced: &[&ResultRow<'_>]) {
        let open: Vec<usize> = (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.is_none())
            .map(|(at, _)| at)
            .collect();
        if open.len() != unplaced.len() {
            return;
        }
        let all_new = unplaced.iter().all(|result| result.new == Some(true));
        for at in open {
            let outcome = match unplaced {
                [only] => self.success(at, Some(only.id.0.as_ref()), only.new),
                _ => self.success(at, None, Some(all_new)),
            };
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Some(outcome);
            }
        }
    }

    fn finish(self) -> Vec<Outcome> {
        self.slots
            .into_iter()
            .map(|slot| slot.unwrap_or(Outcome::InDoubt))
            .collect()
    }
}

/// The key property and the secondary addresses among a result's properties, reading nothing else.
fn pick<'a>(properties: &'a RawValue, key: &str) -> (Option<Cow<'a, str>>, Option<Cow<'a, str>>) {
    let mut deserializer = serde_json::Deserializer::from_str(properties.get());
    Pick { key }.deserialize(&mut deserializer).unwrap_or_default()
}

struct Pick<'k> {
    key: &'k str,
}

type Picked<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Picked<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Picked<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("properties")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked: Picked<'de> = (None, None);
        while let Some(name) = map.next_key::<Id<'de>>()? {
            if name.0 == self.key {
                picked.0 = map.next_value::<Option<Id<'de>>>()?.map(|id| id.0);
            } else if name.0 == "hs_additional_emails" {
                picked.1 = map.next_value::<Option<Id<'de>>>()?.map(|id| id.0);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(picked)
    }
}

#[cfg(test)]
mod tests;
