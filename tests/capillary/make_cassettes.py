"""Writes the cassettes, what the API's documentation shows: `python -m tests.capillary.make_cassettes`.

The answers do not come from the sandbox: they are the documentation's own examples, and combinations of them, with
invented identifiers. The requests are the documentation's too, so a request that we would write otherwise finds no
tape to play.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

TAPES = Path(__file__).parent / "tapes"
HOST = "https://eu.api.capillarytech.com"
POST = ("POST", "/v1.1/customer/preferences?format=json")
SCRUBBED = "SCRUBBED"

ASHA = {"mobile": "7744876415", "email": "asha@example.com", "store": {"code": "doc123", "id": "75152715"}}
BRAND = {"custom_fields": {"field": [{"name": "Favorite Brand", "value": '["puma", "nike"]'}]}}
COLOR = {"custom_fields": {"field": [{"name": "Favorite Color", "value": "Blue"}]}}
RAVI = {"email": "ravi@example.com"} | COLOR
MEERA = {"external_id": "A-17"} | COLOR
DEV = {"user_id": "75152"} | COLOR


def item(success: Any, code: Any, message: Any = "", warnings: Any = None, **identifiers: Any) -> dict[str, Any]:
    status = {"success": success, "code": code, "message": message, "warnings": {} if warnings is None else warnings}
    return identifiers | {"custom_fields": {"field": []}, "item_status": status}


def answer(success: Any, code: Any, message: str, **rest: Any) -> dict[str, Any]:
    return {"response": {"status": {"success": success, "code": code, "message": message}} | rest}


def refusal(code: Any, message: str) -> dict[str, Any]:
    return {"response": {"status": {"code": code, "success": False, "message": message}}}


FAILING = answer(
    "false",
    500,
    "All requests have failed due to errors",
    customer=[
        {
            "mobile": "917744876415",
            "email": "asha@example.com",
            "external_id": "",
            "store": {"status": "SUCCESS", "id": "75152715", "code": "doc123", "name": "DocStore"},
            "custom_fields": {"field": []},
            "item_status": {"success": "false", "code": 999999, "message": "", "warnings": {}},
        }
    ],
)
REFUSED = refusal(400, "Input is invalid, Please check request parameters or input xml/json")
UPDATED = "Customer preferences updated successfully"

#: tape → (customers of the request, HTTP status, answer).
EXCHANGES: dict[str, tuple[list[dict[str, Any]], int, Any]] = {
    # The page's own example: no custom_fields, 999999 under the request's 500, and a store that says SUCCESS.
    "failing_example": ([ASHA], 200, FAILING),
    "failing_example_under_http_500": ([ASHA], 500, FAILING),
    # One customer: an object instead of a list, under `customers`; counts as text.
    "one_as_an_object": (
        [ASHA | BRAND],
        200,
        {
            "response": {
                "status": {"success": "true", "code": 200, "message": "SUCCESS", "total": "1", "success_count": "1"},
                "customers": {"customer": item("true", 200, UPDATED, mobile="917744876415", email="asha@example.com")},
            }
        },
    ),
    # The code of success as the code table has it, success as a boolean, codes as text.
    "success_1000_as_text": (
        [RAVI, MEERA],
        200,
        {
            "response": {
                "status": {"success": True, "code": "200", "message": "SUCCESS"},
                "customers": {
                    "customer": [
                        item(True, "1000", UPDATED, mobile=None, email="ravi@example.com", external_id=None),
                        item(True, "1000", UPDATED, external_id="A-17"),
                    ]
                },
            }
        },
    ),
    # Some failed: 201; codes as floats; identifiers that were not sent; a failed item with nothing but its status.
    "some_failed": (
        [RAVI, MEERA, DEV],
        200,
        answer(
            "true",
            201,
            "Some requests have failed due to errors",
            customer=[
                item("true", 200.0, UPDATED, email="Ravi@Example.com", mobile="919800000001", user_id="4711"),
                {"item_status": {"success": "false", "code": 816.0, "message": "Customer not found", "warnings": []}},
                item("true", 200.0, UPDATED, user_id="75152"),
            ],
        ),
    ),
    # A field that is not defined: a warning beside the success.
    "warning_beside_success": (
        [RAVI],
        200,
        answer(
            "true",
            200,
            "SUCCESS",
            customer=[item("true", 200, UPDATED, {"warning": ["1017"]}, email="ravi@example.com")],
        ),
    ),
    "no_warning_as_a_list": (
        [RAVI],
        200,
        answer(
            "true", 200, "SUCCESS", customer=[item("true", 200, UPDATED, {"warning": []}, email="ravi@example.com")]
        ),
    ),
    # A failed item may be empty: nothing is known of that customer.
    "empty_item": (
        [RAVI, MEERA],
        200,
        answer("true", 201, "", customer=[item("true", 200, UPDATED, email="ravi@example.com"), {}]),
    ),
    # The whole request refused, under HTTP 200, 400 and 500: the HTTP status varies.
    "refused_whole": ([RAVI, MEERA], 200, REFUSED),
    "refused_whole_under_http_400": ([RAVI, MEERA], 400, REFUSED),
    "all_failed_without_items": ([RAVI], 500, refusal(500, "All requests have failed due to errors")),
    "batch_limit": ([RAVI, MEERA], 200, refusal(1060, "Batch limit exceeded")),
    "wrong_credentials": ([RAVI], 401, refusal(401, "Invalid username, password or token")),
    "access_denied": ([RAVI], 403, refusal(403, "Access denied")),
    "search_engine_busy": ([RAVI], 200, refusal(461, "Search engine is busy, please try after some time")),
    "authorisation_unavailable": ([RAVI], 503, refusal(4001, "Authorization service is not available")),
}

FIELD = {
    "name": "Favorite Color",
    "label": "Favourite colour",
    "type": "select",
    "datatype": "String",
    "default": "",
    "regex": "",
    "options": {"option": ["Blue", "Red"]},
    "is_mandatory": "false",
    "is_disabled": "false",
}
FIELDS = ("GET", "/v1.1/organization/customfields?format=json&scope=customer_preferences")


def fields(found: Any) -> Any:
    status = {"success": "true", "code": 200, "message": "SUCCESS"}
    return {"response": {"status": status, "organization": {"name": "Doc", "custom_fields": {"field": found}}}}


STORED = {
    "user_id": "75152",
    "mobile": "917744876415",
    "email": "asha@example.com",
    "external_id": "A-17",
    "custom_fields": {"field": [{"name": "Favorite Color", "value": "Blue"}]},
    "item_status": {"success": "true", "code": 200, "message": "SUCCESS"},
}
TOKEN = {"data": {"accessToken": SCRUBBED, "ttlSeconds": 300}, "errors": None}

#: tape → exchanges (method, path, request, HTTP status, answer).
OTHERS: dict[str, list[tuple[str, str, Any, int, Any]]] = {
    "fields_as_a_list": [(*FIELDS, None, 200, fields([FIELD, FIELD | {"name": "Size", "is_disabled": "true"}]))],
    "fields_as_an_object": [(*FIELDS, None, 200, fields(FIELD))],
    "reading_back": [
        (
            "GET",
            "/v1.1/customer/preferences?mobile=917744876415&format=json",
            None,
            200,
            {"response": {"status": {"success": "true", "code": 200}, "customers": {"customer": STORED}}},
        )
    ],
    "with_a_token": [
        ("POST", "/v3/oauth/token/generate", {"key": SCRUBBED, "secret": SCRUBBED}, 200, TOKEN),
        (
            *POST,
            {"root": {"customer": [RAVI]}},
            200,
            answer("true", 200, "SUCCESS", customer=[item("true", 200, UPDATED, email="ravi@example.com")]),
        ),
    ],
}


def tape(exchanges: list[tuple[str, str, Any, int, Any]]) -> str:
    interactions = []
    for number, (method, path, request, status, body) in enumerate(exchanges, 1):
        interactions.append(
            {
                "request": {
                    "method": method,
                    "uri": HOST + path,
                    "body": "" if request is None else json.dumps(request),
                    "headers": {"content-type": ["application/json"], "accept": ["application/json"]},
                },
                "response": {
                    "status": {"code": status, "message": ""},
                    "headers": {
                        "Content-Type": ["application/json"],
                        "X-CAP-REQUEST-ID": [f"documented-{number}"],
                    },
                    "body": {"string": json.dumps(body)},
                },
            }
        )
    return yaml.safe_dump({"interactions": interactions, "version": 1}, sort_keys=True, width=110)


def tapes() -> dict[str, str]:
    found = {
        name: tape([(*POST, {"root": {"customer": customers}}, status, body)])
        for name, (customers, status, body) in EXCHANGES.items()
    }
    return found | {name: tape(exchanges) for name, exchanges in OTHERS.items()}


if __name__ == "__main__":
    TAPES.mkdir(exist_ok=True)
    for name, text in tapes().items():
        (TAPES / f"{name}.yaml").write_text(text, encoding="utf-8")
