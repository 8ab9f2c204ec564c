//! Merge fields: `/lists/{id}/merge-fields`.

use hyper::Method;
use serde::Serialize;

use super::audience::Audience;
use super::body::Reader;
use super::call::{Call, Handled, Reply};
use super::merge_field::{MergeField, MergeOptions, MergeType};
use super::options::BadTag;
use super::problem::Problem;
use super::render::{Link, Links};

/// Most characters of a tag.
const TAG: usize = 10;
/// Most bytes of a name.
const NAME: usize = 50;

#[derive(Serialize)]
struct View<'a> {
    merge_id: u32,
    tag: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: MergeType,
    required: bool,
    default_value: &'a str,
    public: bool,
    display_order: u64,
    options: &'a MergeOptions,
    help_text: &'a str,
    list_id: &'a str,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
}

impl<'a> View<'a> {
    fn new(audience: &'a Audience, field: &'a MergeField, links: Links<'_>) -> Self {
        let path = format!("/lists/{}/merge-fields/{}", audience.id, field.merge_id);
        Self {
            merge_id: field.merge_id,
            tag: &field.tag,
            name: &field.name,
            kind: field.kind,
            required: field.required,
            default_value: &field.default_value,
            public: field.public,
            display_order: field.display_order,
            options: &field.options,
            help_text: &field.help_text,
            list_id: &audience.id,
            links: links.of(
                &path,
                &[
                    ("self", "GET", ""),
                    ("update", "PATCH", ""),
                    ("delete", "DELETE", ""),
                ],
            ),
        }
    }
}

#[derive(Serialize)]
struct Collection<'a> {
    merge_fields: Vec<View<'a>>,
    list_id: &'a str,
    total_items: usize,
    merge_field_limit: usize,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
}

/// `GET|POST /lists/{id}/merge-fields`.
pub(super) fn collection(call: &Call<'_>, list: &str) -> Handled {
    match call.method {
        Method::GET => read_all(call, list),
        Method::POST => create(call, list),
        _ => Err(Problem::method_not_allowed("GET, POST")),
    }
}

/// The collection is in order of tags, not of ids.
fn read_all(call: &Call<'_>, list: &str) -> Handled {
    let mut state = call.account.state();
    let audience = &*state.audience(list)?;
    let page = call.query.page(&call.account.options)?;
    let kind = call.query.get("type");
    let kind = kind.as_deref().map(MergeType::parse);
    let required = call.query.get("required").map(|_| call.query.flag("required"));
    let mut fields: Vec<&MergeField> = audience
        .fields
        .iter()
        .filter(|field| kind.is_none_or(|wanted| wanted == Some(field.kind)))
        .filter(|field| required.is_none_or(|wanted| wanted == field.required))
        .collect();
    fields.sort_by(|one, other| one.tag.cmp(&other.tag));
    Ok(Reply::ok(&Collection {
        total_items: fields.len(),
        merge_fields: page
            .of(fields)
            .into_iter()
            .map(|field| View::new(audience, field, call.links()))
            .collect(),
        list_id: &audience.id,
        merge_field_limit: call.account.options.merge_field_limit,
        links: call.links().own(&format!("/lists/{list}/merge-fields")),
    }))
}

fn create(call: &Call<'_>, list: &str) -> Handled {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    let name = reader.needed("name");
    reader.needed("type");
    let kind = reader.word("type", MergeType::parse).unwrap_or_default();
    let tag = reader.text("tag").filter(|tag| !tag.is_empty());
    let mut field = MergeField {
        kind,
        public: false,
        ..MergeField::default()
    };
    read_common(&mut reader, &mut field, true);
    if kind.has_choices() && field.options.choices.as_ref().is_none_or(Vec::is_empty) {
        reader.error(
            "options.choices",
            "This collection should contain 1 element or more.",
        );
    }
    if name.is_some_and(|name| name.len() > NAME) {
        reader.error(
            "name",
            "This value is too long. It should have 50 characters or less.",
        );
    }
    reader.finish()?;
    field.options.fill(kind);
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    if audience.fields.len() >= call.account.options.merge_field_limit {
        return Err(Problem::bad_request(
            "This list has reached its limit of merge fields.",
        ));
    }
    field.merge_id = audience.next_merge_id;
    field.tag = match tag {
        Some(tag) => sound_tag(tag, call.account.options.bad_tag)?,
        None => format!("MMERGE{}", field.merge_id),
    };
    if field.display_order == 0 {
        field.display_order = u64::from(field.merge_id) + 1;
    }
    free_tag(audience, &field.tag, None)?;
    audience.next_merge_id += 1;
    audience.fields.push(field);
    let field = audience.fields.last().ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&View::new(audience, field, call.links())))
}

/// What POST and PATCH have in common.
fn read_common(reader: &mut Reader<'_>, field: &mut MergeField, new: bool) {
    if let Some(name) = reader.text("name") {
        field.name = name.to_owned();
    }
    if let Some(required) = reader.flag("required") {
        field.required = required;
    }
    if let Some(default_value) = reader.text("default_value") {
        field.default_value = default_value.to_owned();
    }
    if let Some(public) = reader.flag("public") {
        field.public = public;
    }
    if let Some(display_order) = reader.whole("display_order") {
        field.display_order = display_order;
    }
    if let Some(help_text) = reader.text("help_text") {
        field.help_text = help_text.to_owned();
    }
    let Some(sent) = reader.object("options") else {
        return;
    };
    let mut inner = Reader::new(sent, false);
    let options = &mut field.options;
    if let Some(choices) = inner.texts("choices") {
        options.choices = Some(choices.into_iter().map(str::to_owned).collect());
    }
    let formats = |text: &str| {
        ["MM/DD/YYYY", "DD/MM/YYYY", "MM/DD", "DD/MM"]
            .contains(&text)
            .then(|| text.to_owned())
    };
    if let Some(format) = inner.word("date_format", formats) {
        options.date_format = Some(format);
    }
    if let Some(format) = inner.word("phone_format", |text| {
        ["US", "none"].contains(&text).then(|| text.to_owned())
    }) {
        options.phone_format = Some(format);
    }
    if let Some(country) = inner.whole("default_country") {
        options.default_country = Some(country);
    }
    if let Some(size) = inner.whole("size").filter(|_| new) {
        options.size = Some(size);
    }
    for error in inner.errors {
        reader.error(&format!("options.{}", error.field), error.message);
    }
}

/// The tag a field gets when this one is asked for.
fn sound_tag(tag: &str, bad_tag: BadTag) -> Result<String, Problem> {
    let sound: String = tag
        .chars()
        .map(|letter| letter.to_ascii_uppercase())
        .filter(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || *letter == '_')
        .take(TAG)
        .collect();
    if sound.is_empty() || (bad_tag == BadTag::Refuse && sound != tag) {
        return Err(Problem::field(
            "tag",
            "A tag has at most 10 upper-case letters, digits and underscores.",
        ));
    }
    Ok(sound)
}

/// No two fields have one tag, and none has that of the address.
fn free_tag(audience: &Audience, tag: &str, own: Option<u32>) -> Result<(), Problem> {
    let taken = audience
        .fields
        .iter()
        .any(|field| field.tag == tag && Some(field.merge_id) != own);
    if taken || tag == "EMAIL" {
        return Err(Problem::invalid(format!(
            "A Merge Field with the tag \"{tag}\" already exists for this list."
        )));
    }
    Ok(())
}

/// `GET|PATCH|DELETE /lists/{id}/merge-fields/{merge_id}`.
pub(super) fn one(call: &Call<'_>, list: &str, id: &str) -> Handled {
    let mut state = call.account.state();
    let audience = state.audience(list)?;
    let id: u32 = id.parse().map_err(|_| Problem::not_found())?;
    let position = audience
        .fields
        .iter()
        .position(|field| field.merge_id == id)
        .ok_or_else(Problem::not_found)?;
    match call.method {
        Method::GET => {}
        Method::PATCH => patch(call, audience, position)?,
        Method::DELETE => {
            audience.fields.remove(position);
            audience.drop_values(id);
            return Ok(Reply::empty());
        }
        _ => return Err(Problem::method_not_allowed("GET, PATCH, DELETE")),
    }
    let field = audience.fields.get(position).ok_or_else(Problem::not_found)?;
    Ok(Reply::ok(&View::new(audience, field, call.links())))
}

/// Changes all but the type and the width.
fn patch(call: &Call<'_>, audience: &mut Audience, position: usize) -> Result<(), Problem> {
    let map = call.object()?;
    let mut reader = Reader::new(&map, false);
    let mut field = audience
        .fields
        .get(position)
        .cloned()
        .ok_or_else(Problem::not_found)?;
    read_common(&mut reader, &mut field, false);
    let tag = reader.text("tag").filter(|tag| !tag.is_empty());
    reader.finish()?;
    field.options.fill(field.kind);
    if let Some(tag) = tag {
        field.tag = sound_tag(tag, call.account.options.bad_tag)?;
        free_tag(audience, &field.tag, Some(field.merge_id))?;
    }
    if let Some(place) = audience.fields.get_mut(position) {
        *place = field;
    }
    Ok(())
}
