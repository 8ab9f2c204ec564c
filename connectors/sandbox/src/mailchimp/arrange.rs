//! Situations a test brings about, and what it looks at afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::Twin;
use super::account::Account;
use super::audience::{Audience, Category, Interest, Permission};
use super::body::{Draft, Place};
use super::member::{self, Member, Status, Unsubscribed};
use super::merge_field::MergeField;
use super::problem::Problem;
use super::write::Writer;

/// A situation that cannot be arranged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ArrangeError(String);

impl From<Problem> for ArrangeError {
    fn from(problem: Problem) -> Self {
        let errors = problem.errors.iter();
        let errors: Vec<String> = errors
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect();
        Self(
            format!("{} {}", problem.detail, errors.join(", "))
                .trim()
                .to_owned(),
        )
    }
}

/// A member as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    /// MD5 of the address in lower case.
    pub id: String,
    /// Id that outlives a change of the address.
    pub contact_id: String,
    /// Address as it was written.
    pub email_address: String,
    /// Status.
    pub status: Status,
    /// Why it left, if it did.
    pub unsubscribe_reason: Option<String>,
    /// Values that are set, by tag.
    pub merge_fields: BTreeMap<String, Value>,
    /// Names of its tags.
    pub tags: BTreeSet<String>,
    /// Ids of the interests that are on.
    pub interests: BTreeSet<String>,
    /// Ids of the marketing permissions that are on.
    pub permissions: BTreeSet<String>,
    /// Language code, or nothing.
    pub language: String,
    /// Whether it is a VIP.
    pub vip: bool,
    /// When it was last written, in milliseconds since 1970.
    pub changed_at: i64,
    /// Names of its events, oldest first.
    pub events: Vec<String>,
}

impl MemberView {
    /// A value that is set and text.
    pub fn get(&self, tag: &str) -> Option<&str> {
        self.merge_fields.get(tag).and_then(Value::as_str)
    }
}

fn view(audience: &Audience, member: &Member) -> MemberView {
    let value = |field: &MergeField| {
        let value = member.value(field.merge_id)?;
        Some((field.tag.clone(), serde_json::to_value(value).unwrap_or_default()))
    };
    MemberView {
        id: member::hex(member.hash),
        contact_id: member.contact_id.clone(),
        email_address: member.email.clone(),
        status: member.status,
        unsubscribe_reason: member
            .unsubscribed
            .as_ref()
            .map(|unsubscribed| unsubscribed.reason.clone()),
        merge_fields: audience.fields.iter().filter_map(value).collect(),
        tags: member
            .tags
            .iter()
            .filter_map(|tag| audience.segment(tag.segment))
            .map(|segment| segment.name.clone())
            .collect(),
        interests: member.interests.clone(),
        permissions: member.permissions.clone(),
        language: member.language.clone(),
        vip: member.vip,
        changed_at: member.last_changed,
        events: member.events.iter().map(|event| event.name.clone()).collect(),
    }
}

/// Something the contact, or the vendor, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Unsubscribe,
    Clean,
    Review,
    Confirm,
    Forget,
    Throttle,
}

impl Deed {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "unsubscribe" => Deed::Unsubscribe,
            "clean" => Deed::Clean,
            "review" => Deed::Review,
            "confirm" => Deed::Confirm,
            "forget" => Deed::Forget,
            "throttle" => Deed::Throttle,
            _ => return None,
        })
    }
}

/// Does something to a member as somebody other than the API would.
pub(super) fn act(account: &Account, list: &str, email: &str, deed: Deed) -> Result<(), ArrangeError> {
    let now = account.desk.now_ms();
    let mut state = account.state();
    let audience = state.audience(list)?;
    let hash = member::hash(email);
    if deed == Deed::Throttle {
        audience.throttled.insert(hash);
        return Ok(());
    }
    let unknown = || ArrangeError(format!("{email} is no member of {list}"));
    let slot = audience.by_hash(hash).ok_or_else(unknown)?;
    if deed == Deed::Forget {
        audience.forget(slot);
        return Ok(());
    }
    let member = audience.member_mut(slot).ok_or_else(unknown)?;
    member.last_changed = now;
    match deed {
        Deed::Unsubscribe => {
            member.status = Status::Unsubscribed;
            member.compliance = true;
            let reason = "N/A (Unsubscribed by the contact)".to_owned();
            member.unsubscribed = Some(Unsubscribed { reason, at: now });
        }
        Deed::Clean => {
            member.status = Status::Cleaned;
            member.compliance = true;
        }
        Deed::Review => member.compliance = true,
        Deed::Confirm => {
            member.status = Status::Subscribed;
            member.compliance = false;
            member.unsubscribed = None;
            member.timestamp_opt = Some(now);
        }
        Deed::Forget | Deed::Throttle => {}
    }
    Ok(())
}

/// Adds an audience, with permissions its members are asked for, and gives its id.
pub(super) fn define_audience(account: &Account, name: &str, permissions: &[&str]) -> String {
    let now = account.desk.now_ms();
    let mut state = account.state();
    let position = state.add_audience(name, now);
    let permissions = permissions
        .iter()
        .map(|text| Permission {
            id: state.short_id(),
            text: (*text).to_owned(),
        })
        .collect();
    match state.audiences.get_mut(position) {
        Some(audience) => {
            audience.permissions = permissions;
            audience.id.clone()
        }
        None => String::new(),
    }
}

/// Changes a merge field.
pub(super) fn change_field(
    account: &Account,
    list: &str,
    tag: &str,
    change: impl FnOnce(&mut MergeField),
) -> Result<(), ArrangeError> {
    let mut state = account.state();
    let audience = state.audience(list)?;
    let field = audience.fields.iter_mut().find(|field| field.tag == tag);
    change(field.ok_or_else(|| ArrangeError(format!("there is no merge field {tag}")))?);
    Ok(())
}

impl Twin {
    /// Members of an audience in order of creation, archived ones included; empty if there is no such
    /// audience.
    pub fn members(&self, list: &str) -> Vec<MemberView> {
        let mut state = self.account.state();
        state.audience(list).map_or_else(
            |_| Vec::new(),
            |audience| audience.members().map(|member| view(audience, member)).collect(),
        )
    }

    /// The member with this address, whatever its status.
    pub fn member(&self, list: &str, email: &str) -> Option<MemberView> {
        let mut state = self.account.state();
        let audience = state.audience(list).ok()?;
        let slot = audience.by_hash(member::hash(email))?;
        audience.member(slot).map(|member| view(audience, member))
    }

    /// Names of a member's events, oldest first.
    pub fn events(&self, list: &str, email: &str) -> Vec<String> {
        let mut state = self.account.state();
        let Ok(audience) = state.audience(list) else {
            return Vec::new();
        };
        let slot = audience.find(email);
        let member = slot.and_then(|slot| audience.member(slot));
        member.map_or_else(Vec::new, |member| {
            member.events.iter().map(|event| event.name.clone()).collect()
        })
    }

    /// How many members have this status.
    pub fn count(&self, list: &str, status: Status) -> usize {
        let mut state = self.account.state();
        state.audience(list).map_or(0, |audience| audience.count(status))
    }

    /// Adds or updates a member as somebody else would.
    ///
    /// # Errors
    /// No such audience, or values the API would refuse.
    pub fn put_member(
        &self,
        list: &str,
        email: &str,
        status: Status,
        merge_fields: &[(&str, Value)],
    ) -> Result<(), ArrangeError> {
        let now = self.account.desk.now_ms();
        let merge: Map<String, Value> = merge_fields
            .iter()
            .map(|(tag, value)| ((*tag).to_owned(), value.clone()))
            .collect();
        let body = json!({ "email_address": email, "status": status, "merge_fields": merge });
        let mut state = self.account.state();
        let audience = state.audience(list)?;
        let map = body.as_object().cloned().unwrap_or_default();
        let draft = Draft::read(&map, Place::Alone, audience, &self.account.options)?;
        let mut writer = Writer {
            audience,
            options: &self.account.options,
            now,
            skip_required: false,
        };
        match writer.audience.by_hash(member::hash(email)) {
            Some(slot) => writer.update(slot, draft, false)?,
            None => {
                writer.create(email, draft, status)?;
            }
        }
        Ok(())
    }

    /// The contact unsubscribes by itself: only it can subscribe again.
    ///
    /// # Errors
    /// No such member.
    pub fn unsubscribe(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Unsubscribe)
    }

    /// The address bounces for good.
    ///
    /// # Errors
    /// No such member.
    pub fn clean(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Clean)
    }

    /// The vendor reviews the contact: it cannot be subscribed.
    ///
    /// # Errors
    /// No such member.
    pub fn review(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Review)
    }

    /// The contact confirms, or subscribes by itself.
    ///
    /// # Errors
    /// No such member.
    pub fn confirm(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Confirm)
    }

    /// The contact is deleted for good.
    ///
    /// # Errors
    /// No such member.
    pub fn forget(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Forget)
    }

    /// An address has signed up to too many lists to be added to another.
    ///
    /// # Errors
    /// No such audience.
    pub fn throttle_signups(&self, list: &str, email: &str) -> Result<(), ArrangeError> {
        act(&self.account, list, email, Deed::Throttle)
    }

    /// Adds an audience with the vendor's default fields and gives its id.
    pub fn define_audience(&self, name: &str) -> String {
        define_audience(&self.account, name, &[])
    }

    /// Adds an audience whose members are asked for these permissions, and gives its id.
    pub fn define_audience_with_permissions(&self, name: &str, permissions: &[&str]) -> String {
        define_audience(&self.account, name, permissions)
    }

    /// Adds a merge field; gives its number.
    ///
    /// # Errors
    /// No such audience, or a tag that is taken.
    pub fn define_merge_field(&self, list: &str, field: MergeField) -> Result<u32, ArrangeError> {
        let mut state = self.account.state();
        let audience = state.audience(list)?;
        if audience.fields.iter().any(|known| known.tag == field.tag) {
            return Err(ArrangeError(format!("there is a merge field {}", field.tag)));
        }
        let merge_id = audience.next_merge_id;
        audience.next_merge_id += 1;
        audience.fields.push(MergeField { merge_id, ..field });
        Ok(merge_id)
    }

    /// Makes a merge field required, or not.
    ///
    /// # Errors
    /// No such audience or field.
    pub fn require(&self, list: &str, tag: &str, required: bool) -> Result<(), ArrangeError> {
        change_field(&self.account, list, tag, |field| field.required = required)
    }

    /// Adds an interest, and its category (`checkboxes`) if there is none of that title; gives its id.
    ///
    /// # Errors
    /// No such audience.
    pub fn define_interest(&self, list: &str, category: &str, name: &str) -> Result<String, ArrangeError> {
        let mut state = self.account.state();
        let (category_id, id) = (state.short_id(), state.short_id());
        let audience = state.audience(list)?;
        let known = audience.categories.iter().find(|known| known.title == category);
        let category_id = match known {
            Some(known) => known.id.clone(),
            None => {
                audience.categories.push(Category {
                    id: category_id.clone(),
                    title: category.into(),
                    kind: "checkboxes".into(),
                    display_order: 0,
                });
                category_id
            }
        };
        audience.interests.push(Interest {
            id: id.clone(),
            category: category_id,
            name: name.into(),
            display_order: 0,
        });
        Ok(id)
    }

    /// Takes an API key or an access token away.
    pub fn revoke(&self, secret: &str) {
        self.account.state().credentials.revoke(secret);
    }

    /// Moves the twin's clock forward.
    pub fn advance_clock(&self, by: Duration) {
        self.account.desk.advance(by);
    }

    /// Changes how many requests are answered at the same time.
    pub fn set_connections(&self, connections: Option<usize>) {
        self.account.state().connections = connections;
    }

    /// Changes the time every request waits.
    pub fn set_latency(&self, latency: Duration) {
        self.account.state().latency = latency;
    }
}
