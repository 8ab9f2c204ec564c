//! A mapping tied to an audience: which rows can be valid, which members they mean, and where an
//! operation goes next. Pure; knows nothing of the network.
//!
//! A member's address at Mailchimp is the MD5 of its e-mail address in lower case. Between a look at
//! a member and the request that relies on it, the operation's address carries a mark that says what
//! was seen. Marks never reach the state: what is acknowledged has the plain address.

use md5::{Digest, Md5};
use outflow_sdk::destination::{Action, Mode, Operation, Rejection, Removed, Route};
use outflow_sdk::value::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::capabilities::{MATCH, Verb};
use crate::config::MappingOptions;
use crate::groups::fold;
use crate::target::{BoundField, Kind, Plain};
use crate::values::{self, Flaw, Status};

/// Length of a member's address.
const HASH: usize = 32;
/// Follows the address of a member that was looked at and may get the row's status.
const SEEN: char = '+';
/// Follows the address of a member that is archived and may be brought back.
const ARCHIVED: char = '~';

/// What is known of the member an operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// No more than its address.
    None,
    /// It was looked at: its status may change.
    Seen,
    /// It is archived.
    Archived,
}

/// A mapping tied to an audience.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) mode: Mode,
    /// Fields by number.
    pub(crate) fields: Vec<BoundField>,
    /// Number of the address. None when it is not mapped, which is a problem no row survives.
    pub(crate) email: Option<usize>,
    /// Number of the consent column, if one is mapped.
    pub(crate) status: Option<u16>,
    /// Number of the tag list, if one is mapped.
    pub(crate) tags: Option<u16>,
    pub(crate) options: MappingOptions,
    /// `/3.0/lists/a1b2c3d4e5`
    pub(crate) path: String,
}

impl Layout {
    pub(crate) fn new(path: String, mode: Mode, fields: Vec<BoundField>, options: MappingOptions) -> Self {
        let position = |wanted: &Kind| fields.iter().position(|field| field.kind == *wanted);
        let number = |wanted: &Kind| position(wanted).and_then(|at| u16::try_from(at).ok());
        Self {
            mode,
            email: position(&Kind::Email),
            status: number(&Kind::Status),
            tags: number(&Kind::Tags),
            fields,
            options,
            path,
        }
    }

    pub(crate) fn field(&self, number: u16) -> Option<&BoundField> {
        self.fields.get(usize::from(number))
    }

    /// The e-mail address of an operation, if it has one.
    pub(crate) fn email<'a>(&self, operation: &'a Operation) -> Option<&'a str> {
        match operation.record.get(self.email?)?.as_ref()? {
            Value::Text(text) if !text.trim().is_empty() => Some(text.trim()),
            _ => None,
        }
    }

    /// The address of the operation's member: the stored one, else that of its e-mail address.
    pub(crate) fn hash(&self, operation: &Operation) -> String {
        stored_hash(operation)
            .map(str::to_owned)
            .or_else(|| self.email(operation).map(hash_of))
            .unwrap_or_default()
    }

    /// Whether the row's e-mail address is another than its member's.
    pub(crate) fn is_renamed(&self, operation: &Operation) -> bool {
        match (stored_hash(operation), self.email(operation)) {
            (Some(stored), Some(email)) => !hash_of(email).eq_ignore_ascii_case(stored),
            _ => false,
        }
    }

    /// The consent the row states, if it states any.
    pub(crate) fn wanted_status(&self, operation: &Operation) -> Option<Status> {
        let value = operation.record.get(usize::from(self.status?))?.as_ref()?;
        Status::of(value)
    }

    /// The consent the row states, when it is still to be sent.
    pub(crate) fn pending_status(&self, operation: &Operation) -> Option<Status> {
        let number = self.status?;
        let is_pending = operation.pending.binary_search(&number).is_ok();
        (operation.action == Action::Write && is_pending).then(|| self.wanted_status(operation))?
    }

    /// The consent still to be sent, when it might subscribe someone.
    pub(crate) fn guarded_status(&self, operation: &Operation) -> Option<Status> {
        self.pending_status(operation)
            .filter(|wanted| !wanted.is_opted_out())
    }

    /// Refuses what Mailchimp is certain to refuse.
    pub(crate) fn inspect(&self, operation: &Operation) -> Result<(), Rejection> {
        let removal = matches!(operation.action, Action::Remove(_));
        let address_known = removal && stored_hash(operation).is_some();
        if !address_known && self.email(operation).is_none() {
            return Err(Rejection {
                code: "missing_match".into(),
                field: Some(MATCH.into()),
                message: format!("{MATCH} is empty, so the member cannot be found or created"),
            });
        }
        if removal {
            return Ok(());
        }
        for (field, value) in self.fields.iter().zip(operation.record.iter()) {
            if let Some(value) = value {
                inspect_field(field, value)?;
            }
        }
        Ok(())
    }

    /// Refuses a value its field cannot have in any row.
    pub(crate) fn inspect_value(&self, number: u16, value: &Value) -> Result<(), Rejection> {
        let field = self.field(number);
        field.map_or(Ok(()), |field| inspect_field(field, value))
    }

    /// Hash of the member an operation means.
    pub(crate) fn identity(&self, operation: &Operation) -> u64 {
        let hash = match self.email(operation) {
            Some(email) => hash_of(email),
            None => match stored_hash(operation) {
                Some(stored) => stored.to_ascii_lowercase(),
                None => format!("row {}", operation.row),
            },
        };
        xxh3_64(hash.as_bytes())
    }

    /// Where an operation goes next.
    pub(crate) fn route(&self, operation: &Operation) -> Route {
        match operation.action {
            Action::Remove(Removed::Archive) => Verb::Archive.route(),
            Action::Remove(Removed::Unsubscribe) => Verb::Unsubscribe.route(),
            Action::Remove(Removed::Delete) => Verb::Delete.route(),
            Action::Remove(Removed::Clear | Removed::Keep) | Action::Write => self.write_route(operation),
        }
    }

    fn write_route(&self, operation: &Operation) -> Route {
        let known = stored_hash(operation).is_some();
        let clears = operation.action != Action::Write;
        if !(known || clears) {
            return self.unknown_route(operation).route();
        }
        let mut apart = None;
        for number in &operation.pending {
            let Some(field) = self.field(*number) else {
                continue;
            };
            if self.is_settled_unsent(operation, *number) {
                continue;
            }
            match &field.kind {
                Kind::Tags | Kind::Tag(_) => apart = apart.or(Some(Verb::Tags.route())),
                Kind::Segment(_) if self.email(operation).is_some() => {
                    apart = apart.or(Some(Verb::Segment.lane(*number)));
                }
                Kind::Segment(_) => apart = apart.or(Some(Verb::SegmentLeave.lane(*number))),
                Kind::Permission(_) => apart = apart.or(Some(Verb::Update.route())),
                _ => return self.member_route(operation, clears).route(),
            }
        }
        apart.unwrap_or_else(|| self.member_route(operation, clears).route())
    }

    fn unknown_route(&self, operation: &Operation) -> Verb {
        match self.mode {
            Mode::Upsert | Mode::Mirror => Verb::Subscribe,
            // Members are never appended; where the mapping is refused, nothing is sent.
            Mode::Create | Mode::Append => Verb::Create,
            Mode::Update if self.guarded_status(operation).is_some() => Verb::Lookup,
            Mode::Update => Verb::Update,
        }
    }

    /// How a known member is written.
    fn member_route(&self, operation: &Operation, clears: bool) -> Verb {
        match mark(operation) {
            _ if clears => Verb::Update,
            Mark::Archived => Verb::Revive,
            Mark::Seen => Verb::Update,
            Mark::None if matches!(self.mode, Mode::Upsert | Mode::Mirror) && !self.is_renamed(operation) => {
                Verb::Subscribe
            }
            Mark::None if self.guarded_status(operation).is_some() => Verb::Lookup,
            Mark::None => Verb::Update,
        }
    }

    /// Whether a pending field needs no sending: nothing is to change, the column says nothing of
    /// it, or it is what a cleared member keeps.
    pub(crate) fn is_settled_unsent(&self, operation: &Operation, number: u16) -> bool {
        let Some(field) = self.field(number) else {
            return true;
        };
        if operation.action != Action::Write {
            return match &field.kind {
                Kind::Email | Kind::Status => true,
                Kind::Plain(plain) => !plain.can_be_cleared(),
                Kind::Tags => self.options.owned_tags.is_empty(),
                _ => false,
            };
        }
        let Some(Some(value)) = operation.record.get(usize::from(number)) else {
            return true;
        };
        match &field.kind {
            Kind::Status => Status::of(value).is_none(),
            Kind::Plain(plain) => values::is_empty(value) && !plain.can_be_cleared(),
            Kind::Tags => values::is_empty(value) && self.options.owned_tags.is_empty(),
            _ => false,
        }
    }

    /// The mapped field Mailchimp names, by merge tag or by a path that ends in it: names in its texts
    /// are repeated only when they are ours.
    pub(crate) fn known_name(&self, name: &str) -> Option<&str> {
        let last = name.rsplit('.').next().unwrap_or(name);
        self.fields
            .iter()
            .map(|field| field.name.as_str())
            .find(|known| *known == name || *known == last)
            .or_else(|| (last == "EMAIL").then_some(MATCH))
    }

    /// The status new members get: the row's own, else the mapping's.
    pub(crate) fn status_if_new(&self, operation: &Operation) -> Option<&'static str> {
        self.wanted_status(operation)
            .map(Status::word)
            .or_else(|| self.options.status_if_new.map(|status| status.word()))
    }

    /// The tag fields, each with its folded name.
    pub(crate) fn tag_fields(&self) -> impl Iterator<Item = (u16, &str)> {
        (0u16..)
            .zip(&self.fields)
            .filter_map(|(number, field)| match &field.kind {
                Kind::Tag(name) => Some((number, name.as_str())),
                _ => None,
            })
    }

    /// Whether a field of its own decides about this tag.
    pub(crate) fn has_tag_field(&self, tag: &str) -> bool {
        let folded = fold(tag);
        self.tag_fields().any(|(_, name)| fold(name) == folded)
    }
}

/// What an operation's address is marked with.
pub(crate) fn mark(operation: &Operation) -> Mark {
    match operation
        .remote
        .as_deref()
        .and_then(|remote| remote.chars().next_back())
    {
        Some(SEEN) => Mark::Seen,
        Some(ARCHIVED) => Mark::Archived,
        _ => Mark::None,
    }
}

/// The address with a mark.
pub(crate) fn marked(hash: &str, mark: Mark) -> String {
    match mark {
        Mark::None => hash.to_owned(),
        Mark::Seen => format!("{hash}{SEEN}"),
        Mark::Archived => format!("{hash}{ARCHIVED}"),
    }
}

/// The stored address, if it is one.
pub(crate) fn stored_hash(operation: &Operation) -> Option<&str> {
    operation
        .remote
        .as_deref()?
        .get(..HASH)
        .filter(|hash| is_hash(hash))
}

/// Whether `text` can be a member's address.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == HASH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A member's address: the MD5 of its e-mail address in lower case.
pub(crate) fn hash_of(email: &str) -> String {
    let digest = Md5::digest(email.trim().to_lowercase().as_bytes());
    let mut hash = String::with_capacity(HASH);
    for byte in digest {
        for half in [byte >> 4, byte & 15] {
            hash.extend(char::from_digit(u32::from(half), 16));
        }
    }
    hash
}

fn inspect_field(field: &BoundField, value: &Value) -> Result<(), Rejection> {
    check(&field.kind, value).map_err(|flaw| Rejection {
        code: flaw.code.into(),
        field: Some(field.name.clone()),
        message: format!("{} {}", field.name, flaw.words),
    })
}

fn check(kind: &Kind, value: &Value) -> Result<(), Flaw> {
    let fits = |fits: bool, flaw: Flaw| if fits { Ok(()) } else { Err(flaw) };
    let text = || values::text_of(value);
    match kind {
        Kind::Merge(kind) => values::check(kind, value),
        Kind::Email => match value {
            Value::Text(text) => fits(values::is_address(text.trim()), values::INVALID_EMAIL),
            _ => Err(values::INVALID_EMAIL),
        },
        Kind::Tag(_) | Kind::Interest(_) | Kind::Segment(_) | Kind::Permission(_) => {
            fits(values::bool_of(value).is_some(), values::INVALID_BOOL)
        }
        Kind::Tags => fits(values::items_of(value).is_some(), values::INVALID_TAG),
        Kind::Interests(known) => {
            let items = values::items_of(value).ok_or(values::INVALID_OPTION)?;
            let all = items
                .iter()
                .all(|item| known.iter().any(|interest| interest.is_called(item)));
            fits(all, values::INVALID_OPTION)
        }
        _ if values::is_empty(value) => Ok(()),
        Kind::Status => fits(Status::of(value).is_some(), values::INVALID_STATUS),
        Kind::Plain(plain) => match plain {
            Plain::Vip => fits(values::bool_of(value).is_some(), values::INVALID_BOOL),
            Plain::Language => fits(values::is_language(text().trim()), values::INVALID_LANGUAGE),
            Plain::EmailType => fits(
                matches!(text().trim(), "html" | "text"),
                values::INVALID_EMAIL_TYPE,
            ),
            Plain::Latitude | Plain::Longitude => {
                fits(values::number_of(value).is_some(), values::INVALID_NUMBER)
            }
            Plain::IpOpt | Plain::IpSignup => fits(
                text().trim().parse::<std::net::IpAddr>().is_ok(),
                values::Flaw {
                    code: "invalid_ip",
                    words: "takes IP addresses, this is none",
                },
            ),
            Plain::TimestampOpt | Plain::TimestampSignup => {
                fits(values::instant_of(value).is_some(), values::INVALID_INSTANT)
            }
        },
    }
}

#[cfg(test)]
mod tests;
