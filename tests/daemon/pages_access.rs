//! Who may look at pages, and press which buttons.

use crate::access::{command, with_tokens};
use crate::client::{Answer, Request};
use crate::pages::{form, header, leads_to, seal};
use crate::project::Project;
use crate::served::{Served, until};

const PAGES: [&str; 6] = [
    "/",
    "/syncs/customers",
    "/syncs/customers/rejects",
    "/runs/1",
    "/fields",
    "/contact",
];

const BUTTONS: [&str; 5] = [
    "/syncs/customers/run",
    "/syncs/customers/pause",
    "/syncs/customers/resume",
    "/syncs/customers/cancel",
    "/syncs/customers/rejects/retry",
];

/// A browser that keeps its cookie.
struct Browser<'s> {
    served: &'s Served,
    cookie: String,
}

impl<'s> Browser<'s> {
    /// Signs in with a token.
    #[track_caller]
    fn sign_in(served: &'s Served, token: &str) -> Self {
        let entered = enter(served, token, "/");
        assert_eq!(leads_to(&entered), "/");
        let cookie = header(&entered, "set-cookie");
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains(token), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { served, cookie }
    }

    fn send(&self, request: Request) -> Answer {
        request.header("Cookie", &self.cookie).send(self.served)
    }

    fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path))
    }

    /// Presses a button; the seal is that of the contact form, which everybody has.
    fn press(&self, path: &str) -> Answer {
        let seal = seal(&self.get("/contact").is(200));
        self.send(form(path, &[("seal", &seal)]))
    }
}

fn enter(served: &Served, token: &str, next: &str) -> Answer {
    let seal = seal(&served.get("/sign-in").is(200));
    form("/sign-in", &[("seal", &seal), ("token", token), ("next", next)]).send(served)
}

fn served_with_tokens(project: &Project) -> Served {
    with_tokens(project);
    Served::command(command(project, "127.0.0.1:0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_once_and_out_again() {
    let project = Project::new(1).await;
    let served = served_with_tokens(&project);
    assert_eq!(leads_to(&served.get("/")), "/sign-in");
    let asked = leads_to(&served.get("/syncs/customers/rejects"));
    assert_eq!(asked, "/sign-in?next=%2Fsyncs%2Fcustomers%2Frejects");
    let page = served.get(&asked).is(200);
    assert!(
        page.body
            .contains("value=\"&#x2f;syncs&#x2f;customers&#x2f;rejects\""),
        "{}",
        page.body
    );
    let entered = enter(&served, "eye-token", "/syncs/customers/rejects");
    assert_eq!(leads_to(&entered), "/syncs/customers/rejects");
    assert_eq!(leads_to(&enter(&served, "eye-token", "//evil.example")), "/");
    for wrong in ["", "unknown-token", "eye-toke"] {
        let refused = enter(&served, wrong, "/").is(401);
        assert!(
            refused.body.contains("This token is not known"),
            "{}",
            refused.body
        );
        assert!(
            !refused.headers.to_lowercase().contains("set-cookie"),
            "{}",
            refused.headers
        );
    }

    let browser = Browser::sign_in(&served, "eye-token");
    let page = browser.get("/").is(200);
    assert!(
        page.body.contains("eye, viewer") && page.body.contains("Sign out"),
        "{}",
        page.body
    );
    let out = browser.press("/sign-out");
    assert_eq!(leads_to(&out), "/sign-in");
    assert!(header(&out, "set-cookie").contains("Max-Age=0"));
    assert_eq!(leads_to(&browser.get("/")), "/sign-in", "the session is over");
    let forged = Request::get("/").header("Cookie", "outflow_session=eye-token");
    assert_eq!(leads_to(&forged.send(&served)), "/sign-in");
    let id = browser_id(&browser.cookie);
    let (_, _, log) = served.stop();
    for secret in ["eye-token", "unknown-token", &id] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

fn browser_id(cookie: &str) -> String {
    cookie.split_once('=').unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_looks_and_an_operator_presses() {
    let mut project = Project::new(1).await;
    project.add(["2", "not an address", "Person 2", "Rome", "lead"]);
    let served = served_with_tokens(&project);
    Request::post("/api/v1/syncs/customers/trigger?wait=true")
        .token("hand-token")
        .send(&served)
        .is(200);
    let [viewer, operator, admin] =
        ["eye-token", "hand-token", "head-token"].map(|token| Browser::sign_in(&served, token));
    for browser in [&viewer, &operator, &admin] {
        for path in PAGES {
            browser.get(path).is(200);
        }
    }
    for path in ["/syncs/customers", "/syncs/customers/rejects"] {
        let buttons = |browser: &Browser<'_>| {
            let body = browser.get(path).is(200).body;
            body.matches("action=\"&#x2f;syncs&#x2f;").count() + body.matches("action=\"/syncs/").count()
        };
        assert_eq!(buttons(&viewer), 0, "{path}");
        assert!(buttons(&operator) > 0, "{path}");
    }
    for path in BUTTONS {
        let refused = viewer.press(path).is(403);
        assert!(refused.body.contains("Not allowed"), "{}", refused.body);
        let status = operator.press(path).status;
        assert!(status == 303 || status == 409, "{path}: {status}");
    }
    let sync = Request::get("/api/v1/syncs/customers")
        .token("eye-token")
        .send(&served);
    assert!(sync.json()["paused"].is_null());
    operator.press("/syncs/customers/pause");
    let page = || viewer.get("/syncs/customers").is(200).body;
    until(page, || page().contains("paused by hand"));
    // The API takes tokens alone: a cookie is no way into it.
    let api = operator.send(Request::get("/api/v1/syncs"));
    assert_eq!(api.is(401).code(), "no_token");
    // Programs may look at pages with their token.
    Request::get("/fields").token("eye-token").send(&served).is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_or_without_its_seal_does_nothing() {
    let project = Project::new(1).await;
    let served = served_with_tokens(&project);
    let operator = Browser::sign_in(&served, "hand-token");
    let other = Browser::sign_in(&served, "hand-token");
    let own_seal = seal(&operator.get("/contact").is(200));
    let other_seal = seal(&other.get("/contact").is(200));
    for path in BUTTONS.into_iter().chain(["/contact", "/sign-out"]) {
        for wrong in [None, Some(""), Some("0000"), Some(other_seal.as_str())] {
            let fields: Vec<(&str, &str)> = wrong.iter().map(|seal| ("seal", *seal)).collect();
            let refused = operator.send(form(path, &fields)).is(403);
            assert!(
                refused.body.contains("out of date"),
                "{path} {wrong:?}: {}",
                refused.body
            );
        }
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let foreign = form(path, &[("seal", &own_seal)]).header(name, value);
            let refused = operator.send(foreign).is(403);
            assert!(
                refused.body.contains("another origin"),
                "{path} {name}: {}",
                refused.body
            );
        }
    }
    let sign_in_seal = seal(&served.get("/sign-in").is(200));
    let foreign = form("/sign-in", &[("seal", &sign_in_seal), ("token", "hand-token")]);
    foreign
        .header("Origin", "https://evil.example")
        .send(&served)
        .is(403);
    form("/sign-in", &[("token", "hand-token")]).send(&served).is(403);
    operator.get("/").is(200);
    let large = form("/contact", &[("seal", &own_seal), ("who", &"x".repeat(70_000))]);
    operator.send(large).is(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_token() {
    let project = Project::new(1).await;
    let before = std::fs::read_to_string(project.path("outflow.yaml")).unwrap();
    let served = served_with_tokens(&project);
    let browser = Browser::sign_in(&served, "eye-token");
    browser.get("/").is(200);
    let tokens = "http:\n  tokens:\n    head: { role: admin, token: \"${env:HEAD}\" }\n";
    project.write("outflow.yaml", &format!("{before}{tokens}"));
    Request::post("/api/v1/reload")
        .token("head-token")
        .send(&served)
        .is(200);
    assert_eq!(leads_to(&browser.get("/")), "/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_pages_are_for_this_machine_under_its_own_name() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    served.post("/api/v1/syncs/customers/trigger?wait=true").is(200);
    for path in PAGES {
        let page = served.get(path).is(200);
        assert!(!page.body.contains("Sign out"), "there is no session to end");
        let rebound = Request::get(path).header("Host", "evil.example");
        let refused = rebound.send(&served).is(403);
        assert!(
            refused.body.contains("only localhost is a name"),
            "{}",
            refused.body
        );
    }
    assert_eq!(leads_to(&served.get("/sign-in")), "/");
    assert_eq!(served.stop().0, Some(0));

    let open = Served::command(command(&project, "0.0.0.0:0"));
    until(|| open.log(), || open.log().contains("only health is told"));
    for path in PAGES.into_iter().chain(["/live"]) {
        let refused = open.get(path).is(403);
        assert!(refused.body.contains("no tokens are set"), "{}", refused.body);
    }
    form("/syncs/customers/run", &[]).send(&open).is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_load_nothing_but_our_style_and_script() {
    let project = Project::new(1).await;
    let served = Served::start(&project, &[]);
    served.post("/api/v1/syncs/customers/trigger?wait=true").is(200);
    for path in PAGES.into_iter().chain(["/runs/99"]) {
        let page = served.get(path);
        assert_eq!(
            header(&page, "content-security-policy"),
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "{path}"
        );
        assert_eq!(header(&page, "cache-control"), "no-store");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert_eq!(header(&page, "referrer-policy"), "same-origin");
        assert!(header(&page, "content-type").starts_with("text/html"));
        for asset in page.body.split("\"/assets/").skip(1) {
            let name = asset.split('"').next().unwrap();
            let found = served.get(&format!("/assets/{name}")).is(200);
            assert!(header(&found, "cache-control").contains("immutable"));
        }
    }
    served.get("/assets/other.css").is(404);
}
