//! The account (`/`), the health check (`/ping`) and audiences (`/lists`).

use hyper::Method;
use serde_json::{Value, json};

use super::audience::Audience;
use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::member::{self, Status};
use super::problem::Problem;
use super::query::{iso, iso_or_empty};

/// `GET /`.
pub(super) fn root(call: &Call<'_>) -> Handled {
    get(call)?;
    let state = call.account.state();
    let subscribers: usize = state
        .audiences
        .iter()
        .map(|audience| audience.count(Status::Subscribed))
        .sum();
    Ok(Reply::ok(&json!({
        "account_id": "8d3a3db4d97663a9074efcc16",
        "login_id": "127001",
        "account_name": "Sandbox",
        "email": "owner@sandbox.tld",
        "first_name": "Sandbox",
        "last_name": "Owner",
        "username": "sandbox",
        "avatar_url": "",
        "role": "owner",
        "member_since": iso(call.account.desk.started()),
        "pricing_plan_type": "monthly",
        "first_payment": "",
        "account_timezone": "UTC",
        "account_industry": "",
        "contact": {
            "company": "Sandbox", "addr1": "", "addr2": "", "city": "", "state": "", "zip": "", "country": "",
        },
        "pro_enabled": false,
        "last_login": iso(call.account.desk.started()),
        "total_subscribers": subscribers,
        "industry_stats": { "open_rate": 0, "bounce_rate": 0, "click_rate": 0 },
    })))
}

/// `GET /ping`.
pub(super) fn ping(call: &Call<'_>) -> Handled {
    get(call)?;
    Ok(Reply::ok(&json!({ "health_status": "Everything's Chimpy!" })))
}

fn get(call: &Call<'_>) -> Result<(), Problem> {
    if call.method == Method::GET {
        Ok(())
    } else {
        Err(Problem::method_not_allowed("GET"))
    }
}

/// `GET|POST /lists`.
pub(super) fn collection(call: &Call<'_>) -> Handled {
    match call.method {
        Method::GET => {
            let state = call.account.state();
            let page = call.query.page(&call.account.options)?;
            let holder = call.query.get("email").map(|email| member::hash(&email));
            let lists: Vec<&Audience> = state
                .audiences
                .iter()
                .filter(|audience| holder.is_none_or(|hash| audience.by_hash(hash).is_some()))
                .collect();
            let total = lists.len();
            let lists: Vec<Value> = page
                .of(lists)
                .into_iter()
                .map(|audience| view(call, audience))
                .collect();
            Ok(Reply::ok(&json!({
                "lists": lists,
                "total_items": total,
                "constraints": {
                    "may_create": true,
                    "max_instances": -1,
                    "current_total_instances": state.audiences.len(),
                },
            })))
        }
        Method::POST => create(call),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

fn create(call: &Call<'_>) -> Handled {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    let name = reader.needed("name");
    reader.needed("permission_reminder");
    for key in ["contact", "campaign_defaults"] {
        if reader.value(key).is_none() {
            reader.error(key, "This value should not be blank.");
        }
        reader.object(key);
    }
    let email_type_option = reader.flag("email_type_option").unwrap_or_default();
    let double_optin = reader.flag("double_optin").unwrap_or_default();
    reader.finish()?;
    let mut state = call.account.state();
    let position = state.add_audience(name.unwrap_or_default(), call.now);
    let audience = state.audiences.get_mut(position).ok_or_else(Problem::not_found)?;
    audience.email_type_option = email_type_option;
    audience.double_optin = double_optin;
    Ok(Reply::ok(&view(call, audience)))
}

/// `GET|PATCH|DELETE /lists/{id}`; its POST is the batch subscribe.
pub(super) fn one(call: &Call<'_>, list: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    match call.method {
        Method::GET => Ok(Reply::ok(&view(call, audience))),
        Method::PATCH => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let name = reader.text("name");
            let double_optin = reader.flag("double_optin");
            let email_type_option = reader.flag("email_type_option");
            reader.finish()?;
            if let Some(name) = name {
                audience.name = name.to_owned();
            }
            audience.double_optin = double_optin.unwrap_or(audience.double_optin);
            audience.email_type_option = email_type_option.unwrap_or(audience.email_type_option);
            Ok(Reply::ok(&view(call, audience)))
        }
        Method::DELETE => {
            state.audiences.retain(|audience| audience.id != list);
            Ok(Reply::empty())
        }
        _ => Err(Problem::method_not_allowed("GET, POST, PATCH, DELETE")),
    }
}

fn view(call: &Call<'_>, audience: &Audience) -> Value {
    let opted = audience.members().filter_map(|member| member.timestamp_opt).max();
    let left = audience
        .members()
        .filter_map(|member| member.unsubscribed.as_ref())
        .map(|unsubscribed| unsubscribed.at)
        .max();
    let mut stats = json!({
        "member_count": audience.count(Status::Subscribed),
        "unsubscribe_count": audience.count(Status::Unsubscribed),
        "cleaned_count": audience.count(Status::Cleaned),
        "member_count_since_send": audience.count(Status::Subscribed),
        "unsubscribe_count_since_send": audience.count(Status::Unsubscribed),
        "cleaned_count_since_send": audience.count(Status::Cleaned),
        "campaign_count": 0,
        "campaign_last_sent": "",
        "merge_field_count": audience.fields.len(),
        "avg_sub_rate": 0,
        "avg_unsub_rate": 0,
        "target_sub_rate": 0,
        "open_rate": 0,
        "click_rate": 0,
        "last_sub_date": iso_or_empty(opted),
        "last_unsub_date": iso_or_empty(left),
    });
    if call.query.flag("include_total_contacts") {
        let total = audience
            .members()
            .filter(|member| member.status != Status::Archived)
            .count();
        stats["total_contacts"] = json!(total);
    }
    let mut list = json!({
        "id": audience.id,
        "web_id": audience.web_id,
        "name": audience.name,
        "contact": {
            "company": "Sandbox", "address1": "", "address2": "", "city": "", "state": "", "zip": "",
            "country": "", "phone": "",
        },
        "permission_reminder": "You signed up.",
        "use_archive_bar": false,
        "campaign_defaults": { "from_name": "", "from_email": "", "subject": "", "language": "en" },
        "notify_on_subscribe": "",
        "notify_on_unsubscribe": "",
        "date_created": iso(audience.created),
        "list_rating": 0,
        "email_type_option": audience.email_type_option,
        "subscribe_url_short": "",
        "subscribe_url_long": "",
        "beamer_address": "",
        "visibility": "prv",
        "double_optin": audience.double_optin,
        "has_welcome": false,
        "marketing_permissions": !audience.permissions.is_empty(),
        "modules": [],
        "stats": stats,
    });
    if let Some(links) = call.links().of(
        &format!("/lists/{}", audience.id),
        &[
            ("self", "GET", ""),
            ("update", "PATCH", ""),
            ("batch-sub-unsub-members", "POST", ""),
            ("delete", "DELETE", ""),
            ("members", "GET", "/members"),
            ("merge-fields", "GET", "/merge-fields"),
            ("interest-categories", "GET", "/interest-categories"),
            ("segments", "GET", "/segments"),
        ],
    ) {
        list["_links"] = json!(links);
    }
    list
}
