//! Everything that is served, in one list.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tower_http::timeout::TimeoutLayer;

use super::app::App;
use super::refusal::Refusal;
use super::{access, answers, control, events, health, hook, metrics, openapi, pages, plan, reading, rows};
use crate::documents::{Explanation, Run};
use crate::project::Role;

/// How long an answer may take that waits for nobody.
const PROMPT: Duration = Duration::from_secs(30);

/// How long one may take that reads a model.
const PATIENT: Duration = Duration::from_secs(900);

/// How long one may take that waits for a run: the longest `wait`, and a little.
const WAITING: Duration = Duration::from_secs(3_630);

/// One thing that is served.
pub(super) struct Route {
    /// Its name in the API's description.
    pub(super) name: &'static str,
    pub(super) method: Verb,
    pub(super) path: &'static str,
    pub(super) need: Need,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// What the caller sends.
    pub(super) body: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(super) answers: &'static [(u16, &'static str, Answer)],
    /// What it may refuse with, beside what every route of its kind may.
    pub(super) refusals: &'static [u16],
    time: Time,
    handler: fn() -> MethodRouter<Arc<App>>,
}

/// A method.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    Get,
    Post,
}

impl Verb {
    pub(super) fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Post => "post",
        }
    }
}

/// What a caller must bring.
#[derive(Clone, Copy)]
pub(super) enum Need {
    Nothing,
    /// A signature.
    Signature,
    /// A token of at least this role, where there are tokens.
    Role(Role),
}

/// How long it may take.
#[derive(Clone, Copy)]
enum Time {
    Limited(Duration),
    /// It goes on until the caller has enough.
    Endless,
}

/// What a parameter is.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) kind: &'static str,
    pub(super) required: bool,
    pub(super) help: &'static str,
}

/// What is answered.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Json(fn(&mut SchemaGenerator) -> Schema),
    Text(&'static str),
}

const fn json<T: JsonSchema>() -> Answer {
    Answer::Json(|schemas| schemas.subschema_for::<T>())
}

const fn parameter(name: &'static str, kind: &'static str, help: &'static str) -> Parameter {
    Parameter {
        name,
        place: "query",
        kind,
        required: false,
        help,
    }
}

const LIMIT: Parameter = parameter("limit", "integer", "Most items [default: 100, at most 1000]");
const SYNC: Parameter = parameter("sync", "string", "Only this sync");

/// How to follow a run that is asked for.
const FOLLOWING: &[Parameter] = &[
    parameter(
        "wait",
        "string",
        "`true`, or how long to wait for the run to end, such as `30s` [default: not at all, at most 1h]",
    ),
    Parameter {
        place: "header",
        ..parameter(
            "Idempotency-Key",
            "string",
            "A key of yours: for a day, a second call with it follows the same run",
        )
    },
];

const FOLLOWED: &[(u16, &str, Answer)] = &[
    (200, "The run ended", json::<answers::Triggered>()),
    (
        202,
        "It waits for its turn, or runs",
        json::<answers::Triggered>(),
    ),
];

/// A route that looks at something.
const fn look(
    name: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    answers: &'static [(u16, &'static str, Answer)],
    handler: fn() -> MethodRouter<Arc<App>>,
) -> Route {
    Route {
        name,
        method: Verb::Get,
        path,
        need: Need::Role(Role::Viewer),
        summary,
        parameters,
        body: None,
        answers,
        refusals: &[],
        time: Time::Limited(PROMPT),
        handler,
    }
}

/// A route that does something to a sync.
const fn act(
    name: &'static str,
    path: &'static str,
    summary: &'static str,
    answers: &'static [(u16, &'static str, Answer)],
    handler: fn() -> MethodRouter<Arc<App>>,
) -> Route {
    Route {
        method: Verb::Post,
        need: Need::Role(Role::Operator),
        refusals: &[409],
        ..look(name, path, summary, &[], answers, handler)
    }
}

/// The list.
pub(super) const ROUTES: &[Route] = &[
    Route {
        need: Need::Nothing,
        ..look(
            "live",
            "/health/live",
            "Whether the process lives",
            &[],
            &[(200, "It does", json::<answers::Health>())],
            || get(health::live),
        )
    },
    Route {
        need: Need::Nothing,
        ..look(
            "ready",
            "/health/ready",
            "Whether the daemon works",
            &[],
            &[
                (200, "It does", json::<answers::Health>()),
                (503, "It is stopping or stuck", json::<answers::Health>()),
            ],
            || get(health::ready),
        )
    },
    look(
        "metrics",
        "/metrics",
        "Metrics for Prometheus",
        &[],
        &[(200, "The metrics", Answer::Text("text/plain"))],
        || get(metrics::metrics),
    ),
    look(
        "openapi",
        "/api/v1/openapi.json",
        "This description",
        &[],
        &[(
            200,
            "The OpenAPI document",
            json::<serde_json::Map<String, serde_json::Value>>(),
        )],
        || get(openapi::document),
    ),
    look(
        "syncs",
        "/api/v1/syncs",
        "Every sync: how it stands and what comes next",
        &[],
        &[(200, "The syncs", json::<answers::Syncs>())],
        || get(reading::syncs),
    ),
    look(
        "sync",
        "/api/v1/syncs/{sync}",
        "One sync",
        &[],
        &[(200, "The sync", json::<answers::Sync>())],
        || get(reading::sync),
    ),
    look(
        "runs_of_sync",
        "/api/v1/syncs/{sync}/runs",
        "Past runs of a sync, the newest first",
        &[LIMIT],
        &[(200, "The runs", json::<answers::Runs>())],
        || get(reading::runs_of_sync),
    ),
    look(
        "rejects_of_sync",
        "/api/v1/syncs/{sync}/rejects",
        "Open rejects of a sync",
        &[LIMIT],
        &[(200, "The rejects", json::<answers::Rejects>())],
        || get(reading::rejects_of_sync),
    ),
    look(
        "explain",
        "/api/v1/syncs/{sync}/explain",
        "What is known of one row, and why it was or was not sent",
        &[Parameter {
            required: true,
            ..parameter(
                "key",
                "string",
                "The row's key; parts of a composite key are joined by `/`",
            )
        }],
        &[(200, "What is known", json::<Explanation>())],
        || get(reading::explain),
    ),
    Route {
        refusals: &[404],
        ..look(
            "runs",
            "/api/v1/runs",
            "Past runs, the newest first",
            &[SYNC, LIMIT],
            &[(200, "The runs", json::<answers::Runs>())],
            || get(reading::runs),
        )
    },
    look(
        "run",
        "/api/v1/runs/{run}",
        "One run",
        &[],
        &[(200, "The run", json::<Run>())],
        || get(reading::run),
    ),
    Route {
        refusals: &[404],
        ..look(
            "rejects",
            "/api/v1/rejects",
            "Open rejects",
            &[SYNC, LIMIT],
            &[(200, "The rejects", json::<answers::Rejects>())],
            || get(reading::rejects),
        )
    },
    Route {
        time: Time::Endless,
        ..look(
            "events",
            "/api/v1/events",
            "Live progress as server-sent events: `progress` with the runs under way, `ended` with a run's result",
            &[],
            &[(
                200,
                "Events, until either side ends them",
                Answer::Text("text/event-stream"),
            )],
            || get(events::events),
        )
    },
    Route {
        need: Need::Role(Role::Operator),
        refusals: &[409, 422, 502],
        time: Time::Limited(PATIENT),
        ..look(
            "plan",
            "/api/v1/syncs/{sync}/plan",
            "What a run would do; reads the model and writes nothing",
            &[parameter(
                "limit",
                "integer",
                "Most rows shown [default: 100, at most 1000]",
            )],
            &[(200, "The plan", json::<answers::Plan>())],
            || get(plan::plan),
        )
    },
    Route {
        parameters: FOLLOWING,
        refusals: &[409, 422],
        time: Time::Limited(WAITING),
        ..act(
            "trigger",
            "/api/v1/syncs/{sync}/trigger",
            "Run a sync as soon as it may; one that runs now runs once more afterwards",
            FOLLOWED,
            || post(control::trigger),
        )
    },
    Route {
        parameters: FOLLOWING,
        body: Some(|schemas| schemas.subschema_for::<rows::RowsAsked>()),
        refusals: &[409, 413, 422, 429],
        time: Time::Limited(WAITING),
        ..act(
            "rows",
            "/api/v1/syncs/{sync}/rows",
            "Bring some rows up to date at once; calls that come close together are one run",
            FOLLOWED,
            || post(rows::rows),
        )
    },
    act(
        "pause",
        "/api/v1/syncs/{sync}/pause",
        "Start no more runs of a sync until it is resumed, over restarts too; a run under way goes on",
        &[(200, "It is paused", json::<answers::Done>())],
        || post(control::pause),
    ),
    act(
        "resume",
        "/api/v1/syncs/{sync}/resume",
        "End a sync's pause; a time that passed meanwhile runs once",
        &[(200, "It is not paused", json::<answers::Done>())],
        || post(control::resume),
    ),
    act(
        "cancel",
        "/api/v1/syncs/{sync}/cancel",
        "Stop a sync's run; what is in flight settles, and the next time runs as ever",
        &[(200, "It stops", json::<answers::Done>())],
        || post(control::cancel),
    ),
    act(
        "retry_rejects",
        "/api/v1/syncs/{sync}/rejects/retry",
        "Have the next run try again what failed; rows refused for consent and events in doubt stay as they are",
        &[(200, "They are", json::<answers::Retried>())],
        || post(reading::retry_rejects),
    ),
    Route {
        need: Need::Role(Role::Admin),
        refusals: &[],
        ..act(
            "reload",
            "/api/v1/reload",
            "Read the project's files again; with errors in them, what ran before goes on",
            &[
                (200, "They are in force", json::<answers::Reloaded>()),
                (422, "They have errors", json::<answers::Reloaded>()),
            ],
            || post(control::reload),
        )
    },
    Route {
        need: Need::Signature,
        refusals: &[401, 409, 413],
        ..act(
            "hook",
            "/hooks/{hook}",
            "A signed call from outside that starts the hook's syncs",
            &[(200, "It was taken", json::<answers::Taken>())],
            || post(hook::call),
        )
    },
];

/// Serves the list.
pub(super) fn router(app: Arc<App>) -> Router {
    let mut router: Router<Arc<App>> = Router::new();
    for route in ROUTES {
        let mut handler = (route.handler)();
        if let Need::Role(role) = route.need {
            let guard = middleware::from_fn_with_state((Arc::clone(&app), role), access::guard);
            handler = handler.layer(guard);
        }
        if let Time::Limited(time) = route.time {
            let late = StatusCode::SERVICE_UNAVAILABLE;
            handler = handler.layer(TimeoutLayer::with_status_code(late, time));
        }
        router = router.route(route.path, handler);
    }
    router
        .merge(pages::router(&app))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(careful))
        .with_state(app)
}

async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "no_such_path", "nothing is served here")
        .hint("GET /api/v1/openapi.json describes what is")
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this is served under another method",
    )
}

/// Headers every answer has: nothing of it is kept, guessed at, or shown inside another page.
async fn careful(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await.into_response();
    let headers: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
