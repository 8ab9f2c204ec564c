//! The daemon: every sync of a project on its schedule, for years.
//!
//! [`rhythm`] says when a sync is due by the clock, `queue` whose turn it is, [`timetable`] keeps both
//! together as a synchronous state machine over an explicit clock, and [`driver`] is the small loop
//! around it that waits, starts runs and obeys what others ask through a [`Handle`]. The project in
//! force is an [`edition`](Edition): read as a whole, replaced as a whole, and only by one without
//! errors. `alarm` notices what is wrong, and `messenger` tells whoever wants to know. Leadership is the
//! state's lock, which the daemon holds for as long as it lives.

mod alarm;
mod driver;
mod edition;
mod ends;
mod handle;
mod live;
mod mail;
mod messenger;
mod notify;
mod plans;
mod queue;
mod reporting;
pub mod rhythm;
mod rows;
#[cfg(test)]
mod simulation;
pub mod timetable;
mod waiting;
mod watchman;

pub use driver::{Daemon, DaemonError, Listener, Settings, TICK};
pub use edition::{Broken, Edition};
pub use handle::{AskError, Handle, HookedSync, Reloaded};
pub use live::{Ended, Live, LiveRun, Phase, Stage};
pub use notify::{Sent, send};
