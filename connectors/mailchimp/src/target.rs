//! What a mapped field is at Mailchimp, by the name the mapping gives it.

use crate::capabilities::MATCH;
use crate::groups::Interest;
use crate::values::MergeKind;

/// Names that are no merge tags: what the mapping may write beside merge fields.
pub(crate) const RESERVED: [&str; 13] = [
    MATCH,
    "status",
    "tags",
    "interests",
    "language",
    "vip",
    "email_type",
    "latitude",
    "longitude",
    "ip_opt",
    "ip_signup",
    "timestamp_opt",
    "timestamp_signup",
];

/// A field name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `email_address`
    Email,
    /// `status`
    Status,
    /// `tags`
    Tags,
    /// `tag:NAME`
    Tag(&'a str),
    /// `interests`, or `interests:CATEGORY`
    Interests(Option<&'a str>),
    /// `interest:CATEGORY/NAME`
    Interest(&'a str),
    /// `segment:NAME`
    Segment(&'a str),
    /// `permission:TEXT`
    Permission(&'a str),
    /// A property of the member itself.
    Plain(Plain),
    /// Anything else: a merge tag.
    Merge(&'a str),
}

/// A property of the member itself that stands beside its merge fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Language,
    Vip,
    EmailType,
    Latitude,
    Longitude,
    IpOpt,
    IpSignup,
    TimestampOpt,
    TimestampSignup,
}

impl Plain {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Plain::Language => "language",
            Plain::Vip => "vip",
            Plain::EmailType => "email_type",
            Plain::Latitude => "latitude",
            Plain::Longitude => "longitude",
            Plain::IpOpt => "ip_opt",
            Plain::IpSignup => "ip_signup",
            Plain::TimestampOpt => "timestamp_opt",
            Plain::TimestampSignup => "timestamp_signup",
        }
    }

    /// Whether it is part of the member's location.
    pub(crate) fn is_location(self) -> bool {
        matches!(self, Plain::Latitude | Plain::Longitude)
    }

    /// Whether emptying it means something. What proves a consent is never emptied.
    pub(crate) fn can_be_cleared(self) -> bool {
        matches!(
            self,
            Plain::Language | Plain::Vip | Plain::Latitude | Plain::Longitude
        )
    }
}

impl<'a> Target<'a> {
    pub(crate) fn of(name: &'a str) -> Self {
        if let Some((kind, rest)) = name.split_once(':') {
            let rest = rest.trim();
            match kind {
                "tag" => return Target::Tag(rest),
                "interest" => return Target::Interest(rest),
                "interests" => return Target::Interests(Some(rest)),
                "segment" => return Target::Segment(rest),
                "permission" => return Target::Permission(rest),
                _ => {}
            }
        }
        match name {
            MATCH => Target::Email,
            "status" => Target::Status,
            "tags" => Target::Tags,
            "interests" => Target::Interests(None),
            "language" => Target::Plain(Plain::Language),
            "vip" => Target::Plain(Plain::Vip),
            "email_type" => Target::Plain(Plain::EmailType),
            "latitude" => Target::Plain(Plain::Latitude),
            "longitude" => Target::Plain(Plain::Longitude),
            "ip_opt" => Target::Plain(Plain::IpOpt),
            "ip_signup" => Target::Plain(Plain::IpSignup),
            "timestamp_opt" => Target::Plain(Plain::TimestampOpt),
            "timestamp_signup" => Target::Plain(Plain::TimestampSignup),
            _ => Target::Merge(name),
        }
    }
}

/// What a field is once the audience was asked: how values are checked and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The address.
    Email,
    /// Consent.
    Status,
    /// A merge field.
    Merge(MergeKind),
    /// A list of tag names.
    Tags,
    /// One tag, on or off.
    Tag(String),
    /// One interest (its id), on or off.
    Interest(String),
    /// The interests that are on; all others of these are off.
    Interests(Vec<Interest>),
    /// One static segment (its id), in or out.
    Segment(String),
    /// One marketing permission (its id), given or not.
    Permission(String),
    /// A property of the member itself.
    Plain(Plain),
}

/// One mapped field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoundField {
    /// As the mapping names it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
}

impl BoundField {
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
        }
    }

    /// Whether it is written apart from the member: tags, segments, and permissions, which a batch
    /// cannot carry.
    pub(crate) fn stage(&self) -> u8 {
        let apart = matches!(
            self.kind,
            Kind::Tags | Kind::Tag(_) | Kind::Segment(_) | Kind::Permission(_)
        );
        u8::from(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_not_merge_tags_and_everything_else_is() {
        for name in RESERVED {
            assert!(!matches!(Target::of(name), Target::Merge(_)), "{name}");
        }
        assert_eq!(Target::of("FNAME"), Target::Merge("FNAME"));
        assert_eq!(Target::of("tag:VIP customer"), Target::Tag("VIP customer"));
        assert_eq!(Target::of("interest:A/B"), Target::Interest("A/B"));
        assert_eq!(Target::of("interests: A "), Target::Interests(Some("A")));
        assert_eq!(Target::of("segment:Gold"), Target::Segment("Gold"));
        assert_eq!(Target::of("x:y"), Target::Merge("x:y"));
    }
}
