//! Thirty virtual days of a project of three syncs, with everything real but time, the shop the rows come
//! from, the accounts they go to, and whoever is told: the daemon's own driver, the engine, the state on
//! disk, the project's files.
//!
//! Rows change at random moments. Sources, accounts and the webhook fail in every way there is, for
//! minutes to hours; the daemon is stopped and cut off. One thread and paused time make a seed's history the
//! same every time. `checks` says what must hold at the end, `server` and `source` what must hold at any
//! moment.

#![allow(clippy::unwrap_used, clippy::panic)]

mod checks;
mod destination;
mod lateness;
mod life;
mod post;
mod server;
mod source;
mod table;
mod times;
mod trouble;
mod world;

use rand::Rng;

use self::life::{Daemons, End};
use self::world::{BEGIN, DAY, HOUR, MINUTE, SECOND};

/// From the last trouble to the end.
const CALM: i64 = 14 * HOUR;

/// From the last change of a row to the end.
const REST: i64 = 8 * HOUR;

/// Lives `days` days, and checks what came of them.
fn simulate(seed: u64, days: i64) -> Vec<String> {
    let end_ms = BEGIN + days * DAY;
    let mut daemons = Daemons::new(seed, end_ms - CALM, end_ms - REST);
    while daemons.world.now_ms() < end_ms {
        let (lives, end, away_ms) = {
            let random = &mut daemons.world.lock().random;
            let lives = random.random_range(HOUR..3 * DAY);
            let cut_off = random.random_bool(0.6);
            let soon = random.random_bool(0.6);
            let away = if soon { SECOND..MINUTE } else { MINUTE..4 * HOUR };
            let end = if cut_off { End::CutOff } else { End::Stopped };
            (lives, end, random.random_range(away))
        };
        let until_ms = daemons.world.now_ms() + lives;
        if until_ms < end_ms - CALM {
            daemons.live(until_ms, end);
            daemons.world.pass(away_ms);
        } else {
            daemons.live(end_ms, End::Over);
        }
    }
    checks::all(&daemons, end_ms);
    daemons.log()
}

#[test]
fn thirty_days_with_troubles_lose_nothing_and_tell_everything() {
    simulate(1, 30);
}

/// Other histories, shorter so that they take seconds.
#[test]
fn ten_days_with_troubles_lose_nothing_and_tell_everything() {
    for seed in 2..4 {
        simulate(seed, 10);
    }
}

#[test]
fn a_seed_has_one_history() {
    assert_eq!(simulate(7, 2), simulate(7, 2));
}
