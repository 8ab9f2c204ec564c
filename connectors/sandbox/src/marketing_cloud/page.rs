//! The page for people: data extensions, their rows and the latest requests.

use crate::html::{self, escape, put};
use crate::server::{Answer, Asked};

use super::account::{Account, State};
use super::extension::Extension;
use super::values::Cell;

/// `GET /?q=…&page=…`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    html::answer(asked, "Marketing Cloud twin", |html, search, page| {
        rows(html, &account.state(), search, page);
        html::requests(html, &account.desk.log());
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
    let found = found(state, search);
    html::cards(html, "row", &found, search, page, row);
}

/// The newest rows a search finds, for the page over all twins.
pub(super) fn glance(html: &mut String, account: &Account, search: &str) {
    html::glance(html, "row", &found(&account.state(), search), row);
}

fn found<'s>(state: &'s State, search: &str) -> Vec<(&'s Extension, &'s [Cell])> {
    let wanted = search.to_lowercase();
    let has = |cell: &Cell| cell.shown().to_lowercase().contains(&wanted);
    state
        .extensions
        .iter()
        .flat_map(|extension| extension.rows().map(move |cells| (extension, cells)))
        .filter(|(_, cells)| wanted.is_empty() || cells.iter().any(has))
        .collect()
}

fn row(html: &mut String, (extension, cells): &(&Extension, &[Cell])) {
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
