//! Where a mapping does not fit what the account has. Everything here is found before the first row.

use outflow_sdk::destination::{FieldProblem, FieldType, MappedField, Mode, ObjectSpec, Removed};

use crate::capabilities::{ObjectType, RECORD_ID};
use crate::lists::{FIELD_PREFIX, List};
use crate::properties::{Property, is_internal_name};
use crate::values::Kind;

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

/// A mapped field the object does not have. `creates` says that the mapping creates missing fields.
pub(crate) fn missing_property(
    object: &ObjectType,
    name: &str,
    known: &[Property],
    creates: bool,
) -> FieldProblem {
    let nearest = closest(name, known.iter().map(|property| property.name.as_str()));
    let by_label = known
        .iter()
        .find(|property| property.label.eq_ignore_ascii_case(name))
        .map(|property| property.name.as_str());
    if creates && !is_internal_name(name) {
        return error(
            Some(name),
            "invalid_field_name",
            format!("a HubSpot property cannot be called `{name}`"),
            "use lower-case letters, digits and underscores, beginning with a letter",
        );
    }
    if creates {
        return warning(
            Some(name),
            "field_to_create",
            format!("{} has no property `{name}`; it will be created", object.name),
            "",
        );
    }
    let hint = match by_label.or(nearest) {
        Some(other) => format!("did you mean `{other}`?"),
        None => "create it in HubSpot, or let Outflow do so with `create_fields: true`".to_owned(),
    };
    error(
        Some(name),
        "unknown_field",
        format!("{} has no property `{name}`", object.name),
        &hint,
    )
}

fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, other)| other)
}

/// A property that cannot be written, or not with these values.
pub(crate) fn property(
    field: &MappedField,
    property: &Property,
    kind: &Kind,
    is_key: bool,
) -> Option<FieldProblem> {
    let name = field.name.as_str();
    if let Some(reason) = property.unwritable()
        && !(is_key && name == RECORD_ID)
    {
        return Some(error(
            Some(name),
            "read_only_field",
            format!("`{name}` cannot be written: {reason}"),
            "leave it out of the mapping",
        ));
    }
    value_type(field, kind)
}

/// Values whose type does not suit the field.
pub(crate) fn value_type(field: &MappedField, kind: &Kind) -> Option<FieldProblem> {
    use FieldType::{Bool, Choices, Date, Membership, Number, Text, Timestamp};
    let given = field.value_type?;
    let (takes, hint) = match kind {
        Kind::Text => return None,
        Kind::Email => ("e-mail addresses", "map a text column"),
        Kind::Number => ("numbers", "use `as: number`"),
        Kind::Bool | Kind::Membership => ("true or false", "use `as: boolean`"),
        Kind::Date => ("dates", "use `as: date`"),
        Kind::DateTime => ("instants", "use `as: timestamp`"),
        Kind::Choice(_) => ("one of its options", "use `as: text`"),
        Kind::Choices(_) => ("some of its options", "use `as: list`"),
    };
    let suits = match kind {
        Kind::Text => true,
        Kind::Email => given == Text,
        Kind::Number => given == Number,
        Kind::Bool | Kind::Membership => matches!(given, Bool | Membership),
        Kind::Date | Kind::DateTime => matches!(given, Date | Timestamp),
        Kind::Choice(_) => !matches!(given, Date | Timestamp | Choices),
        Kind::Choices(_) => !matches!(given, Date | Timestamp),
    };
    if suits {
        return None;
    }
    let name = field.name.as_str();
    // Text may hold the right thing; then it is up to each row.
    if given == Text {
        return Some(warning(
            Some(name),
            "text_values",
            format!("`{name}` takes {takes}; rows whose text is something else will be rejected"),
            hint,
        ));
    }
    Some(error(
        Some(name),
        "type_mismatch",
        format!("`{name}` takes {takes}, not {}", plural(given)),
        hint,
    ))
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

/// A list that does not exist, is not static, or holds other objects.
pub(crate) fn list(field: &MappedField, list: Option<&List>, type_id: Option<&str>) -> Option<FieldProblem> {
    let name = field.name.as_str();
    let wanted = name.strip_prefix(FIELD_PREFIX).unwrap_or(name);
    let Some(list) = list else {
        return Some(error(
            Some(name),
            "unknown_list",
            format!("HubSpot has no list `{wanted}` for this object"),
            "name a static list by its exact name or its id",
        ));
    };
    if list.is_dynamic() {
        return Some(error(
            Some(name),
            "dynamic_list",
            format!("list `{wanted}` chooses its members by filters, so none can be added or removed"),
            "create a static list in HubSpot and name that",
        ));
    }
    if type_id.is_some_and(|type_id| !list.object_type_id.is_empty() && list.object_type_id != type_id) {
        return Some(error(
            Some(name),
            "list_of_other_object",
            format!("list `{wanted}` holds other objects than this mapping writes"),
            "name a list of the same object",
        ));
    }
    value_type(field, &Kind::Membership)
}

/// The match: one mapped field whose values are unique in HubSpot.
pub(crate) fn matching(
    spec: &ObjectSpec,
    object: &ObjectType,
    property: Option<&Property>,
) -> Option<FieldProblem> {
    let problem = |code, message: String, hint: &str| Some(error(None, code, message, hint));
    let [key] = spec.match_fields.as_slice() else {
        return problem(
            "match_not_single",
            "HubSpot matches by one property".into(),
            "name one field in `match:`",
        );
    };
    if !spec.fields.iter().any(|field| field.name == *key) {
        return problem(
            "match_not_mapped",
            format!("`match: {key}` is not among the mapped fields"),
            "map a column to it under `fields:`",
        );
    }
    if key.starts_with(FIELD_PREFIX) {
        return problem(
            "match_not_unique",
            "membership of a list does not identify a record".into(),
            "match by email, or by a property created with unique values",
        );
    }
    if key == RECORD_ID {
        return (spec.mode != Mode::Update).then(|| {
            error(
                None,
                "match_by_record_id",
                format!("`match: {RECORD_ID}` finds records but cannot create any"),
                "use `mode: update`",
            )
        });
    }
    // A missing property is reported as such.
    let property = property?;
    if property.is_unique() || (object.is_contacts() && key == "email") {
        return None;
    }
    if object.is_companies() && key == "domain" {
        return problem(
            "match_not_unique",
            "HubSpot does not keep `domain` unique among companies created through its API".into(),
            "match by a property created with unique values (HubSpot: \"Require unique values\"), such as your own company id",
        );
    }
    problem(
        "match_not_unique",
        format!("values of `{key}` are not unique in HubSpot, so it cannot be the match"),
        "match by email (contacts), or by a property created with unique values (HubSpot: \"Require unique values\")",
    )
}

/// What new records need, and what a removal needs.
pub(crate) fn completeness(spec: &ObjectSpec, object: &ObjectType, required: &[String]) -> Vec<FieldProblem> {
    let mapped = |name: &str| spec.fields.iter().any(|field| field.name == name);
    let mut problems = Vec::new();
    if spec.mode != Mode::Update {
        for name in required.iter().filter(|name| !mapped(name)) {
            problems.push(error(
                None,
                "required_field",
                format!(
                    "new records of {} need `{name}`, which is not mapped",
                    object.name
                ),
                "map a column to it, or use `mode: update`",
            ));
        }
        let any_of: &[&str] = if object.is_contacts() {
            &["email", "firstname", "lastname"]
        } else if object.is_companies() {
            &["name", "domain"]
        } else {
            &[]
        };
        if !any_of.is_empty() && !any_of.iter().any(|name| mapped(name)) {
            problems.push(warning(
                None,
                "required_field",
                format!(
                    "HubSpot creates {} only with one of {}",
                    object.name,
                    any_of.join(", ")
                ),
                "map one of them, or use `mode: update`",
            ));
        }
    }
    let others = spec
        .fields
        .iter()
        .filter(|field| !spec.match_fields.contains(&field.name))
        .count();
    if others == 0 && (spec.removed == Some(Removed::Clear) || mapped(RECORD_ID)) {
        problems.push(error(
            None,
            "nothing_to_write",
            "the match is the only mapped field, so there is nothing to write".into(),
            "map another field",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn object(name: &str) -> ObjectType {
        ObjectType::parse(name).unwrap()
    }

    fn definition(name: &str) -> Property {
        serde_json::from_value(json!({ "name": name, "label": "First Name", "type": "string" })).unwrap()
    }

    fn mapped(name: &str, value_type: Option<FieldType>) -> MappedField {
        MappedField {
            name: name.into(),
            value_type,
        }
    }

    fn spec(key: &str, fields: &[&str], mode: Mode) -> ObjectSpec {
        ObjectSpec {
            sync: "s".into(),
            object: "contacts".into(),
            match_fields: vec![key.into()],
            mode,
            removed: None,
            fields: fields.iter().map(|name| mapped(name, None)).collect(),
            options: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_misspelt_property_gets_a_suggestion() {
        let known = [definition("firstname"), definition("city")];
        let problem = missing_property(&object("contacts"), "first_name", &known, false);
        assert_eq!(problem.message, "contacts has no property `first_name`");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `firstname`?"));
        let by_label = missing_property(&object("contacts"), "First name", &known, false);
        assert_eq!(by_label.hint.as_deref(), Some("did you mean `firstname`?"));
        let new = missing_property(&object("contacts"), "zzz", &known, false);
        assert!(new.hint.unwrap().contains("create_fields: true"));
    }

    #[test]
    fn missing_properties_that_will_be_created_only_warn() {
        assert!(missing_property(&object("contacts"), "ltv", &[], true).warning);
        let bad = missing_property(&object("contacts"), "Life time", &[], true);
        assert_eq!((bad.code, bad.warning), ("invalid_field_name", false));
    }

    #[test]
    fn types_that_never_fit_stop_and_text_that_may_fit_warns() {
        let check =
            |given, kind: &Kind| value_type(&mapped("x", Some(given)), kind).map(|problem| problem.warning);
        assert_eq!(check(FieldType::Bool, &Kind::Date), Some(false));
        assert_eq!(check(FieldType::Timestamp, &Kind::Number), Some(false));
        assert_eq!(check(FieldType::Number, &Kind::Email), Some(false));
        assert_eq!(check(FieldType::Text, &Kind::Number), Some(true));
        assert_eq!(check(FieldType::Timestamp, &Kind::Date), None);
        assert_eq!(check(FieldType::Bool, &Kind::Text), None);
        assert_eq!(check(FieldType::Number, &Kind::Choice(None)), None);
        assert_eq!(value_type(&mapped("x", None), &Kind::Date), None);
    }

    #[test]
    fn read_only_properties_are_named_with_the_reason() {
        let system: Property = serde_json::from_value(
            json!({ "name": "createdate", "modificationMetadata": { "readOnlyValue": true } }),
        )
        .unwrap();
        let problem = property(&mapped("createdate", None), &system, &Kind::DateTime, false).unwrap();
        assert_eq!(
            problem.message,
            "`createdate` cannot be written: HubSpot sets it itself"
        );
        let id: Property = serde_json::from_value(
            json!({ "name": "hs_object_id", "modificationMetadata": { "readOnlyValue": true } }),
        )
        .unwrap();
        assert_eq!(
            property(&mapped("hs_object_id", None), &id, &Kind::Number, true),
            None
        );
    }

    #[test]
    fn the_match_must_identify_records() {
        let code = |spec: &ObjectSpec, object: &ObjectType, property: &Property| {
            matching(spec, object, Some(property)).map(|problem| problem.code)
        };
        let contacts = object("contacts");
        let email = definition("email");
        assert_eq!(
            code(&spec("email", &["email"], Mode::Upsert), &contacts, &email),
            None
        );
        assert_eq!(
            code(&spec("email", &["city"], Mode::Upsert), &contacts, &email),
            Some("match_not_mapped")
        );
        let city = definition("city");
        assert_eq!(
            code(&spec("city", &["city"], Mode::Upsert), &contacts, &city),
            Some("match_not_unique")
        );
        let id: Property = serde_json::from_value(json!({ "name": "cid", "hasUniqueValue": true })).unwrap();
        assert_eq!(code(&spec("cid", &["cid"], Mode::Upsert), &contacts, &id), None);
        assert_eq!(
            code(
                &spec(RECORD_ID, &[RECORD_ID, "city"], Mode::Update),
                &contacts,
                &id
            ),
            None
        );
        assert_eq!(
            code(
                &spec(RECORD_ID, &[RECORD_ID, "city"], Mode::Upsert),
                &contacts,
                &id
            ),
            Some("match_by_record_id")
        );
        let domain = matching(
            &spec("domain", &["domain"], Mode::Upsert),
            &object("companies"),
            Some(&definition("domain")),
        );
        assert!(domain.unwrap().message.contains("`domain`"));
        let mut two = spec("email", &["email"], Mode::Upsert);
        two.match_fields.push("city".into());
        assert_eq!(code(&two, &contacts, &email), Some("match_not_single"));
    }

    #[test]
    fn only_static_lists_of_the_same_object_take_members() {
        let field = mapped("list:News", Some(FieldType::Bool));
        let found = |processing: &str, type_id: &str| List {
            list_id: "8".into(),
            object_type_id: type_id.into(),
            processing_type: processing.into(),
        };
        let code = |found: Option<&List>| list(&field, found, Some("0-1")).map(|problem| problem.code);
        assert_eq!(code(None), Some("unknown_list"));
        assert_eq!(code(Some(&found("DYNAMIC", "0-1"))), Some("dynamic_list"));
        assert_eq!(code(Some(&found("MANUAL", "0-2"))), Some("list_of_other_object"));
        assert_eq!(code(Some(&found("MANUAL", "0-1"))), None);
        assert_eq!(code(Some(&found("SNAPSHOT", "0-1"))), None);
    }

    #[test]
    fn new_records_need_their_required_fields() {
        let required = ["plan_name".to_owned()];
        let plan = object("2-77");
        let missing = completeness(&spec("cid", &["cid"], Mode::Upsert), &plan, &required);
        assert!(
            missing
                .iter()
                .any(|problem| problem.message.contains("`plan_name`") && !problem.warning)
        );
        assert!(completeness(&spec("cid", &["cid"], Mode::Update), &plan, &required).is_empty());
        let nameless = completeness(&spec("cid", &["cid"], Mode::Upsert), &object("contacts"), &[]);
        assert!(
            nameless
                .iter()
                .any(|problem| problem.warning && problem.message.contains("email, firstname"))
        );
    }

    #[test]
    fn a_mapping_of_the_match_alone_has_nothing_to_clear() {
        let mut clearing = spec("email", &["email"], Mode::Mirror);
        clearing.removed = Some(Removed::Clear);
        let problems = completeness(&clearing, &object("contacts"), &[]);
        assert!(problems.iter().any(|problem| problem.code == "nothing_to_write"));
    }
}
