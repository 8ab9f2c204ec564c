//! Renames: known rows whose match value changed, in an order in which each value is free before
//! another row takes it.

use std::collections::HashMap;
use std::path::Path;

use outflow_sdk::print::Print;

use super::plan::PlannedRow;
use super::spill::{Sequence, SpillError};

/// Most waves: a longer chain of rows that each take the value of the next ends in the last of them.
const WAVES: u32 = 16;

/// The match value a row had and the one it gets, as prints.
struct Move {
    leaves: Print,
    takes: Print,
}

/// Known rows whose match value changed.
pub(super) struct Renames {
    rows: Sequence,
    moves: Vec<Move>,
}

impl Renames {
    /// No rows; a file, if it comes to that, is in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            rows: Sequence::new(folder),
            moves: Vec::new(),
        }
    }

    /// Adds a row by the prints of its match fields as acknowledged and as the model has them.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn push(
        &mut self,
        row: &PlannedRow,
        leaves: impl Iterator<Item = Print>,
        takes: impl Iterator<Item = Print>,
    ) -> Result<(), SpillError> {
        self.moves.push(Move {
            leaves: joined(leaves),
            takes: joined(takes),
        });
        self.rows.push(row)
    }

    /// The rows wave by wave: a row comes after the one that has its new value still. Rows that
    /// exchange their values with each other come last, and the destination says what it makes of it.
    ///
    /// # Errors
    /// When a temporary file cannot be read or written.
    pub(super) fn into_waves(mut self, folder: &Path) -> Result<Vec<Sequence>, SpillError> {
        let depths = depths(&self.moves);
        let Some(deepest) = depths.iter().copied().max().filter(|deepest| *deepest > 0) else {
            return Ok(vec![self.rows]);
        };
        let mut waves: Vec<Sequence> = (0..=deepest).map(|_| Sequence::new(folder)).collect();
        for (row, depth) in self.rows.rows::<PlannedRow>()?.zip(depths) {
            if let Some(wave) = waves.get_mut(depth as usize) {
                wave.push(&row?)?;
            }
        }
        Ok(waves)
    }
}

/// One print for a match value of several fields.
pub(super) fn joined(mut prints: impl Iterator<Item = Print>) -> Print {
    let first = prints.next().unwrap_or(0);
    prints.fold(first, |joined, print| joined.rotate_left(7) ^ print)
}

/// How many moves must be made before each of them; [`WAVES`] for rings and what waits for them.
fn depths(moves: &[Move]) -> Vec<u32> {
    let held: HashMap<Print, usize> = moves.iter().map(|one| one.leaves).zip(0..).collect();
    let before = |at: usize| held.get(&moves[at].takes).copied().filter(|holder| *holder != at);
    let mut depths: Vec<Option<u32>> = vec![None; moves.len()];
    let mut path = Vec::new();
    for start in 0..moves.len() {
        let mut at = start;
        path.clear();
        let mut depth = loop {
            if let Some(known) = depths[at] {
                break known;
            }
            path.push(at);
            // A path longer than any chain that is kept apart is as good as a ring.
            match before(at) {
                None => {
                    path.pop();
                    depths[at] = Some(0);
                    break 0;
                }
                Some(_) if path.len() > WAVES as usize => break WAVES,
                Some(holder) => at = holder,
            }
        };
        while let Some(at) = path.pop() {
            depth = (depth + 1).min(WAVES);
            depths[at] = Some(depth);
        }
    }
    depths.into_iter().map(|depth| depth.unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depths_of(moves: &[(Print, Print)]) -> Vec<u32> {
        let moves: Vec<Move> = moves
            .iter()
            .map(|(leaves, takes)| Move {
                leaves: *leaves,
                takes: *takes,
            })
            .collect();
        depths(&moves)
    }

    #[test]
    fn a_row_waits_for_the_one_that_has_its_value() {
        assert_eq!(depths_of(&[(1, 2), (2, 3), (3, 4)]), [2, 1, 0]);
        assert_eq!(depths_of(&[(3, 4), (2, 3), (1, 2)]), [0, 1, 2]);
        assert_eq!(depths_of(&[(1, 9), (2, 8)]), [0, 0]);
    }

    #[test]
    fn a_ring_and_what_waits_for_it_come_last() {
        let found = depths_of(&[(1, 2), (2, 1), (3, 1), (5, 6)]);
        assert_eq!(found, [WAVES, WAVES, WAVES, 0]);
    }

    #[test]
    fn a_long_chain_ends_in_the_last_wave_and_is_looked_at_once() {
        let moves: Vec<(Print, Print)> = (0..100_000).map(|at| (at, at + 1)).collect();
        let found = depths_of(&moves);
        assert!(found.iter().all(|depth| *depth <= WAVES));
        assert_eq!(found.last(), Some(&0));
        assert_eq!(found[100_000 - 3], 2);
    }

    #[test]
    fn the_parts_of_a_composite_value_keep_their_places() {
        assert_ne!(joined([1, 2].into_iter()), joined([2, 1].into_iter()));
    }
}
