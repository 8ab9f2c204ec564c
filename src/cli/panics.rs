//! A panic is a bug of ours: it says so, and the process exits with 70.

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::logging::to_stderr;
use crate::sync::error::Exit;

/// Set once any thread has panicked: whatever the verb made of it, the process must not look healthy.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Replaces the default message by one that says what to do. The panic's own text is left out of it:
/// it may quote a value; `RUST_BACKTRACE` brings it back.
pub(crate) fn install() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::Relaxed);
        let place = info
            .location()
            .map_or_else(|| "an unknown place".into(), ToString::to_string);
        let text = format!(
            "error: a bug in outflow {} stopped it at {place}\n  \
             what was acknowledged so far is kept; the next run goes on from there\n  \
             hint: please report this line and the command you ran\n",
            env!("CARGO_PKG_VERSION")
        );
        to_stderr(text.as_bytes());
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            default(info);
        }
    }));
}

/// Runs the process's work; a panic anywhere in it makes the exit code 70.
pub fn guarded(work: impl FnOnce() -> ExitCode) -> ExitCode {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(exit) if !PANICKED.load(Ordering::Relaxed) => exit,
        _ => ExitCode::from(Exit::Bug as u8),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_panic_exits_70_and_anything_else_keeps_its_code() {
        let shown = |code: ExitCode| format!("{code:?}");
        assert_eq!(shown(guarded(|| panic!("a bug"))), shown(ExitCode::from(70)));
        assert_eq!(shown(guarded(|| ExitCode::from(6))), shown(ExitCode::from(6)));
    }
}
