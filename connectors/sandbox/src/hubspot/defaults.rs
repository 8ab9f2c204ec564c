//! The properties a new account has.

use super::definitions::{Definitions, Group, Property, PropertyOption, PropertyType};

const LIFECYCLE: [(&str, &str); 8] = [
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
];

const LEAD_STATUS: [(&str, &str); 8] = [
    ("NEW", "New"),
    ("OPEN", "Open"),
    ("IN_PROGRESS", "In Progress"),
    ("OPEN_DEAL", "Open Deal"),
    ("UNQUALIFIED", "Unqualified"),
    ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
    ("CONNECTED", "Connected"),
    ("BAD_TIMING", "Bad Timing"),
];

const LANGUAGES: [(&str, &str); 14] = [
    ("de", "German"),
    ("de-ch", "German - Switzerland"),
    ("en", "English"),
    ("en-gb", "English - United Kingdom"),
    ("en-us", "English - United States"),
    ("es", "Spanish"),
    ("fr", "French"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("nl", "Dutch"),
    ("pl", "Polish"),
    ("pt-br", "Portuguese - Brazil"),
    ("sv", "Swedish"),
    ("zh-cn", "Chinese - China"),
];

const INDUSTRIES: [(&str, &str); 8] = [
    ("ACCOUNTING", "Accounting"),
    ("BANKING", "Banking"),
    ("COMPUTER_SOFTWARE", "Computer Software"),
    ("FINANCIAL_SERVICES", "Financial Services"),
    ("HOSPITAL_HEALTH_CARE", "Hospital & Health Care"),
    ("INSURANCE", "Insurance"),
    ("INTERNET", "Internet"),
    ("RETAIL", "Retail"),
];

const LEGAL_BASIS: [(&str, &str); 4] = [
    (
        "Legitimate interest – prospect/lead",
        "Legitimate interest – prospect/lead",
    ),
    (
        "Legitimate interest – existing customer",
        "Legitimate interest – existing customer",
    ),
    (
        "Freely given consent from contact",
        "Freely given consent from contact",
    ),
    ("Not applicable", "Not applicable"),
];

fn pairs(property: Property, options: &[(&str, &str)]) -> Property {
    let options = (0i32..)
        .zip(options)
        .map(|(display_order, (value, label))| PropertyOption {
            label: (*label).into(),
            value: (*value).into(),
            display_order,
            hidden: false,
            description: None,
        })
        .collect();
    Property { options, ..property }
}

fn text(name: &str, label: &str) -> Property {
    Property {
        form_field: true,
        ..Property::text(name).labelled(label)
    }
}

fn phone(name: &str, label: &str) -> Property {
    Property {
        field_type: "phonenumber".into(),
        ..text(name, label)
    }
}

fn select(name: &str, label: &str, options: &[(&str, &str)]) -> Property {
    pairs(
        Property::new(name, PropertyType::Enumeration).labelled(label),
        options,
    )
}

fn typed(name: &str, label: &str, value_type: PropertyType) -> Property {
    Property::new(name, value_type).labelled(label)
}

/// Properties every object type has; the vendor sets their values.
fn system(created: &str, modified: &str) -> Vec<Property> {
    vec![
        typed(created, "Create Date", PropertyType::Datetime).read_only(),
        typed(modified, "Last Modified Date", PropertyType::Datetime).read_only(),
        Property {
            has_unique_value: true,
            ..typed("hs_object_id", "Record ID", PropertyType::Number)
        }
        .read_only(),
        text("hs_object_source", "Record source").read_only(),
        text("hs_object_source_id", "Record source ID").read_only(),
        text("hs_object_source_label", "Record source label").read_only(),
        text("hs_merged_object_ids", "Merged record IDs").read_only(),
    ]
}

fn contact_properties() -> Vec<Property> {
    let mut all = system("createdate", "lastmodifieddate");
    all.extend([
        Property {
            has_unique_value: true,
            ..text("email", "Email")
        },
        text("firstname", "First Name"),
        text("lastname", "Last Name"),
        text("salutation", "Salutation"),
        phone("phone", "Phone Number"),
        phone("mobilephone", "Mobile Phone Number"),
        phone("fax", "Fax Number"),
        text("company", "Company Name"),
        text("address", "Street Address"),
        text("city", "City"),
        text("state", "State/Region"),
        text("zip", "Postal Code"),
        text("country", "Country/Region"),
        text("website", "Website URL"),
        text("jobtitle", "Job Title"),
        text("industry", "Industry"),
        text("message", "Message"),
        text("gender", "Gender"),
        text("marital_status", "Marital Status"),
        text("degree", "Degree"),
        text("school", "School"),
        text("field_of_study", "Field of Study"),
        text("date_of_birth", "Date of birth"),
        text("twitterhandle", "Twitter Username"),
        text("hs_linkedin_url", "LinkedIn URL"),
        text("numemployees", "Number of Employees"),
        text("annualrevenue", "Annual Revenue"),
        select("lifecyclestage", "Lifecycle Stage", &LIFECYCLE),
        select("hs_lead_status", "Lead Status", &LEAD_STATUS),
        select("hs_language", "Preferred language", &LANGUAGES),
        Property {
            field_type: "checkbox".into(),
            ..select(
                "hs_legal_basis",
                "Legal basis for processing contact's data",
                &LEGAL_BASIS,
            )
        },
        typed("closedate", "Close Date", PropertyType::Datetime),
        typed("total_revenue", "Total Revenue", PropertyType::Number),
        text("hs_additional_emails", "Additional email addresses").read_only(),
        Property {
            calculated: true,
            ..text("hs_email_domain", "Email Domain")
        }
        .read_only(),
        typed(
            "hs_email_optout",
            "Unsubscribed from all email",
            PropertyType::Bool,
        )
        .read_only(),
        typed(
            "hs_marketable_status",
            "Marketing contact status",
            PropertyType::Bool,
        )
        .read_only(),
        text("hs_all_contact_vids", "All vids for a contact").read_only(),
    ]);
    all
}

fn company_properties() -> Vec<Property> {
    let mut all = system("createdate", "hs_lastmodifieddate");
    all.extend([
        text("name", "Company name"),
        text("domain", "Company Domain Name"),
        phone("phone", "Phone Number"),
        text("address", "Street Address"),
        text("address2", "Street Address 2"),
        text("city", "City"),
        text("state", "State/Region"),
        text("zip", "Postal Code"),
        text("country", "Country/Region"),
        text("website", "Website URL"),
        text("description", "Description"),
        select("industry", "Industry", &INDUSTRIES),
        typed("numberofemployees", "Number of Employees", PropertyType::Number),
        typed("annualrevenue", "Annual Revenue", PropertyType::Number),
        typed("founded_year", "Year Founded", PropertyType::Number),
        select("lifecyclestage", "Lifecycle Stage", &LIFECYCLE),
        select("hs_lead_status", "Lead Status", &LEAD_STATUS),
    ]);
    all
}

fn definitions(properties: Vec<Property>, group: (&str, &str), since: &str) -> Definitions {
    let mut definitions = Definitions::default();
    definitions.groups.push(Group {
        name: group.0.into(),
        label: group.1.into(),
        display_order: 0,
        archived: false,
    });
    for mut property in properties {
        property.hubspot_defined = true;
        property.group_name = group.0.into();
        property.created_at = since.into();
        property.updated_at = since.into();
        property.modification_metadata.archivable = false;
        property.modification_metadata.read_only_definition = true;
        definitions.put(property);
    }
    definitions
}

/// What contacts have.
pub(super) fn contacts(since: &str) -> Definitions {
    definitions(
        contact_properties(),
        ("contactinformation", "Contact information"),
        since,
    )
}

/// What companies have.
pub(super) fn companies(since: &str) -> Definitions {
    definitions(
        company_properties(),
        ("companyinformation", "Company information"),
        since,
    )
}

/// What a custom object type has before its own properties; `name` is its short name.
pub(super) fn custom(name: &str, label: &str, since: &str) -> Definitions {
    definitions(
        system("hs_createdate", "hs_lastmodifieddate"),
        (&format!("{name}_information"), label),
        since,
    )
}
