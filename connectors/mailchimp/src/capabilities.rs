//! What can be done with members, as data: modes, removal rules, and the routes of requests.

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::ObjectKind;
use outflow_sdk::destination::{Capabilities, Mode, Removed, Route};

use crate::events;

/// The kinds of object a mapping may name.
pub(crate) const OBJECTS: [ObjectKind; 2] = [
    ObjectKind {
        object: "members",
        title: "members of an audience",
    },
    ObjectKind {
        object: "events",
        title: "events of members",
    },
];

/// Members in one batch, and addresses of either kind in one change of a segment.
const BATCH_ROWS: usize = 500;
/// Largest body we build, in bytes. Mailchimp states no maximum.
pub(crate) const MAX_BODY: usize = 4_000_000;

/// The field that identifies members.
pub(crate) const MATCH: &str = "email_address";

/// What a request does; the closed form of a route's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Create or update members, many at once.
    Subscribe,
    /// Create members, many at once; leave existing ones alone.
    Create,
    /// Change one member that exists, its address and consent included.
    Update,
    /// Bring an archived member back.
    Revive,
    /// Look at one member before its consent is changed.
    Lookup,
    /// Add and remove one member's tags.
    Tags,
    /// Add addresses to a static segment and take others out.
    Segment,
    /// Take one member whose address is not at hand out of a static segment.
    SegmentLeave,
    /// Archive one member.
    Archive,
    /// Unsubscribe one member.
    Unsubscribe,
    /// Delete one member for good.
    Delete,
}

const VERBS: [Verb; 11] = [
    Verb::Subscribe,
    Verb::Create,
    Verb::Update,
    Verb::Revive,
    Verb::Lookup,
    Verb::Tags,
    Verb::Segment,
    Verb::SegmentLeave,
    Verb::Archive,
    Verb::Unsubscribe,
    Verb::Delete,
];

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Subscribe => "subscribe",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Revive => "revive",
            Verb::Lookup => "read",
            Verb::Tags => "tags",
            Verb::Segment => "segment",
            Verb::SegmentLeave => "segment_leave",
            Verb::Archive => "archive",
            Verb::Unsubscribe => "unsubscribe",
            Verb::Delete => "delete",
        }
    }

    /// The route, where there is one of this name.
    pub(crate) fn route(self) -> Route {
        self.lane(0)
    }

    /// The route for one segment's memberships; `field` tells segments apart.
    pub(crate) fn lane(self, field: u16) -> Route {
        Route {
            name: self.name(),
            lane: field,
            max_rows: if self.is_batch() { BATCH_ROWS } else { 1 },
            writes: self != Verb::Lookup,
            // Writes set values; a repeated create is answered with the existing member, a repeated
            // change of address finds the old one gone, and so does a repeated removal.
            replay_safe: true,
        }
    }

    /// The verb of a route of ours; none for a route of another binding.
    pub(crate) fn of(route: Route) -> Option<Self> {
        VERBS.into_iter().find(|verb| verb.name() == route.name)
    }

    /// Whether a request may carry several rows.
    pub(crate) fn is_batch(self) -> bool {
        matches!(self, Verb::Subscribe | Verb::Create | Verb::Segment)
    }

    /// Whether success is an empty body.
    pub(crate) fn is_silent(self) -> bool {
        matches!(
            self,
            Verb::Tags | Verb::SegmentLeave | Verb::Archive | Verb::Delete
        )
    }
}

/// What of an audience a mapping writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Its members.
    Members,
    /// Events of its members.
    Events,
}

/// What an `object:` names, and its audience where no mapping names one: `members`, `events`, or
/// either with `:AUDIENCE`.
///
/// # Errors
/// `Config` when it is not an object of Mailchimp.
pub(crate) fn object_in(object: &str) -> Result<(Object, Option<&str>), ConnectorError> {
    let (kind, audience) = match object.split_once(':') {
        None => (object, None),
        Some((kind, audience)) => (kind, Some(audience.trim())),
    };
    let known = match kind {
        "members" => Some(Object::Members),
        "events" => Some(Object::Events),
        _ => None,
    };
    match known {
        Some(known) if audience != Some("") => Ok((known, audience)),
        _ => Err(
            ConnectorError::config("unknown_object", format!("Mailchimp has no object `{object}`"))
                .with_hint("use `object: members` or `events` and name the audience in `audience:`"),
        ),
    }
}

/// What can be done with an object.
pub(crate) fn capabilities(object: Object) -> Capabilities {
    if object == Object::Events {
        return Capabilities {
            modes: vec![Mode::Append],
            removed: Vec::new(),
            match_fields: vec![MATCH.to_owned()],
            partial_records: false,
            creates_fields: false,
            routes: vec![events::ROUTE],
            max_body: MAX_BODY,
            notes: vec![
                "Every new key is one event, sent in a request of its own and never changed or taken back: \
                 Mailchimp has no way to do either.",
                "`name` (2 to 30 characters) must be mapped; `occurred_at` and `is_syncing` may be. Every other \
                 field is a property of the event, sent as text; NULL leaves it out.",
                "The member must exist: an event of an unknown address is rejected with `unknown_member`.",
                "An event whose answer got lost is held, not repeated: Mailchimp cannot be asked whether it has it.",
            ],
        };
    }
    Capabilities {
        modes: vec![Mode::Upsert, Mode::Update, Mode::Create, Mode::Mirror],
        removed: vec![
            Removed::Keep,
            Removed::Clear,
            Removed::Archive,
            Removed::Unsubscribe,
            Removed::Delete,
        ],
        match_fields: vec![MATCH.to_owned()],
        partial_records: true,
        creates_fields: true,
        routes: VERBS.map(Verb::route).to_vec(),
        max_body: MAX_BODY,
        notes: vec![
            "Nine requests are in flight at once, of the ten Mailchimp allows a user; it has no other limit of \
             requests.",
            "New members and changed merge fields, interests and tags to be added go out 500 to a request. A changed \
             status or address, marketing permissions, tags to be taken away and removals cost a request for \
             each member.",
            "Consent is written only where `status` is mapped. Nobody who is unsubscribed, cleaned or deleted for \
             good is subscribed again: such rows are `suppressed`.",
            "A changed address changes the same member. Not possible where the new address is a member already: the \
             row is rejected with `value_in_use`.",
            "`removed: delete` also needs `yes_delete_permanently: true`: Mailchimp never lets such an address be \
             imported again.",
            "Created fields are merge fields (text, number or date, by the values) and static segments; tags need no \
             creating, interests and marketing permissions cannot be created.",
        ],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_route_has_its_verb_and_only_batches_carry_several_rows() {
        for verb in VERBS {
            assert_eq!(Verb::of(verb.lane(3)), Some(verb));
            assert_eq!(verb.route().max_rows > 1, verb.is_batch(), "{verb:?}");
        }
        assert!(VERBS.iter().filter(|verb| !verb.route().writes).count() == 1);
    }

    #[test]
    fn members_and_their_events_are_the_objects() {
        assert_eq!(object_in("members").unwrap(), (Object::Members, None));
        assert_eq!(
            object_in("members:News").unwrap(),
            (Object::Members, Some("News"))
        );
        assert_eq!(object_in("events: News").unwrap(), (Object::Events, Some("News")));
        for object in ["contacts", "member", "members:", "events: ", ""] {
            let error = object_in(object).unwrap_err();
            assert_eq!(error.code, "unknown_object", "{object}");
            assert!(error.hint.is_some());
        }
    }
}
