//! Keeping audiences between two starts. Asynchronous batches and revoked credentials are forgotten.

use std::io;

use serde::{Deserialize, Serialize};

use crate::snapshot::{read, unreadable, write};

use super::account::Account;
use super::audience::Audience;

const FORMAT: u32 = 1;
const FILE: &str = "mailchimp.json";

#[derive(Serialize)]
struct Saving<'a> {
    format: u32,
    starts: u64,
    audiences: &'a [Audience],
}

#[derive(Deserialize)]
struct Saved {
    format: u32,
    starts: u64,
    audiences: Vec<Audience>,
}

/// Writes the account to its folder, whole or not at all.
pub(super) fn save(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let state = account.state();
    let saving = Saving {
        format: FORMAT,
        starts: state.starts,
        audiences: &state.audiences,
    };
    write(folder, FILE, &saving)
}

/// Reads the account's folder, if there is one and it was saved before.
pub(super) fn load(account: &Account) -> io::Result<()> {
    let Some(folder) = &account.options.data else {
        return Ok(());
    };
    let Some(saved) = read::<Saved>(folder, FILE)? else {
        return Ok(());
    };
    if saved.format != FORMAT {
        let reason = format!("format {} is not {FORMAT}", saved.format);
        return Err(unreadable(folder, FILE, &reason));
    }
    account
        .state()
        .restore(&account.options, saved.audiences, saved.starts);
    Ok(())
}
