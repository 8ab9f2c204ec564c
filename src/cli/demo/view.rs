//! What a marketer sees of the story's customers in each destination.

use outflow_sandbox::hubspot::RecordView;
use outflow_sandbox::mailchimp::{AUDIENCE, Status};

use super::super::failure::Failure;
use super::super::output::Rows;
use super::super::sandbox::Twins;
use super::people::customer;
use super::proof::expect;
use super::shop;

/// What each destination has of one customer: HubSpot, Mailchimp, Marketing Cloud.
type Seen = [String; 3];

/// One line of the table.
struct Line {
    customer: u32,
    what: &'static str,
    /// How the customer's value is called in each destination.
    names: [&'static str; 3],
    seen: Seen,
    expected: Seen,
}

/// The customers of the story, as the twins have them.
///
/// # Errors
/// When one is not as the story says.
pub(super) fn table(twins: &Twins) -> Result<Rows, Failure> {
    let contacts = twins.hubspot.records("contacts");
    let eyes = Eyes { twins, contacts };
    let mut rows = Rows::new(&["   CUSTOMER", "", "HUBSPOT", "MAILCHIMP", "MARKETING CLOUD"]);
    for line in lines(&eyes) {
        for (destination, (seen, expected)) in ["HubSpot", "Mailchimp", "Marketing Cloud"]
            .iter()
            .zip(line.seen.iter().zip(&line.expected))
        {
            expect(seen == expected, || {
                format!(
                    "{destination} has `{seen}` of customer {}, not `{expected}`",
                    line.customer
                )
            })?;
        }
        let [hubspot, mailchimp, marketing_cloud] = line.cells();
        rows.add([
            format!("   {}", line.customer),
            line.what.to_owned(),
            hubspot,
            mailchimp,
            marketing_cloud,
        ]);
    }
    Ok(rows)
}

impl Line {
    fn cells(&self) -> [String; 3] {
        let mut cells = self.names.iter().zip(&self.seen).map(|(name, seen)| match *name {
            "" => seen.clone(),
            name => format!("{name} = {seen}"),
        });
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    }
}

fn lines(eyes: &Eyes<'_>) -> Vec<Line> {
    let same = |text: &str| std::array::from_fn(|_| text.to_owned());
    let texts = |texts: [&str; 3]| texts.map(str::to_owned);
    let address = |id: u32| customer(u64::from(id)).email;
    let stage = customer(u64::from(shop::BAD_STAGE)).stage;
    let emails = ["email", "email_address", "Email"];
    let line = |customer, what, email: &str, names: [&'static str; 3], expected| Line {
        customer,
        what,
        seen: eyes.values(customer, email, names),
        names,
        expected,
    };
    let (moves, orders) = (address(shop::MOVES), address(shop::ORDERS));
    let (bad_address, bad_stage) = (address(shop::BAD_ADDRESS), address(shop::BAD_STAGE));
    let new_address = shop::new_address();
    let mut lines = vec![
        line(
            shop::MOVES,
            "moved",
            &moves,
            ["city", "CITY", "City"],
            same(shop::NEW_CITY),
        ),
        line(
            shop::RENAMES,
            "is renamed",
            &new_address,
            emails,
            same(&new_address),
        ),
        line(
            shop::ORDERS,
            "ordered",
            &orders,
            ["lifetime_value", "LTV", "LifetimeValue"],
            same(&shop::new_sum()),
        ),
        Line {
            customer: shop::LEAVES,
            what: "left",
            names: [""; 3],
            seen: eyes.standing(shop::LEAVES),
            expected: texts(["archived", "unsubscribed", "no row"]),
        },
        line(
            shop::BAD_ADDRESS,
            "refused: no address",
            &bad_address,
            emails,
            same(&bad_address),
        ),
        line(
            shop::BAD_STAGE,
            "refused: unknown stage",
            &bad_stage,
            ["lifecyclestage", "STAGE", "Stage"],
            texts([stage, stage, shop::NEW_STAGE]),
        ),
    ];
    let [_, status, _] = eyes.standing(shop::UNSUBSCRIBES);
    let email = address(shop::UNSUBSCRIBES);
    let [_, _, newsletter] = eyes.values(shop::UNSUBSCRIBES, &email, ["", "", "Newsletter"]);
    lines.push(Line {
        customer: shop::UNSUBSCRIBES,
        what: "suppressed",
        names: ["", "status", "Newsletter"],
        seen: ["(not mapped)".into(), status, newsletter],
        expected: texts(["(not mapped)", "unsubscribed", "True"]),
    });
    lines
}

/// How the destinations are looked at.
struct Eyes<'a> {
    twins: &'a Twins,
    contacts: Vec<RecordView>,
}

impl Eyes<'_> {
    fn contact(&self, email: &str) -> Option<&RecordView> {
        let mut contacts = self.contacts.iter();
        contacts.find(|contact| contact.get("email") == Some(email))
    }

    /// A value of a customer in each destination; nothing where there is none.
    fn values(&self, customer: u32, email: &str, names: [&str; 3]) -> Seen {
        let [property, tag, column] = names;
        let contact = self.contact(email).filter(|contact| !contact.archived);
        let member = self.twins.mailchimp.member(AUDIENCE, email);
        let member = member.map(|member| match member.merge_fields.get(tag) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => member.email_address,
        });
        let key = customer.to_string();
        let row = [("SubscriberKey", key.as_str())];
        [
            contact
                .and_then(|contact| contact.get(property))
                .map(str::to_owned),
            member,
            self.twins.marketing_cloud.value("customers", &row, column),
        ]
        .map(Option::unwrap_or_default)
    }

    /// Whether and how each destination still has a customer.
    fn standing(&self, id: u32) -> Seen {
        let email = customer(u64::from(id)).email;
        let contact = match self.contact(&email) {
            Some(contact) if contact.archived => "archived",
            Some(_) => "there",
            None => "no contact",
        };
        let member = self.twins.mailchimp.member(AUDIENCE, &email);
        let member = member.map_or("no member", |member| Status::name(member.status));
        let key = id.to_string();
        let row = [("SubscriberKey", key.as_str())];
        let row = match self
            .twins
            .marketing_cloud
            .value("customers", &row, "SubscriberKey")
        {
            Some(_) => "there",
            None => "no row",
        };
        [contact, member, row].map(str::to_owned)
    }
}
