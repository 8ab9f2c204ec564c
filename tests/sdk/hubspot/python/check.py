"""The official Python SDK against a running twin: python check.py http://127.0.0.1:PORT

200 and 207 become different classes in this SDK, and every answer is read into a model, so a wrong
shape fails here even where no assertion looks.
"""

import json
import sys
import unittest
import urllib.request
from datetime import datetime

from hubspot import HubSpot
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchReadInputSimplePublicObjectId,
    BatchResponseSimplePublicUpsertObject,
    BatchResponseSimplePublicUpsertObjectWithErrors,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.lists import ListCreateRequest, ListSearchRequest, MembershipChangeRequest
from hubspot.crm.properties import ApiException as PropertiesException
from hubspot.crm.properties import PropertyCreate
from hubspot.oauth import ApiException as OAuthException
from urllib3.util.retry import Retry

BASE = ""


def twin(method, path, body=None):
    data = None if body is None and method == "GET" else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_twin/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def upsert_input(address, properties, trace=None):
    return SimplePublicObjectBatchInputUpsert(
        id=address, id_property="email", properties=properties, object_write_trace_id=trace
    )


class Twin(unittest.TestCase):
    def setUp(self):
        twin("POST", "reset")
        self.hubspot = HubSpot(access_token="pat-na1-sandbox", host=BASE)
        self.contacts = self.hubspot.crm.contacts

    def tearDown(self):
        # The SDK asks v3 for records, properties and lists, so it is v3 that was looked at here; the
        # token's path is older, and the account's is named by its test.
        asked = [request["path"] for request in twin("GET", "requests")]
        self.assertNotEqual(asked, [])
        for path in asked:
            self.assertRegex(path, r"^/crm/v3/|^/oauth/v1/token$|^/account-info/2026-03/")

    def create(self, address):
        body = SimplePublicObjectInputForCreate(properties={"email": address}, associations=[])
        return self.contacts.basic_api.create(body)

    def upsert(self, *inputs, client=None):
        body = BatchInputSimplePublicObjectBatchInputUpsert(inputs=list(inputs))
        return (client or self.hubspot).crm.contacts.batch_api.upsert(body)

    def test_upsert_200(self):
        known = self.create("ann@example.com").id
        answer = self.upsert(
            upsert_input("ann@example.com", {"firstname": "Ann"}),
            upsert_input("bob@example.com", {"email": "bob@example.com"}),
        )
        self.assertIsInstance(answer, BatchResponseSimplePublicUpsertObject)
        self.assertEqual(answer.status, "COMPLETE")
        self.assertIsInstance(answer.started_at, datetime)
        by_id = {result.id: result for result in answer.results}
        self.assertEqual(len(by_id), 2)
        self.assertIs(by_id[known].new, False)
        self.assertEqual(
            sorted(by_id[known].properties), ["createdate", "firstname", "hs_object_id", "lastmodifieddate"]
        )
        new = next(result for result in answer.results if result.id != known)
        self.assertIs(new.new, True)
        self.assertIs(new.archived, False)

    def test_upsert_207(self):
        answer = self.upsert(
            upsert_input("ann@example.com", {"firstname": "Ann"}, "a"),
            upsert_input("bob@example.com", {"nope": "1"}, "b"),
        )
        self.assertIsInstance(answer, BatchResponseSimplePublicUpsertObjectWithErrors)
        self.assertEqual(answer.num_errors, 1)
        self.assertEqual(len(answer.results), 1)
        self.assertEqual(answer.errors[0].category, "VALIDATION_ERROR")
        self.assertEqual(answer.errors[0].context, {"objectWriteTraceId": ["b"]})

    def test_upsert_400(self):
        with self.assertRaises(ApiException) as refused:
            self.upsert(upsert_input("ann@example.com", {"nope": "1"}))
        self.assertEqual(refused.exception.status, 400)
        body = json.loads(refused.exception.body)
        self.assertEqual(body["category"], "VALIDATION_ERROR")
        self.assertEqual(body["errors"][0]["code"], "PROPERTY_DOESNT_EXIST")
        self.assertEqual(self.contacts.basic_api.get_page().results, [])

    def test_create_201_then_409(self):
        created = self.create("Ann@example.com")
        self.assertEqual(created.properties["email"], "ann@example.com")
        with self.assertRaises(ApiException) as refused:
            self.create("ann@example.com")
        self.assertEqual(refused.exception.status, 409)
        body = json.loads(refused.exception.body)
        self.assertEqual(body["category"], "CONFLICT")
        self.assertEqual(body["message"], f"Contact already exists. Existing ID: {created.id}")

    def test_batch_read(self):
        known = self.create("ann@example.com").id
        body = BatchReadInputSimplePublicObjectId(
            id_property="email",
            properties=["city"],
            properties_with_history=[],
            inputs=[SimplePublicObjectId(id="ann@example.com"), SimplePublicObjectId(id="x@example.com")],
        )
        answer = self.contacts.batch_api.read(body)
        self.assertEqual([result.id for result in answer.results], [known])
        self.assertIsNone(answer.results[0].properties["city"])
        self.assertEqual(answer.errors[0].category, "OBJECT_NOT_FOUND")
        self.assertEqual(answer.errors[0].context, {"ids": ["x@example.com"]})

    def test_search(self):
        known = self.create("ann@example.com").id
        body = PublicObjectSearchRequest(
            filter_groups=[
                {"filters": [{"propertyName": "email", "operator": "IN", "values": ["ann@example.com"]}]}
            ],
            properties=["email"],
            limit=10,
        )
        self.assertEqual(self.contacts.search_api.do_search(body).total, 0)
        twin("POST", "clock", {"advance_ms": 5000})
        answer = self.contacts.search_api.do_search(body)
        self.assertEqual((answer.total, answer.results[0].id), (1, known))
        self.assertIsNone(answer.paging)

    def test_429_of_the_window_is_survived_by_a_retry(self):
        twin("POST", "faults", {"path": "batch/upsert", "kind": {"type": "window_429"}})
        retry = Retry(total=2, status_forcelist=(429,), allowed_methods=None, backoff_factor=0)
        client = HubSpot(access_token="pat-na1-sandbox", host=BASE, retry=retry)
        answer = self.upsert(upsert_input("ann@example.com", {}), client=client)
        self.assertEqual(len(answer.results), 1)
        self.assertEqual([request["status"] for request in twin("GET", "requests")], [429, 200])

    def test_429_of_the_day(self):
        twin("PUT", "rate", {"requests": 100, "per_ms": 10000, "daily": 1})
        self.contacts.basic_api.get_page()
        with self.assertRaises(ApiException) as refused:
            self.contacts.basic_api.get_page()
        twin("PUT", "rate", None)
        self.assertEqual(refused.exception.status, 429)
        self.assertEqual(json.loads(refused.exception.body)["policyName"], "DAILY")
        self.assertNotIn("retry-after", {name.lower() for name in refused.exception.headers})

    def test_properties(self):
        api = self.hubspot.crm.properties.core_api
        definition = PropertyCreate(
            name="plan", label="Plan", type="string", field_type="text", group_name="contactinformation"
        )
        created = api.create("contacts", definition)
        self.assertEqual((created.name, created.hubspot_defined), ("plan", False))
        names = {definition.name: definition for definition in api.get_all("contacts").results}
        self.assertIn("plan", names)
        self.assertIs(names["lastmodifieddate"].modification_metadata.read_only_value, True)
        with self.assertRaises(PropertiesException) as refused:
            api.create("contacts", definition)
        self.assertEqual(refused.exception.status, 409)
        self.assertEqual(json.loads(refused.exception.body)["category"], "OBJECT_ALREADY_EXISTS")

    def test_lists(self):
        known = self.create("ann@example.com").id
        lists = self.hubspot.crm.lists
        body = ListCreateRequest(name="News", object_type_id="0-1", processing_type="MANUAL")
        created = lists.lists_api.create(body).list
        self.assertEqual((created.name, created.size), ("News", 0))
        added = lists.memberships_api.add(created.list_id, [known, "999"])
        self.assertEqual(added.records_ids_added, [known])
        self.assertEqual(added.record_ids_missing, ["999"])
        change = MembershipChangeRequest(record_ids_to_add=[], record_ids_to_remove=[known])
        removed = lists.memberships_api.add_and_remove(created.list_id, change)
        self.assertEqual(removed.record_ids_removed, [known])
        search = ListSearchRequest(query="news", count=5, offset=0)
        self.assertEqual(lists.lists_api.do_search(search).total, 1)

    def test_oauth(self):
        def refresh():
            return HubSpot(host=BASE).oauth.tokens_api.create(
                grant_type="refresh_token",
                client_id="sandbox-client",
                client_secret="sandbox-secret",
                refresh_token="na1-sandbox-refresh",
            )

        granted = refresh()
        self.assertEqual((granted.token_type, granted.expires_in), ("bearer", 1800))
        user = HubSpot(access_token=granted.access_token, host=BASE)
        self.assertEqual(user.crm.contacts.basic_api.get_page().results, [])
        twin("POST", "grants/revoke", {"token": "na1-sandbox-refresh"})
        with self.assertRaises(OAuthException) as refused:
            refresh()
        self.assertEqual(refused.exception.status, 400)
        self.assertEqual(json.loads(refused.exception.body)["error"], "invalid_grant")

    def test_account_information(self):
        response = self.hubspot.api_request(
            {"base_url": BASE, "path": "/account-info/2026-03/details"}
        )
        body = response.json()
        self.assertEqual((body["portalId"], body["timeZone"]), (4720001, "UTC"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check.py URL_OF_THE_TWIN")
    BASE = sys.argv.pop().rstrip("/")
    unittest.main(argv=[sys.argv[0]], verbosity=2)
