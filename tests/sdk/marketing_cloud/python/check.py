"""FuelSDK against a running twin: python check.py http://127.0.0.1:PORT

Its SOAP client is typed: it builds requests from a service description (service.wsdl beside this file)
with prefixes and a quoted action, asks for `/service.asmx` in lower case, and reads answers by
`xsi:type`. The client of REST is generic. Jobs of the twin must take a minute to be seen and another to
run: its clock is moved, never waited for.
"""

import json
import pathlib
import sys
import unittest
import urllib.request

import FuelSDK
from FuelSDK.rest import ET_GetRest, ET_PostRest

BASE = ""
WSDL = str(pathlib.Path(__file__).resolve().parent / "service.wsdl")
MID = "7281234"
COLUMNS = [
    {"name": "Email", "type": "EmailAddress", "primary": True},
    {"name": "Shop", "type": "Number", "primary": True},
    {"name": "First", "type": "Text", "length": 10},
    {"name": "Spent", "type": "Decimal", "length": 6, "scale": 2},
]


def twin(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_twin/{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def client(**changed):
    settings = {
        "clientid": "sandbox-client",
        "clientsecret": "sandbox-secret",
        "useOAuth2Authentication": "True",
        "authenticationurl": BASE,
        "wsdl_file_local_loc": WSDL,
        "accountId": MID,
    }
    return FuelSDK.ET_Client(False, False, settings | changed)


class Checks(unittest.TestCase):
    def setUp(self):
        twin("POST", "reset", {})
        twin("POST", "extensions", {"key": "orders", "columns": COLUMNS})
        self.client = client()

    def find(self, thing, prop, value, props):
        thing.auth_stub = self.client
        thing.props = props
        thing.search_filter = {"Property": prop, "SimpleOperator": "equals", "Value": value}
        return thing.get()

    def fields(self):
        props = ["Name", "FieldType", "MaxLength", "Scale", "IsRequired", "IsPrimaryKey", "Ordinal"]
        return self.find(FuelSDK.ET_DataExtension_Column(), "DataExtension.CustomerKey", "orders", props)

    def rows(self, props):
        row = FuelSDK.ET_DataExtension_Row()
        row.auth_stub = self.client
        row.CustomerKey = "orders"
        row.props = props
        return row

    def upsert(self, *rows):
        body = [
            {"keys": {"Email": email, "Shop": shop}, "values": {"First": first}} for email, shop, first in rows
        ]
        url = self.client.base_api_url + "hub/v1/dataevents/key:orders/rowset"
        return ET_PostRest(self.client, url, body)

    def stored(self):
        return [(row["Email"], row["Shop"]) for row in twin("GET", "rows/orders")]

    def test_token(self):
        self.assertEqual(self.client.base_api_url, BASE + "/")
        self.assertEqual(self.client.soap_endpoint, BASE + "/service.asmx")
        self.assertEqual(twin("GET", "requests")[0]["path"], "/v2/token")
        with self.assertRaisesRegex(Exception, "invalid_client"):
            client(clientsecret="nope")
        with self.assertRaisesRegex(Exception, "invalid_grant"):
            client(accountId="1")

    def test_data_extension(self):
        props = ["ObjectID", "CustomerKey", "Name", "IsSendable"]
        answer = self.find(FuelSDK.ET_DataExtension(), "CustomerKey", "orders", props)
        self.assertEqual((answer.code, answer.status, answer.message), (200, True, "OK"))
        (found,) = answer.results
        self.assertEqual(type(found).__name__, "DataExtension")
        self.assertEqual((found.CustomerKey, found.Name, found.IsSendable), ("orders", "orders", False))
        self.client = client(accountId=str(int(MID) + 1))
        elsewhere = self.find(FuelSDK.ET_DataExtension(), "CustomerKey", "orders", props)
        self.assertEqual((elsewhere.status, len(elsewhere.results)), (True, 0))

    def test_columns(self):
        answer = self.fields()
        self.assertTrue(answer.status)
        self.assertEqual({type(column).__name__ for column in answer.results}, {"DataExtensionField"})
        columns = sorted(answer.results, key=lambda column: column.Ordinal)
        told = [
            (
                column.Name,
                column.FieldType,
                getattr(column, "MaxLength", None),
                getattr(column, "Scale", None),
                column.IsPrimaryKey,
                column.IsRequired,
            )
            for column in columns
        ]
        self.assertEqual(
            told,
            [
                ("Email", "EmailAddress", 254, None, True, True),
                ("Shop", "Number", None, 0, True, True),
                ("First", "Text", 10, None, False, False),
                ("Spent", "Decimal", 6, 2, False, False),
            ],
        )

    def test_a_property_and_an_object_that_do_not_exist(self):
        answer = self.find(FuelSDK.ET_DataExtension(), "CustomerKey", "orders", ["Name", "Nope"])
        self.assertEqual((answer.code, answer.status), (200, False))
        self.assertIn("Request Property(s) Nope", answer.message)
        thing = FuelSDK.ET_DataExtension()
        thing.obj_type = "Nope"
        answer = self.find(thing, "CustomerKey", "orders", ["Name"])
        self.assertFalse(answer.status)
        self.assertIn("Unable to find a handler for object type: Nope", answer.message)

    def test_made_and_extended(self):
        made = FuelSDK.ET_DataExtension()
        made.auth_stub = self.client
        made.props = {"CustomerKey": "made", "Name": "Made"}
        made.columns = [
            {"Name": "Id", "FieldType": "Text", "MaxLength": 20, "IsPrimaryKey": True, "IsRequired": True},
            {"Name": "Spent", "FieldType": "Decimal", "MaxLength": 8, "Scale": 3},
        ]
        answer = made.post()
        self.assertEqual((answer.status, answer.results[0].StatusCode), (True, "OK"))
        self.assertFalse(made.post().status)
        made.columns = [{"Name": "Vip", "FieldType": "Boolean"}]
        made.props = {"CustomerKey": "made"}
        self.assertTrue(made.patch().status)
        prop = "DataExtension.CustomerKey"
        columns = self.find(FuelSDK.ET_DataExtension_Column(), prop, "made", ["Name", "MaxLength"]).results
        told = {column.Name: getattr(column, "MaxLength", None) for column in columns}
        self.assertEqual(told, {"Id": 20, "Spent": 8, "Vip": None})

    def test_rows_are_upserted_and_read(self):
        answer = self.upsert(("ada@domain.tld", 1, "Ada"), ("ada@domain.tld", 2, "Ada"))
        self.assertEqual((answer.code, answer.status), (200, True))
        self.assertEqual(answer.results[0]["keys"], {"Email": "ada@domain.tld", "Shop": 1})
        url = self.client.base_api_url + "data/v1/customobjectdata/key/Orders/rowset"
        page = ET_GetRest(self.client, url, {"$pagesize": 1, "$page": 2}).results
        self.assertEqual((page["count"], page["page"], page["pageSize"]), (2, 2, 1))
        self.assertEqual(
            page["items"],
            [{"keys": {"email": "ada@domain.tld", "shop": "2"}, "values": {"first": "Ada", "spent": ""}}],
        )

    def test_a_bad_row_stops_those_after_it(self):
        answer = self.upsert(("ada@domain.tld", 1, "Ada"), ("ada@domain.tld", 2, "A" * 11), ("b@domain.tld", 1, "B"))
        self.assertEqual((answer.code, answer.status, answer.results["errorcode"]), (400, False, 10006))
        (error,) = answer.results["additionalErrors"]
        self.assertEqual(
            error["message"], "First: The value for column [First] exceeds the column's maximum length."
        )
        self.assertEqual(self.stored(), [("ada@domain.tld", "1")])

    def test_an_insert_job(self):
        self.upsert(("ada@domain.tld", 1, "Ada"))
        items = [{"Email": "ada@domain.tld", "Shop": shop} for shop in (1, 2)]
        base = self.client.base_api_url + "data/v1/async/"
        submitted = ET_PostRest(self.client, base + "dataextensions/key:orders/rows", {"items": items})
        self.assertEqual(submitted.code, 202)
        job = base + submitted.results["requestId"]
        unseen = ET_GetRest(self.client, job + "/status", {}).results
        self.assertEqual(unseen["resultMessages"][0]["resultCode"], "AsyncRequestStatusNotFound")
        twin("POST", "clock", {"advance_ms": 61_000})
        self.assertEqual(ET_GetRest(self.client, job + "/status", {}).results["status"]["requestStatus"], "Pending")
        twin("POST", "clock", {"advance_ms": 60_000})
        status = ET_GetRest(self.client, job + "/status", {}).results["status"]
        self.assertEqual((status["requestStatus"], status["resultStatus"]), ("Complete", "Has Errors"))
        results = ET_GetRest(self.client, job + "/results", {}).results
        self.assertEqual([item["status"] for item in results["items"]], ["Error", "OK"])
        self.assertIn("Violation of PRIMARY KEY constraint", results["items"][0]["message"])

    def test_deletion(self):
        self.upsert(("ada@domain.tld", 1, "Ada"), ("ada@domain.tld", 2, "Ada"), ("b@domain.tld", 1, "B"))
        one = self.rows({"Email": "ada@domain.tld", "Shop": "1"}).delete()
        self.assertEqual((one.status, one.message), (True, "OK"))
        self.assertEqual(type(one.results[0]).__name__, "DataExtensionDeleteResult")
        self.assertEqual(one.results[0].StatusMessage, "Deleted DataExtensionObject")
        mixed = self.rows(
            [
                {"Email": "ada@domain.tld", "Shop": "1"},
                {"Email": "ADA@domain.tld", "Shop": "2"},
                {"Email": "b@domain.tld"},
            ]
        ).delete()
        self.assertEqual((mixed.code, mixed.status, mixed.message), (200, False, "Has Errors"))
        told = [(result.OrdinalID, result.StatusCode) for result in mixed.results]
        self.assertEqual(told, [(0, "Error"), (1, "OK"), (2, "Error")])
        self.assertEqual(mixed.results[0].ErrorCode, 310007)
        self.assertEqual(self.stored(), [("b@domain.tld", "1")])
        gone = self.rows({"Email": "ada@domain.tld", "Shop": "1"}).delete()
        self.assertEqual((gone.status, gone.message), (False, "Error"))

    def test_clear_data(self):
        self.upsert(("ada@domain.tld", 1, "Ada"))
        soap = self.client.soap_client

        def clear(key):
            extension = soap.factory.create("DataExtension")
            extension.CustomerKey = key
            return soap.service.Perform(None, "ClearData", {"Definition": [extension]})

        code, answer = clear("nope")
        self.assertEqual((code, answer.OverallStatus), (200, "Error"))
        self.assertEqual(len(self.stored()), 1)
        code, answer = clear("orders")
        self.assertEqual((code, answer.OverallStatus), (200, "OK"))
        self.assertEqual(answer.Results.Result[0].StatusCode, "OK")
        self.assertEqual(self.stored(), [])

    def test_an_expired_token(self):
        twin("POST", "clock", {"advance_ms": 1_080_000})
        answer = self.fields()
        self.assertEqual((answer.code, answer.status), (500, False))
        url = self.client.base_api_url + "data/v1/customobjectdata/key/orders/rowset"
        rest = ET_GetRest(self.client, url, {})
        self.assertEqual((rest.code, rest.results["message"]), (401, "Not Authorized"))
        # The SDK itself renews five minutes before the end it was told of.
        self.client.authTokenExpiration -= 1_079 - 299
        self.assertTrue(self.fields().status)
        self.assertEqual(ET_GetRest(self.client, url, {}).code, 200)
        tokens = [request for request in twin("GET", "requests") if request["path"] == "/v2/token"]
        self.assertEqual(len(tokens), 2)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check.py URL_OF_THE_TWIN")
    BASE = sys.argv.pop().rstrip("/")
    unittest.main(argv=[sys.argv[0]], verbosity=2)
