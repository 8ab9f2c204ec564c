//! What a write does to a member, and what stands in its way.

use super::audience::{Audience, Slot};
use super::body::Draft;
use super::member::{self, Member, MergeValue, Status, Unsubscribed};
use super::merge_field::MergeId;
use super::options::Options;
use super::problem::{FieldError, Problem};
use super::values::Write;

/// Reason of members unsubscribed through the API.
const BY_ADMIN: &str = "N/A (Unsubscribed by admin)";
/// Where requests seem to come from.
const ADDRESS_OF_CLIENT: &str = "127.0.0.1";

/// Writes members of one audience. A refused write changes nothing.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) audience: &'a mut Audience,
    pub(super) options: &'a Options,
    pub(super) now: i64,
    /// Whether required fields may stay empty.
    pub(super) skip_required: bool,
}

impl Writer<'_> {
    /// Adds a member with an address that no member has.
    ///
    /// # Errors
    /// The address is impossible, forgotten or throttled, or a required field is empty.
    pub(super) fn create(&mut self, email: &str, draft: Draft, status: Status) -> Result<Slot, Problem> {
        check_address(email, self.options)?;
        let hash = member::hash(email);
        if self.audience.forgotten.contains(&hash) {
            return Err(Problem::forgotten(email));
        }
        if self.audience.throttled.contains(&hash) {
            return Err(Problem::signed_up_a_lot(email));
        }
        let merge = self.merged(&[], &draft)?;
        let (web_id, contact_id) = self.audience.next_ids();
        let mut member = Member {
            email: email.to_owned(),
            hash,
            contact_id,
            web_id,
            status,
            email_type: draft.email_type.unwrap_or_default(),
            merge,
            interests: Default::default(),
            tags: Vec::new(),
            permissions: Default::default(),
            language: String::new(),
            vip: false,
            location: Default::default(),
            ip_signup: String::new(),
            timestamp_signup: None,
            ip_opt: ADDRESS_OF_CLIENT.into(),
            timestamp_opt: Some(self.now),
            last_changed: self.now,
            unsubscribed: None,
            compliance: false,
            events: Vec::new(),
        };
        set_status(&mut member, status, self.now);
        let tags = apply(&mut member, draft, self.now);
        let slot = self.audience.insert(member);
        self.tag(slot, tags.as_deref().unwrap_or_default(), false);
        Ok(slot)
    }

    /// Changes a member; a `status` is applied, a `status_if_new` is not.
    ///
    /// # Errors
    /// The new address is impossible or taken, the contact has to subscribe by itself, or a required
    /// field is empty.
    pub(super) fn update(&mut self, slot: Slot, mut draft: Draft, sync_tags: bool) -> Result<(), Problem> {
        let member = self.audience.member(slot).ok_or_else(Problem::not_found)?;
        let address = draft.email.take();
        let moved = match &address {
            Some(new) if member::hash(new) != member.hash => {
                check_address(new, self.options)?;
                let hash = member::hash(new);
                if self.audience.by_hash(hash).is_some() {
                    return Err(Problem::member_exists(new));
                }
                if self.audience.forgotten.contains(&hash) {
                    return Err(Problem::forgotten(new));
                }
                true
            }
            _ => false,
        };
        if draft.status == Some(Status::Subscribed) && member.compliance {
            return Err(Problem::compliance(address.as_deref().unwrap_or(&member.email)));
        }
        let merge = self.merged(&member.merge, &draft)?;
        let now = self.now;
        if moved {
            self.audience.readdress(slot, address.unwrap_or_default());
        }
        let Some(member) = self.audience.member_mut(slot) else {
            return Err(Problem::not_found());
        };
        member.merge = merge;
        if let Some(status) = draft.status {
            set_status(member, status, now);
        }
        let tags = apply(member, draft, now);
        self.tag(slot, tags.as_deref().unwrap_or_default(), sync_tags);
        Ok(())
    }

    /// The values a member will have.
    fn merged(
        &self,
        stored: &[(MergeId, MergeValue)],
        draft: &Draft,
    ) -> Result<Vec<(MergeId, MergeValue)>, Problem> {
        let mut merged = stored.to_vec();
        for (id, write) in &draft.merge {
            let place = merged.iter().position(|(field, _)| field == id);
            match (write, place) {
                (Write::Keep, _) | (Write::Clear, None) => {}
                (Write::Clear, Some(place)) => {
                    merged.swap_remove(place);
                }
                (Write::Set(value), None) => merged.push((*id, value.clone())),
                (Write::Set(value), Some(place)) => {
                    if let Some((_, old)) = merged.get_mut(place) {
                        old.clone_from(value);
                    }
                }
            }
        }
        let lacking: Vec<FieldError> = self
            .audience
            .fields
            .iter()
            .filter(|field| field.required && !self.skip_required)
            .filter(|field| !merged.iter().any(|(id, _)| *id == field.merge_id))
            .map(|field| FieldError::new(field.tag.as_str(), "Please enter a value"))
            .collect();
        if lacking.is_empty() {
            Ok(merged)
        } else {
            Err(Problem::merge_fields(lacking))
        }
    }

    /// Adds tags by name; `replace` takes all others away.
    fn tag(&mut self, slot: Slot, names: &[String], replace: bool) {
        let now = self.now;
        let ids: Vec<u32> = names
            .iter()
            .map(|name| self.audience.tag_or_new(name, now))
            .collect();
        if let Some(member) = self.audience.member_mut(slot) {
            if replace {
                member.tags.retain(|tag| ids.contains(&tag.segment));
            }
            for id in ids {
                member.add_tag(id, now);
            }
        }
    }
}

/// Gives a member a status through the API.
fn set_status(member: &mut Member, status: Status, now: i64) {
    if status == Status::Unsubscribed {
        if member.status != status || member.unsubscribed.is_none() {
            let reason = BY_ADMIN.to_owned();
            member.unsubscribed = Some(Unsubscribed { reason, at: now });
        }
    } else if !member.compliance || status == Status::Pending {
        member.unsubscribed = None;
    }
    if status == Status::Subscribed && member.status != status {
        member.timestamp_opt = Some(now);
    }
    member.compliance |= status == Status::Cleaned;
    member.status = status;
}

/// Applies all but address, status and merge values; gives the tags back.
fn apply(member: &mut Member, draft: Draft, now: i64) -> Option<Vec<String>> {
    for (id, on) in draft.interests {
        if on {
            member.interests.insert(id);
        } else {
            member.interests.remove(&id);
        }
    }
    for (id, on) in draft.permissions {
        if on {
            member.permissions.insert(id);
        } else {
            member.permissions.remove(&id);
        }
    }
    fn put<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    put(&mut member.email_type, draft.email_type);
    put(&mut member.language, draft.language);
    put(&mut member.vip, draft.vip);
    put(&mut member.location, draft.location);
    put(&mut member.ip_signup, draft.ip_signup);
    put(&mut member.ip_opt, draft.ip_opt.filter(|ip| !ip.is_empty()));
    put(&mut member.timestamp_signup, draft.timestamp_signup);
    put(
        &mut member.timestamp_opt,
        draft.timestamp_opt.filter(Option::is_some),
    );
    member.last_changed = now;
    draft.tags
}

/// Whether an address may be a member's.
///
/// # Errors
/// It is empty, no address, or looks fake.
pub(super) fn check_address(email: &str, options: &Options) -> Result<(), Problem> {
    if email.is_empty() {
        return Err(Problem::field("email_address", "This value should not be blank."));
    }
    let domain = domain(email).ok_or_else(|| Problem::invalid("Please provide a valid email address."))?;
    let domain = domain.to_lowercase();
    let fake = options.fake_domains.iter().any(|fake| {
        domain
            .strip_suffix(fake.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    if fake {
        return Err(Problem::looks_fake(email));
    }
    Ok(())
}

/// The domain of a well-formed address.
fn domain(email: &str) -> Option<&str> {
    let (local, domain) = email.rsplit_once('@')?;
    let local_fits = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !local
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control() || "@,;:<>()[]\\\"".contains(letter));
    let label_fits = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    let domain_fits = domain.contains('.') && domain.len() <= 255 && domain.split('.').all(label_fits);
    (local_fits && domain_fits).then_some(domain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(email: &str) -> Option<String> {
        check_address(email, &Options::default())
            .err()
            .map(|problem| problem.detail.into_owned())
    }

    #[test]
    fn addresses_that_cannot_be_are_refused() {
        for bad in [
            "AAAAA",
            "a@b",
            "@b.tld",
            "a b@c.tld",
            "a@b..tld",
            "a@-b.tld",
            "a,b@c.tld",
            ".a@b.tld",
        ] {
            assert_eq!(
                refusal(bad).unwrap(),
                "Please provide a valid email address.",
                "{bad}"
            );
        }
        for good in [
            "ada@domain.tld",
            "Ada.L+x@sub.domain.tld",
            "o'neil@domain.tld",
            "é@domain.tld",
        ] {
            assert_eq!(refusal(good), None, "{good}");
        }
    }

    #[test]
    fn addresses_of_reserved_domains_look_fake() {
        for fake in ["foo@example.com", "foo@a.Example.com", "foo@shop.test"] {
            assert!(refusal(fake).unwrap().contains("looks fake or invalid"), "{fake}");
        }
        assert_eq!(refusal("foo@notexample.com"), None);
    }
}
