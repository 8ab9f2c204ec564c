//! What the twins' pages for people share. No scripts; everything is escaped.

use hyper::{Method, StatusCode};

use crate::log::Log;
use crate::server::{Answer, Asked};

/// The pages' style sheet.
const STYLE: &str = include_str!("page.css");
const REQUESTS: usize = 25;

/// Writing into a String cannot fail.
macro_rules! put {
    ($html:expr, $($words:tt)*) => {
        let _ = std::fmt::Write::write_fmt($html, format_args!($($words)*));
    };
}

pub(crate) use put;

/// Answers `GET /?q=…&page=…`: `body` appends what the page shows for a search and a page number.
pub(crate) fn answer(asked: &Asked, title: &str, body: impl FnOnce(&mut String, &str, usize)) -> Answer {
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
    let mut html = String::with_capacity(32 * 1024);
    put!(
        &mut html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>"
    );
    body(&mut html, parameter("q").trim(), page);
    html.push_str("</main></body></html>\n");
    let mut answer = Answer::new(StatusCode::OK, "text/html;charset=utf-8", html);
    answer.set(
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    );
    answer.set("cache-control", "no-store");
    answer
}

/// Appends the form that searches contacts.
pub(crate) fn search_form(html: &mut String, search: &str) {
    html.push_str("<form method=\"get\" action=\"/\"><input type=\"search\" name=\"q\" aria-label=\"Search contacts\" placeholder=\"Search any value\" value=\"");
    escape(html, search);
    html.push_str("\"><button>Search</button></form>");
}

/// Cards on a page of a twin.
const CARDS: usize = 24;
/// Cards of each twin on the page over all of them.
const GLANCE: usize = 6;

/// Appends one page of what was found, newest first, and the links to the pages around it.
pub(crate) fn cards<T>(
    html: &mut String,
    label: &str,
    found: &[T],
    search: &str,
    page: usize,
    card: impl Fn(&mut String, &T),
) {
    if found.is_empty() {
        put!(html, "<p>No {label} here yet.</p>");
    }
    let last = found.len().div_ceil(CARDS).max(1);
    let page = page.min(last);
    put!(html, "<section class=\"cards\" aria-label=\"{label}s\">");
    for one in found.iter().rev().skip((page - 1) * CARDS).take(CARDS) {
        card(html, one);
    }
    html.push_str("</section>");
    pages(html, search, page, last);
}

/// Appends the newest of what was found, and how many there are.
pub(crate) fn glance<T>(html: &mut String, label: &str, found: &[T], card: impl Fn(&mut String, &T)) {
    let count = found.len();
    put!(
        html,
        "<p>{count} {label}{}</p><section class=\"cards\" aria-label=\"{label}s\">",
        if count == 1 { "" } else { "s" }
    );
    for one in found.iter().rev().take(GLANCE) {
        card(html, one);
    }
    html.push_str("</section>");
}

/// Appends the links to the pages before and after this one, if there are any.
fn pages(html: &mut String, search: &str, page: usize, pages: usize) {
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

/// Appends text so that no markup in it counts.
pub(crate) fn escape(html: &mut String, text: &str) {
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

/// How long ago, with the instant itself as its title.
pub(crate) fn moment(html: &mut String, at: i64, iso: &str, now: i64) {
    let seconds = (now - at).max(0) / 1000;
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

/// Appends the table of the latest requests.
pub(crate) fn requests(html: &mut String, log: &Log) {
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
