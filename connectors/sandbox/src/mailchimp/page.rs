//! The page for people: audiences, their members and the latest requests.

use crate::html::{self, escape, put};
use crate::server::{Answer, Asked};

use super::account::{Account, State};
use super::audience::Audience;
use super::member::{Member, MergeValue, Status};
use super::query::iso;

/// `GET /?q=…&page=…`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    html::answer(asked, "Mailchimp twin", |html, search, page| {
        members(html, &account.state(), search, page, account.desk.now_ms());
        html::requests(html, &account.desk.log());
    })
}

fn members(html: &mut String, state: &State, search: &str, page: usize, now: i64) {
    for audience in &state.audiences {
        html.push_str("<p>");
        escape(html, &audience.name);
        put!(
            html,
            " <span class=\"soft\">({})</span>: {} subscribed, {} archived</p>",
            audience.id,
            audience.count(Status::Subscribed),
            audience.count(Status::Archived)
        );
    }
    html::search_form(html, search);
    let found = found(state, search);
    html::cards(html, "member", &found, search, page, |html, (audience, one)| {
        member(html, audience, one, now);
    });
}

/// The newest members a search finds, for the page over all twins.
pub(super) fn glance(html: &mut String, account: &Account, search: &str) {
    let (state, now) = (account.state(), account.desk.now_ms());
    html::glance(html, "member", &found(&state, search), |html, (audience, one)| {
        member(html, audience, one, now);
    });
}

fn found<'s>(state: &'s State, search: &str) -> Vec<(&'s Audience, &'s Member)> {
    let wanted = search.to_lowercase();
    state
        .audiences
        .iter()
        .flat_map(|audience| audience.members().map(move |member| (audience, member)))
        .filter(|(_, member)| wanted.is_empty() || mentions(member, &wanted))
        .collect()
}

fn mentions(member: &Member, wanted: &str) -> bool {
    member.email.to_lowercase().contains(wanted)
        || member
            .merge
            .iter()
            .any(|(_, value)| text(value).to_lowercase().contains(wanted))
}

fn text(value: &MergeValue) -> String {
    match value {
        MergeValue::Number(number) => number.to_string(),
        MergeValue::Text(text) => text.clone(),
        MergeValue::Address(address) => [
            &address.addr1,
            &address.addr2,
            &address.city,
            &address.state,
            &address.zip,
            &address.country,
        ]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", "),
    }
}

fn member(html: &mut String, audience: &Audience, member: &Member, now: i64) {
    html.push_str("<article><h3>");
    escape(html, &member.email);
    put!(html, "</h3><dl><dt>status</dt><dd>{}</dd>", member.status.name());
    html::moment(html, member.last_changed, &iso(member.last_changed), now);
    for field in &audience.fields {
        if let Some(value) = member.value(field.merge_id) {
            row(html, &field.tag, &text(value));
        }
    }
    let tags: Vec<&str> = member
        .tags
        .iter()
        .filter_map(|tag| audience.segment(tag.segment))
        .map(|segment| segment.name.as_str())
        .collect();
    if !tags.is_empty() {
        row(html, "tags", &tags.join(", "));
    }
    html.push_str("</dl></article>");
}

fn row(html: &mut String, name: &str, value: &str) {
    html.push_str("<dt>");
    escape(html, name);
    html.push_str("</dt><dd>");
    escape(html, value);
    html.push_str("</dd><dd></dd>");
}
