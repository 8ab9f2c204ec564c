//! Members and collections as answers show them.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::audience::Audience;
use super::member::{EmailType, Location, Member, Status, hex, unique_email_id};
use super::query::{iso, iso_or_empty};

/// Tags shown with a member at most.
const MOST_TAGS: usize = 50;

/// How much of a member is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The member by itself or in a collection.
    Whole,
    /// A member in the answer to a batch.
    Narrow,
}

/// Where answers say the API is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<'a> {
    pub(super) data_center: &'a str,
    /// Whether objects have `_links` at all.
    pub(super) shown: bool,
}

/// One of an object's `_links`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Link {
    rel: &'static str,
    href: String,
    method: &'static str,
    #[serde(rename = "targetSchema", skip_serializing_if = "Option::is_none")]
    target_schema: Option<String>,
}

impl Links<'_> {
    /// Links of an object at `path`, as (relation, method, path below it).
    pub(super) fn of(
        self,
        path: &str,
        relations: &[(&'static str, &'static str, &str)],
    ) -> Option<Vec<Link>> {
        self.shown.then(|| {
            let center = self.data_center;
            let link = |(rel, method, below): &(&'static str, &'static str, &str)| Link {
                rel,
                href: format!("https://{center}.api.mailchimp.com/3.0{path}{below}"),
                method,
                target_schema: (*method != "DELETE").then(|| {
                    format!("https://{center}.api.mailchimp.com/schema/3.0/Definitions{path}/Response.json")
                }),
            };
            relations.iter().map(link).collect()
        })
    }

    /// The link of a collection to itself.
    pub(super) fn own(self, path: &str) -> Option<Vec<Link>> {
        self.of(path, &[("self", "GET", "")])
    }
}

#[derive(Serialize)]
struct Stats {
    avg_open_rate: u8,
    avg_click_rate: u8,
}

#[derive(Serialize)]
struct LocationView {
    latitude: f64,
    longitude: f64,
    gmtoff: i32,
    dstoff: i32,
    country_code: &'static str,
    timezone: &'static str,
    region: &'static str,
}

impl From<Location> for LocationView {
    fn from(location: Location) -> Self {
        Self {
            latitude: location.latitude,
            longitude: location.longitude,
            gmtoff: 0,
            dstoff: 0,
            country_code: "",
            timezone: "",
            region: "",
        }
    }
}

/// A member as an answer shows it.
#[derive(Serialize)]
pub(super) struct MemberView<'a> {
    id: String,
    email_address: &'a str,
    unique_email_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_id: Option<u64>,
    email_type: EmailType,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribe_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consents_to_one_to_one_messaging: Option<bool>,
    merge_fields: MergeFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interests: Option<Interests<'a>>,
    stats: Stats,
    ip_signup: &'a str,
    timestamp_signup: String,
    ip_opt: &'a str,
    timestamp_opt: String,
    member_rating: u8,
    last_changed: String,
    language: &'a str,
    vip: bool,
    email_client: &'static str,
    location: LocationView,
    #[serde(skip_serializing_if = "Option::is_none")]
    marketing_permissions: Option<Permissions<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    tags_count: usize,
    tags: Tags<'a>,
    list_id: &'a str,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Vec<Link>>,
}

impl<'a> MemberView<'a> {
    pub(super) fn new(audience: &'a Audience, member: &'a Member, shape: Shape, links: Links<'_>) -> Self {
        let id = hex(member.hash);
        let path = format!("/lists/{}/members/{id}", audience.id);
        let whole = shape == Shape::Whole;
        Self {
            links: links.of(
                &path,
                &[
                    ("self", "GET", ""),
                    ("update", "PATCH", ""),
                    ("upsert", "PUT", ""),
                    ("delete", "DELETE", ""),
                    ("activity", "GET", "/activity"),
                    ("goals", "GET", "/goals"),
                    ("notes", "GET", "/notes"),
                    ("events", "POST", "/events"),
                    ("delete_permanent", "POST", "/actions/delete-permanent"),
                ],
            ),
            id,
            email_address: &member.email,
            unique_email_id: unique_email_id(member.hash),
            contact_id: Some(member.contact_id.as_str()),
            full_name: whole.then(|| full_name(audience, member)),
            web_id: whole.then_some(member.web_id),
            email_type: member.email_type,
            status: member.status,
            unsubscribe_reason: member
                .unsubscribed
                .as_ref()
                .filter(|_| member.status == Status::Unsubscribed)
                .map(|unsubscribed| unsubscribed.reason.as_str()),
            consents_to_one_to_one_messaging: whole.then_some(true),
            merge_fields: MergeFields { audience, member },
            interests: (!audience.interests.is_empty()).then_some(Interests { audience, member }),
            stats: Stats {
                avg_open_rate: 0,
                avg_click_rate: 0,
            },
            ip_signup: &member.ip_signup,
            timestamp_signup: iso_or_empty(member.timestamp_signup),
            ip_opt: &member.ip_opt,
            timestamp_opt: iso_or_empty(member.timestamp_opt),
            member_rating: 2,
            last_changed: iso(member.last_changed),
            language: &member.language,
            vip: member.vip,
            email_client: "",
            location: member.location.into(),
            marketing_permissions: (whole && !audience.permissions.is_empty())
                .then_some(Permissions { audience, member }),
            source: whole.then_some("API - Generic"),
            tags_count: member.tags.len(),
            tags: Tags { audience, member },
            list_id: &audience.id,
        }
    }
}

/// First and last name, as the fields of those tags have them.
fn full_name(audience: &Audience, member: &Member) -> String {
    let value = |tag: &str| {
        let field = audience.fields.iter().find(|field| field.tag == tag)?;
        match member.value(field.merge_id)? {
            super::member::MergeValue::Text(text) => Some(text.as_str()),
            _ => None,
        }
    };
    match (value("FNAME"), value("LNAME")) {
        (Some(first), Some(last)) => format!("{first} {last}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    }
}

/// Every field of the audience in its order, the empty string where nothing is set.
struct MergeFields<'a> {
    audience: &'a Audience,
    member: &'a Member,
}

impl Serialize for MergeFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.audience.fields.len()))?;
        for field in &self.audience.fields {
            match self.member.value(field.merge_id) {
                Some(value) => map.serialize_entry(&field.tag, value)?,
                None => map.serialize_entry(&field.tag, "")?,
            }
        }
        map.end()
    }
}

struct Interests<'a> {
    audience: &'a Audience,
    member: &'a Member,
}

impl Serialize for Interests<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.audience
                .interests
                .iter()
                .map(|interest| (&interest.id, self.member.interests.contains(&interest.id))),
        )
    }
}

#[derive(Serialize)]
struct PermissionView<'a> {
    marketing_permission_id: &'a str,
    text: &'a str,
    enabled: bool,
}

struct Permissions<'a> {
    audience: &'a Audience,
    member: &'a Member,
}

impl Serialize for Permissions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.audience.permissions.iter().map(|permission| PermissionView {
            marketing_permission_id: &permission.id,
            text: &permission.text,
            enabled: self.member.permissions.contains(&permission.id),
        }))
    }
}

#[derive(Serialize)]
struct TagView<'a> {
    id: u32,
    name: &'a str,
}

/// A member's tags, in an order that means nothing.
struct Tags<'a> {
    audience: &'a Audience,
    member: &'a Member,
}

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ids: Vec<u32> = self.member.tags.iter().map(|tag| tag.segment).collect();
        ids.sort_by_key(|id| id.wrapping_mul(0x9e37_79b1));
        ids.truncate(MOST_TAGS);
        let mut list = serializer.serialize_seq(None)?;
        for segment in ids.iter().filter_map(|id| self.audience.segment(*id)) {
            list.serialize_element(&TagView {
                id: segment.id,
                name: &segment.name,
            })?;
        }
        list.end()
    }
}
