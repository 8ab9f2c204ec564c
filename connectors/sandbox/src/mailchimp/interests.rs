//! Interests and their categories: `/lists/{id}/interest-categories`.

use hyper::Method;
use serde_json::{Value, json};

use super::audience::{Audience, Category, Interest};
use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::problem::Problem;

fn kind(text: &str) -> Option<String> {
    ["checkboxes", "dropdown", "radio", "hidden"]
        .contains(&text)
        .then(|| text.to_owned())
}

fn category_view(call: &Call<'_>, audience: &Audience, category: &Category) -> Value {
    let mut view = json!({
        "list_id": audience.id,
        "id": category.id,
        "title": category.title,
        "display_order": category.display_order,
        "type": category.kind,
    });
    let path = format!("/lists/{}/interest-categories/{}", audience.id, category.id);
    if let Some(links) = call.links().own(&path) {
        view["_links"] = json!(links);
    }
    view
}

/// The count of subscribers is a string, as the vendor's description has it.
fn interest_view(call: &Call<'_>, audience: &Audience, interest: &Interest) -> Value {
    let subscribers = audience
        .members()
        .filter(|member| member.interests.contains(&interest.id))
        .count();
    let mut view = json!({
        "category_id": interest.category,
        "list_id": audience.id,
        "id": interest.id,
        "name": interest.name,
        "subscriber_count": subscribers.to_string(),
        "display_order": interest.display_order,
    });
    let path = format!(
        "/lists/{}/interest-categories/{}/interests/{}",
        audience.id, interest.category, interest.id
    );
    if let Some(links) = call.links().own(&path) {
        view["_links"] = json!(links);
    }
    view
}

/// `GET|POST …/interest-categories`.
pub(super) fn categories(call: &Call<'_>, list: &str) -> Handled {
    let mut state = call.account.state();
    let id = state.short_id();
    let audience = state.audience(list)?;
    match call.method {
        Method::GET => {
            let wanted = call.query.get("type");
            let found: Vec<&Category> = audience
                .categories
                .iter()
                .filter(|category| wanted.as_ref().is_none_or(|wanted| category.kind == *wanted))
                .collect();
            let total = found.len();
            let page = call.query.page(&call.account.options)?;
            let views: Vec<Value> = page
                .of(found)
                .into_iter()
                .map(|category| category_view(call, audience, category))
                .collect();
            Ok(Reply::ok(&json!({
                "list_id": audience.id, "categories": views, "total_items": total,
            })))
        }
        Method::POST => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let title = reader.needed("title").unwrap_or_default().to_owned();
            reader.needed("type");
            let kind = reader.word("type", kind).unwrap_or_default();
            let display_order = reader.whole("display_order").unwrap_or_default();
            reader.finish()?;
            if audience.categories.iter().any(|category| category.title == title) {
                return Err(Problem::bad_request(format!(
                    "Cannot add \"{title}\" because it already exists on the list."
                )));
            }
            let category = Category {
                id,
                title,
                kind,
                display_order,
            };
            let view = category_view(call, audience, &category);
            audience.categories.push(category);
            Ok(Reply::ok(&view))
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// `GET|PATCH|DELETE …/interest-categories/{id}`.
pub(super) fn category(call: &Call<'_>, list: &str, id: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let position = position(audience, id)?;
    match call.method {
        Method::GET => {}
        Method::PATCH => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let title = reader.text("title");
            let kind = reader.word("type", kind);
            let display_order = reader.whole("display_order");
            reader.finish()?;
            if let Some(category) = audience.categories.get_mut(position) {
                category.title = title.map_or_else(|| category.title.clone(), str::to_owned);
                category.kind = kind.unwrap_or_else(|| category.kind.clone());
                category.display_order = display_order.unwrap_or(category.display_order);
            }
        }
        Method::DELETE => {
            audience.categories.remove(position);
            let gone: Vec<String> = audience
                .interests
                .iter()
                .filter(|interest| interest.category == id)
                .map(|interest| interest.id.clone())
                .collect();
            audience.interests.retain(|interest| interest.category != id);
            audience.drop_interests(|interest| gone.iter().any(|gone| gone == interest));
            return Ok(Reply::empty());
        }
        _ => return Err(Problem::method_not_allowed("GET, PATCH, DELETE")),
    }
    let category = audience.categories.get(position).ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&category_view(call, audience, category)))
}

fn position(audience: &Audience, category: &str) -> Result<usize, Problem> {
    audience
        .categories
        .iter()
        .position(|known| known.id == category)
        .ok_or_else(Problem::not_found)
}

/// `GET|POST …/interest-categories/{category}/interests`.
pub(super) fn interests(call: &Call<'_>, list: &str, category: &str) -> Handled {
    let mut state = call.account.state();
    let id = state.short_id();
    let audience = state.audience(list)?;
    position(audience, category)?;
    match call.method {
        Method::GET => {
            let found: Vec<&Interest> = audience
                .interests
                .iter()
                .filter(|interest| interest.category == category)
                .collect();
            let total = found.len();
            let page = call.query.page(&call.account.options)?;
            let views: Vec<Value> = page
                .of(found)
                .into_iter()
                .map(|interest| interest_view(call, audience, interest))
                .collect();
            Ok(Reply::ok(&json!({
                "interests": views, "list_id": audience.id, "category_id": category, "total_items": total,
            })))
        }
        Method::POST => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let name = reader.needed("name").unwrap_or_default().to_owned();
            let display_order = reader.whole("display_order").unwrap_or_default();
            reader.finish()?;
            let same = |known: &Interest| known.category == category && known.name == name;
            if audience.interests.iter().any(same) {
                return Err(Problem::bad_request(format!(
                    "Cannot add \"{name}\" because it already exists on the list."
                )));
            }
            let interest = Interest {
                id,
                category: category.to_owned(),
                name,
                display_order,
            };
            let view = interest_view(call, audience, &interest);
            audience.interests.push(interest);
            Ok(Reply::ok(&view))
        }
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// `GET|PATCH|DELETE …/interests/{id}`.
pub(super) fn interest(call: &Call<'_>, list: &str, category: &str, id: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let position = audience
        .interests
        .iter()
        .position(|known| known.category == category && known.id == id)
        .ok_or_else(Problem::not_found)?;
    match call.method {
        Method::GET => {}
        Method::PATCH => {
            let map = call.object()?;
            let mut reader = Reader::new(&map, false);
            let name = reader.text("name");
            let display_order = reader.whole("display_order");
            reader.finish()?;
            if let Some(interest) = audience.interests.get_mut(position) {
                interest.name = name.map_or_else(|| interest.name.clone(), str::to_owned);
                interest.display_order = display_order.unwrap_or(interest.display_order);
            }
        }
        Method::DELETE => {
            audience.interests.remove(position);
            audience.drop_interests(|gone| gone == id);
            return Ok(Reply::empty());
        }
        _ => return Err(Problem::method_not_allowed("GET, PATCH, DELETE")),
    }
    let interest = audience.interests.get(position).ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&interest_view(call, audience, interest)))
}
