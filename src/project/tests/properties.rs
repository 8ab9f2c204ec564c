//! No text can make the loader panic, and none makes it tell a secret.

use proptest::prelude::*;

use super::{Folder, MAPPING, PROJECT, rendered};

const SECRET: &str = "s3cr3t-s3cr3t";

/// A change of a text at a place given in thousandths of its length.
#[derive(Clone, Debug)]
enum Change {
    Insert(usize, String),
    Delete(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        "[\\x00-\\x7f]{1,4}",
        "\\PC{1,4}",
        prop::sample::select(vec![
            "\t",
            "\n",
            "\n\t",
            ": ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            "*a",
            "&a ",
            "!!str ",
            "\"",
            "'",
            "|\n",
            ">-\n",
            "${env:",
            "${",
            "}",
            "? ",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "<<: ",
            "null",
            "~",
            "#",
            "\u{feff}",
            "\r",
            "{{",
            "{%",
            "0x",
            ".inf",
            "1e999",
            "\u{85}",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        4 => (0..1000usize, piece).prop_map(|(at, text)| Change::Insert(at, text)),
        2 => (0..1000usize, 1..40usize).prop_map(|(at, count)| Change::Delete(at, count)),
        1 => (0..1000usize, 1..60usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let place = |at: usize| at * chars.len() / 1000;
        match change {
            Change::Insert(at, piece) => {
                let at = place(*at);
                chars.splice(at..at, piece.chars());
            }
            Change::Delete(at, count) => {
                let at = place(*at);
                let end = (at + count).min(chars.len());
                chars.drain(at..end);
            }
            Change::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + count).min(chars.len());
                let copy: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, copy);
            }
        }
    }
    chars.into_iter().collect()
}

fn rich_mapping() -> String {
    format!(
        "{MAPPING}  full: {{ template: \"{{{{ a }}}} {{{{ b }}}}\" }}\n  n: {{ column: n, as: number, scale: 2 }}\n  c: {{ value: 5 }}\nmode: mirror\nremoved: archive\nschedule: {{ cron: \"30 6 * * *\", time_zone: Europe/Berlin }}\nguards: {{ max_removed: 5%, min_rows: 10 }}\ncreate_fields: true\n"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mapping_text_makes_the_loader_panic(changes in prop::collection::vec(change(), 1..6)) {
        let text = changed(&rich_mapping(), &changes);
        let loaded = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", &text)]).load(false);
        // Whatever it is, it runs or it is explained.
        let runs = loaded.project.as_ref().is_some_and(|project| project.syncs.len() == 1);
        prop_assert!(runs || loaded.has_errors(), "{text:?}");
        for problem in &loaded.problems {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(!problem.render(false).is_empty());
        }
    }

    #[test]
    fn no_project_text_makes_the_loader_panic_or_tell(changes in prop::collection::vec(change(), 0..6)) {
        // The secret itself stays whole: changes go before and after it.
        let text = "sources:\n  files: { type: files, path: . }\ndestinations:\n  crm: { type: crm, token: @, tier: free }\n  other:\n    type: crm\n    oauth:\n      client_id: x\n      client_secret: @\n";
        let text = changed(text, &changes).replace('@', SECRET);
        let folder = Folder::new(&[("outflow.yaml", &text), ("mappings/m.yaml", MAPPING)]);
        let loaded = folder.load(true);
        // Where it stands as a value: as the name of a connection it would be no secret to anyone.
        let kept_places = ["token", "client_secret"].map(|key| text.matches(&format!("{key}: {SECRET}")).count());
        let kept = text.contains(&format!("token: {SECRET}"))
            && text.matches(SECRET).count() == kept_places.iter().sum::<usize>();
        let shown = rendered(&loaded);
        prop_assert!(!kept || loaded.has_errors());
        prop_assert!(!shown.contains(SECRET) || !kept, "{text}\n{shown}");
    }
}
