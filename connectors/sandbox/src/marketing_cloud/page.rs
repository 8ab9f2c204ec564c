//! The page for people: data extensions, their rows and the latest requests.

use crate::html::{self, escape, put};
use crate::server::{Answer, Asked};

use super::account::{Account, State};
use super::extension::Extension;
use super::values::Cell;

const ROWS: usize = 24;

/// `GET /?q=…&page=…`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    html::answer(asked, "Marketing Cloud twin", |html, search, page| {
        rows(html, &account.state(), search, page);
        html::requests(html, &account.log());
    })
}

fn rows(html: &mut String, state: &State, search: &str, page: usize) {
    for extension in &state.extensions {
        html.push_str("<p>");
        escape(html, &extension.name);
        html.push_str(" <span class=\"soft\">(");
        escape(html, &extension.key);
        put!(html, ")</span>: {} rows</p>", extension.count());
    }
    html::search_form(html, search);
    let wanted = search.to_lowercase();
    let has = |cells: &[Cell]| {
        wanted.is_empty()
            || cells
                .iter()
                .any(|cell| cell.shown().to_lowercase().contains(&wanted))
    };
    let all: Vec<(&Extension, &[Cell])> = state
        .extensions
        .iter()
        .flat_map(|extension| extension.rows().map(move |cells| (extension, cells)))
        .filter(|(_, cells)| has(cells))
        .collect();
    if all.is_empty() {
        html.push_str("<p>No row here yet.</p>");
    }
    let pages = all.len().div_ceil(ROWS).max(1);
    let page = page.min(pages);
    html.push_str("<section class=\"cards\" aria-label=\"Rows\">");
    for (extension, cells) in all.iter().rev().skip((page - 1) * ROWS).take(ROWS) {
        html.push_str("<article><h3>");
        escape(html, &extension.name);
        html.push_str("</h3><dl>");
        for (column, cell) in extension.columns.iter().zip(*cells) {
            html.push_str("<dt>");
            escape(html, &column.name);
            html.push_str("</dt><dd>");
            escape(html, &cell.shown());
            html.push_str("</dd><dd></dd>");
        }
        html.push_str("</dl></article>");
    }
    html.push_str("</section>");
    html::pages(html, search, page, pages);
}
