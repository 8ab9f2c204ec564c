//! Keys that change hands within a run.
//!
//! A row that left the model, or got another key, gives its old key up. Another row may take the same
//! key in the same run: two customers swap their addresses, or one comes back under another number.
//! Whoever gives a key up must then neither delete nor empty what the other one wrote.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Words of the filter: 16 MiB of bits, used once a key is written. Ten million keys are told apart from
/// others but for one in two hundred; such a one leaves an old row where it is.
const WORDS: usize = 1 << 21;

/// Bits set for each key.
const BITS: u64 = 4;

/// What this run has done to keys, by their hashes.
#[derive(Default)]
pub(crate) struct Hands(Mutex<State>);

#[derive(Default)]
struct State {
    written: Vec<u64>,
    going: HashSet<u64>,
}

/// Keys that are being deleted until this is dropped.
pub(crate) struct Going<'a> {
    hands: &'a Hands,
    keys: Vec<u64>,
}

impl Hands {
    /// Notes that these keys are about to be written. False, and none is, when one of them is just being
    /// deleted: which of the two came last would be left to chance.
    pub(crate) fn write(&self, keys: &[u64]) -> bool {
        let mut state = self.lock();
        if keys.iter().any(|key| state.going.contains(key)) {
            return false;
        }
        if state.written.is_empty() && !keys.is_empty() {
            state.written = vec![0; WORDS];
        }
        for key in keys {
            for (word, bit) in places(*key) {
                if let Some(word) = state.written.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        true
    }

    /// Whether a row of this run has written the key.
    pub(crate) fn has_written(&self, key: u64) -> bool {
        self.lock().has_written(key)
    }

    /// Which of these keys may be deleted: those no row of this run has written.
    pub(crate) fn delete(&self, keys: &[u64]) -> (Vec<bool>, Going<'_>) {
        let mut state = self.lock();
        let may: Vec<bool> = keys.iter().map(|key| !state.has_written(*key)).collect();
        let going = keys.iter().zip(&may).filter(|(_, may)| **may);
        let going: Vec<u64> = going.map(|(key, _)| *key).collect();
        state.going.extend(&going);
        let going = Going {
            hands: self,
            keys: going,
        };
        (may, going)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_written(&self, key: u64) -> bool {
        places(key).all(|(word, bit)| self.written.get(word).is_some_and(|word| word & bit != 0))
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let mut state = self.hands.lock();
        for key in &self.keys {
            state.going.remove(key);
        }
    }
}

/// The bits of a key, each as its word's number and its mask.
fn places(key: u64) -> impl Iterator<Item = (usize, u64)> {
    let step = key.rotate_left(32) | 1;
    (0..BITS).map(move |turn| {
        let at = key.wrapping_add(step.wrapping_mul(turn));
        // The remainder is smaller than the number of words.
        let word = usize::try_from((at >> 6) % WORDS as u64).unwrap_or_default();
        (word, 1 << (at & 63))
    })
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn a_key_that_another_row_wrote_is_not_deleted() {
        let hands = Hands::default();
        assert!(!hands.has_written(1));
        assert!(hands.write(&[1, 2]));
        let (may, _going) = hands.delete(&[1, 3]);
        assert_eq!(may, [false, true]);
    }

    #[test]
    fn a_key_is_not_written_while_it_is_being_deleted() {
        let hands = Hands::default();
        let (_, going) = hands.delete(&[3]);
        assert!(!hands.write(&[4, 3]));
        assert!(!hands.has_written(4));
        drop(going);
        assert!(hands.write(&[4, 3]));
        assert!(hands.has_written(3));
    }

    #[test]
    fn many_keys_are_hardly_ever_taken_for_others() {
        let hands = Hands::default();
        let key = |number: u64| xxh3_64(&number.to_le_bytes());
        let written: Vec<u64> = (0..200_000).map(key).collect();
        assert!(hands.write(&written));
        assert!(written.iter().all(|key| hands.has_written(*key)));
        let others = (200_000..250_000).map(key);
        assert!(others.filter(|other| hands.has_written(*other)).count() < 2);
    }
}
