//! What can be done with a HubSpot object, as data: modes, removal rules, and the routes of requests.

use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::ObjectKind;
use outflow_sdk::destination::{Capabilities, Mode, Removed, Route};

/// The kinds of object a mapping may name.
pub(crate) const OBJECTS: [ObjectKind; 3] = [
    ObjectKind {
        object: "contacts",
        title: "contacts",
    },
    ObjectKind {
        object: "companies",
        title: "companies",
    },
    ObjectKind {
        object: "2-1234567",
        title: "a custom object, by its type id or name; likewise `deals`, `tickets`, `products`, `orders`, `leads`",
    },
];

/// Inputs HubSpot takes in one batch.
pub(crate) const BATCH_ROWS: usize = 100;
/// Record ids in one membership request. HubSpot states no maximum; thousands are reported to work.
const MEMBERSHIP_ROWS: usize = 500;
/// Largest body we build, in bytes. HubSpot states no maximum; a megabyte is known to be fine.
pub(crate) const MAX_BODY: usize = 900_000;

/// The property that repeats a record's id; `match:` may name it in mode update.
pub(crate) const RECORD_ID: &str = "hs_object_id";

/// Create or update by key, with the full record.
pub(crate) const UPSERT: Route = batch("upsert", true);
/// Create.
pub(crate) const CREATE: Route = batch("create", true);
/// Update by record id, with the changed properties.
pub(crate) const UPDATE: Route = batch("update", true);
/// Archive by record id.
pub(crate) const ARCHIVE: Route = batch("archive", true);
/// Find the record ids of keys.
pub(crate) const LOOKUP: Route = batch("read", false);

const fn batch(name: &'static str, writes: bool) -> Route {
    Route {
        name,
        lane: 0,
        max_rows: BATCH_ROWS,
        writes,
        // Upserts and updates set values, archiving twice is archiving, and a repeated create is
        // answered with the existing record.
        replay_safe: true,
    }
}

/// Memberships of the list behind one field.
pub(crate) const fn membership(field: u16) -> Route {
    Route {
        name: "membership",
        lane: field,
        max_rows: MEMBERSHIP_ROWS,
        writes: true,
        replay_safe: true,
    }
}

/// What a request does; the closed form of a route's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Upsert,
    Create,
    Update,
    Archive,
    Lookup,
    Membership,
}

impl Verb {
    /// The verb of a route of ours; none for a route of another binding.
    pub(crate) fn of(route: Route) -> Option<Self> {
        match route.name {
            "upsert" => Some(Verb::Upsert),
            "create" => Some(Verb::Create),
            "update" => Some(Verb::Update),
            "archive" => Some(Verb::Archive),
            "read" => Some(Verb::Lookup),
            "membership" => Some(Verb::Membership),
            _ => None,
        }
    }

    /// Whether its inputs are named by record id rather than by key.
    pub(crate) fn by_record_id(self) -> bool {
        matches!(self, Verb::Update | Verb::Archive | Verb::Membership)
    }
}

/// Which object a mapping writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectType {
    /// As the mapping spells it, which is a path segment as it stands.
    pub(crate) name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Contacts,
    Companies,
    /// Another object of HubSpot's own, with its type id.
    Standard(&'static str),
    Custom,
}

impl ObjectType {
    /// Reads `object:`.
    ///
    /// # Errors
    /// `Config` when it cannot be the name or type id of an object.
    pub(crate) fn parse(object: &str) -> Result<Self, ConnectorError> {
        let kind = match object {
            "contacts" | "contact" | "0-1" => Kind::Contacts,
            "companies" | "company" | "0-2" => Kind::Companies,
            "deals" | "0-3" => Kind::Standard("0-3"),
            "tickets" | "0-5" => Kind::Standard("0-5"),
            "products" | "0-7" => Kind::Standard("0-7"),
            "orders" | "0-123" => Kind::Standard("0-123"),
            "leads" | "0-136" => Kind::Standard("0-136"),
            _ => Kind::Custom,
        };
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        if object.is_empty() || !object.chars().all(fits) {
            return Err(ConnectorError::config(
                "unknown_object",
                format!("`{object}` is not the name of a HubSpot object"),
            )
            .with_hint(
                "use contacts, companies, a type id such as 2-1234567, or a full name such as p1234_plan",
            ));
        }
        Ok(Self {
            name: object.to_owned(),
            kind,
        })
    }

    /// Whether records are contacts, whose key can be the e-mail address.
    pub(crate) fn is_contacts(&self) -> bool {
        self.kind == Kind::Contacts
    }

    /// Whether records are companies.
    pub(crate) fn is_companies(&self) -> bool {
        self.kind == Kind::Companies
    }

    /// Whether the account defined the object itself.
    pub(crate) fn is_custom(&self) -> bool {
        self.kind == Kind::Custom
    }

    /// Its type id (`0-1`), when known without asking.
    pub(crate) fn type_id(&self) -> Option<&str> {
        match self.kind {
            Kind::Contacts => Some("0-1"),
            Kind::Companies => Some("0-2"),
            Kind::Standard(id) => Some(id),
            Kind::Custom => self.name.starts_with("2-").then_some(self.name.as_str()),
        }
    }

    /// One name for the object, however mappings spell it. `type_id` is what its schema says.
    pub(crate) fn lasting_name<'a>(&'a self, type_id: Option<&'a str>) -> &'a str {
        match self.kind {
            Kind::Contacts => "contacts",
            Kind::Companies => "companies",
            Kind::Standard(_) | Kind::Custom => type_id.or(self.type_id()).unwrap_or(&self.name),
        }
    }

    /// Property group of created properties, when HubSpot has a default one.
    pub(crate) fn default_group(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Contacts => Some("contactinformation"),
            Kind::Companies => Some("companyinformation"),
            Kind::Standard(_) | Kind::Custom => None,
        }
    }
}

/// What can be done with an object.
pub(crate) fn capabilities(object: &ObjectType) -> Capabilities {
    let mut match_fields = vec![RECORD_ID.to_owned()];
    if object.is_contacts() {
        match_fields.insert(0, "email".to_owned());
    }
    let mut notes = vec![
        "`match:` may also be any property with unique values; `hs_object_id` finds records and creates none, so it \
         needs `mode: update`. One property, not a list of them.",
        "What a tier allows is kept to: see `tier`, `add_ons` and `limits` above.",
        "`list:NAME` fields put records into static lists and take them out. Lists with filters choose their members \
         themselves and cannot be written.",
        "Archived records can be restored in HubSpot; nothing is deleted for good.",
        "Associations are not written.",
    ];
    if object.is_contacts() {
        notes.push("Subscription status (consent) is not written.");
    }
    if object.is_companies() {
        notes.push("`domain` cannot be `match:`: HubSpot does not keep it unique.");
    }
    Capabilities {
        modes: vec![Mode::Upsert, Mode::Update, Mode::Create, Mode::Mirror],
        removed: vec![Removed::Keep, Removed::Clear, Removed::Archive],
        match_fields,
        partial_records: true,
        creates_fields: true,
        routes: vec![UPSERT, CREATE, UPDATE, ARCHIVE, LOOKUP, membership(0)],
        max_body: MAX_BODY,
        notes,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn contacts_match_by_email_without_asking() {
        let contacts = ObjectType::parse("contacts").unwrap();
        assert_eq!(capabilities(&contacts).match_fields, ["email", "hs_object_id"]);
        let companies = ObjectType::parse("companies").unwrap();
        assert_eq!(capabilities(&companies).match_fields, ["hs_object_id"]);
    }

    #[test]
    fn objects_are_known_by_name_or_type_id() {
        assert!(ObjectType::parse("0-1").unwrap().is_contacts());
        assert_eq!(ObjectType::parse("deals").unwrap().type_id(), Some("0-3"));
        assert_eq!(ObjectType::parse("2-77").unwrap().type_id(), Some("2-77"));
        assert_eq!(ObjectType::parse("p12_plan").unwrap().type_id(), None);
    }

    #[test]
    fn a_name_that_is_no_path_segment_is_refused() {
        for object in ["", "a/b", "con tacts", "p1_plan?x", "../x"] {
            assert_eq!(
                ObjectType::parse(object).unwrap_err().code,
                "unknown_object",
                "{object}"
            );
        }
    }

    #[test]
    fn every_route_has_a_verb() {
        for route in [UPSERT, CREATE, UPDATE, ARCHIVE, LOOKUP, membership(3)] {
            assert!(Verb::of(route).is_some(), "{}", route.name);
        }
    }
}
