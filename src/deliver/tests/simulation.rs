//! Whole deliveries under random schedules of faults. Promises 1, 2, 5, 12: every operation ends in
//! one fate, what is acknowledged is at the destination, nothing older overwrites anything newer,
//! and no record is in flight twice. (The checks are in `Ran::check` and in the twin.)

use std::time::Duration;

use outflow_sdk::ErrorKind;
use outflow_sdk::destination::{Limits, Operation, Outcome};
use outflow_sdk::error::LimitScope;
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;

use super::super::{End, Fate};
use super::fake::{Fault, Rules, STAGE_1, Seen, Twin, ambiguous, of_kind, rejection, transient};
use super::harness::{Ran, Trial, remove, write};

#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    operations: Vec<(u64, u8)>,
    max_rows: usize,
    max_bytes: usize,
    concurrency: usize,
    windowed: bool,
    daily: Option<u64>,
    replay_safe: bool,
    looks_up: bool,
    atomic: bool,
    bad: Vec<u64>,
    /// Per cent of requests that meet some fault.
    faults: u32,
    fatal: bool,
    cancel_after: Option<u64>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let what = (
        any::<u64>(),
        proptest::collection::vec((0u64..60, 0u8..10), 0..400),
        proptest::collection::vec(0u64..400, 0..6),
        0u32..50,
    );
    let server = (1usize..30, 20usize..400, 1usize..10, any::<[bool; 5]>());
    let ends = (
        proptest::option::weighted(0.2, 5u64..80),
        proptest::option::weighted(0.2, 1u64..20_000),
    );
    (what, server, ends).prop_map(|(what, server, ends)| Plan {
        seed: what.0,
        operations: what.1,
        bad: what.2,
        faults: what.3,
        max_rows: server.0,
        max_bytes: server.1,
        concurrency: server.2,
        windowed: server.3[0],
        replay_safe: server.3[1],
        looks_up: server.3[2],
        atomic: server.3[3],
        fatal: server.3[4] && what.0 % 4 == 0,
        daily: ends.0,
        cancel_after: ends.1,
    })
}

fn operation(row: u64, key: u64, kind: u8) -> Operation {
    match kind {
        0 => remove(row, key),
        1..4 => write(row, key, &[0, 1, STAGE_1]),
        4 => write(row, key, &[STAGE_1]),
        _ => write(row, key, &[0]),
    }
}

fn fault(plan: &Plan, seen: &Seen, random: &mut StdRng) -> Fault {
    if random.random_range(0..100) >= plan.faults {
        return Fault::None;
    }
    let after = random
        .random_bool(0.3)
        .then(|| Duration::from_millis(random.random_range(1..20_000)));
    let row = |outcome| Fault::Rows(vec![(seen.rows[seen.rows.len() / 2], outcome)]);
    let limited = |scope| Fault::Before(of_kind(ErrorKind::RateLimited { scope, after }, "twin_429"));
    match random.random_range(0..13) {
        0 | 1 => Fault::Before(transient("twin_500")),
        2 => Fault::After(ambiguous()),
        3 => Fault::Before(ambiguous()),
        4 => limited(LimitScope::Window),
        5 => limited(LimitScope::Concurrency),
        6 => row(Outcome::InDoubt),
        7 => row(Outcome::Retry {
            code: "locked".into(),
            after,
        }),
        8 => row(Outcome::StaleRemote),
        9 => row(Outcome::Suppressed(rejection("unsubscribed"))),
        10 => row(Outcome::Rejected(rejection("refused"))),
        11 if plan.fatal => Fault::Before(of_kind(ErrorKind::Auth, "twin_401")),
        12 if plan.fatal => Fault::Panic,
        _ => Fault::None,
    }
}

async fn simulate(plan: Plan) -> Ran {
    let operations = (0u64..)
        .zip(&plan.operations)
        .map(|(row, (key, kind))| operation(row, *key, *kind))
        .collect();
    let rules = Rules {
        max_rows: plan.max_rows,
        max_bytes: plan.max_bytes,
        replay_safe: plan.replay_safe,
        looks_up: plan.looks_up,
        window: plan.windowed.then_some((20, Duration::from_secs(10))),
        daily: plan.daily,
        bad: plan.bad.iter().copied().collect(),
        atomic: plan.atomic,
        ..Rules::default()
    };
    let limits = Limits {
        window: plan.windowed.then_some((20, Duration::from_secs(10))),
        concurrency: plan.concurrency,
        daily: None,
        reserve_percent: 0,
    };
    let faults = plan.clone();
    let twin = Twin::new(rules)
        .with_seed(plan.seed)
        .with_faults(move |seen, random| fault(&faults, seen, random));
    let mut trial = Trial::new(twin, limits, operations);
    trial.cancel_after = plan.cancel_after.map(Duration::from_millis);
    trial.run().await.check()
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_ends_in_one_fate_whatever_happens(plan in plans()) {
        let ran = paused().block_on(simulate(plan.clone()));
        prop_assert!(!matches!(ran.report.end, End::Failed(_)));
        if matches!(ran.report.end, End::Done) {
            prop_assert_eq!(ran.deferred(), 0, "nothing is put off without a reason");
        }
        if plan.windowed {
            prop_assert_eq!(ran.twin.world().throttled, 0, "the window is never exceeded");
        }
        if plan.faults == 0 && plan.daily.is_none() && plan.cancel_after.is_none() {
            let refused = ran.count(|fate| matches!(fate, Fate::Rejected(_)));
            prop_assert_eq!(ran.applied() + refused, plan.operations.len());
        }
        prop_assert!(ran.twin.world().most_in_flight <= plan.concurrency);
    }

    #[test]
    fn the_same_seed_gives_the_same_delivery(plan in plans()) {
        let fatal = Plan { fatal: false, ..plan };
        let one = paused().block_on(simulate(fatal.clone()));
        let two = paused().block_on(simulate(fatal));
        let bodies = |ran: &Ran| ran.twin.world().seen.iter().map(|seen| seen.body.clone()).collect::<Vec<_>>();
        prop_assert_eq!(bodies(&one), bodies(&two));
        prop_assert_eq!(one.took, two.took);
    }
}
