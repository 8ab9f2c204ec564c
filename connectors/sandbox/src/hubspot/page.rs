//! The page for people: contacts, lists and the latest requests. No scripts; everything is escaped.

use std::fmt::Write;

use hyper::{Method, StatusCode};

use crate::server::{Answer, Asked};

use super::account::{Account, State};
use super::json::iso;
use super::lists::{List, ProcessingType};
use super::record::{Record, Standing};
use super::store::ObjectStore;

const STYLE: &str = include_str!("page.css");
const CONTACTS: usize = 24;
const MEMBERS: usize = 50;
const REQUESTS: usize = 25;

/// `GET /?q=…&page=…`.
pub(super) fn answer(account: &Account, asked: &Asked) -> Answer {
    if asked.method != Method::GET {
        return Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "this page can only be read\n",
        );
    }
    let query = asked.uri.query().unwrap_or_default();
    let parameter = |name: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let page = parameter("page").parse().unwrap_or(1).max(1);
    let html = render(account, parameter("q").trim(), page);
    let mut answer = Answer::new(StatusCode::OK, "text/html;charset=utf-8", html);
    answer.set(
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    );
    answer.set("cache-control", "no-store");
    answer
}

fn render(account: &Account, search: &str, page: usize) -> String {
    let mut html = String::with_capacity(32 * 1024);
    html.push_str(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>HubSpot twin</title><style>",
    );
    html.push_str(STYLE);
    html.push_str("</style></head><body><main><h1>HubSpot twin</h1>");
    {
        let state = account.state();
        contacts(&mut html, &state, search, page, account.clock.now_ms());
        lists(&mut html, &state);
    }
    requests(&mut html, account);
    html.push_str("</main></body></html>\n");
    html
}

/// Appends text so that no markup in it counts.
fn escape(html: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

/// Writing into a String cannot fail.
macro_rules! put {
    ($html:expr, $($words:tt)*) => {
        let _ = write!($html, $($words)*);
    };
}

fn contacts(html: &mut String, state: &State, search: &str, page: usize, now: i64) {
    let Some(store) = state.objects.first() else {
        return;
    };
    let wanted = search.to_lowercase();
    let all: Vec<&Record> = store
        .records()
        .map(|(_, record)| record)
        .filter(|record| record.standing == Standing::Live)
        .filter(|record| wanted.is_empty() || mentions(record, &wanted))
        .collect();
    let pages = all.len().div_ceil(CONTACTS).max(1);
    let page = page.min(pages);
    put!(html, "<p>{} contacts", store.live_count());
    if !wanted.is_empty() {
        put!(html, ", {} with “", all.len());
        escape(html, search);
        html.push('”');
    }
    html.push_str("</p><form method=\"get\" action=\"/\"><input type=\"search\" name=\"q\" aria-label=\"Search contacts\" placeholder=\"Search any value\" value=\"");
    escape(html, search);
    html.push_str("\"><button>Search</button></form>");
    if all.is_empty() {
        html.push_str("<p>No contact here yet.</p>");
    }
    html.push_str("<section class=\"cards\" aria-label=\"Contacts\">");
    for record in all.iter().rev().skip((page - 1) * CONTACTS).take(CONTACTS) {
        contact(html, store, record, now);
    }
    html.push_str("</section>");
    if pages > 1 {
        html.push_str("<nav aria-label=\"Pages\">");
        page_link(html, search, page - 1, pages, "Newer");
        put!(html, "<span>Page {page} of {pages}</span>");
        page_link(html, search, page + 1, pages, "Older");
        html.push_str("</nav>");
    }
}

fn page_link(html: &mut String, search: &str, page: usize, pages: usize, label: &str) {
    if !(1..=pages).contains(&page) {
        put!(html, "<span class=\"soft\">{label}</span>");
        return;
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", search)
        .append_pair("page", &page.to_string())
        .finish();
    html.push_str("<a href=\"/?");
    escape(html, &query);
    put!(html, "\">{label}</a>");
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

/// How long ago, with the instant itself as its title.
fn moment(html: &mut String, at: i64, now: i64) {
    let seconds = (now - at).max(0) / 1000;
    let iso = iso(at);
    put!(html, "<dd><time datetime=\"{iso}\" title=\"{iso}\">");
    match seconds {
        0..=1 => html.push_str("now"),
        2..=119 => {
            put!(html, "{seconds} s ago");
        }
        120..=7199 => {
            put!(html, "{} min ago", seconds / 60);
        }
        7200..=172_799 => {
            put!(html, "{} h ago", seconds / 3600);
        }
        _ => {
            put!(html, "{} days ago", seconds / 86_400);
        }
    }
    html.push_str("</time></dd>");
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

fn requests(html: &mut String, account: &Account) {
    let log = account.log();
    put!(html, "<h2>Latest requests</h2><p>{} so far</p>", log.count());
    html.push_str(
        "<div class=\"scroll\"><table><thead><tr><th class=\"number\">#</th><th>Method</th><th>Path</th>\
         <th class=\"number\">Status</th><th class=\"number\">Bytes</th><th>Fault</th></tr></thead><tbody>",
    );
    for request in log.latest(REQUESTS) {
        put!(html, "<tr><td class=\"number\">{}</td><td>", request.n);
        escape(html, &request.method);
        html.push_str("</td><td>");
        escape(html, &request.path);
        put!(
            html,
            "</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>",
            request.status,
            request.body_bytes,
            request.fault.unwrap_or_default()
        );
    }
    html.push_str("</tbody></table></div>");
}
