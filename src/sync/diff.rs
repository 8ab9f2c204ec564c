//! Diff: one row against what the destination last acknowledged, field by field.

use std::collections::HashMap;
use std::sync::Arc;

use outflow_sdk::destination::Mode;
use outflow_sdk::print::Print;

use outflow_state::StoredRow;

/// What is to be done with a row of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The destination was never told of this row: every field that has a value.
    Added(Vec<u16>),
    /// Known, and these fields differ.
    Changed(Vec<u16>),
    /// Known, and every mapped field is as acknowledged.
    Unchanged,
}

/// Compares a row's field prints (`0` = leave as it is) with the stored row.
///
/// `fields` are the mapped fields in order; `layouts` names the fields of every stored layout, so
/// that a mapping may gain, lose and reorder fields without resending the others.
pub fn diff_row(
    fields: &[String],
    prints: &[Print],
    stored: Option<&StoredRow>,
    layouts: &HashMap<u32, Arc<[String]>>,
    mode: Mode,
) -> Change {
    let Some(stored) = stored else {
        return Change::Added(numbers(prints, |_, print| print != 0));
    };
    let empty: Arc<[String]> = Arc::from([]);
    let layout = layouts.get(&stored.layout).unwrap_or(&empty);
    let same_layout = layout.as_ref() == fields;
    // A record of ours that was created and lacks what was to follow is finished; nothing else is
    // touched in mode create.
    let unfinished = stored.print == 0 && same_layout && stored.prints.iter().any(|print| *print != 0);
    match mode {
        Mode::Append => return Change::Unchanged,
        Mode::Create if !unfinished => return Change::Unchanged,
        _ => {}
    }
    let acknowledged = |number: usize| {
        let at = if same_layout {
            Some(number)
        } else {
            layout.iter().position(|name| *name == fields[number])
        };
        at.and_then(|at| stored.prints.get(at).copied()).unwrap_or(0)
    };
    let changed = numbers(prints, |number, print| {
        let before = acknowledged(number);
        print != 0 && print != before && (mode != Mode::Create || before == 0)
    });
    if changed.is_empty() {
        Change::Unchanged
    } else {
        Change::Changed(changed)
    }
}

/// The stored prints of a row in the order of `fields`; `0` where nothing was acknowledged.
pub fn acknowledged(
    fields: &[String],
    stored: &StoredRow,
    layouts: &HashMap<u32, Arc<[String]>>,
) -> Vec<Print> {
    let layout = layouts.get(&stored.layout);
    let find = |field: &String| {
        let at = layout?.iter().position(|name| name == field)?;
        stored.prints.get(at).copied()
    };
    fields.iter().map(|field| find(field).unwrap_or(0)).collect()
}

fn numbers(prints: &[Print], mut wanted: impl FnMut(usize, Print) -> bool) -> Vec<u16> {
    let mut numbers = Vec::with_capacity(prints.len());
    let wanted = (0u16..)
        .zip(prints)
        .filter(|(number, print)| wanted(usize::from(*number), **print));
    numbers.extend(wanted.map(|(number, _)| number));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn stored(prints: &[Print]) -> StoredRow {
        StoredRow {
            key: 1,
            print: 1,
            layout: 7,
            prints: prints.to_vec(),
            remote: None,
            key_text: None,
            match_text: None,
            applied_ms: 0,
            run: 0,
        }
    }

    fn layouts(fields: &[&str]) -> HashMap<u32, Arc<[String]>> {
        HashMap::from([(7, Arc::from(names(fields)))])
    }

    #[test]
    fn a_new_row_sends_every_field_it_has() {
        let change = diff_row(&names(&["a", "b"]), &[5, 0], None, &layouts(&[]), Mode::Upsert);
        assert_eq!(change, Change::Added(vec![0]));
    }

    #[test]
    fn only_the_fields_that_differ_are_sent() {
        let fields = names(&["a", "b", "c"]);
        let change = diff_row(
            &fields,
            &[1, 9, 3],
            Some(&stored(&[1, 2, 3])),
            &layouts(&["a", "b", "c"]),
            Mode::Upsert,
        );
        assert_eq!(change, Change::Changed(vec![1]));
        let change = diff_row(
            &fields,
            &[1, 2, 3],
            Some(&stored(&[1, 2, 3])),
            &layouts(&["a", "b", "c"]),
            Mode::Upsert,
        );
        assert_eq!(change, Change::Unchanged);
    }

    #[test]
    fn adding_moving_and_removing_fields_sends_the_added_alone() {
        let known = layouts(&["a", "b"]);
        let change = diff_row(
            &names(&["new", "b", "a"]),
            &[7, 2, 1],
            Some(&stored(&[1, 2])),
            &known,
            Mode::Upsert,
        );
        assert_eq!(change, Change::Changed(vec![0]));
        let change = diff_row(&names(&["b"]), &[2], Some(&stored(&[1, 2])), &known, Mode::Upsert);
        assert_eq!(change, Change::Unchanged);
    }

    #[test]
    fn a_field_left_as_it_is_is_no_change() {
        let change = diff_row(
            &names(&["a"]),
            &[0],
            Some(&stored(&[4])),
            &layouts(&["a"]),
            Mode::Upsert,
        );
        assert_eq!(change, Change::Unchanged);
    }

    #[test]
    fn mode_create_never_touches_a_known_row() {
        let change = diff_row(
            &names(&["a"]),
            &[9],
            Some(&stored(&[4])),
            &layouts(&["a"]),
            Mode::Create,
        );
        assert_eq!(change, Change::Unchanged);
    }

    #[test]
    fn mode_create_finishes_what_it_began() {
        let begun = StoredRow {
            print: 0,
            ..stored(&[4, 0])
        };
        let diff = |begun| {
            diff_row(
                &names(&["a", "list"]),
                &[9, 8],
                Some(begun),
                &layouts(&["a", "list"]),
                Mode::Create,
            )
        };
        assert_eq!(
            diff(&begun),
            Change::Changed(vec![1]),
            "the list, not what changed since"
        );
        let stranger = StoredRow {
            print: 0,
            ..stored(&[0, 0])
        };
        assert_eq!(diff(&stranger), Change::Unchanged);
    }

    #[test]
    fn mode_append_sends_a_key_once_whatever_becomes_of_its_row() {
        let known = stored(&[4]);
        let diff = |stored| diff_row(&names(&["a"]), &[9], stored, &layouts(&["a"]), Mode::Append);
        assert_eq!(diff(None), Change::Added(vec![0]));
        assert_eq!(diff(Some(&known)), Change::Unchanged);
    }
}
