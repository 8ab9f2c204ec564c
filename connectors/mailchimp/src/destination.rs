//! A connection to a Mailchimp account, and binding it to a sync's audience.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_sdk::ConnectorError;
use outflow_sdk::destination::{
    AccountInfo, Binding, Capabilities, Destination, Field, FieldProblem, FieldType, Limits, MappedField,
    ObjectSpec,
};
use outflow_sdk::http::Exchange;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::audience::{self, Audience};
use crate::binding::MailchimpBinding;
use crate::capabilities::{MATCH, Object, capabilities, object_in};
use crate::client::Client;
use crate::config::{MappingOptions, Settings};
use crate::events::{self, EventBinding};
use crate::groups::{self, Interest, Permission, Segment, fold};
use crate::layout::Layout;
use crate::merge_fields::{self, MergeField};
use crate::target::{BoundField, Kind, Target};
use crate::{checks, limits};

/// A connection to one Mailchimp account.
pub struct Mailchimp {
    client: Arc<Client>,
    limits: Limits,
    audience: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    account_name: String,
    #[serde(default)]
    account_timezone: Option<String>,
}

impl Mailchimp {
    /// Opens a connection whose requests go through `exchange`. Sends nothing yet.
    ///
    /// # Errors
    /// `Config` naming the setting that is wrong.
    pub fn open(settings: serde_json::Value, exchange: Arc<dyn Exchange>) -> Result<Self, ConnectorError> {
        let settings = Settings::parse(settings)?;
        Ok(Self {
            client: Arc::new(Client::new(&settings, exchange)?),
            limits: limits::limits(settings.limits.as_ref()),
            audience: settings.audience,
        })
    }
}

#[async_trait]
impl Destination for Mailchimp {
    fn capabilities(&self, object: &str) -> Result<Capabilities, ConnectorError> {
        Ok(capabilities(object_in(object)?.0))
    }

    fn account_key(&self) -> String {
        self.client.account_key().to_owned()
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn check(&self) -> Result<AccountInfo, ConnectorError> {
        let path = "/3.0/?fields=account_name,account_timezone";
        let response = self.client.read(path).await?;
        let account: Account = self.client.expect(&response, "the account")?;
        Ok(AccountInfo {
            label: account.account_name,
            time_zone: account.account_timezone.filter(|zone| zone.contains('/')),
        })
    }

    async fn describe(&self, object: &str) -> Result<Vec<Field>, ConnectorError> {
        let (object, wanted) = object_in(object)?;
        let audience = audience::find(&self.client, wanted.or(self.audience.as_deref())).await?;
        if object == Object::Events {
            return Ok(events::fields());
        }
        let merge_fields = merge_fields::list(&self.client, &audience).await?;
        let interests = groups::interests(&self.client, &audience).await?;
        let mut fields = own_fields();
        fields.extend(merge_fields.iter().map(MergeField::field));
        fields.extend(interests.iter().map(|interest| {
            let name = format!("interest:{}", interest.full_name());
            field(&name, &interest.name, FieldType::Membership)
        }));
        Ok(fields)
    }

    async fn bind(&self, spec: ObjectSpec, create_missing: bool) -> Result<Arc<dyn Binding>, ConnectorError> {
        let options = MappingOptions::parse(&spec.options)?;
        let (object, named) = object_in(&spec.object)?;
        let wanted = options.audience.as_deref().or(named).or(self.audience.as_deref());
        if object == Object::Events {
            let audience = audience::find(&self.client, wanted).await?;
            let client = Arc::clone(&self.client);
            return Ok(Arc::new(EventBinding::new(client, audience, &spec)));
        }
        let (audience, merge_fields) = merge_fields::find_with_audience(&self.client, wanted).await?;
        let mut binder = Binder {
            client: &self.client,
            audience: &audience,
            options: &options,
            create_missing,
            merge_fields,
            interests: None,
            segments: None,
            permissions: None,
            problems: Vec::new(),
            print: Vec::new(),
        };
        let mut fields = Vec::with_capacity(spec.fields.len());
        for field in &spec.fields {
            let kind = binder.kind(field).await?;
            binder.problems.extend(checks::value_type(field, &kind));
            binder.note(&[&field.name, &format!("{kind:?}")]);
            fields.push(BoundField::new(&field.name, kind));
        }
        let mut problems = checks::mapping(&spec, &options, &fields);
        problems.append(&mut binder.problems);
        let schema_print = xxh3_64(&binder.print);
        Ok(Arc::new(MailchimpBinding {
            client: Arc::clone(&self.client),
            target: format!("audience {}", audience.id),
            layout: Layout::new(audience.path(), spec.mode, fields, options),
            schema_print,
            problems,
        }))
    }
}

fn field(name: &str, label: &str, field_type: FieldType) -> Field {
    Field {
        name: name.to_owned(),
        label: label.to_owned(),
        field_type,
        options: Vec::new(),
        max_length: None,
        writable: true,
        unique: false,
        required: false,
    }
}

/// The fields every audience has beside its merge fields.
fn own_fields() -> Vec<Field> {
    let statuses = [
        "subscribed",
        "unsubscribed",
        "pending",
        "transactional",
        "cleaned",
    ];
    vec![
        Field {
            unique: true,
            required: true,
            ..field(MATCH, "Email Address", FieldType::Text)
        },
        Field {
            options: statuses.map(str::to_owned).into(),
            ..field("status", "Email Marketing Status", FieldType::Choice)
        },
        field("tags", "Tags", FieldType::Choices),
        field("interests", "Groups", FieldType::Choices),
        field("language", "Language", FieldType::Text),
        field("vip", "VIP", FieldType::Bool),
        Field {
            options: ["html", "text"].map(str::to_owned).into(),
            ..field("email_type", "Email format", FieldType::Choice)
        },
        field("latitude", "Latitude", FieldType::Number),
        field("longitude", "Longitude", FieldType::Number),
        field("ip_opt", "Confirmation IP", FieldType::Text),
        field("ip_signup", "Signup IP", FieldType::Text),
        field("timestamp_opt", "Confirmation time", FieldType::Timestamp),
        field("timestamp_signup", "Signup time", FieldType::Timestamp),
    ]
}

/// Ties mapped fields to what the audience has, asking for no more than the mapping needs.
struct Binder<'a> {
    client: &'a Client,
    audience: &'a Audience,
    options: &'a MappingOptions,
    create_missing: bool,
    merge_fields: Vec<MergeField>,
    interests: Option<Vec<Interest>>,
    segments: Option<Vec<Segment>>,
    permissions: Option<Vec<Permission>>,
    problems: Vec<FieldProblem>,
    /// What the schema print is taken of.
    print: Vec<u8>,
}

impl Binder<'_> {
    async fn kind(&mut self, field: &MappedField) -> Result<Kind, ConnectorError> {
        let name = field.name.as_str();
        Ok(match Target::of(name) {
            Target::Email => Kind::Email,
            Target::Status => Kind::Status,
            Target::Tags => Kind::Tags,
            Target::Plain(plain) => Kind::Plain(plain),
            Target::Tag(tag) => {
                if tag.is_empty() {
                    let message = "`tag:` names no tag".to_owned();
                    self.problems.push(checks::error(
                        Some(name),
                        "unknown_field",
                        message,
                        "write `tag:NAME`",
                    ));
                }
                Kind::Tag(tag.to_owned())
            }
            Target::Merge(tag) => Kind::Merge(self.merge_field(field, tag).await?.value_kind()),
            Target::Interest(wanted) => Kind::Interest(self.interest(name, wanted).await?),
            Target::Interests(category) => Kind::Interests(self.category(name, category).await?),
            Target::Segment(wanted) => Kind::Segment(self.segment(name, wanted).await?),
            Target::Permission(wanted) => Kind::Permission(self.permission(name, wanted).await?),
        })
    }

    async fn merge_field(&mut self, field: &MappedField, tag: &str) -> Result<MergeField, ConnectorError> {
        if let Some(known) = self.merge_fields.iter().find(|known| known.tag == tag) {
            return Ok(known.clone());
        }
        let planned = MergeField::planned(tag, field.value_type);
        let problem = checks::missing_merge_field(tag, &self.merge_fields, self.options.create_fields);
        if !(problem.warning && self.create_missing) {
            self.problems.push(problem);
            return Ok(planned);
        }
        let created = merge_fields::create(self.client, self.audience, &planned).await?;
        tracing::info!(
            audience = self.audience.id,
            tag,
            "created a Mailchimp merge field"
        );
        Ok(created)
    }

    async fn interests(&mut self) -> Result<&[Interest], ConnectorError> {
        if self.interests.is_none() {
            self.interests = Some(groups::interests(self.client, self.audience).await?);
        }
        Ok(self.interests.as_deref().unwrap_or_default())
    }

    /// The id of one interest.
    async fn interest(&mut self, field: &str, wanted: &str) -> Result<String, ConnectorError> {
        let interests = self.interests().await?;
        let called: Vec<&Interest> = interests
            .iter()
            .filter(|interest| interest.is_called(wanted))
            .collect();
        if let [only] = called.as_slice() {
            return Ok(only.id.clone());
        }
        let names = |interest: &Interest| format!("interest:{}", interest.full_name());
        let problem = if called.is_empty() {
            let known: Vec<String> = interests.iter().map(names).collect();
            checks::unknown_name(field, "unknown_interest", "interest", known.into_iter())
        } else {
            let known: Vec<String> = called.iter().map(|interest| names(interest)).collect();
            checks::error(
                Some(field),
                "ambiguous_interest",
                format!("several interests are called `{wanted}`"),
                &format!("write one of {}", known.join(", ")),
            )
        };
        self.problems.push(problem);
        Ok(String::new())
    }

    /// The interests of a category, or all of them.
    async fn category(
        &mut self,
        field: &str,
        category: Option<&str>,
    ) -> Result<Vec<Interest>, ConnectorError> {
        let wanted = category.map(fold);
        let interests = self.interests().await?;
        let found: Vec<Interest> = interests
            .iter()
            .filter(|interest| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| fold(&interest.category) == *wanted)
            })
            .cloned()
            .collect();
        if found.is_empty() {
            let mut known: Vec<String> = interests
                .iter()
                .map(|interest| format!("interests:{}", interest.category))
                .collect();
            known.dedup();
            let problem = checks::unknown_name(field, "unknown_interest", "interest", known.into_iter());
            self.problems.push(problem);
        }
        Ok(found)
    }

    /// The id of a static segment.
    async fn segment(&mut self, field: &str, wanted: &str) -> Result<String, ConnectorError> {
        if self.segments.is_none() {
            self.segments = Some(groups::segments(self.client, self.audience).await?);
        }
        let segments = self.segments.as_deref().unwrap_or_default();
        let by_name = |segment: &&Segment| fold(&segment.name) == fold(wanted);
        let by_id = |segment: &&Segment| segment.id.to_string() == wanted;
        // A static one first: a tag and a saved segment may have one name.
        let found = segments
            .iter()
            .find(|segment| segment.is_static() && by_name(segment))
            .or_else(|| segments.iter().find(by_id))
            .or_else(|| segments.iter().find(by_name));
        let problem = checks::segment(field, wanted, found, self.options.create_fields);
        let id = found.map(|segment| segment.id.to_string()).unwrap_or_default();
        match problem {
            None => Ok(id),
            Some(problem) if problem.warning && self.create_missing => {
                let created = groups::create_segment(self.client, self.audience, wanted).await?;
                tracing::info!(
                    audience = self.audience.id,
                    segment = wanted,
                    "created a Mailchimp segment"
                );
                Ok(created.id.to_string())
            }
            Some(problem) => {
                self.problems.push(problem);
                Ok(id)
            }
        }
    }

    /// The id of a marketing permission, named by it or by its text.
    async fn permission(&mut self, field: &str, wanted: &str) -> Result<String, ConnectorError> {
        if !self.audience.marketing_permissions {
            self.problems.push(checks::error(
                Some(field),
                "no_permissions",
                "the audience has no marketing permissions (GDPR fields)".into(),
                "turn them on in the audience's settings, or leave the field out",
            ));
            return Ok(String::new());
        }
        if self.permissions.is_none() {
            self.permissions = Some(groups::permissions(self.client, self.audience).await?);
        }
        let known = self.permissions.as_deref().unwrap_or_default();
        let found = known
            .iter()
            .find(|permission| permission.id == wanted || fold(&permission.text) == fold(wanted));
        let is_id = wanted.len() == 10 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        match found {
            Some(permission) => Ok(permission.id.clone()),
            // Nobody is on the list yet to tell which permissions there are.
            None if known.is_empty() && is_id => Ok(wanted.to_owned()),
            None => {
                let names: Vec<String> = known
                    .iter()
                    .map(|permission| format!("permission:{}", permission.id))
                    .collect();
                let what = "marketing permission";
                self.problems.push(checks::unknown_name(
                    field,
                    "unknown_permission",
                    what,
                    names.into_iter(),
                ));
                Ok(String::new())
            }
        }
    }

    fn note(&mut self, parts: &[&str]) {
        for part in parts {
            self.print.extend_from_slice(part.as_bytes());
            self.print.push(0);
        }
    }
}
