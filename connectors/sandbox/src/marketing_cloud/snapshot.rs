//! Keeping data extensions, jobs and events between two starts. Tokens are forgotten.

use std::io;

use serde::{Deserialize, Serialize};

use crate::snapshot::{read, unreadable, write};

use super::account::{Account, State};

const FORMAT: u32 = 1;
const FILE: &str = "marketing_cloud.json";

#[derive(Serialize)]
struct Saving<'a> {
    format: u32,
    state: &'a State,
}

#[derive(Deserialize)]
struct Saved {
    format: u32,
    state: State,
}

/// Writes the account to its folder, whole or not at all.
pub(super) fn save(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let saving = Saving {
        format: FORMAT,
        state: &account.state(),
    };
    write(folder, FILE, &saving)
}

/// Reads the account's folder, if there is one and it was saved before.
pub(super) fn load(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let Some(mut saved) = read::<Saved>(folder, FILE)? else {
        return Ok(());
    };
    if saved.format != FORMAT {
        let reason = format!("format {} is not {FORMAT}", saved.format);
        return Err(unreadable(folder, FILE, &reason));
    }
    saved.state.resume(&account.options);
    *account.state() = saved.state;
    Ok(())
}
