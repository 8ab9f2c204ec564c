//! The page of codes.

use super::{chapters, exit};
use crate::registry::Registry;
use crate::sync::error::Exit;

const INTRODUCTION: &str = "# Codes\n\n\
Every exit code, and every code in messages, `--json`, history, rejects, alerts, logs and the API: what it means and what \
to do. Codes are stable; messages are not. `outflow code CODE` shows one. This page is generated from the lists beside the \
code that says them: renew it with `OUTFLOW_BLESS=1 cargo test --workspace --lib committed`.\n\n\
## Exit codes\n\n| Exit | Meaning | What to do |\n|---|---|---|\n";

/// The page, in Markdown.
pub fn page(registry: &Registry) -> String {
    let mut page = String::from(INTRODUCTION);
    for code in Exit::ALL {
        let (meaning, action) = exit(code);
        page.push_str(&format!("| {} | {meaning} | {action} |\n", code as u8));
    }
    for chapter in chapters(registry) {
        page.push_str(&format!(
            "\n## {}\n\n| Code | Meaning | What to do |\n|---|---|---|\n",
            chapter.title
        ));
        for code in chapter.codes {
            page.push_str(&format!(
                "| `{}` | {} | {} |\n",
                code.code,
                code.meaning.replace('|', "\\|"),
                code.action.replace('|', "\\|")
            ));
        }
    }
    page
}
