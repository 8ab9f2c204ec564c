//! The timetable alone, under a clock of the test's own.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::project::Schedule;

const LIMITS: Limits = Limits {
    runs: 4,
    per_connection: 2,
};

fn plan(sync: &str, schedule: Schedule) -> Plan {
    Plan {
        sync: sync.to_owned(),
        rhythm: Rhythm::new(sync, &schedule).unwrap(),
        connections: vec!["source/files".into(), format!("destination/{sync}")],
        priority: Priority::Normal,
    }
}

fn every(sync: &str, seconds: u64) -> Plan {
    plan(sync, Schedule::Every(Duration::from_secs(seconds)))
}

fn after(sync: &str, parents: &[&str]) -> Plan {
    let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
    plan(sync, Schedule::After(parents))
}

fn manual(sync: &str) -> Plan {
    plan(sync, Schedule::Manual)
}

fn timetable(limits: Limits, plans: Vec<Plan>) -> Timetable {
    let mut timetable = Timetable::new(limits);
    timetable.adopt(limits, plans, |_| Past::default());
    timetable
}

fn names(starts: &[Start]) -> Vec<&str> {
    starts.iter().map(|start| start.sync.as_str()).collect()
}

#[test]
fn a_sync_runs_at_its_times_and_never_over_itself() {
    let mut timetable = timetable(LIMITS, vec![every("a", 2)]);
    assert_eq!(names(&timetable.start(0)), ["a"]);
    assert!(timetable.start(60_000).is_empty(), "it still runs");
    assert_eq!(timetable.next_ms(60_000), None);
    timetable.ended("a", Outcome::Done, 60_500);
    assert_eq!(
        names(&timetable.start(60_500)),
        ["a"],
        "thirty missed times are one run"
    );
    timetable.ended("a", Outcome::Done, 60_600);
    assert!(timetable.start(60_600).is_empty());
    assert_eq!(timetable.next_ms(60_600), Some(62_500));
}

#[test]
fn a_time_missed_while_nothing_ran_runs_once_after_the_start() {
    let daily = Schedule::Cron {
        expression: "@daily".into(),
        time_zone: None,
    };
    const DAY: i64 = 86_400_000;
    let mut timetable = Timetable::new(LIMITS);
    timetable.adopt(
        LIMITS,
        vec![plan("a", daily.clone()), plan("new", daily)],
        |plan| Past {
            since_ms: if plan.sync == "new" { 5 * DAY + 60_000 } else { 0 },
            last_start_ms: (plan.sync == "a").then_some(DAY + 100_000),
            ..Past::default()
        },
    );
    let now = 5 * DAY + 43_200_000;
    assert_eq!(
        names(&timetable.start(now)),
        ["a"],
        "a new sync waits for its first time"
    );
    timetable.ended("a", Outcome::Done, now + 1);
    assert!(timetable.start(now + 1).is_empty());
    assert!(timetable.next_ms(now + 1).unwrap() >= 6 * DAY);
}

#[test]
fn a_sync_follows_its_parents_when_all_of_them_have_succeeded() {
    let plans = vec![manual("a"), manual("b"), after("child", &["a", "b"])];
    let mut timetable = timetable(LIMITS, plans);
    for (parent, outcome, follows) in [
        ("a", Outcome::Done, false),
        ("a", Outcome::Done, false),
        ("b", Outcome::Failed, false),
        ("b", Outcome::Deferred(Some(1_000_000)), false),
        ("b", Outcome::Cancelled, false),
        ("b", Outcome::Done, true),
        ("b", Outcome::Done, false),
        ("a", Outcome::Done, true),
    ] {
        timetable.ask(parent, 0).unwrap();
        assert_eq!(names(&timetable.start(0)), [parent]);
        timetable.ended(parent, outcome, 0);
        let starts = timetable.start(0);
        assert_eq!(!starts.is_empty(), follows, "{parent} {outcome:?}");
        if follows {
            let expected = Start {
                sync: "child".into(),
                cause: Cause::Parents,
            };
            assert_eq!(starts, [expected]);
            timetable.ended("child", Outcome::Done, 0);
        }
    }
}

#[test]
fn a_parent_that_succeeds_while_the_child_runs_has_it_run_once_more() {
    let mut timetable = timetable(LIMITS, vec![every("a", 1), after("child", &["a"])]);
    assert_eq!(names(&timetable.start(0)), ["a"]);
    timetable.ended("a", Outcome::Done, 10);
    assert_eq!(names(&timetable.start(10)), ["child"]);
    assert_eq!(names(&timetable.start(1_000)), ["a"]);
    timetable.ended("a", Outcome::Done, 1_010);
    assert!(timetable.start(1_010).is_empty());
    timetable.ended("child", Outcome::Done, 1_020);
    assert_eq!(names(&timetable.start(1_020)), ["child"]);
}

#[test]
fn a_deferred_run_goes_on_at_the_reset_and_stands_for_the_times_until_then() {
    let mut timetable = timetable(LIMITS, vec![every("a", 60)]);
    let first = timetable.next_ms(-1).unwrap();
    timetable.start(first);
    let owed = timetable.ended("a", Outcome::Deferred(Some(7_200_000)), first + 10);
    assert_eq!(owed, Some(first + 7_200_010));
    assert!(timetable.start(first + 3_600_000).is_empty(), "the quota is gone");
    assert_eq!(timetable.next_ms(first + 3_600_000), owed);
    let starts = timetable.start(first + 7_200_010);
    assert_eq!(starts[0].cause, Cause::Resumed);
    assert_eq!(timetable.ended("a", Outcome::Done, first + 7_200_020), None);
    assert_eq!(timetable.next_ms(first + 7_200_020), Some(first + 7_260_010));
}

#[test]
fn someone_who_asks_need_not_wait_for_the_reset() {
    let mut timetable = timetable(LIMITS, vec![manual("a")]);
    timetable.ask("a", 0).unwrap();
    timetable.start(0);
    assert_eq!(timetable.ended("a", Outcome::Deferred(None), 10), Some(3_600_010));
    timetable.ask("a", 20).unwrap();
    assert_eq!(timetable.start(20)[0].cause, Cause::Asked);
}

#[test]
fn a_paused_sync_starts_nothing_and_makes_up_for_it_once_when_resumed() {
    let mut timetable = timetable(LIMITS, vec![every("a", 1)]);
    timetable.ask("a", 0).unwrap();
    timetable.pause("a", true).unwrap();
    assert!(timetable.start(100_000).is_empty());
    assert_eq!(timetable.next_ms(100_000), None);
    assert_eq!(timetable.ask("a", 100_000), Err(Refused::Paused));
    timetable.pause("a", false).unwrap();
    let starts = timetable.start(100_000);
    assert_eq!(
        starts[0].cause,
        Cause::Schedule,
        "what was asked before is dropped"
    );
    timetable.ended("a", Outcome::Done, 100_001);
    assert!(timetable.start(100_001).is_empty());
    assert_eq!(timetable.pause("nobody", true), Err(Refused::Unknown));
}

#[test]
fn asking_for_a_running_sync_runs_it_once_more() {
    let mut timetable = timetable(LIMITS, vec![manual("a")]);
    timetable.ask("a", 0).unwrap();
    timetable.start(0);
    timetable.ask("a", 5).unwrap();
    timetable.ask("a", 6).unwrap();
    assert!(timetable.start(7).is_empty());
    timetable.ended("a", Outcome::Done, 8);
    assert_eq!(names(&timetable.start(8)), ["a"]);
    timetable.ended("a", Outcome::Done, 9);
    assert!(timetable.start(9).is_empty(), "asked twice, run once");
}

#[test]
fn what_is_owed_runs_after_a_pause_and_after_the_run_under_way() {
    let mut timetable = timetable(LIMITS, vec![manual("a")]);
    timetable.pause("a", true).unwrap();
    timetable.owe("a", 5).unwrap();
    assert!(timetable.start(5).is_empty());
    timetable.pause("a", false).unwrap();
    assert_eq!(timetable.start(6)[0].cause, Cause::Resumed);
    timetable.owe("a", 7).unwrap();
    assert!(timetable.start(7).is_empty(), "it runs");
    assert_eq!(timetable.ended("a", Outcome::Done, 8), Some(8));
    assert_eq!(timetable.start(8)[0].cause, Cause::Resumed);
    assert_eq!(timetable.ended("a", Outcome::Done, 9), None);
    assert!(timetable.start(9).is_empty());
    assert_eq!(timetable.owe("nobody", 9), Err(Refused::Unknown));
}

#[test]
fn another_account_is_not_held_up_by_many_syncs_of_one() {
    let crowd = (0..20).map(|number| Plan {
        connections: vec!["destination/crm".into()],
        ..manual(&format!("crm{number:02}"))
    });
    let mut plans: Vec<Plan> = crowd.collect();
    plans.push(Plan {
        connections: vec!["destination/news".into()],
        ..manual("zz_news")
    });
    let limits = Limits {
        runs: 1,
        per_connection: 1,
    };
    let mut timetable = timetable(limits, plans);
    for number in 0..20 {
        timetable.ask(&format!("crm{number:02}"), 0).unwrap();
    }
    timetable.ask("zz_news", 1).unwrap();
    assert_eq!(names(&timetable.start(1)), ["crm00"]);
    timetable.ended("crm00", Outcome::Done, 2);
    assert_eq!(names(&timetable.start(2)), ["zz_news"]);
}

#[test]
fn priority_goes_first_but_long_waiting_catches_up() {
    let limits = Limits {
        runs: 1,
        per_connection: 1,
    };
    let with = |priority, sync: &str| Plan {
        priority,
        connections: vec!["destination/crm".into()],
        ..every(sync, 1)
    };
    let plans = vec![
        with(Priority::Low, "a_low"),
        with(Priority::Normal, "b_normal"),
        with(Priority::High, "c_high"),
    ];
    let mut timetable = timetable(limits, plans);
    let mut now = 0;
    let mut order = Vec::new();
    while order.len() < 4_000 {
        let starts = timetable.start(now);
        assert_eq!(starts.len(), 1);
        order.push(starts[0].sync.clone());
        now += 1_000;
        timetable.ended(&starts[0].sync, Outcome::Done, now);
    }
    assert_eq!(order[0], "c_high");
    let low = order.iter().position(|sync| sync == "a_low").unwrap();
    assert!((1_000..2_000).contains(&low), "after twenty minutes: {low}");
}

#[test]
fn a_reload_keeps_runs_under_way_and_forgets_syncs_that_are_gone() {
    let mut timetable = timetable(LIMITS, vec![every("a", 1), every("gone", 1)]);
    assert_eq!(timetable.start(0).len(), 2);
    let one = Limits {
        runs: 2,
        per_connection: 2,
    };
    timetable.adopt(one, vec![every("a", 1), every("b", 1)], |_| Past::default());
    assert_eq!(timetable.running(), 2);
    assert!(timetable.start(10_000).is_empty(), "both places are taken");
    timetable.ended("gone", Outcome::Done, 10_000);
    assert_eq!(names(&timetable.start(10_000)), ["b"]);
    timetable.ended("a", Outcome::Done, 10_001);
    assert_eq!(names(&timetable.start(10_001)), ["a"]);
    assert_eq!(timetable.ask("gone", 10_001), Err(Refused::Unknown));
}

#[test]
fn a_clock_set_back_does_not_put_a_sync_off() {
    let mut timetable = timetable(LIMITS, vec![every("a", 60)]);
    timetable.start(100_000_000);
    timetable.ended("a", Outcome::Done, 100_000_010);
    assert_eq!(timetable.next_ms(5_000), Some(65_000));
}

/// What a simulated day may do.
#[derive(Clone, Debug)]
enum Event {
    Ask(usize),
    Pause(usize),
    Resume(usize),
    End(usize, u8),
    Pass(i64),
    Reload,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        (0..8_usize).prop_map(Event::Ask),
        (0..8_usize).prop_map(Event::Pause),
        (0..8_usize).prop_map(Event::Resume),
        (0..8_usize, 0..4_u8).prop_map(|(sync, how)| Event::End(sync, how)),
        (0..8_usize, 0..4_u8).prop_map(|(sync, how)| Event::End(sync, how)),
        (1..400_000_i64).prop_map(Event::Pass),
        (1..4_000_i64).prop_map(Event::Pass),
        Just(Event::Reload),
    ];
    prop::collection::vec(one, 1..200)
}

/// Eight syncs over three destinations and one source.
fn fleet() -> Vec<Plan> {
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    (0..8_usize)
        .map(|number| {
            let name = format!("s{number}");
            let plan = match number {
                0..=3 => every(&name, [2, 30, 60, 300][number]),
                4 => after(&name, &["s0"]),
                5 => after(&name, &["s1", "s4"]),
                _ => manual(&name),
            };
            Plan {
                connections: vec!["source/db".into(), format!("destination/d{}", number % 3)],
                priority: priorities[number % 3],
                ..plan
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens: no overlap, no limit broken, nothing of a paused sync, and at the end
    /// everything that is due starts.
    #[test]
    fn limits_and_order_hold_whatever_happens(
        events in events(),
        runs in 1..5_usize,
        per_connection in 1..4_usize,
    ) {
        let limits = Limits { runs, per_connection };
        let mut timetable = timetable(limits, fleet());
        let mut running: BTreeSet<String> = BTreeSet::new();
        let mut paused: BTreeSet<String> = BTreeSet::new();
        let mut now = 0;
        for event in events {
            match event {
                Event::Ask(sync) => {
                    let name = format!("s{sync}");
                    prop_assert_eq!(timetable.ask(&name, now).is_err(), paused.contains(&name));
                }
                Event::Pause(sync) => {
                    timetable.pause(&format!("s{sync}"), true).unwrap();
                    paused.insert(format!("s{sync}"));
                }
                Event::Resume(sync) => {
                    timetable.pause(&format!("s{sync}"), false).unwrap();
                    paused.remove(&format!("s{sync}"));
                }
                Event::End(sync, how) => {
                    let name = format!("s{sync}");
                    if running.remove(&name) {
                        let outcome = [
                            Outcome::Done,
                            Outcome::Failed,
                            Outcome::Cancelled,
                            Outcome::Deferred(Some(50_000)),
                        ][usize::from(how)];
                        timetable.ended(&name, outcome, now);
                    }
                }
                Event::Pass(time) => now += time,
                Event::Reload => timetable.adopt(limits, fleet(), |plan| Past {
                    paused: paused.contains(&plan.sync),
                    ..Past::default()
                }),
            }
            for start in timetable.start(now) {
                prop_assert!(!paused.contains(&start.sync), "{} is paused", start.sync);
                prop_assert!(running.insert(start.sync.clone()), "{} runs already", start.sync);
            }
            prop_assert!(running.len() <= runs);
            for destination in 0..3 {
                let busy = running
                    .iter()
                    .filter(|name| name[1..].parse::<usize>().unwrap() % 3 == destination)
                    .count();
                prop_assert!(busy <= per_connection);
            }
            prop_assert!(running.len() <= per_connection, "all read one source");
            prop_assert!(timetable.next_ms(now).is_none_or(|next| next > now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Nobody waits for ever: with every place contended, each due sync starts within a bound.
    #[test]
    fn whoever_is_due_starts_in_the_end(runs in 1..4_usize, long in 1..120_i64) {
        let limits = Limits { runs, per_connection: 1 };
        let mut timetable = timetable(limits, fleet());
        let mut ends: BTreeMap<String, i64> = BTreeMap::new();
        let mut waiting: BTreeMap<String, i64> = BTreeMap::new();
        for second in 0..8_000_i64 {
            let now = second * 1_000;
            let over: Vec<String> = ends.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
            for name in over {
                ends.remove(&name);
                timetable.ended(&name, Outcome::Done, now);
            }
            for start in timetable.start(now) {
                waiting.remove(&start.sync);
                ends.insert(start.sync, now + long * 1_000);
            }
            for number in 0..8 {
                let name = format!("s{number}");
                if timetable.standing(&name, now).unwrap().queued_ms.is_some() {
                    let since = *waiting.entry(name.clone()).or_insert(now);
                    // Two steps of waiting make up for any priority; then the line is at most eight long.
                    let bound = 2 * 600_000 + 600_000 + 9 * long * 1_000;
                    prop_assert!(now - since <= bound, "{} has waited {} s", name, (now - since) / 1_000);
                } else {
                    waiting.remove(&name);
                }
            }
        }
    }
}

#[test]
fn rows_take_their_turn_before_the_whole_model_but_not_twice_in_a_row_before_it() {
    let mut timetable = timetable(LIMITS, vec![every("a", 2), after("child", &["a"])]);
    let cause = |starts: Vec<Start>| starts.first().map(|start| start.cause);
    timetable.ask_rows("a", 50, false).unwrap();
    timetable.ask_rows("a", 90, false).unwrap();
    assert_eq!(
        cause(timetable.start(0)),
        Some(Cause::Schedule),
        "calls are waited for"
    );
    timetable.ended("a", Outcome::Failed, 10);
    assert_eq!(timetable.next_ms(10), Some(50));
    assert_eq!(cause(timetable.start(50)), Some(Cause::Rows));
    // Rows are no success of the sync: nobody follows, and its time stays.
    assert_eq!(timetable.ended("a", Outcome::Done, 60), None);
    assert!(timetable.start(60).is_empty());
    assert_eq!(timetable.next_ms(60), Some(2_000));
    timetable.ask_rows("a", 2_000, false).unwrap();
    assert_eq!(
        cause(timetable.start(2_000)),
        Some(Cause::Schedule),
        "the last run was of rows"
    );
    timetable.ask_rows("a", 2_050, false).unwrap();
    timetable.ended("a", Outcome::Failed, 9_000);
    assert_eq!(cause(timetable.start(9_000)), Some(Cause::Rows), "both are due");
    timetable.ask_rows("a", 9_001, false).unwrap();
    timetable.ended("a", Outcome::Done, 9_002);
    assert_eq!(cause(timetable.start(9_002)), Some(Cause::Schedule));
    timetable.ended("a", Outcome::Done, 9_003);
    let starts = timetable.start(9_003);
    assert_eq!(names(&starts), ["a", "child"], "the whole model is followed");
}

#[test]
fn rows_settle_nothing_that_the_whole_model_owes() {
    let mut timetable = timetable(LIMITS, vec![manual("a")]);
    timetable.ask_rows("a", 0, false).unwrap();
    timetable.start(0);
    timetable.owe("a", 10).unwrap();
    assert_eq!(timetable.ended("a", Outcome::Done, 20), Some(10));
    let starts = timetable.start(20);
    assert_eq!(starts[0].cause, Cause::Resumed);
    assert_eq!(timetable.ended("a", Outcome::Done, 30), None);
    // Without quota the whole model goes on: it has these rows too.
    timetable.ask_rows("a", 40, false).unwrap();
    timetable.start(40);
    assert_eq!(timetable.ended("a", Outcome::Deferred(Some(100)), 50), Some(150));
    assert!(timetable.start(149).is_empty());
    assert_eq!(timetable.start(150)[0].cause, Cause::Resumed);
}

#[test]
fn a_pause_refuses_rows_unless_they_must_wait_for_its_end() {
    let mut timetable = timetable(LIMITS, vec![manual("a")]);
    timetable.pause("a", true).unwrap();
    assert_eq!(timetable.ask_rows("a", 0, false), Err(Refused::Paused));
    assert_eq!(timetable.ask_rows("b", 0, true), Err(Refused::Unknown));
    timetable.ask_rows("a", 0, true).unwrap();
    assert!(timetable.start(10).is_empty());
    timetable.pause("a", false).unwrap();
    assert_eq!(timetable.start(20)[0].cause, Cause::Rows);
    timetable.ended("a", Outcome::Done, 30);
    timetable.ask_rows("a", 40, false).unwrap();
    timetable.withdraw_rows("a");
    assert!(timetable.start(50).is_empty());
}
