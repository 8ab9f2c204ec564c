//! The records of a store by number and by id.

use foldhash::HashMap;

use super::record::Record;
use super::store::Slot;

/// Records of one block.
const BLOCK: usize = 1024;

/// Records in blocks, so that none is ever moved to make room for more.
#[derive(Debug)]
pub(super) struct Records {
    blocks: Vec<Vec<Record>>,
    /// Ids are given out one after the other from here: mostly, the id tells the slot.
    first_id: u64,
    /// Slots of the ids that do not follow the others.
    strays: HashMap<u64, Slot>,
}

impl Records {
    pub(super) fn new(first_id: u64) -> Self {
        Self {
            blocks: Vec::new(),
            first_id,
            strays: HashMap::default(),
        }
    }

    /// The slot the next record will have.
    pub(super) fn next_slot(&self) -> Slot {
        let full = self.blocks.len().saturating_sub(1) * BLOCK;
        let count = full + self.blocks.last().map_or(0, Vec::len);
        Slot::try_from(count).unwrap_or(Slot::MAX)
    }

    pub(super) fn push(&mut self, record: Record) -> Slot {
        let slot = self.next_slot();
        if self.first_id + u64::from(slot) != record.id {
            self.strays.insert(record.id, slot);
        }
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(record),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(record);
                self.blocks.push(block);
            }
        }
        slot
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> Option<&Record> {
        let slot = slot as usize;
        self.blocks.get(slot / BLOCK)?.get(slot % BLOCK)
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Record> {
        let slot = slot as usize;
        self.blocks.get_mut(slot / BLOCK)?.get_mut(slot % BLOCK)
    }

    /// The slot of a record id.
    pub(super) fn slot(&self, id: u64) -> Option<Slot> {
        let in_turn = id
            .checked_sub(self.first_id)
            .and_then(|slot| slot.try_into().ok());
        in_turn
            .filter(|slot| self.get(*slot).is_some_and(|record| record.id == id))
            .or_else(|| self.strays.get(&id).copied())
    }

    /// Records from `slot` on.
    pub(super) fn from(&self, slot: Slot) -> impl Iterator<Item = (Slot, &Record)> {
        let (block, within) = (slot as usize / BLOCK, slot as usize % BLOCK);
        let records = self.blocks.iter().skip(block).flatten().skip(within);
        (slot..).zip(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hubspot::record::{Content, Standing};

    fn record(id: u64) -> Record {
        Record {
            id,
            created: 0,
            updated: 0,
            standing: Standing::Live,
            content: Content::default(),
        }
    }

    #[test]
    fn records_are_found_by_slot_and_by_id_in_every_block() {
        let mut records = Records::new(100);
        let count = 2 * BLOCK as u64 + 5;
        for n in 0..count {
            assert_eq!(u64::from(records.push(record(100 + n))), n);
        }
        for slot in [0, 1, 1023, 1024, 2047, 2048, 2052] {
            assert_eq!(
                records.get(slot).map(|record| record.id),
                Some(100 + u64::from(slot))
            );
            assert_eq!(records.slot(100 + u64::from(slot)), Some(slot));
            let first = records.from(slot).next().map(|(slot, record)| (slot, record.id));
            assert_eq!(first, Some((slot, 100 + u64::from(slot))));
        }
        assert_eq!(records.from(1000).count() as u64, count - 1000);
        assert_eq!(records.from(5000).count(), 0);
        assert!(records.get(2053).is_none());
        assert_eq!((records.slot(99), records.slot(100 + count)), (None, None));
    }

    #[test]
    fn ids_out_of_turn_are_found_too() {
        let mut records = Records::new(100);
        for id in [100, 7, 102, 101] {
            records.push(record(id));
        }
        let slots = [100, 7, 102, 101].map(|id| records.slot(id));
        assert_eq!(slots, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(records.slot(103), None);
    }
}
