//! From data to HTML. Every template escapes what it is given.

use std::sync::LazyLock;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::assets::VERSION;
use super::visitor::Visitor;
use crate::daemon::AskError;
use crate::http::refusal::Refusal;
use crate::project::Role;
use crate::state::StateError;
use outflow_sdk::numbers::count;

/// What a browser may do for a page: our style, script and sign, forms to us, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const TEMPLATES: [(&str, &str); 10] = [
    ("base.html", include_str!("templates/base.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("sync.html", include_str!("templates/sync.html")),
    ("run.html", include_str!("templates/run.html")),
    ("rejects.html", include_str!("templates/rejects.html")),
    ("contact.html", include_str!("templates/contact.html")),
    ("fields.html", include_str!("templates/fields.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("trouble.html", include_str!("templates/trouble.html")),
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("count", count);
    for (name, text) in TEMPLATES {
        if let Err(error) = environment.add_template(name, text) {
            tracing::error!(name, %error, "a template of the pages is wrong");
        }
    }
    environment
});

/// What every template knows.
#[derive(Serialize)]
struct Shell<'a, T> {
    title: &'a str,
    /// Version of the style and script.
    assets: &'a str,
    version: &'a str,
    visitor: Option<Looking<'a>>,
    page: &'a T,
}

#[derive(Serialize)]
struct Looking<'a> {
    name: &'a str,
    role: Role,
    may_act: bool,
    signed_in: bool,
    seal: &'a str,
}

/// A page for a visitor.
pub(super) fn page(template: &str, title: &str, visitor: &Visitor, page: &impl Serialize) -> Response {
    let looking = Looking {
        name: &visitor.name,
        role: visitor.role,
        may_act: visitor.may_act(),
        signed_in: visitor.session.is_some(),
        seal: &visitor.seal,
    };
    respond(StatusCode::OK, template, title, Some(looking), page)
}

/// A page for nobody in particular.
pub(super) fn bare(status: StatusCode, template: &str, title: &str, page: &impl Serialize) -> Response {
    respond(status, template, title, None, page)
}

fn respond(
    status: StatusCode,
    template: &str,
    title: &str,
    visitor: Option<Looking<'_>>,
    page: &impl Serialize,
) -> Response {
    let shell = Shell {
        title,
        assets: &VERSION,
        version: env!("CARGO_PKG_VERSION"),
        visitor,
        page,
    };
    let rendered = ENVIRONMENT
        .get_template(template)
        .and_then(|template| template.render(Serde(&shell)));
    match rendered {
        Ok(text) => (status, headers(), Html(text)).into_response(),
        Err(error) => {
            tracing::error!(template, %error, "a page cannot be shown");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "a bug in outflow; its log says where",
            )
                .into_response()
        }
    }
}

fn headers() -> [(HeaderName, &'static str); 2] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Not `no-referrer`: a browser would then not say that our forms come from here.
        (header::REFERRER_POLICY, "same-origin"),
    ]
}

/// Why a page is not shown.
pub(super) struct Trouble {
    status: StatusCode,
    message: String,
}

impl Trouble {
    pub(super) fn missing(message: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.to_owned(),
        }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            message: refusal.message().to_owned(),
        }
    }
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        Refusal::from(error).into()
    }
}

#[derive(Serialize)]
struct Told<'a> {
    title: &'a str,
    message: &'a str,
    /// Whether signing in may help.
    sign_in: bool,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::UNAUTHORIZED => "Please sign in",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::CONFLICT => "Not now",
            _ => "Something went wrong",
        };
        let told = Told {
            title,
            message: &self.message,
            sign_in: self.status == StatusCode::UNAUTHORIZED,
        };
        bare(self.status, "trouble.html", title, &told)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_template_is_well_formed() {
        for (name, _) in TEMPLATES {
            ENVIRONMENT.get_template(name).unwrap();
        }
    }

    #[test]
    fn no_template_has_a_script_a_style_or_a_handler_of_its_own_or_turns_escaping_off() {
        let handler = regex_lite::Regex::new(r"\son[a-z]+\s*=").unwrap();
        for (name, text) in TEMPLATES {
            for word in ["<style", "style=", "|safe", "| safe", "autoescape", "javascript:"] {
                assert!(!text.contains(word), "{word} in {name}");
            }
            assert!(!handler.is_match(text), "{name}");
            assert_eq!(
                text.matches("<script").count(),
                text.matches("<script src=\"/assets/").count(),
                "{name}"
            );
        }
    }
}
