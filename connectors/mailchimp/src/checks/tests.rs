//! Mappings that do not fit, and what their owner is told.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::testing::interest;
use crate::values::MergeKind;

fn known() -> Vec<MergeField> {
    let field = |tag: &str, name: &str| serde_json::from_value(json!({ "tag": tag, "name": name })).unwrap();
    vec![field("FNAME", "First Name"), field("LTV", "Lifetime value")]
}

fn spec(mode: Mode, removed: Option<Removed>) -> ObjectSpec {
    ObjectSpec {
        sync: "s".into(),
        object: "members".into(),
        match_fields: vec![MATCH.into()],
        mode,
        removed,
        fields: Vec::new(),
        options: serde_json::Value::Null,
    }
}

fn options(value: serde_json::Value) -> MappingOptions {
    MappingOptions::parse(&value).unwrap()
}

fn consenting() -> MappingOptions {
    options(json!({ "status_if_new": "subscribed" }))
}

fn email() -> BoundField {
    BoundField::new(MATCH, Kind::Email)
}

fn fname() -> BoundField {
    BoundField::new("FNAME", Kind::Merge(MergeKind::Text))
}

fn codes(problems: &[FieldProblem]) -> Vec<&'static str> {
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn a_misspelt_field_gets_a_suggestion() {
    for (name, suggestion) in [
        ("fname", "FNAME"),
        ("First name", "FNAME"),
        ("FNAMES", "FNAME"),
        ("emailaddress", "email_address"),
        ("EMAIL_ADDRESS", "email_address"),
        ("Status", "status"),
    ] {
        let problem = missing_merge_field(name, &known(), false);
        assert_eq!(
            problem.hint,
            Some(format!("did you mean `{suggestion}`?")),
            "{name}"
        );
        assert!(!problem.warning);
    }
    let email = missing_merge_field("EMAIL", &known(), true);
    assert_eq!(email.hint.as_deref(), Some("map it as `email_address`"));
    let unknown = missing_merge_field("PLAN", &known(), false);
    assert!(unknown.hint.unwrap().contains("create_fields: true"));
}

#[test]
fn fields_that_will_be_created_only_warn_and_need_a_proper_tag() {
    let planned = missing_merge_field("PLAN", &known(), true);
    assert_eq!((planned.code, planned.warning), ("field_to_create", true));
    for bad in ["subscription_plan", "ABCDEFGHIJK", "A PLAN", ""] {
        let problem = missing_merge_field(bad, &known(), true);
        assert_eq!(
            (problem.code, problem.warning),
            ("invalid_field_name", false),
            "{bad}"
        );
    }
}

#[test]
fn types_that_never_fit_stop_and_text_that_may_fit_warns() {
    let check = |given, kind: &Kind| {
        let field = MappedField {
            name: "x".into(),
            value_type: Some(given),
        };
        value_type(&field, kind).map(|problem| problem.warning)
    };
    let merge = Kind::Merge;
    for (given, kind, expected) in [
        (FieldType::Number, merge(MergeKind::Number), None),
        (FieldType::Text, merge(MergeKind::Number), Some(true)),
        (FieldType::Bool, merge(MergeKind::Number), Some(false)),
        (FieldType::Timestamp, merge(MergeKind::Date), None),
        (FieldType::Number, merge(MergeKind::Date), Some(false)),
        (FieldType::Date, merge(MergeKind::Birthday), None),
        (FieldType::Text, merge(MergeKind::Birthday), None),
        (FieldType::Choices, merge(MergeKind::Address), Some(false)),
        (FieldType::Bool, merge(MergeKind::Text), None),
        (FieldType::Number, Kind::Email, Some(false)),
        (FieldType::Bool, Kind::Status, None),
        (FieldType::Date, Kind::Status, Some(false)),
        (FieldType::Text, Kind::Tags, None),
        (FieldType::Bool, Kind::Tags, Some(false)),
        (FieldType::Bool, Kind::Tag("a".into()), None),
        (FieldType::Text, Kind::Plain(Plain::Vip), Some(true)),
        (FieldType::Number, Kind::Segment("7".into()), Some(false)),
        (FieldType::Timestamp, Kind::Plain(Plain::TimestampOpt), None),
    ] {
        assert_eq!(check(given, &kind), expected, "{given:?} {kind:?}");
    }
}

#[test]
fn a_sync_that_can_create_members_must_say_their_consent() {
    let fields = [email(), fname()];
    for mode in [Mode::Upsert, Mode::Create, Mode::Mirror] {
        let problems = mapping(&spec(mode, None), &MappingOptions::default(), &fields);
        assert_eq!(codes(&problems), ["status_if_new_missing"], "{mode:?}");
        assert!(mapping(&spec(mode, None), &consenting(), &fields).is_empty());
    }
    assert!(mapping(&spec(Mode::Update, None), &MappingOptions::default(), &fields).is_empty());
}

#[test]
fn deleting_for_good_must_be_confirmed() {
    let fields = [email(), fname()];
    let deleting = spec(Mode::Mirror, Some(Removed::Delete));
    assert_eq!(
        codes(&mapping(&deleting, &consenting(), &fields)),
        ["delete_not_confirmed"]
    );
    let confirmed = options(json!({ "status_if_new": "subscribed", "yes_delete_permanently": true }));
    assert!(mapping(&deleting, &confirmed, &fields).is_empty());
}

#[test]
fn members_are_matched_by_their_mapped_address() {
    let mut by_name = spec(Mode::Update, None);
    by_name.match_fields = vec!["FNAME".into()];
    assert_eq!(
        codes(&mapping(&by_name, &consenting(), &[email()])),
        ["match_not_unique"]
    );
    let unmapped = mapping(&spec(Mode::Update, None), &consenting(), &[fname()]);
    assert_eq!(codes(&unmapped), ["match_not_mapped"]);
    let clearing = spec(Mode::Mirror, Some(Removed::Clear));
    assert_eq!(
        codes(&mapping(&clearing, &consenting(), &[email()])),
        ["nothing_to_write"]
    );
}

#[test]
fn a_tag_list_says_whose_tags_are_removed() {
    let update = spec(Mode::Update, None);
    let list = BoundField::new("tags", Kind::Tags);
    let problems = mapping(&update, &MappingOptions::default(), &[email(), list.clone()]);
    assert_eq!(codes(&problems), ["tags_only_added"]);
    assert!(problems[0].warning);
    let owned = options(json!({ "owned_tags": ["gold"] }));
    assert!(mapping(&update, &owned, &[email(), list]).is_empty());
    assert_eq!(
        codes(&mapping(&update, &owned, &[email(), fname()])),
        ["owned_tags_unused"]
    );
}

#[test]
fn two_fields_never_write_one_thing() {
    let update = spec(Mode::Update, None);
    let tag = |name: &str| BoundField::new(&format!("tag:{name}"), Kind::Tag(name.into()));
    let all = BoundField::new(
        "interests",
        Kind::Interests(vec![interest("aa", "Travel"), interest("bb", "Food")]),
    );
    let one = BoundField::new("interest:Topics/Food", Kind::Interest("bb".into()));
    let missing = |name: &str| BoundField::new(name, Kind::Segment(String::new()));
    for (fields, expected) in [
        (vec![email(), tag("VIP"), tag(" vip")], vec!["overlapping_fields"]),
        (vec![email(), all, one], vec!["overlapping_fields"]),
        (vec![email(), tag("a"), tag("b")], vec![]),
        (vec![email(), missing("segment:a"), missing("segment:b")], vec![]),
    ] {
        assert_eq!(
            codes(&mapping(&update, &MappingOptions::default(), &fields)),
            expected
        );
    }
}

#[test]
fn a_place_needs_both_coordinates() {
    let latitude = BoundField::new("latitude", Kind::Plain(Plain::Latitude));
    let problems = mapping(&spec(Mode::Update, None), &consenting(), &[email(), latitude]);
    assert_eq!(codes(&problems), ["half_a_location"]);
}

#[test]
fn only_static_segments_take_members() {
    let found = |kind: &str| Segment {
        id: 7,
        name: "Gold".into(),
        kind: kind.into(),
    };
    let code = |found: Option<&Segment>, creates| {
        segment("segment:Gold", "Gold", found, creates).map(|problem| (problem.code, problem.warning))
    };
    assert_eq!(code(Some(&found("static")), false), None);
    assert_eq!(
        code(Some(&found("saved")), true),
        Some(("dynamic_segment", false))
    );
    assert_eq!(code(None, false), Some(("unknown_segment", false)));
    assert_eq!(code(None, true), Some(("field_to_create", true)));
}
