//! Promises 3, 6, 11, 12, 13: what happens to single rows, in which order, and how many are held.

use std::collections::HashSet;
use std::time::Duration;

use outflow_sdk::destination::{Effect, Outcome};
use outflow_sdk::value::Value;

use super::super::{End, Fate};
use super::fake::{Fault, Rules, STAGE_1, Twin, rejection};
use super::harness::{Trial, remove, unlimited, write, writes};

#[tokio::test(start_paused = true)]
async fn a_batch_refused_as_a_whole_is_bisected_to_exactly_the_bad_rows() {
    let bad: HashSet<u64> = [3, 77, 78].into();
    let rules = Rules {
        max_rows: 128,
        atomic: true,
        bad: bad.clone(),
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(4), writes(128))
        .run()
        .await
        .check();
    for row in 0..128 {
        let refused = matches!(ran.fate(row), Fate::Rejected(why) if why.code == "bad_batch" && why.field.as_deref() == Some("email"));
        assert_eq!(refused, bad.contains(&row), "row {row}: {:?}", ran.fate(row));
    }
    assert!(ran.requests() <= 2 * 3 * 7, "{} requests", ran.requests());
    assert_eq!(ran.report.retries, 0, "a split costs no retry");
}

#[tokio::test(start_paused = true)]
async fn a_row_the_answer_refuses_costs_that_row_alone() {
    let rules = Rules {
        bad: [4].into(),
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(2), writes(20))
        .run()
        .await
        .check();
    assert_eq!(ran.fate(4), &Fate::Rejected(rejection("bad_row")));
    assert_eq!((ran.applied(), ran.requests()), (19, 2));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_valid_costs_no_request() {
    let mut operations = writes(1);
    operations[0].record = [Some(Value::text("invalid"))].into();
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(2), operations)
        .run()
        .await
        .check();
    assert_eq!(ran.fate(0), &Fate::Rejected(rejection("invalid_value")));
    assert_eq!(ran.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_for_consent_is_suppressed() {
    let twin = Twin::new(Rules::default())
        .with_faults(|_, _| Fault::Rows(vec![(1, Outcome::Suppressed(rejection("unsubscribed")))]));
    let ran = Trial::new(twin, unlimited(2), writes(3)).run().await.check();
    assert_eq!(ran.fate(1), &Fate::Suppressed(rejection("unsubscribed")));
    assert_eq!(ran.applied(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_row_to_be_tried_again_goes_without_the_others() {
    let mut first = true;
    let twin = Twin::new(Rules::default()).with_faults(move |_, _| {
        let retry = Outcome::Retry {
            code: "locked".into(),
            after: Some(Duration::from_secs(3)),
        };
        if std::mem::take(&mut first) {
            Fault::Rows(vec![(2, retry)])
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(2), writes(10)).run().await.check();
    assert_eq!(ran.applied(), 10);
    let world = ran.twin.world();
    assert_eq!(world.seen[1].rows, [2]);
    assert!(
        world.seen[1].at - world.seen[0].at >= Duration::from_secs(3),
        "the wait asked for is a floor"
    );
}

#[tokio::test(start_paused = true)]
async fn a_row_that_never_works_exhausts_its_attempts() {
    let twin = Twin::new(Rules::default()).with_faults(|_, _| {
        let retry = Outcome::Retry {
            code: "locked".into(),
            after: None,
        };
        Fault::Rows(vec![(2, retry)])
    });
    let ran = Trial::new(twin, unlimited(2), writes(10)).run().await.check();
    assert_eq!(
        ran.fate(2),
        &Fate::Exhausted {
            code: "locked".into()
        }
    );
    assert_eq!((ran.applied(), ran.requests()), (9, 6));
    let attempts = ran
        .settled
        .iter()
        .find(|one| one.operation.row == 2)
        .unwrap()
        .attempts;
    assert_eq!(attempts, 6);
}

#[tokio::test(start_paused = true)]
async fn rows_to_be_tried_again_are_parted_until_each_is_alone() {
    let twin = Twin::new(Rules::default()).with_faults(|seen, _| {
        let retry = |row: &u64| (*row, Outcome::InDoubt);
        if seen.rows.len() > 1 {
            Fault::Rows(seen.rows.iter().map(retry).collect())
        } else {
            Fault::None
        }
    });
    let ran = Trial::new(twin, unlimited(2), writes(8)).run().await.check();
    assert_eq!(ran.applied(), 8);
    assert_eq!(ran.requests(), 1 + 2 + 4 + 8);
}

#[tokio::test(start_paused = true)]
async fn a_row_in_doubt_is_held_when_its_request_must_not_be_repeated() {
    let rules = Rules {
        replay_safe: false,
        ..Rules::default()
    };
    let twin = Twin::new(rules).with_faults(|_, _| Fault::Rows(vec![(1, Outcome::InDoubt)]));
    let ran = Trial::new(twin, unlimited(2), writes(3)).run().await.check();
    assert_eq!(
        ran.fate(1),
        &Fate::Held {
            code: "unconfirmed".into()
        }
    );
    assert_eq!((ran.applied(), ran.requests()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn stages_settle_one_after_the_other() {
    let operations = (0..25).map(|row| write(row, row, &[0, 1, STAGE_1])).collect();
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(2), operations)
        .run()
        .await
        .check();
    let of_row: Vec<_> = ran.settled.iter().filter(|one| one.operation.row == 7).collect();
    let Fate::Applied {
        effect,
        remote,
        fields,
        last,
    } = &of_row[0].fate
    else {
        panic!()
    };
    assert_eq!(
        (*effect, remote.as_deref(), &fields[..], *last),
        (Effect::Created, Some("id-7"), &[0, 1][..], false)
    );
    assert_eq!(of_row[0].operation.pending, [STAGE_1]);
    let Fate::Applied { fields, last, .. } = &of_row[1].fate else {
        panic!()
    };
    assert_eq!((&fields[..], *last), (&[STAGE_1][..], true));
    assert!(of_row[1].operation.pending.is_empty());
    assert_eq!((of_row.len(), ran.applied()), (2, 25));
    assert_eq!(ran.requests(), 3 + 3, "later stages are packed, too");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_comes_before_the_write_and_counts_as_a_request() {
    let rules = Rules {
        looks_up: true,
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(2), writes(20))
        .run()
        .await
        .check();
    assert_eq!((ran.applied(), ran.report.requests), (20, 4));
    let world = ran.twin.world();
    assert!(
        world
            .seen
            .iter()
            .filter(|seen| seen.route == "upsert")
            .all(|seen| seen.body.contains("id-"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_address_is_forgotten_and_every_value_sent() {
    let rules = Rules {
        stale: ["gone".to_owned()].into(),
        ..Rules::default()
    };
    let mut operation = write(0, 0, &[0, 1, 2]);
    operation.remote = Some("gone".into());
    operation.pending = vec![1];
    let ran = Trial::new(Twin::new(rules), unlimited(2), vec![operation])
        .run()
        .await
        .check();
    let Fate::Applied {
        fields, last: true, ..
    } = ran.fate(0)
    else {
        panic!("{:?}", ran.fate(0))
    };
    assert_eq!(fields, &[0, 1, 2]);
    assert_eq!(ran.settled[0].operation.remote.as_deref(), Some("id-0"));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_stale_for_ever_is_refused() {
    let rules = Rules {
        looks_up: true,
        stale: ["id-0".to_owned()].into(),
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(2), writes(2))
        .run()
        .await
        .check();
    assert!(
        matches!(ran.fate(0), Fate::Rejected(why) if why.code == "stale_remote"),
        "{:?}",
        ran.fate(0)
    );
    assert_eq!(ran.applied(), 1);
}

#[tokio::test(start_paused = true)]
async fn operations_on_one_record_go_out_one_after_the_other_in_order() {
    // Every record is written three times, removed, and written again.
    let mut operations = Vec::new();
    for round in 0..5u64 {
        for key in 0..50 {
            let row = round * 50 + key;
            operations.push(if round == 3 {
                remove(row, key)
            } else {
                write(row, key, &[0])
            });
        }
    }
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(8), operations)
        .run()
        .await
        .check();
    assert_eq!(ran.applied(), 250);
    let world = ran.twin.world();
    assert_eq!(world.records.len(), 50);
    let last = world.records.values().all(|record| record[&0] >= 200);
    assert!(last, "the last write of each record is what is left");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_a_request_goes_into_the_next() {
    let rules = Rules {
        max_rows: 100,
        max_bytes: 120,
        ..Rules::default()
    };
    let ran = Trial::new(Twin::new(rules), unlimited(2), writes(300))
        .run()
        .await
        .check();
    assert_eq!(ran.applied(), 300);
    assert!(ran.twin.world().seen.iter().all(|seen| seen.body.len() <= 120));
    assert_eq!(ran.report.retries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_model_of_any_size_is_held_in_parts() {
    let ran = Trial::new(Twin::new(Rules::default()), unlimited(4), writes(50_000))
        .run()
        .await
        .check();
    assert!(ran.most_held <= 4 * 10 * 4, "{} operations held", ran.most_held);
    assert_eq!(ran.requests(), 5_000, "and still every request is full");
}

#[tokio::test(start_paused = true)]
async fn the_same_run_sends_the_same_requests() {
    let bodies = || async {
        let operations = (0..2_000)
            .map(|row| write(row, row % 700, &[0, STAGE_1]))
            .collect();
        let twin = Twin::new(Rules::default()).with_faults(|seen, _| {
            if seen.rows.first().is_some_and(|row| row % 7 == 0) && seen.rows.len() > 3 {
                return Fault::Rows(vec![(seen.rows[1], Outcome::InDoubt)]);
            }
            Fault::None
        });
        let ran = Trial::new(twin, unlimited(4), operations).run().await.check();
        assert!(matches!(ran.report.end, End::Done));
        let world = ran.twin.world();
        world
            .seen
            .iter()
            .map(|seen| seen.body.clone())
            .collect::<Vec<_>>()
    };
    assert!(bodies().await == bodies().await);
}
