//! One audience ("list" in the API): its definitions and its members with their indexes.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::member::{self, Hash, Member, Status};
use super::merge_field::{self, MergeField};

/// Number of a member within its audience; never reused.
pub(super) type Slot = usize;

/// A group of interests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Category {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) kind: String,
    pub(super) display_order: u64,
}

/// One interest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interest {
    pub(super) id: String,
    pub(super) category: String,
    pub(super) name: String,
    pub(super) display_order: u64,
}

/// A static segment, which is a tag by another name. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) created: i64,
    pub(super) updated: i64,
}

/// Something members can permit, in audiences that ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Permission {
    pub(super) id: String,
    pub(super) text: String,
}

/// One audience.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Audience {
    pub(super) id: String,
    pub(super) web_id: u64,
    pub(super) name: String,
    pub(super) created: i64,
    pub(super) double_optin: bool,
    pub(super) email_type_option: bool,
    pub(super) fields: Vec<MergeField>,
    pub(super) next_merge_id: u32,
    pub(super) categories: Vec<Category>,
    pub(super) interests: Vec<Interest>,
    pub(super) segments: Vec<Segment>,
    pub(super) next_segment: u32,
    /// Empty unless the audience asks for permissions.
    pub(super) permissions: Vec<Permission>,
    members: Vec<Option<Member>>,
    #[serde(skip)]
    by_hash: HashMap<Hash, Slot>,
    #[serde(skip)]
    by_contact: HashMap<String, Slot>,
    /// Members deleted for good.
    pub(super) forgotten: HashSet<Hash>,
    /// Addresses that have signed up to too many lists.
    pub(super) throttled: HashSet<Hash>,
}

impl Audience {
    pub(super) fn new(id: String, web_id: u64, name: String, created: i64) -> Self {
        let fields = merge_field::defaults();
        Self {
            id,
            web_id,
            name,
            created,
            double_optin: false,
            email_type_option: false,
            next_merge_id: 5,
            fields,
            categories: Vec::new(),
            interests: Vec::new(),
            segments: Vec::new(),
            next_segment: 3_100_001,
            permissions: Vec::new(),
            members: Vec::new(),
            by_hash: HashMap::new(),
            by_contact: HashMap::new(),
            forgotten: HashSet::new(),
            throttled: HashSet::new(),
        }
    }

    /// Indexes members that were read back.
    pub(super) fn index(&mut self) {
        for (slot, member) in self.members.iter().enumerate() {
            if let Some(member) = member {
                self.by_hash.insert(member.hash, slot);
                self.by_contact.insert(member.contact_id.clone(), slot);
            }
        }
    }

    pub(super) fn member(&self, slot: Slot) -> Option<&Member> {
        self.members.get(slot)?.as_ref()
    }

    pub(super) fn member_mut(&mut self, slot: Slot) -> Option<&mut Member> {
        self.members.get_mut(slot)?.as_mut()
    }

    /// Members in order of creation, archived ones included.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().flatten()
    }

    pub(super) fn by_hash(&self, hash: Hash) -> Option<Slot> {
        self.by_hash.get(&hash).copied()
    }

    /// The member a path names: by hash, address or contact id.
    pub(super) fn find(&self, reference: &str) -> Option<Slot> {
        if reference.contains('@') {
            return self.by_hash(member::hash(reference));
        }
        self.by_exact_hash(reference)
            .or_else(|| self.by_contact.get(reference).copied())
    }

    /// The member whose hash this is, in lower case as the vendor writes it.
    pub(super) fn by_exact_hash(&self, reference: &str) -> Option<Slot> {
        let lower = reference.len() == 32 && !reference.bytes().any(|byte| byte.is_ascii_uppercase());
        let hash = u128::from_str_radix(reference, 16).ok().filter(|_| lower)?;
        self.by_hash(hash)
    }

    /// The ids of the next member: of the web pages, and the one that outlives its address.
    pub(super) fn next_ids(&self) -> (u64, String) {
        let web_id = self.web_id * 1_000_000 + self.members.len() as u64;
        let contact = member::digest(format!("{}/{web_id}", self.id).as_bytes());
        (web_id, member::hex(contact))
    }

    /// Adds a member whose address is free.
    pub(super) fn insert(&mut self, member: Member) -> Slot {
        let slot = self.members.len();
        self.by_hash.insert(member.hash, slot);
        self.by_contact.insert(member.contact_id.clone(), slot);
        self.members.push(Some(member));
        slot
    }

    /// Gives a member another address, which must be free.
    pub(super) fn readdress(&mut self, slot: Slot, email: String) {
        let hash = member::hash(&email);
        let Some(member) = self.members.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let old = std::mem::replace(&mut member.hash, hash);
        member.email = email;
        self.by_hash.remove(&old);
        self.by_hash.insert(hash, slot);
    }

    /// Deletes a member for good: its address cannot be imported again.
    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(member) = self.members.get_mut(slot).and_then(Option::take) {
            self.by_hash.remove(&member.hash);
            self.by_contact.remove(&member.contact_id);
            self.forgotten.insert(member.hash);
        }
    }

    /// Drops every value of a merge field.
    pub(super) fn drop_values(&mut self, field: u32) {
        for member in self.members.iter_mut().flatten() {
            member.merge.retain(|(id, _)| *id != field);
        }
    }

    /// Drops interests from every member.
    pub(super) fn drop_interests(&mut self, gone: impl Fn(&str) -> bool) {
        for member in self.members.iter_mut().flatten() {
            member.interests.retain(|id| !gone(id));
        }
    }

    /// Drops a tag from every member.
    pub(super) fn drop_tag(&mut self, segment: u32) {
        for member in self.members.iter_mut().flatten() {
            member.remove_tag(segment);
        }
    }

    pub(super) fn segment(&self, id: u32) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.id == id)
    }

    /// The tag of this name whatever its case; the spelling that came first stays.
    pub(super) fn tag(&self, name: &str) -> Option<u32> {
        let exact = self.segments.iter().find(|segment| segment.name == name);
        let folded = || {
            let name = name.to_lowercase();
            self.segments
                .iter()
                .find(|segment| segment.name.to_lowercase() == name)
        };
        exact.or_else(folded).map(|segment| segment.id)
    }

    /// The tag of this name, made if there is none.
    pub(super) fn tag_or_new(&mut self, name: &str, now: i64) -> u32 {
        self.tag(name).unwrap_or_else(|| {
            let id = self.next_segment;
            self.next_segment += 1;
            self.segments.push(Segment {
                id,
                name: name.to_owned(),
                created: now,
                updated: now,
            });
            id
        })
    }

    pub(super) fn count(&self, status: Status) -> usize {
        self.members().filter(|member| member.status == status).count()
    }
}
