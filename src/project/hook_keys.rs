//! Where hooks say that a call names a row, against the keys of the syncs they start.

use super::access::HookProfile;
use super::connections::Connections;
use super::mapping::Mapping;
use super::problem::{Fault, quoted};
use super::tree::Span;

/// A hook's `key:` fits the keys of its syncs.
pub(super) fn check(connections: &Connections, mappings: &[Mapping], faults: &mut Vec<Fault>) {
    for hook in connections.hooks.iter().filter(|hook| hook.names_key) {
        let path = format!("hooks.{}", hook.name);
        let span = connections.places.iter().find(|(known, _)| *known == path);
        let span = span.map_or(Span::START, |(_, span)| *span);
        let mut fault = |message: String, hint: &str| {
            let fault = Fault::error(span, "hook_key", message).hint(hint);
            faults.push(fault.at(format!("{path}.key")));
        };
        if !matches!(hook.profile, HookProfile::Generic | HookProfile::Segment) {
            fault(
                format!(
                    "{} names a key, and calls of its profile are about no row",
                    quoted(&path)
                ),
                "remove it",
            );
            continue;
        }
        if let Some(wrong) = hook.key.iter().find(|pointer| !pointer.starts_with('/')) {
            fault(
                format!("{} is no JSON pointer", quoted(wrong)),
                "write `/` before each name, such as `/user/id`",
            );
            continue;
        }
        let specs = mappings.iter().filter_map(|mapping| mapping.spec.as_ref());
        for spec in specs.filter(|spec| hook.syncs.contains(&spec.name)) {
            if spec.key.len() != hook.key.len() {
                fault(
                    format!(
                        "{} says where {} of the key are, and the key of {} is {}",
                        quoted(&path),
                        hook.key.len(),
                        spec.name,
                        spec.key.join(", ")
                    ),
                    "write one pointer for each column of the key, in its order",
                );
            }
        }
    }
}
