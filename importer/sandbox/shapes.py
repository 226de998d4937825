"""The shapes in which the API's answers have been seen, each behind a word, and the rendering of an answer in one.

`--shape customers,booleans,string-codes` combines words; words that answer the same question exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from importer.sandbox.catalogue import SUMMARIES
from importer.sandbox.options import OptionsError

#: Question -> word -> what it does. The first word of each question is the default.
QUESTIONS: dict[str, dict[str, str]] = {
    "list": {
        "customer": "the items are an array at response.customer",
        "customers": "the items are at response.customers.customer: an object when there is one, else an array",
        "customers-array": "the items are an array at response.customers.customer, even when there is one",
    },
    "success": {
        "strings": 'success is "true" or "false"',
        "booleans": "success is true or false",
        "capitals": 'success is "True" or "False"',
    },
    "code": {
        "int-codes": "codes are whole numbers",
        "string-codes": 'codes are strings ("200")',
        "float-codes": "codes are decimal numbers (200.0)",
    },
    "success code": {
        "success-200": "a customer that was updated has the code 200",
        "success-1000": "a customer that was updated has the code 1000",
    },
    "warnings": {
        "warnings-object": "no warnings are {}",
        "warnings-array": 'no warnings are {"warning": []}',
    },
    "echo": {
        "echo-empty": 'an identifier that was not sent comes back as ""',
        "echo-null": "an identifier that was not sent comes back as null",
        "echo-missing": "an identifier that was not sent does not come back",
        "echo-stored": "identifiers that were not sent come back as the stored customer has them",
    },
    "mobile": {
        "mobile-country": "the mobile comes back with its country code",
        "mobile-as-sent": "the mobile comes back as it was sent",
    },
    "email": {
        "email-as-sent": "the e-mail comes back as it was sent",
        "email-lower": "the e-mail comes back in lower case",
    },
    "failed": {
        "failed-whole": "an item that failed has all its parts",
        "failed-bare": "an item that failed holds only its item_status",
        "failed-empty": "an item that failed is {}",
    },
    "fields": {
        "fields-echo": "an item that succeeded repeats its custom fields",
        "fields-empty": "custom_fields.field is always []",
    },
    "message": {
        "messages": "items carry messages",
        "messages-empty": "the messages of items are empty",
    },
    "totals": {
        "totals-none": "response.status has no totals",
        "totals": "response.status has total and success_count, as strings",
    },
    "http": {
        "http-documented": "HTTP 200 with a code in the body, but for credentials, rate and gateways",
        "http-200": "HTTP 200 whatever the body says",
        "http-body": "the HTTP status is the body's code where it is one (200, 201, 400, 401, 500 …)",
    },
}
#: Every word and what it does: what the option `--shape` knows.
SHAPES: dict[str, str] = {word: text for words in QUESTIONS.values() for word, text in words.items()}
#: Combinations that cover every word at least once; tests of a reader of answers run over all of them.
DOCUMENTED_SHAPES: tuple[str, ...] = (
    "customer",
    "customers,totals,string-codes",
    "customers-array,booleans,int-codes,echo-null",
    "customer,strings,float-codes,warnings-array,echo-missing",
    "customer,capitals,success-1000,messages-empty,fields-empty",
    "customers,booleans,string-codes,success-1000,echo-stored,email-lower,totals",
    "customer,failed-bare,mobile-as-sent",
    "customers,failed-empty,warnings-array",
    "customer,http-200",
    "customer,http-body,booleans,string-codes",
)


def parse_shape(text: str) -> dict[str, str]:
    """The word chosen for each question."""
    chosen = {question: next(iter(words)) for question, words in QUESTIONS.items()}
    answered: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        question = next((q for q, words in QUESTIONS.items() if word in words), None)
        if question is None:
            raise OptionsError(f"There is no shape {word!r}.", "Choose words that `importer sandbox --list` lists.")
        if answered.setdefault(question, word) != word:
            raise OptionsError(
                f"The shapes {answered[question]!r} and {word!r} exclude each other.", "Choose one of them."
            )
        chosen[question] = word
    return chosen


class ItemResult(msgspec.Struct, frozen=True):
    """What is said of one customer."""

    success: bool
    code: int
    message: str = ""
    warnings: tuple[str, ...] = ()


class Shaper:
    """Renders answers in one shape. Everything that does not depend on the customer is made once."""

    def __init__(self, text: str) -> None:
        chosen = parse_shape(text)
        self._list = chosen["list"]
        self._yes, self._no = {"strings": ("true", "false"), "booleans": (True, False), "capitals": ("True", "False")}[
            chosen["success"]
        ]
        codes: dict[str, Callable[[int], Any]] = {"int-codes": int, "string-codes": str, "float-codes": float}
        self.code = codes[chosen["code"]]
        self.success_code = 1000 if chosen["success code"] == "success-1000" else 200
        self._no_warnings: dict[str, Any] = {} if chosen["warnings"] == "warnings-object" else {"warning": []}
        self._echo = chosen["echo"]
        self.country_mobile = chosen["mobile"] == "mobile-country"
        self.lower_email = chosen["email"] == "email-lower"
        self._failed = chosen["failed"]
        self._fields = chosen["fields"] == "fields-echo"
        self._messages = chosen["message"] == "messages"
        self._totals = chosen["totals"] == "totals"
        self._http = chosen["http"]
        self.echo_stored = self._echo == "echo-stored"
        self._statuses: dict[ItemResult, dict[str, Any]] = {}

    def item_status(self, verdict: ItemResult) -> dict[str, Any]:
        known = self._statuses.get(verdict)
        if known is None:
            known = {
                "success": self._yes if verdict.success else self._no,
                "code": self.code(verdict.code),
                "message": verdict.message if self._messages else "",
                "warnings": {"warning": list(verdict.warnings)} if verdict.warnings else self._no_warnings,
            }
            self._statuses[verdict] = known
        return known

    def item(
        self,
        mobile: str,
        email: str,
        external_id: str,
        user_id: str,
        store: dict[str, str] | None,
        fields: Sequence[Any],
        verdict: ItemResult,
    ) -> dict[str, Any]:
        """One customer's item. Identifiers as they are to come back; "" for one that was not sent."""
        if not verdict.success and self._failed != "failed-whole":
            return {} if self._failed == "failed-empty" else {"item_status": self.item_status(verdict)}
        echo = self._echo
        item: dict[str, Any]
        if echo == "echo-missing":
            item = {}
            if mobile:
                item["mobile"] = mobile
            if email:
                item["email"] = email
            if external_id:
                item["external_id"] = external_id
        elif echo == "echo-null":
            item = {"mobile": mobile or None, "email": email or None, "external_id": external_id or None}
        else:
            item = {"mobile": mobile, "email": email, "external_id": external_id}
        if user_id:
            item["user_id"] = user_id
        if store is not None:
            item["store"] = store
        item["custom_fields"] = {"field": fields if self._fields and verdict.success else ()}
        item["item_status"] = self.item_status(verdict)
        return item

    def status(self, code: int, success: bool, message: str, **more: str) -> dict[str, Any]:
        return {"success": self._yes if success else self._no, "code": self.code(code), "message": message, **more}

    def refusal(self, code: int, message: str) -> dict[str, Any]:
        """A request answered as a whole, without items."""
        return {"response": {"status": self.status(code, False, message)}}

    def answer(self, items: list[dict[str, Any]], total: int, succeeded: int) -> tuple[int, dict[str, Any]]:
        """The answer to a request with its items, and the code that sums it up."""
        code = 200 if succeeded == total else 201 if succeeded else 500
        success, message = SUMMARIES[code]
        status = self.status(code, success == "true", message)
        if self._totals:
            status |= {"total": str(total), "success_count": str(succeeded)}
        return code, {"response": {"status": status, **self.items(items)}}

    def items(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        if self._list == "customer":
            return {"customer": items}
        if self._list == "customers" and len(items) == 1:
            return {"customers": {"customer": items[0]}}
        return {"customers": {"customer": items}}

    def http_status(self, code: int, documented: int) -> int:
        """The HTTP status of a body with this code."""
        if self._http == "http-200":
            return 200
        if self._http == "http-body" and 200 <= code < 600:
            return code
        return documented
