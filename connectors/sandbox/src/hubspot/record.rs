//! One record, packed: all values in one string, so that a million contacts fit in memory and a new
//! record costs two allocations.

use super::definitions::PropertyId;
use super::json::has_escapes;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Live,
    /// Archived at this time.
    Archived(i64),
    /// Merged into the record in this slot.
    Merged(u32),
    /// Erased for good.
    Erased,
}

/// A record of any object type.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) standing: Standing,
    pub(super) content: Content,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    end: u32,
    property: PropertyId,
}

/// When the values of a content last changed. Those of a new record have one time in common.
#[derive(Clone, Debug)]
enum Changed {
    All(i64),
    Each(Box<[i64]>),
}

impl Default for Changed {
    fn default() -> Self {
        Changed::All(0)
    }
}

/// Property values with the time each last changed. A cleared value is kept as empty text.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    text: Box<str>,
    spans: Box<[Span]>,
    changed: Changed,
    has_escapes: bool,
}

/// One stored value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    pub(super) property: PropertyId,
    pub(super) text: &'a str,
    pub(super) changed: i64,
}

impl Content {
    /// Values in the order they were first written, cleared ones included.
    pub(super) fn iter(&self) -> impl Iterator<Item = Stored<'_>> {
        let mut start = 0usize;
        self.spans.iter().enumerate().map(move |(position, span)| {
            let end = span.end as usize;
            let text = self.text.get(start..end).unwrap_or_default();
            start = end;
            let changed = match &self.changed {
                Changed::All(at) => *at,
                Changed::Each(times) => times.get(position).copied().unwrap_or_default(),
            };
            Stored {
                property: span.property,
                text,
                changed,
            }
        })
    }

    /// Whether JSON writes any of the values with escapes. Told of all at once: one look over the packed
    /// text costs less than one at every value.
    #[inline]
    pub(super) fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// A value; `None` when never written or cleared.
    #[inline]
    pub(super) fn get(&self, property: PropertyId) -> Option<&str> {
        let position = self.spans.iter().position(|span| span.property == property)?;
        let start = match position.checked_sub(1) {
            Some(before) => self.spans.get(before)?.end as usize,
            None => 0,
        };
        let end = self.spans.get(position)?.end as usize;
        self.text.get(start..end).filter(|text| !text.is_empty())
    }

    /// The content after `writes`; what is not written stays. A value equal to the stored one
    /// keeps its time.
    pub(super) fn written<S: AsRef<str>>(&self, writes: &[(PropertyId, S)], now: i64) -> Self {
        let (mut count, mut bytes) = (self.spans.len(), self.text.len());
        for (_, text) in writes {
            count += usize::from(!text.as_ref().is_empty());
            bytes += text.as_ref().len();
        }
        let mut builder = Builder::with_capacity(count, bytes);
        for stored in self.iter() {
            match writes.iter().find(|(property, _)| *property == stored.property) {
                Some((_, text)) if text.as_ref() != stored.text => {
                    builder.push(stored.property, text.as_ref(), now);
                }
                _ => builder.push(stored.property, stored.text, stored.changed),
            }
        }
        for (property, text) in writes {
            if !self.spans.iter().any(|span| span.property == *property) && !text.as_ref().is_empty() {
                builder.push(*property, text.as_ref(), now);
            }
        }
        builder.content()
    }

    /// A content from stored values, for loading.
    pub(super) fn restored<'a>(values: impl Iterator<Item = Stored<'a>>) -> Self {
        let mut builder = Builder::with_capacity(0, 0);
        for value in values {
            builder.push(value.property, value.text, value.changed);
        }
        builder.content()
    }
}

struct Builder {
    text: String,
    spans: Vec<Span>,
    /// Time of the first value, and of all while `times` is empty.
    first: i64,
    times: Vec<i64>,
}

impl Builder {
    fn with_capacity(values: usize, bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            spans: Vec::with_capacity(values),
            first: 0,
            times: Vec::new(),
        }
    }

    fn push(&mut self, property: PropertyId, text: &str, changed: i64) {
        if self.spans.is_empty() {
            self.first = changed;
        } else if self.times.is_empty() && changed != self.first {
            self.times.resize(self.spans.len(), self.first);
        }
        if !self.times.is_empty() {
            self.times.push(changed);
        }
        self.text.push_str(text);
        // A request is limited to 32 MiB, so a record cannot reach 4 GiB.
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.spans.push(Span { end, property });
    }

    fn content(self) -> Content {
        Content {
            has_escapes: has_escapes(&self.text),
            text: self.text.into_boxed_str(),
            spans: self.spans.into_boxed_slice(),
            changed: if self.times.is_empty() {
                Changed::All(self.first)
            } else {
                Changed::Each(self.times.into_boxed_slice())
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(content: &Content) -> Vec<(PropertyId, &str, i64)> {
        content
            .iter()
            .map(|stored| (stored.property, stored.text, stored.changed))
            .collect()
    }

    #[test]
    fn unwritten_values_stay_and_equal_ones_keep_their_time() {
        let first = Content::default().written(&[(1, "ann"), (2, "lee"), (3, "")], 10);
        assert_eq!(values(&first), [(1, "ann", 10), (2, "lee", 10)]);
        let second = first.written(&[(2, "lee"), (4, "x"), (1, "")], 20);
        assert_eq!(values(&second), [(1, "", 20), (2, "lee", 10), (4, "x", 20)]);
        assert_eq!(second.get(1), None);
        assert_eq!(second.get(4), Some("x"));
        assert_eq!(second.get(9), None);
    }

    #[test]
    fn a_content_knows_whether_json_escapes_any_of_its_values() {
        let plain = Content::default().written(&[(1, "Zoë O'Neil"), (2, "a/b")], 10);
        assert!(!plain.has_escapes());
        for value in ["say \"hi\"", "back\\slash", "two\nlines", "\u{1}"] {
            let escaped = plain.written(&[(3, value)], 20);
            assert!(escaped.has_escapes(), "{value:?}");
            assert!(
                !escaped.written(&[(3, "")], 30).has_escapes(),
                "{value:?} is cleared"
            );
        }
    }
}
