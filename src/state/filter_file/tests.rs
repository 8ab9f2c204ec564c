#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use outflow_sdk::print::KeyHash;
use proptest::prelude::*;

use super::super::fixtures::{Fixture, fixture, key, print, row, rows};
use super::super::{Changes, Probe};
use super::*;

fn load(fixture: &Fixture) -> Filter {
    Filter::load(&fixture.store, &fixture.state()).unwrap()
}

fn cache(fixture: &Fixture) -> PathBuf {
    let name = format!("{}.prints", fixture.sync.id);
    fixture.folder.path().join(FOLDER).join(name)
}

#[derive(Clone, Debug)]
enum Step {
    Put(i128, u64),
    Partly(i128),
    Remove(i128),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0i128..120;
    prop_oneof![
        4 => (number.clone(), 1u64..4).prop_map(|(number, version)| Step::Put(number, version)),
        1 => number.clone().prop_map(Step::Partly),
        2 => number.prop_map(Step::Remove),
    ]
}

/// Commits steps in their order, as a run does, and notes them for the filter.
fn play(
    fixture: &Fixture,
    model: &mut HashMap<i128, Print>,
    filter: &mut Filter,
    steps: &[Step],
) -> Option<u64> {
    let mut batches = Vec::new();
    for step in steps {
        let (number, after) = match step {
            Step::Put(number, version) => (*number, Some(print(*number, *version))),
            Step::Partly(number) => (*number, Some(0)),
            Step::Remove(number) => (*number, None),
        };
        let before = model.get(&number).copied();
        batches.push(match after {
            Some(print) => rows([row(key(number), print)]),
            None => Changes {
                removed: vec![key(number)],
                ..Changes::default()
            },
        });
        filter.apply(&[FilterChange {
            key: key(number),
            before,
            after,
        }]);
        match after {
            Some(print) => model.insert(number, print),
            None => model.remove(&number),
        };
    }
    let batches: Vec<&Changes> = batches.iter().collect();
    (!batches.is_empty()).then(|| fixture.store.commit(fixture.sync.id, batches).unwrap())
}

fn agrees(fixture: &Fixture, model: &HashMap<i128, Print>) -> Result<(), TestCaseError> {
    let mut filter = load(fixture);
    prop_assert_eq!(filter.len(), model.len() as u64);
    let keys: Vec<Option<KeyHash>> = (0..120).map(|number| Some(key(number))).collect();
    let mut probes = Vec::new();
    for version in 1..4 {
        let prints: Vec<Print> = (0..120).map(|number| print(number, version)).collect();
        filter.probe_batch(&keys, &prints, &mut probes);
        for (number, probe) in (0..120).zip(&probes) {
            let same = model.get(&number) == Some(&print(number, version));
            prop_assert_eq!(*probe, if same { Probe::Seen } else { Probe::Miss });
            if same {
                prop_assert_eq!(
                    filter.probe(key(number), print(number, version)),
                    Probe::SeenTwice
                );
                prop_assert!(filter.mark(&row(key(number), print(number, version))));
            }
        }
    }
    let mut partly: Vec<KeyHash> = model
        .iter()
        .filter(|(_, print)| **print == 0)
        .map(|(number, _)| key(*number))
        .collect();
    partly.sort_unstable();
    let unseen = fixture.store.unseen(fixture.sync.id, &filter).unwrap();
    let unseen: Vec<KeyHash> = unseen.map(|row| row.unwrap().key).collect();
    prop_assert_eq!(&unseen, &partly);
    for key in &partly {
        prop_assert!(!filter.mark(&row(*key, 0)), "seen for the first time");
        prop_assert!(filter.mark(&row(*key, 0)), "a second row of the key");
    }
    prop_assert_eq!(filter.unseen_len(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_filter_agrees_with_the_store_after_any_runs(
        runs in prop::collection::vec(prop::collection::vec(step(), 0..40), 1..5),
        interrupted in any::<bool>(),
    ) {
        let fixture = fixture();
        let mut model = HashMap::new();
        for steps in runs {
            let mut filter = load(&fixture);
            let generation = play(&fixture, &mut model, &mut filter, &steps);
            match generation {
                Some(generation) if !interrupted => {
                    filter.save(generation).unwrap();
                    prop_assert!(load(&fixture).is_kept, "the file is used");
                }
                _ => filter.keep(fixture.state().generation).unwrap(),
            }
            agrees(&fixture, &model)?;
        }
    }
}

#[test]
fn a_row_without_a_key_is_a_miss_and_its_print_marks_nothing() {
    let fixture = fixture();
    fixture.commit(&rows((0..200).map(|number| row(key(number), print(number, 1)))));
    let mut filter = load(&fixture);
    let prints: Vec<Print> = (0..200).map(|number| print(number, 1)).collect();
    let mut probes = Vec::new();
    filter.probe_batch(&vec![None; 200], &prints, &mut probes);
    assert_eq!(probes, vec![Probe::Miss; 200]);
    assert_eq!(filter.unseen_len(), 200);
    assert_eq!(filter.probe(key(1), 0), Probe::Miss, "0 is no row's print");
}

#[test]
fn a_filter_that_outgrows_its_buckets_is_laid_out_anew() {
    let fixture = fixture();
    fixture.add(0..10);
    let mut filter = load(&fixture);
    let bits = filter.cells.bits;
    let added: Vec<i128> = (10..5_000).collect();
    fixture.add(added.iter().copied());
    let changes: Vec<FilterChange> = added
        .iter()
        .map(|number| FilterChange {
            key: key(*number),
            before: None,
            after: Some(print(*number, 7)),
        })
        .collect();
    filter.apply(&changes);
    filter.save(fixture.state().generation).unwrap();
    let filter = load(&fixture);
    assert!(filter.is_kept);
    assert_eq!(filter.len(), 5_000);
    assert!(filter.cells.bits > bits);
}

#[test]
fn changes_that_do_not_fit_the_filter_are_not_believed() {
    let fixture = fixture();
    fixture.add(0..10);
    let mut filter = load(&fixture);
    fixture.commit(&rows([row(key(3), 8)]));
    filter.apply(&[FilterChange {
        key: key(3),
        before: Some(99),
        after: Some(98),
    }]);
    filter.save(fixture.state().generation).unwrap();
    let mut filter = load(&fixture);
    assert!(filter.is_kept);
    assert_eq!(filter.probe(key(3), 8), Probe::Seen);
    assert_eq!(filter.probe(key(3), 98), Probe::Miss);
}

#[test]
fn a_cache_file_that_is_cut_off_damaged_or_of_another_time_is_not_used() {
    let fixture = fixture();
    fixture.add(0..100);
    Filter::rebuild(&fixture.store, fixture.sync.id).unwrap();
    assert!(load(&fixture).is_kept);
    let good = std::fs::read(cache(&fixture)).unwrap();
    for at in [0, 9, 17, 25, 33, 41, 49, 57, 70, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(cache(&fixture), bad).unwrap();
        let filter = load(&fixture);
        assert!(!filter.is_kept && filter.len() == 100, "byte {at}");
    }
    for length in [0, 63, 64, good.len() - 1] {
        std::fs::write(cache(&fixture), &good[..length]).unwrap();
        assert!(!load(&fixture).is_kept, "{length} bytes");
    }
    std::fs::write(cache(&fixture), [&good[..], b"x"].concat()).unwrap();
    assert!(!load(&fixture).is_kept, "a byte too many");
    std::fs::write(cache(&fixture), &good).unwrap();
    assert!(load(&fixture).is_kept);
    fixture.add(100..101);
    let mut filter = load(&fixture);
    assert!(!filter.is_kept && filter.len() == 101, "an earlier generation");
    filter.keep(fixture.state().generation).unwrap();
    assert!(load(&fixture).is_kept);
}

#[test]
fn a_cache_that_cannot_be_written_does_not_fail_the_run() {
    let fixture = fixture();
    fixture.add(0..10);
    std::fs::write(fixture.folder.path().join(FOLDER), "in the way").unwrap();
    let mut filter = load(&fixture);
    filter.keep(fixture.state().generation).unwrap();
    assert!(!filter.is_kept);
    filter.save(fixture.state().generation).unwrap();
    assert_eq!(load(&fixture).len(), 10);
}
