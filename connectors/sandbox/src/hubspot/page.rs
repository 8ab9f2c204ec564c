//! The page for people: contacts, lists and the latest requests. No scripts; everything is escaped.

use crate::html::{self, escape, put};
use crate::server::{Answer, Asked};

use super::account::{Account, State};
use super::json::iso;
use super::lists::{List, ProcessingType};
use super::record::{Record, Standing};
use super::store::ObjectStore;

const MEMBERS: usize = 50;

/// `GET /?q=…&page=…`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    html::answer(asked, "HubSpot twin", |html, search, page| {
        {
            let state = account.state();
            contacts(html, &state, search, page, account.desk.now_ms());
            lists(html, &state);
        }
        html::requests(html, &account.desk.log());
    })
}

fn contacts(html: &mut String, state: &State, search: &str, page: usize, now: i64) {
    let Some(store) = state.objects.first() else {
        return;
    };
    let found = found(store, search);
    put!(html, "<p>{} contacts", store.live_count());
    if !search.is_empty() {
        put!(html, ", {} with “", found.len());
        escape(html, search);
        html.push('”');
    }
    html.push_str("</p>");
    html::search_form(html, search);
    html::cards(html, "contact", &found, search, page, |html, record| {
        contact(html, store, record, now);
    });
}

/// The newest contacts a search finds, for the page over all twins.
pub(super) fn glance(html: &mut String, account: &Account, search: &str) {
    let state = account.state();
    if let Some(store) = state.objects.first() {
        let now = account.desk.now_ms();
        html::glance(html, "contact", &found(store, search), |html, record| {
            contact(html, store, record, now);
        });
    }
}

fn found<'s>(store: &'s ObjectStore, search: &str) -> Vec<&'s Record> {
    let wanted = search.to_lowercase();
    store
        .records()
        .map(|(_, record)| record)
        .filter(|record| record.standing == Standing::Live)
        .filter(|record| wanted.is_empty() || mentions(record, &wanted))
        .collect()
}

fn mentions(record: &Record, wanted: &str) -> bool {
    record.id.to_string() == wanted
        || record
            .content
            .iter()
            .any(|stored| stored.text.to_lowercase().contains(wanted))
}

fn contact(html: &mut String, store: &ObjectStore, record: &Record, now: i64) {
    html.push_str("<article><h3>");
    match store.email.and_then(|email| record.content.get(email)) {
        Some(email) => escape(html, email),
        None => html.push_str("(no address)"),
    }
    put!(html, "</h3><dl><dt>id</dt><dd>{}</dd>", record.id);
    moment(html, record.created, now);
    for stored in record
        .content
        .iter()
        .filter(|stored| Some(stored.property) != store.email)
    {
        html.push_str("<dt>");
        escape(html, store.definitions.name(stored.property));
        html.push_str("</dt><dd>");
        if stored.text.is_empty() {
            html.push_str("<span class=\"soft\">cleared</span>");
        } else {
            escape(html, stored.text);
        }
        html.push_str("</dd>");
        moment(html, stored.changed, now);
    }
    html.push_str("</dl></article>");
}

fn lists(html: &mut String, state: &State) {
    html.push_str("<h2>Lists</h2>");
    let mut any = false;
    for list in state.lists.live() {
        any = true;
        one_list(html, state, list);
    }
    if !any {
        html.push_str("<p>No list yet.</p>");
    }
}

fn one_list(html: &mut String, state: &State, list: &List) {
    let kind = match list.processing {
        ProcessingType::Manual => "manual",
        ProcessingType::Dynamic => "dynamic",
        ProcessingType::Snapshot => "snapshot",
    };
    html.push_str("<details><summary>");
    escape(html, &list.name);
    put!(
        html,
        " <span class=\"soft\">{kind}, {} members</span></summary><ul>",
        list.members.len()
    );
    let store = state
        .objects
        .iter()
        .find(|store| store.type_id == list.object_type_id);
    for id in list.members.keys().take(MEMBERS) {
        html.push_str("<li>");
        let record = store.and_then(|store| store.record(store.slot(&id.to_string())?));
        let name = store.and_then(|store| record?.content.get(store.email?));
        match name {
            Some(name) => escape(html, name),
            None => {
                put!(html, "{id}");
            }
        }
        html.push_str("</li>");
    }
    html.push_str("</ul>");
    if list.members.len() > MEMBERS {
        put!(html, "<p>and {} more</p>", list.members.len() - MEMBERS);
    }
    html.push_str("</details>");
}

fn moment(html: &mut String, at: i64, now: i64) {
    html::moment(html, at, &iso(at), now);
}
