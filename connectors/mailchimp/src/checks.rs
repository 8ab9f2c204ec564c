//! Where a mapping does not fit the audience. Everything here is found before the first row.

use std::collections::HashSet;

use outflow_sdk::destination::{FieldProblem, FieldType, MappedField, Mode, ObjectSpec, Removed};

use crate::capabilities::MATCH;
use crate::config::MappingOptions;
use crate::groups::{Segment, fold};
use crate::merge_fields::{MergeField, is_tag};
use crate::target::{BoundField, Kind, Plain, RESERVED};
use crate::values::MergeKind;

/// How alike two names must be to suggest one for the other.
const ALIKE: f64 = 0.8;

pub(crate) fn error(field: Option<&str>, code: &'static str, message: String, hint: &str) -> FieldProblem {
    FieldProblem {
        field: field.map(str::to_owned),
        code,
        message,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
        warning: false,
    }
}

pub(crate) fn warning(field: Option<&str>, code: &'static str, message: String, hint: &str) -> FieldProblem {
    FieldProblem {
        warning: true,
        ..error(field, code, message, hint)
    }
}

/// A mapped merge field the audience does not have. `creates` says that the mapping creates those.
pub(crate) fn missing_merge_field(tag: &str, known: &[MergeField], creates: bool) -> FieldProblem {
    if tag == "EMAIL" {
        return error(
            Some(tag),
            "unknown_field",
            "the address is no merge field".into(),
            "map it as `email_address`",
        );
    }
    if let Some(suggestion) = suggestion(tag, known).filter(|_| !(creates && is_tag(tag))) {
        return error(
            Some(tag),
            "unknown_field",
            format!("the audience has no merge field `{tag}`"),
            &format!("did you mean `{suggestion}`?"),
        );
    }
    if !is_tag(tag) {
        return error(
            Some(tag),
            "invalid_field_name",
            format!("`{tag}` is no merge tag"),
            "merge tags have at most 10 characters: upper-case letters, digits and underscores",
        );
    }
    if creates {
        return warning(
            Some(tag),
            "field_to_create",
            format!("the audience has no merge field `{tag}`; it will be created"),
            "",
        );
    }
    error(
        Some(tag),
        "unknown_field",
        format!("the audience has no merge field `{tag}`"),
        "create it in Mailchimp, or let Outflow do so with `create_fields: true`",
    )
}

fn suggestion<'a>(name: &str, known: &'a [MergeField]) -> Option<&'a str> {
    let by_name = known
        .iter()
        .find(|field| field.tag.eq_ignore_ascii_case(name) || field.name.eq_ignore_ascii_case(name))
        .map(|field| field.tag.as_str());
    let likeness = |other: &'a str| {
        let upper = strsim::jaro_winkler(&name.to_uppercase(), &other.to_uppercase());
        (upper, other)
    };
    let reserved = RESERVED.iter().copied();
    let tags = known.iter().map(|field| field.tag.as_str());
    by_name.or_else(|| {
        tags.chain(reserved)
            .map(likeness)
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .map(|(_, other)| other)
    })
}

/// Values whose type does not suit the field.
pub(crate) fn value_type(field: &MappedField, kind: &Kind) -> Option<FieldProblem> {
    use FieldType::{Bool, Choices, Date, Membership, Number, Text, Timestamp};
    let given = field.value_type?;
    let dates = matches!(given, Date | Timestamp);
    let (takes, hint, suits) = match kind {
        Kind::Email => ("e-mail addresses", "map a text column", given == Text),
        Kind::Status => (
            "a status (subscribed, unsubscribed, …) or true and false",
            "map a text or boolean column",
            matches!(given, Text | Bool),
        ),
        Kind::Tags | Kind::Interests(_) => ("lists", "use `as: list`", matches!(given, Choices | Text)),
        Kind::Tag(_)
        | Kind::Interest(_)
        | Kind::Segment(_)
        | Kind::Permission(_)
        | Kind::Plain(Plain::Vip) => (
            "true or false",
            "use `as: boolean`",
            matches!(given, Bool | Membership),
        ),
        Kind::Merge(MergeKind::Number) | Kind::Plain(Plain::Latitude | Plain::Longitude) => {
            ("numbers", "use `as: number`", given == Number)
        }
        Kind::Merge(MergeKind::Date) => ("dates", "use `as: date`", dates),
        Kind::Merge(MergeKind::Birthday) => (
            "a month and a day (MM/DD)",
            "use `as: date`; the year is left out",
            dates || given == Text,
        ),
        Kind::Merge(MergeKind::Address) => (
            "addresses: objects with addr1, city, state and zip",
            "build one in the model and use `as: json`",
            given == Text,
        ),
        Kind::Plain(Plain::TimestampOpt | Plain::TimestampSignup) => {
            ("instants", "use `as: timestamp`", dates)
        }
        Kind::Merge(MergeKind::Text | MergeKind::Choice(_) | MergeKind::Zip | MergeKind::Phone { .. }) => {
            return None;
        }
        Kind::Merge(MergeKind::Url) | Kind::Plain(_) => ("text", "use `as: text`", given == Text),
    };
    if suits {
        return None;
    }
    let name = field.name.as_str();
    // Text may hold the right thing; then it is up to each row.
    if given == Text {
        let message = format!("`{name}` takes {takes}; rows whose text is something else will be rejected");
        return Some(warning(Some(name), "text_values", message, hint));
    }
    let message = format!("`{name}` takes {takes}, not {}", plural(given));
    Some(error(Some(name), "type_mismatch", message, hint))
}

fn plural(value_type: FieldType) -> &'static str {
    match value_type {
        FieldType::Text => "text",
        FieldType::Number => "numbers",
        FieldType::Bool | FieldType::Membership => "booleans",
        FieldType::Date => "dates",
        FieldType::Timestamp => "instants",
        FieldType::Choice | FieldType::Choices => "lists",
    }
}

/// A segment that does not exist, or whose members are chosen by conditions.
pub(crate) fn segment(
    name: &str,
    wanted: &str,
    found: Option<&Segment>,
    creates: bool,
) -> Option<FieldProblem> {
    match found {
        Some(segment) if segment.is_static() => None,
        Some(_) => Some(error(
            Some(name),
            "dynamic_segment",
            format!("segment `{wanted}` chooses its members by conditions, so none can be added or removed"),
            "name a static segment, or use a tag: `tag:NAME`",
        )),
        None if creates && !wanted.is_empty() => Some(warning(
            Some(name),
            "field_to_create",
            format!("the audience has no segment `{wanted}`; it will be created"),
            "",
        )),
        None => Some(error(
            Some(name),
            "unknown_segment",
            format!("the audience has no segment `{wanted}`"),
            "create a static segment in Mailchimp, or let Outflow do so with `create_fields: true`",
        )),
    }
}

/// Names this audience does not know, for the hint: at most ten.
pub(crate) fn unknown_name(
    field: &str,
    code: &'static str,
    what: &str,
    known: impl Iterator<Item = String>,
) -> FieldProblem {
    let known: Vec<String> = known.take(10).map(|name| format!("`{name}`")).collect();
    let hint = if known.is_empty() {
        format!("the audience has no {what} at all")
    } else {
        format!("it has {}", known.join(", "))
    };
    error(
        Some(field),
        code,
        format!("the audience has no such {what}: `{field}`"),
        &hint,
    )
}

/// What concerns the mapping as a whole.
pub(crate) fn mapping(
    spec: &ObjectSpec,
    options: &MappingOptions,
    fields: &[BoundField],
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if spec.match_fields.len() != 1 || spec.match_fields.first().map(String::as_str) != Some(MATCH) {
        let message = "members are matched by their e-mail address".to_owned();
        problems.push(error(
            None,
            "match_not_unique",
            message,
            "write `match: email_address`",
        ));
    } else if !fields.iter().any(|field| field.kind == Kind::Email) {
        problems.push(error(
            None,
            "match_not_mapped",
            format!("`match: {MATCH}` is not among the mapped fields"),
            "map a column to `email_address` under `fields:`",
        ));
    }
    if spec.mode != Mode::Update && options.status_if_new.is_none() {
        problems.push(error(
            None,
            "status_if_new_missing",
            "this sync can create members, so it must say what consent they have".into(),
            "set `status_if_new:` to subscribed, pending, transactional or unsubscribed, or use `mode: update`",
        ));
    }
    if spec.removed == Some(Removed::Delete) && !options.yes_delete_permanently {
        problems.push(error(
            None,
            "delete_not_confirmed",
            "`removed: delete` deletes people for good: they can never be imported again".into(),
            "use `removed: archive`, or confirm with `yes_delete_permanently: true`",
        ));
    }
    if spec.removed == Some(Removed::Clear)
        && fields
            .iter()
            .all(|field| matches!(field.kind, Kind::Email | Kind::Status))
    {
        problems.push(error(
            None,
            "nothing_to_write",
            "nothing but the address and the consent is mapped, so there is nothing to clear".into(),
            "map another field",
        ));
    }
    problems.extend(tags(options, fields));
    problems.extend(overlaps(fields));
    problems.extend(location(fields));
    problems
}

fn tags(options: &MappingOptions, fields: &[BoundField]) -> Option<FieldProblem> {
    let list = fields.iter().find(|field| field.kind == Kind::Tags);
    match list {
        Some(list) if options.owned_tags.is_empty() => Some(warning(
            Some(&list.name),
            "tags_only_added",
            "tags that leave the `tags` column stay on the member: the sync does not know whose they are"
                .into(),
            "list the tags that belong to this sync in `owned_tags:`, or map them one by one as `tag:NAME`",
        )),
        None if !options.owned_tags.is_empty() => Some(error(
            None,
            "owned_tags_unused",
            "`owned_tags` belongs to the field `tags`, which is not mapped".into(),
            "map a list column to `tags`, or remove `owned_tags`",
        )),
        _ => None,
    }
}

/// Two fields that write one thing.
fn overlaps(fields: &[BoundField]) -> Vec<FieldProblem> {
    let mut seen: HashSet<(&'static str, String)> = HashSet::new();
    let mut problems = Vec::new();
    for field in fields {
        let things: Vec<(&'static str, String)> = match &field.kind {
            Kind::Tag(name) => vec![("tag", fold(name))],
            Kind::Interest(id) => vec![("interest", id.clone())],
            Kind::Interests(all) => all
                .iter()
                .map(|interest| ("interest", interest.id.clone()))
                .collect(),
            Kind::Segment(id) => vec![("segment", id.clone())],
            Kind::Permission(id) => vec![("permission", id.clone())],
            _ => continue,
        };
        // What does not exist has no id, and is a problem already.
        let mut things = things.into_iter().filter(|(_, id)| !id.is_empty());
        if things.any(|thing| !seen.insert(thing)) {
            problems.push(error(
                Some(&field.name),
                "overlapping_fields",
                format!(
                    "`{}` writes what another field of this mapping writes",
                    field.name
                ),
                "map each tag, interest, segment and permission once",
            ));
        }
    }
    problems
}

fn location(fields: &[BoundField]) -> Option<FieldProblem> {
    let has = |plain: Plain| fields.iter().any(|field| field.kind == Kind::Plain(plain));
    let (missing, given) = match (has(Plain::Latitude), has(Plain::Longitude)) {
        (true, false) => ("longitude", "latitude"),
        (false, true) => ("latitude", "longitude"),
        _ => return None,
    };
    Some(error(
        Some(given),
        "half_a_location",
        format!("`{given}` needs `{missing}` beside it"),
        "map both, or neither",
    ))
}

#[cfg(test)]
mod tests;
