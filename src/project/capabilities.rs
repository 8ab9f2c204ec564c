//! What each destination can and cannot do, as part of the reference page.

use outflow_sdk::descriptor::{DestinationDescriptor, ObjectKind};
use outflow_sdk::destination::{Capabilities, Mode, Route};
use serde::Serialize;

use super::page::cell;
use outflow_sdk::descriptor::Registry;
use outflow_sdk::numbers::count;

const INTRODUCTION: &str = "\n## What each destination can do\n\n\
What `outflow check` holds a mapping against. *Changed fields* means that an update carries only what differs from \
what the destination last acknowledged; *whole record* means that one changed field sends all mapped ones.\n";

const OVERVIEW: &str = "\n| Destination | `object:` | `mode:` | `removed:` (in mode `mirror`) | `match:` | An update sends | \
`create_fields:` |\n|---|---|---|---|---|---|---|\n";

const REQUESTS: &str = "\n| Request | Rows in one, at most | When its answer got lost |\n|---|---|---|\n";

/// One kind of object and what can be done with it.
struct Offer {
    kind: ObjectKind,
    capabilities: Capabilities,
}

/// The chapter: one table over all destinations, then requests and remarks for each of their objects.
pub(super) fn chapter(registry: &Registry) -> String {
    let mut overview = String::from(OVERVIEW);
    let mut details = String::new();
    for connector in &registry.destinations {
        for offer in offers(connector) {
            overview.push_str(&offer.row(connector.type_name));
            details.push_str(&offer.details(connector.type_name));
        }
    }
    format!("{INTRODUCTION}{overview}{details}")
}

fn offers(connector: &DestinationDescriptor) -> Vec<Offer> {
    let known = connector.objects.iter().filter_map(|kind| {
        let capabilities = (connector.capabilities)(kind.object).ok()?;
        Some(Offer {
            kind: *kind,
            capabilities,
        })
    });
    known.collect()
}

impl Offer {
    fn row(&self, type_name: &str) -> String {
        let can = &self.capabilities;
        let matched = if can.match_fields.is_empty() {
            "checked against the live object".to_owned()
        } else {
            words(&can.match_fields)
        };
        let update = match can.partial_records {
            _ if can.modes == [Mode::Append] => "nothing",
            true => "changed fields",
            false => "whole record",
        };
        let cells = [
            format!("`{type_name}`"),
            format!("`{}`: {}", self.kind.object, self.kind.title),
            words(&can.modes),
            if can.removed.is_empty() {
                "none".to_owned()
            } else {
                words(&can.removed)
            },
            matched,
            update.to_owned(),
            if can.creates_fields { "yes" } else { "no" }.to_owned(),
        ];
        format!("| {} |\n", cells.map(|text| cell(&text)).join(" | "))
    }

    fn details(&self, type_name: &str) -> String {
        let can = &self.capabilities;
        let mut text = format!("\n### `{type_name}`, `object: {}`\n{REQUESTS}", self.kind.object);
        for route in &can.routes {
            text.push_str(&request(route));
        }
        text.push_str(&format!(
            "\nA request's body has at most {}.\n\n",
            bytes(can.max_body)
        ));
        for note in &can.notes {
            text.push_str(&format!("- {note}\n"));
        }
        text
    }
}

fn request(route: &Route) -> String {
    let lost = match (route.writes, route.replay_safe) {
        (false, _) => "asked again; it only reads",
        (true, true) => "sent again; twice does the same as once",
        (true, false) => "its rows are held until somebody decides (`outflow rejects`)",
    };
    format!(
        "| `{}` | {} | {lost} |\n",
        route.name,
        count(route.max_rows as u64)
    )
}

/// Values as mappings spell them.
fn words<T: Serialize>(values: &[T]) -> String {
    let words = values.iter().map(|value| match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => format!("`{word}`"),
        _ => String::new(),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn bytes(number: usize) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(100_000) => format!("{} MB", number as f64 / 1e6),
        1_000.. if number.is_multiple_of(1_000) => format!("{} kB", count(number as u64 / 1_000)),
        _ => format!("{} bytes", count(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::double;

    #[test]
    fn the_table_says_what_each_object_can_do() {
        let chapter = chapter(&double::registry());
        for row in [
            "| `crm` | `contacts`: people | `upsert`, `update`, `mirror` | `keep`, `clear`, `archive` | `email` | \
             changed fields | no |",
            "| `tables` | `contacts`: people | `upsert`, `update` | none | `email` | changed fields | no |",
            "| `write` | 1,500 | sent again; twice does the same as once |",
            "| `call` | 1 | its rows are held until somebody decides (`outflow rejects`) |",
            "| `look` | 20 | asked again; it only reads |",
            "A request's body has at most 4 MB.",
            "- Nothing | nobody knows.",
        ] {
            assert!(chapter.lines().any(|line| line == row), "{row}\n{chapter}");
        }
        assert!(
            !chapter.contains("`mail`"),
            "a destination that names no object has no row"
        );
    }

    #[test]
    fn sizes_read_easily() {
        assert_eq!(
            [bytes(5_500_000), bytes(900_000), bytes(1_234)],
            ["5.5 MB", "900 kB", "1,234 bytes"]
        );
    }
}
