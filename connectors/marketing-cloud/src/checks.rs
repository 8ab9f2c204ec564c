//! Where a mapping does not fit its data extension.

use outflow_sdk::destination::{FieldProblem, ObjectSpec, Removed};

use crate::config::{MappingOptions, SubscriberField};
use crate::extension::{Column, Extension};

/// Likeness from which on a name is taken for a misspelling of another.
const ALIKE: f64 = 0.8;

/// Something that stops the sync.
pub(crate) fn error(field: Option<&str>, code: &'static str, message: String, hint: &str) -> FieldProblem {
    FieldProblem {
        field: field.map(str::to_owned),
        code,
        message,
        hint: Some(hint.to_owned()),
        warning: false,
    }
}

/// Everything that does not fit.
pub(crate) fn problems(
    spec: &ObjectSpec,
    options: &MappingOptions,
    extension: &Extension,
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    problems.extend(key(spec, extension));
    for (number, field) in spec.fields.iter().enumerate() {
        let Some(column) = extension.column(&field.name) else {
            problems.push(missing_column(&field.name, options, extension));
            continue;
        };
        if field.value_type.is_some_and(|kind| !column.kind.takes(kind)) {
            problems.push(error(
                Some(&field.name),
                "type_mismatch",
                format!(
                    "the column `{}` cannot hold values of the mapped type",
                    column.name
                ),
                "cast it with `as:`, or map another column",
            ));
        }
        let earlier = spec.fields.iter().take(number);
        if earlier
            .filter_map(|earlier| extension.column(&earlier.name))
            .any(|earlier| earlier == column)
        {
            problems.push(error(
                Some(&field.name),
                "duplicate_field",
                format!(
                    "two fields are the same column `{}`: its name ignores upper and lower case",
                    column.name
                ),
                "remove one of them",
            ));
        }
    }
    problems.extend(
        extension
            .columns
            .iter()
            .filter_map(|column| unmapped(spec, column)),
    );
    problems.extend(clearing(spec, extension));
    problems.extend(sendable(spec, options));
    problems.extend(subscribers(spec, options, extension));
    problems.extend(contacts(spec, options, extension));
    problems
}

fn key(spec: &ObjectSpec, extension: &Extension) -> Option<FieldProblem> {
    let primary: Vec<&str> = extension.primary_key().collect();
    if primary.is_empty() {
        return Some(error(
            None,
            "no_primary_key",
            format!(
                "the data extension `{}` has no primary key, so rows could only be added",
                extension.key
            ),
            "Marketing Cloud cannot add a primary key later: make a new data extension that has one",
        ));
    }
    let has = |name: &&str| {
        spec.match_fields
            .iter()
            .any(|mapped| mapped.eq_ignore_ascii_case(name))
    };
    if primary.len() == spec.match_fields.len() && primary.iter().all(has) {
        return None;
    }
    let names = primary.join(", ");
    let hint = if primary.len() == 1 {
        format!("write `match: {names}`")
    } else {
        format!("write `match: [{names}]`")
    };
    Some(error(
        None,
        "match_is_not_the_primary_key",
        format!("`match` must be the primary key of the data extension: {names}"),
        &hint,
    ))
}

fn unmapped(spec: &ObjectSpec, column: &Column) -> Option<FieldProblem> {
    let is_mapped = spec
        .fields
        .iter()
        .any(|field| field.name.eq_ignore_ascii_case(&column.name));
    if is_mapped || !column.required || column.has_default {
        return None;
    }
    Some(error(
        Some(&column.name),
        "missing_required",
        format!(
            "the data extension requires `{}`, and the mapping does not have it",
            column.name
        ),
        "map it to a column or a constant",
    ))
}

/// Rows whose values are gone from the model cannot be written without what every row must have.
fn clearing(spec: &ObjectSpec, extension: &Extension) -> Option<FieldProblem> {
    if spec.removed != Some(Removed::Clear) {
        return None;
    }
    let others = || {
        let columns = spec
            .fields
            .iter()
            .filter_map(|field| extension.column(&field.name));
        columns.filter(|column| !column.primary)
    };
    if let Some(column) = others().find(|column| column.required) {
        return Some(error(
            Some(&column.name),
            "cannot_clear_required",
            format!(
                "`removed: clear` cannot empty `{}`: the data extension requires it",
                column.name
            ),
            "write `removed: delete` or `removed: keep`",
        ));
    }
    if others().next().is_some() {
        return None;
    }
    Some(error(
        None,
        "nothing_to_write",
        "nothing but the primary key is mapped, so there is nothing to clear".to_owned(),
        "map another column, or write `removed: delete`",
    ))
}

/// The column that leads to the subscriber is one of those that are created.
fn sendable(spec: &ObjectSpec, options: &MappingOptions) -> Option<FieldProblem> {
    let sendable = options.create_data_extension.as_ref()?.sendable.as_ref()?;
    if spec.fields.iter().any(|field| field.name == sendable.column) {
        return None;
    }
    Some(error(
        Some(&sendable.column),
        "unknown_sendable_column",
        format!(
            "`{}` is to lead to the subscriber, and the mapping does not have it",
            sendable.column
        ),
        "map it, or name a mapped column in `create_data_extension: { sendable: { column: … } }`",
    ))
}

/// Whoever is to be looked up in All Subscribers must be led to by what is mapped.
fn subscribers(spec: &ObjectSpec, options: &MappingOptions, extension: &Extension) -> Option<FieldProblem> {
    if !options.respect_unsubscribes {
        return None;
    }
    let Some(sendable) = &extension.sendable else {
        return Some(error(
            None,
            "not_sendable",
            format!(
                "`respect_unsubscribes` needs a sendable data extension, and the rows of `{}` lead to no subscribers",
                extension.key
            ),
            "make it sendable in Contact Builder, or remove `respect_unsubscribes`",
        ));
    };
    let mut fields = spec.fields.iter();
    if fields.any(|field| field.name.eq_ignore_ascii_case(&sendable.column)) {
        return None;
    }
    Some(error(
        Some(&sendable.column),
        "unmapped_subscriber",
        format!(
            "`respect_unsubscribes` needs `{}`, which leads to the subscriber, and the mapping does not have it",
            sendable.column
        ),
        "map it",
    ))
}

/// Contacts are deleted by their key alone, and only where rows are.
fn contacts(spec: &ObjectSpec, options: &MappingOptions, extension: &Extension) -> Option<FieldProblem> {
    if !options.yes_delete_contacts_everywhere {
        return None;
    }
    if spec.removed != Some(Removed::Delete) {
        return Some(error(
            None,
            "contacts_without_rows",
            "`yes_delete_contacts_everywhere` belongs to `mode: mirror` with `removed: delete`".to_owned(),
            "remove it, or write both",
        ));
    }
    let by_contact_key = extension.sendable.as_ref().is_some_and(|sendable| {
        let primary: Vec<&str> = extension.primary_key().collect();
        sendable.subscriber == SubscriberField::SubscriberKey
            && matches!(primary.as_slice(), [only] if only.eq_ignore_ascii_case(&sendable.column))
    });
    if by_contact_key {
        return None;
    }
    Some(error(
        None,
        "not_contacts",
        format!(
            "`yes_delete_contacts_everywhere` needs a sendable data extension whose primary key is the subscriber key \
             alone, and `{}` is not one: a row would not say whose contact it means",
            extension.key
        ),
        "remove it, or sync to such a data extension",
    ))
}

fn missing_column(name: &str, options: &MappingOptions, extension: &Extension) -> FieldProblem {
    if options.create_fields {
        return FieldProblem {
            field: Some(name.to_owned()),
            code: "missing_field",
            message: format!("the data extension has no column `{name}`; the first run creates it"),
            hint: None,
            warning: true,
        };
    }
    let folded = name.to_lowercase();
    let likeness = |column: &Column| strsim::jaro_winkler(&column.name.to_lowercase(), &folded);
    let nearest = extension
        .columns
        .iter()
        .map(|column| (likeness(column), &column.name));
    let nearest = nearest
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean `{nearest}`?"),
        None => "see `outflow fields`, or add `create_fields: true`".to_owned(),
    };
    error(
        Some(name),
        "unknown_field",
        format!("the data extension `{}` has no column `{name}`", extension.key),
        &hint,
    )
}

#[cfg(test)]
mod tests;
