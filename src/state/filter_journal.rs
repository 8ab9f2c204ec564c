//! What small runs changed since the filter's cache file was written: `filters/<sync>.changes` beside it.
//!
//! A run of some rows alone does not load the filter, and a file of many megabytes is not written for one
//! row. It appends what it changed, and from which generation of the store to which; the next run that
//! needs the filter brings the cache file up to date by that. As the cache file, it holds nothing that is
//! not in the store: where the steps do not lead from the file's generation to the store's, the filter is
//! made anew from one scan.
//!
//! A record, little endian: its length without this number (32 bits), magic, store, sync, generation
//! before and after (64 bits each), per change the key (128 bits), what there is (8 bits: 1 = before, 2 =
//! after) and the prints before and after, and a checksum of all that (64 bits).

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use outflow_sdk::print::{KeyHash, Print};
use xxhash_rust::xxh3::xxh3_64;

use super::filter_file::Origin;
use super::{FilterChange, Store, SyncState};

const MAGIC: u64 = u64::from_le_bytes(*b"OUTFCHG1");
const HEAD: usize = 5 * 8;
const CHANGE: usize = 16 + 1 + 8 + 8;

/// Longest file; beyond, one scan costs no more than what is in it.
const LONGEST: u64 = 8 << 20;

/// Where a sync's changes are kept.
pub(super) fn file_of(cache: &Path) -> PathBuf {
    cache.with_extension("changes")
}

/// Notes what a run changed that led the store from the generation of `state` to `generation`. Where that
/// cannot be written, the next whole run scans the state.
pub fn note_changes(store: &Store, state: &SyncState, generation: u64, changes: &[FilterChange]) {
    let origin = Origin::of(store, state.id);
    let record = record(&origin, state.generation, generation, changes);
    if let Err(error) = append(&file_of(origin.file()), &record) {
        tracing::warn!(sync = %state.name, %error, "what changed cannot be noted; the next run of the whole model reads the whole state instead");
    }
}

fn record(origin: &Origin, from: u64, to: u64, changes: &[FilterChange]) -> Vec<u8> {
    let mut body = Vec::with_capacity(HEAD + changes.len() * CHANGE + 8);
    for field in [MAGIC, origin.store(), origin.sync().cast_unsigned(), from, to] {
        body.extend_from_slice(&field.to_le_bytes());
    }
    for change in changes {
        let has = u8::from(change.before.is_some()) | u8::from(change.after.is_some()) << 1;
        body.extend_from_slice(&change.key.to_le_bytes());
        body.push(has);
        body.extend_from_slice(&change.before.unwrap_or(0).to_le_bytes());
        body.extend_from_slice(&change.after.unwrap_or(0).to_le_bytes());
    }
    let sum = xxh3_64(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &body].concat()
}

fn append(path: &Path, record: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() > LONGEST {
        file.set_len(0)?;
    }
    file.write_all(record)
}

/// The changes that lead from one generation to another, in their order; none when they are not all there.
pub(super) fn steps(origin: &Origin, from: u64, to: u64) -> Option<Vec<FilterChange>> {
    let mut bytes = Vec::new();
    let file = File::open(file_of(origin.file())).ok()?;
    file.take(2 * LONGEST).read_to_end(&mut bytes).ok()?;
    let (mut rest, mut at, mut changes) = (bytes.as_slice(), from, Vec::new());
    while at < to {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let body = after.get(..u32::from_le_bytes(*length) as usize)?;
        rest = after.get(body.len()..)?;
        let (before, after, found) = read(origin, body)?;
        if after <= at {
            continue;
        }
        if before != at {
            return None;
        }
        at = after;
        changes.extend(found);
    }
    (at == to).then_some(changes)
}

/// A record's generations and changes, if it is one of this sync.
fn read(origin: &Origin, record: &[u8]) -> Option<(u64, u64, Vec<FilterChange>)> {
    let (body, sum) = record.split_last_chunk::<8>()?;
    if xxh3_64(body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (head, changes) = body.split_at_checked(HEAD)?;
    let mut fields = head
        .as_chunks::<8>()
        .0
        .iter()
        .map(|field| u64::from_le_bytes(*field));
    let owner = [MAGIC, origin.store(), origin.sync().cast_unsigned()];
    if !owner.into_iter().all(|own| fields.next() == Some(own)) {
        return None;
    }
    let (from, to) = (fields.next()?, fields.next()?);
    let (changes, rest) = changes.as_chunks::<CHANGE>();
    let changes: Option<Vec<FilterChange>> = changes.iter().map(read_change).collect();
    rest.is_empty().then_some((from, to, changes?))
}

fn read_change(change: &[u8; CHANGE]) -> Option<FilterChange> {
    let (key, rest) = change.split_first_chunk::<16>()?;
    let (&[has], rest) = rest.split_first_chunk::<1>()?;
    let (before, after) = rest.split_first_chunk::<8>()?;
    let after = after.first_chunk::<8>()?;
    let print = |bit: u8, bytes: &[u8; 8]| (has & bit != 0).then(|| Print::from_le_bytes(*bytes));
    Some(FilterChange {
        key: KeyHash::from_le_bytes(*key),
        before: print(1, before),
        after: print(2, after),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::fixtures::{Fixture, fixture, key, print, row, rows};
    use super::super::{Changes, Filter, Probe};
    use super::*;

    /// A sync of a thousand rows whose cache file is up to date.
    fn cached() -> Fixture {
        let fixture = fixture();
        fixture.add(0..1_000);
        Filter::rebuild(&fixture.store, fixture.sync.id).unwrap();
        fixture
    }

    /// Commits a new print of a row, one more row and the end of a third, as a small run does.
    fn small_run(fixture: &Fixture, number: i128) {
        let before = fixture.state();
        let (new, gone) = (number + 10_000, number + 500);
        let put = |number, version| row(key(number), print(number, version));
        let mut changes: Changes = rows([put(number, 8), put(new, 8)]);
        changes.removed.push(key(gone));
        fixture.commit(&changes);
        let of = |number, before: Option<u64>, after: Option<u64>| FilterChange {
            key: key(number),
            before: before.map(|version| print(number, version)),
            after: after.map(|version| print(number, version)),
        };
        let noted = [
            of(number, Some(7), Some(8)),
            of(new, None, Some(8)),
            of(gone, Some(7), None),
        ];
        note_changes(&fixture.store, &before, fixture.state().generation, &noted);
    }

    fn changes_file(fixture: &Fixture) -> PathBuf {
        file_of(Origin::of(&fixture.store, fixture.sync.id).file())
    }

    #[test]
    fn the_cache_file_is_brought_up_to_date_by_what_small_runs_noted() {
        let fixture = cached();
        for number in 0..20 {
            small_run(&fixture, number);
        }
        let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
        assert!(filter.is_kept, "no scan");
        assert_eq!(filter.len(), 1_000);
        for number in 0..20 {
            let mut probe = |number, version| filter.probe(key(number), print(number, version));
            assert_eq!(probe(number, 8), Probe::Seen);
            assert_eq!(probe(number + 10_000, 8), Probe::Seen);
            assert_eq!(probe(number + 500, 7), Probe::Miss);
        }
        assert!(!changes_file(&fixture).exists(), "it is in the cache file now");
        small_run(&fixture, 30);
        assert!(Filter::load(&fixture.store, &fixture.state()).unwrap().is_kept);
    }

    #[test]
    fn a_step_that_is_missing_torn_or_of_another_store_costs_one_scan_and_nothing_else() {
        let spoilers: [&dyn Fn(&Path); 4] = [
            &|path| std::fs::remove_file(path).unwrap(),
            &|path| {
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
            },
            &|path| {
                let mut bytes = std::fs::read(path).unwrap();
                let at = bytes.len() - 20;
                bytes[at] ^= 1;
                std::fs::write(path, bytes).unwrap();
            },
            &|path| {
                // The first record alone is gone.
                let bytes = std::fs::read(path).unwrap();
                std::fs::write(path, &bytes[bytes.len() / 2..]).unwrap();
            },
        ];
        for (number, spoil) in spoilers.into_iter().enumerate() {
            let fixture = cached();
            small_run(&fixture, 1);
            small_run(&fixture, 2);
            spoil(&changes_file(&fixture));
            let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
            assert!(!filter.is_kept, "{number}");
            assert_eq!(
                (filter.len(), filter.probe(key(2), print(2, 8))),
                (1_000, Probe::Seen),
                "{number}"
            );
        }
        let (one, other) = (cached(), cached());
        small_run(&one, 1);
        small_run(&other, 1);
        std::fs::copy(changes_file(&one), changes_file(&other)).unwrap();
        assert!(!Filter::load(&other.store, &other.state()).unwrap().is_kept);
    }

    #[test]
    fn rows_that_another_writer_changed_meanwhile_are_not_guessed() {
        let fixture = cached();
        small_run(&fixture, 1);
        fixture.commit(&rows([row(key(9), print(9, 9))]));
        small_run(&fixture, 2);
        let mut filter = Filter::load(&fixture.store, &fixture.state()).unwrap();
        assert!(!filter.is_kept);
        assert_eq!(filter.probe(key(9), print(9, 9)), Probe::Seen);
    }
}
