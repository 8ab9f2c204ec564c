//! One record, packed: all values in one string, so that a million contacts fit in memory and a
//! write costs two allocations.

use super::definitions::PropertyId;

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
    changed: i64,
    end: u32,
    property: PropertyId,
}

/// Property values with the time each last changed. A cleared value is kept as empty text.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    text: Box<str>,
    spans: Box<[Span]>,
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
        self.spans.iter().map(move |span| {
            let end = span.end as usize;
            let text = self.text.get(start..end).unwrap_or_default();
            start = end;
            Stored {
                property: span.property,
                text,
                changed: span.changed,
            }
        })
    }

    /// A value; `None` when never written or cleared.
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
        let added: usize = writes.iter().map(|(_, text)| text.as_ref().len()).sum();
        let mut builder = Builder {
            text: String::with_capacity(self.text.len() + added),
            spans: Vec::with_capacity(self.spans.len() + writes.len()),
        };
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
        let mut builder = Builder {
            text: String::new(),
            spans: Vec::new(),
        };
        for value in values {
            builder.push(value.property, value.text, value.changed);
        }
        builder.content()
    }
}

struct Builder {
    text: String,
    spans: Vec<Span>,
}

impl Builder {
    fn push(&mut self, property: PropertyId, text: &str, changed: i64) {
        self.text.push_str(text);
        // A request is limited to 32 MiB, so a record cannot reach 4 GiB.
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.spans.push(Span {
            changed,
            end,
            property,
        });
    }

    fn content(self) -> Content {
        Content {
            text: self.text.into_boxed_str(),
            spans: self.spans.into_boxed_slice(),
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
}
