//! What a text that somebody typed may stand for in a model.

use outflow_sdk::value::{Decimal, Value, days_since_epoch, micros_since_epoch};

/// Most readings of a key text that are looked up.
const READINGS: usize = 256;

/// The values a key text may stand for, most likely first: a model's key may be a number, a text, a
/// date or a boolean, and a part of a composite key may hold a slash itself.
pub(super) fn readings(text: &str, parts: usize) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for split in splits(text, parts.max(1)) {
        let mut combined: Vec<Vec<Value>> = vec![Vec::new()];
        for part in split {
            let kinds = kinds(part);
            combined = combined
                .into_iter()
                .flat_map(|before| {
                    kinds.iter().map(move |kind| {
                        let mut next = before.clone();
                        next.push(kind.clone());
                        next
                    })
                })
                .take(READINGS)
                .collect();
        }
        all.extend(combined);
        if all.len() >= READINGS {
            break;
        }
    }
    all
}

/// Every way to cut `text` at slashes into `parts` pieces.
fn splits(text: &str, parts: usize) -> Vec<Vec<&str>> {
    if parts == 1 {
        return vec![vec![text]];
    }
    let mut all = Vec::new();
    for (at, _) in text.match_indices('/') {
        let (head, tail) = (&text[..at], &text[at + 1..]);
        for mut rest in splits(tail, parts - 1) {
            rest.insert(0, head);
            all.push(rest);
            if all.len() >= READINGS {
                return all;
            }
        }
    }
    all
}

/// A match value as it may be written in the model: as it was typed, and in small letters.
pub(super) fn spellings(value: &str) -> Vec<String> {
    let typed = value.trim().to_owned();
    let small = typed.to_lowercase();
    if small == typed {
        vec![typed]
    } else {
        vec![typed, small]
    }
}

/// The values a text may stand for.
pub(super) fn kinds(part: &str) -> Vec<Value> {
    let mut kinds = Vec::new();
    if let Some(number) = Decimal::parse(part) {
        kinds.push(Value::Number(number));
    }
    kinds.push(Value::text(part));
    if let Ok(date) = part.parse::<jiff::civil::Date>() {
        kinds.push(Value::Date(days_since_epoch(date)));
    }
    if let Ok(instant) = part.parse::<jiff::Timestamp>() {
        kinds.push(Value::Timestamp(micros_since_epoch(instant)));
    }
    match part.to_ascii_lowercase().as_str() {
        "true" => kinds.push(Value::Bool(true)),
        "false" => kinds.push(Value::Bool(false)),
        _ => {}
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_text_is_read_as_every_kind_a_model_may_have() {
        assert_eq!(
            readings("42", 1),
            [vec![Value::Number(Decimal::from(42))], vec![Value::text("42")]]
        );
        assert_eq!(readings("NO", 1), [vec![Value::text("NO")]]);
        assert!(readings("2026-11-02", 1).contains(&vec![Value::Date(20_759)]));
        assert!(readings("True", 1).contains(&vec![Value::Bool(true)]));
        assert!(readings("-7.50", 1).contains(&vec![Value::Number(Decimal::new(-75, 1))]));
    }

    #[test]
    fn a_composite_key_may_hold_slashes_of_its_own() {
        assert_eq!(splits("a/b/c", 2), [vec!["a", "b/c"], vec!["a/b", "c"]]);
        assert_eq!(splits("a", 2), Vec::<Vec<&str>>::new());
        let wanted = vec![Value::text("eu/west"), Value::Number(Decimal::from(7))];
        assert!(readings("eu/west/7", 2).contains(&wanted));
        assert!(readings(&"1/".repeat(60), 30).len() <= 2 * READINGS, "bounded");
    }
}
