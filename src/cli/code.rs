//! `outflow code`: what a code means, and what to do.

use clap::Args;
use serde_json::json;

use super::arguments::Json;
use super::failure::Failure;
use super::open;
use super::output::{Output, Tone};
use crate::codes::{Chapter, chapters, exit};
use crate::sync::error::Exit;

/// Arguments of `outflow code`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    outflow code invalid_email\n  \
    outflow code 6\n\n\
    All of them are listed in mappings/ERRORS.md.")]
pub(crate) struct CodeArgs {
    /// A code as a message, a reject or the log has it, or an exit code
    #[arg(value_name = "CODE")]
    code: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// What is said about a code in one place.
struct Said {
    place: String,
    meaning: &'static str,
    action: &'static str,
}

/// Tells what a code means.
pub(crate) fn run(args: &CodeArgs, out: &mut Output) -> Result<Exit, Failure> {
    let said = about(&args.code);
    if said.is_empty() {
        let what = format!("no code is called `{}`", args.code);
        return Err(Failure::config("no_such_code", what)
            .hint("copy it from the message, the reject or the log, without brackets"));
    }
    if args.json.json {
        let meanings: Vec<_> = said
            .iter()
            .map(|one| json!({ "about": one.place, "meaning": one.meaning, "action": one.action }))
            .collect();
        out.json(&json!({ "code": args.code, "meanings": meanings }))?;
        return Ok(Exit::Done);
    }
    for one in said {
        let place = out.paint(Tone::Strong, one.place);
        let hint = out.paint(Tone::Hint, "what to do:");
        out.line(format_args!(
            "{place}\n  {}\n  {hint} {}",
            one.meaning, one.action
        ));
    }
    Ok(Exit::Done)
}

fn about(code: &str) -> Vec<Said> {
    let number = code.parse::<u8>().ok();
    let exits = Exit::ALL.into_iter().filter(|exit| Some(*exit as u8) == number);
    let exits = exits.map(|code| {
        let (meaning, action) = exit(code);
        Said {
            place: "Exit codes".into(),
            meaning,
            action,
        }
    });
    let mut found: Vec<Said> = exits.collect();
    for Chapter { title, codes } in chapters(open::registry()) {
        found.extend(codes.iter().find(|known| known.code == code).map(|known| Said {
            place: title,
            meaning: known.meaning,
            action: known.action,
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_every_place_that_says_it_and_exit_codes_by_their_number() {
        let places = |code: &str| -> Vec<String> { about(code).into_iter().map(|one| one.place).collect() };
        assert_eq!(places("too_long"), ["Connectors, whichever"]);
        assert_eq!(places("state_busy"), ["State and machine"]);
        assert_eq!(places("6"), ["Exit codes"]);
        assert!(places("9").is_empty() && places("nonsense").is_empty());
    }
}
