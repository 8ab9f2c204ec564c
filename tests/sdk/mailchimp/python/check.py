"""The official Python SDK against a running twin: python check.py http://127.0.0.1:PORT

It writes booleans as True and False, opens a connection for every call, and reads a problem document
as text.
"""

import hashlib
import io
import json
import sys
import tarfile
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import mailchimp_marketing
from mailchimp_marketing.api_client import ApiClientError

BASE = ""
KEY = "0123456789abcdef0123456789abcdef-us1"
LIST = "a1b2c3d4e5"


def twin(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_twin/{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def client(**config):
    made = mailchimp_marketing.Client()
    made.set_config(config or {"api_key": KEY})
    made.api_client.host = f"{BASE}/3.0"
    return made


def md5(email):
    return hashlib.md5(email.lower().encode()).hexdigest()


class Checks(unittest.TestCase):
    def setUp(self):
        twin("POST", "reset", {})
        self.mailchimp = client()
        self.lists = self.mailchimp.lists

    def add(self, email, **merge_fields):
        body = {"email_address": email, "status": "subscribed", "merge_fields": merge_fields}
        return self.lists.add_list_member(LIST, body)

    def refused(self, status, title, call, *arguments, **options):
        with self.assertRaises(ApiClientError) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status_code, status)
        document = json.loads(caught.exception.text)
        self.assertEqual((document["status"], document["title"]), (status, title))
        return document

    def test_ping(self):
        self.assertEqual(self.mailchimp.ping.get(), {"health_status": "Everything's Chimpy!"})
        token = client(access_token="sandbox-token", server="us1")
        self.assertEqual(token.ping.get(), {"health_status": "Everything's Chimpy!"})
        self.refused(401, "API Key Invalid", client(api_key="ffff-us1").ping.get)

    def test_audience_and_fields(self):
        answer = self.lists.get_all_lists(fields=["lists.id", "total_items"])
        self.assertEqual(answer, {"lists": [{"id": LIST}], "total_items": 1})
        self.assertEqual(self.lists.get_list(LIST)["double_optin"], False)
        field = self.lists.add_list_merge_field(LIST, {"name": "Born", "tag": "BORN", "type": "birthday"})
        self.assertEqual((field["merge_id"], field["options"]), (5, {"date_format": "MM/DD"}))
        fields = self.lists.get_list_merge_fields(LIST, count=1000)
        self.assertEqual(fields["total_items"], 5)

    def test_batch(self):
        self.add("known@domain.tld")
        twin("PUT", "required", {"list_id": LIST, "tag": "LNAME", "required": True})
        emails = ["ada@domain.tld", "known@domain.tld", "AAAAA", "ADA@domain.tld"]
        members = [{"email_address": email, "status_if_new": "subscribed"} for email in emails]
        answer = self.lists.batch_list_members(
            LIST, {"members": members}, skip_merge_validation=True, skip_duplicate_check=True
        )
        counts = (answer["total_created"], answer["total_updated"], answer["error_count"])
        self.assertEqual(counts, (1, 0, 2))
        codes = [(error["email_address"], error["error_code"]) for error in answer["errors"]]
        self.assertEqual(codes, [("known@domain.tld", "ERROR_CONTACT_EXISTS"), ("AAAAA", "ERROR_GENERIC")])
        query = twin("GET", "requests")[-1]["query"]
        self.assertIn("skip_merge_validation=True", query)
        document = self.refused(
            400, "Bad Request", self.lists.batch_list_members, LIST, {"members": members}
        )
        self.assertIn("Duplicate items", document["detail"])

    def test_member(self):
        email = "ada@domain.tld"
        self.add(email, FNAME="Ada")
        self.refused(400, "Member Exists", self.add, email)
        put = self.lists.set_list_member(
            LIST, md5(email), {"email_address": email, "status_if_new": "subscribed", "vip": True}
        )
        self.assertEqual((put["vip"], put["merge_fields"]["FNAME"]), (True, "Ada"))
        moved = self.lists.update_list_member(LIST, md5(email), {"email_address": "new@domain.tld"})
        self.assertEqual(moved["id"], md5("new@domain.tld"))
        self.refused(404, "Resource Not Found", self.lists.get_list_member, LIST, md5(email))
        self.assertEqual(self.lists.delete_list_member(LIST, moved["id"]).status_code, 204)
        self.assertEqual(self.lists.get_list_member(LIST, moved["id"])["status"], "archived")
        self.refused(405, "Method Not Allowed", self.lists.delete_list_member, LIST, moved["id"])
        revived = self.add("new@domain.tld")
        self.assertEqual((revived["status"], revived["merge_fields"]["FNAME"]), ("subscribed", "Ada"))
        self.assertEqual(self.lists.delete_list_member_permanent(LIST, moved["id"]).status_code, 204)
        self.refused(400, "Forgotten Email Not Subscribed", self.add, "new@domain.tld")

    def test_bad_value(self):
        self.lists.add_list_merge_field(LIST, {"name": "LTV", "tag": "LTV", "type": "number"})
        document = self.refused(400, "Invalid Resource", self.add, "ada@domain.tld", LTV="AAAAA")
        self.assertEqual(document["errors"], [{"field": "LTV", "message": "Please enter a number"}])

    def test_consent(self):
        self.add("ada@domain.tld")
        twin("POST", "members/clean", {"list_id": LIST, "email_address": "ada@domain.tld"})
        update = self.lists.update_list_member
        self.refused(
            400, "Member In Compliance State", update, LIST, md5("ada@domain.tld"), {"status": "subscribed"}
        )
        self.assertEqual(update(LIST, md5("ada@domain.tld"), {"vip": True})["status"], "cleaned")

    def test_tags_and_segments(self):
        self.add("ada@domain.tld")
        change = {"tags": [{"name": "vip", "status": "active"}], "is_syncing": True}
        self.assertEqual(
            self.lists.update_list_member_tags(LIST, md5("ada@domain.tld"), change).status_code, 204
        )
        tags = self.lists.get_list_member_tags(LIST, md5("ada@domain.tld"))
        self.assertEqual([tag["name"] for tag in tags["tags"]], ["vip"])
        answer = self.lists.batch_segment_members(
            {"members_to_remove": ["ada@domain.tld"]}, LIST, str(tags["tags"][0]["id"])
        )
        self.assertEqual((answer["total_removed"], answer["error_count"]), (1, 0))

    def test_batches(self):
        body = json.dumps({"email_address": "ada@domain.tld", "status": "subscribed"})
        operation = {"method": "POST", "path": f"/lists/{LIST}/members", "body": body, "operation_id": "a"}
        batch = self.mailchimp.batches.start({"operations": [operation]})
        seen = [batch["status"]]
        while batch["status"] != "finished":
            batch = self.mailchimp.batches.status(batch["id"])
            seen.append(batch["status"])
        self.assertEqual(seen, ["pending", "preprocessing", "started", "finalizing", "finished"])
        with urllib.request.urlopen(batch["response_body_url"], timeout=10) as packed:
            archive = tarfile.open(fileobj=io.BytesIO(packed.read()), mode="r:gz")
        folder, file = archive.getmembers()
        self.assertTrue(folder.isdir())
        (result,) = json.load(archive.extractfile(file))
        self.assertEqual((result["status_code"], result["operation_id"]), (200, "a"))
        self.assertEqual(json.loads(result["response"])["email_address"], "ada@domain.tld")

    def test_simultaneous_calls(self):
        twin("PUT", "connections", 2)
        twin("PUT", "latency", {"ms": 300})

        def status(_):
            try:
                client().ping.get()
                return 200
            except ApiClientError as error:
                return error.status_code

        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(status, range(4)))
        self.assertEqual(statuses, [200, 200, 429, 429])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check.py URL_OF_THE_TWIN")
    BASE = sys.argv.pop().rstrip("/")
    unittest.main(argv=[sys.argv[0]], verbosity=2)
