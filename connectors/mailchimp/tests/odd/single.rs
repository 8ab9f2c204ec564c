//! Requests about one member: a new address, a tag to take off, an archive.

use serde_json::{Value as Json, json};

use crate::Change::{Address, Archive, Tag};
use crate::{member, odd_answers, problem, raw, says};

const ID: &str = "62eeb292278cc15f5817cb78f7790b08";

fn shown(fields: &Json) -> Json {
    json!({ "id": ID, "email_address": "ann@x.test", "status": "subscribed", "merge_fields": fields })
}

odd_answers! {
    a_new_address_taken: member(Address, says(200, &shown(&json!({ "FNAME": "ann" })))) => "updated";
    a_new_address_somebody_has:
        member(Address, problem(400, "Member Exists", "ann@x.test is already a list member."))
        => "rejected value_in_use";
    a_new_address_of_a_member_that_is_gone:
        member(Address, problem(404, "Resource Not Found", "The requested resource could not be found."))
        => "stale";
    a_new_address_and_a_404_that_is_not_mailchimps:
        member(Address, raw(404, "<html>")) => "config: mailchimp_not_found";
    a_new_address_and_an_empty_object:
        member(Address, says(200, &json!({}))) => "ambiguous: mailchimp_unreadable_answer";
    a_new_address_and_an_id_that_is_none:
        member(Address, says(200, &json!({ "id": "../../x", "status": "subscribed" })))
        => "ambiguous: mailchimp_unreadable_answer";
    a_new_address_whose_field_was_dropped:
        member(Address, says(200, &shown(&json!({ "LNAME": "" })))) => "config: mailchimp_fields_changed";
    a_new_address_and_nothing: member(Address, raw(204, "")) => "ambiguous: mailchimp_unreadable_answer";
    a_new_address_of_someone_forgotten:
        member(Address, problem(400, "Forgotten Email Not Subscribed", "ann@x.test was permanently deleted"))
        => "suppressed forgotten";
    a_tag_taken_off: member(Tag, raw(204, "")) => "updated";
    a_tag_and_a_page: member(Tag, raw(200, "<html>")) => "ambiguous: mailchimp_unreadable_answer";
    a_tag_of_a_member_that_is_gone:
        member(Tag, problem(404, "Resource Not Found", "The requested resource could not be found."))
        => "stale";
    an_archive_done: member(Archive, raw(204, "")) => "removed";
    an_archive_of_a_member_that_is_gone:
        member(Archive, problem(404, "Resource Not Found", "The requested resource could not be found."))
        => "removed";
    an_archive_of_one_archived_already:
        member(Archive, problem(405, "Method Not Allowed", "This list member cannot be removed.")) => "removed";
    an_archive_a_proxy_does_not_allow:
        member(Archive, raw(405, "<html>")) => "contract: mailchimp_unexpected_status";
    an_archive_and_a_page: member(Archive, raw(200, "<html>")) => "ambiguous: mailchimp_unreadable_answer";
}
