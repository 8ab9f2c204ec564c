//! The properties that the inputs of a request name: what a write of each has to look at.

use super::definitions::{Property, PropertyId};
use super::store::ObjectStore;
use super::validate;

/// A property as values are written to it: looked up once a request, not once a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'s> {
    pub(super) name: &'s str,
    pub(super) id: PropertyId,
    pub(super) property: &'s Property,
    pub(super) is_read_only: bool,
    pub(super) is_email: bool,
    pub(super) is_lifecycle: bool,
    pub(super) is_unique: bool,
    /// Whether any text that is not too long is stored as sent, and nothing else depends on it.
    pub(super) is_plain_text: bool,
}

impl<'s> Column<'s> {
    pub(super) fn new(store: &ObjectStore, id: PropertyId, property: &'s Property) -> Self {
        let is_read_only = property.is_read_only();
        let is_email = store.email == Some(id);
        let is_lifecycle = store.lifecycle == Some(id);
        let is_unique = store.is_unique(id);
        Self {
            name: &property.name,
            id,
            property,
            is_read_only,
            is_email,
            is_lifecycle,
            is_unique,
            is_plain_text: validate::takes_texts(property)
                && !(is_read_only || is_email || is_lifecycle || is_unique),
        }
    }
}

/// Properties by their position in the previous inputs: inputs mostly name the same ones in one order.
#[derive(Debug)]
pub(super) struct Columns<'s> {
    store: &'s ObjectStore,
    known: Vec<Column<'s>>,
}

impl<'s> Columns<'s> {
    pub(super) fn new(store: &'s ObjectStore) -> Self {
        Self {
            store,
            known: Vec::new(),
        }
    }

    /// The property in use that has this name, which is at this position of an input.
    #[inline]
    pub(super) fn find(&mut self, position: usize, name: &str) -> Option<Column<'s>> {
        if let Some(column) = self.known.get(position)
            && column.name == name
        {
            return Some(*column);
        }
        let (id, property) = self.store.definitions.live(name)?;
        let column = Column::new(self.store, id, property);
        if let Some(known) = self.known.get_mut(position) {
            *known = column;
        } else if self.known.len() == position {
            self.known.push(column);
        }
        Some(column)
    }
}
