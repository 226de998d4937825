"""The code catalogue, a table: the meaning of each code of the API, what happens next, advice, and who can act.

The table is one piece. Source: Capillary's documentation of the v1.1 customer resource. Other resources use the same numbers differently.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from importer.model import OVERTAKEN, SENT_LATER
from importer.normaliser.codes import ON_PAGE as _OWN_ON_PAGE
from importer.normaliser.codes import OWN_CODES as _OWN


class Next(StrEnum):
    """What happens next with a row or a request that came back with a code."""

    SUCCESS = "success"
    WARNING = "warning"
    ROW = "row failed"
    AGAIN = "try again"
    ALONE = "try again alone"
    HALVE = "halve the batch"
    SLOW = "slow down"
    RENEW = "renew the token"
    REFUSED = "stop: credentials or permission"
    SETTINGS = "stop: configuration"
    FOREIGN = "try once more, then stop: not the API's answer"
    ITEMS = "read the items"
    REJECTED = "rejected before sending"


class CodeEntry(msgspec.Struct, frozen=True):
    """`klass` is what happens next; `concerns` names the problem field, if any; `who` can fix it. `page_advice`:
    advice as the page words it, where it differs."""

    code: str
    meaning: str
    klass: Next
    advice: str
    concerns: str = ""
    who: str = ""
    page_advice: str | None = None

    @property
    def on_page(self) -> str:
        return self.advice if self.page_advice is None else self.page_advice


_SHEET, _STORES, _API = "sheet owner", "store master data", "API team"
_ADDRESS = "Ask the administrator of this page to check the address of the API."

_NOT_FOUND = (
    "customer not found",
    "Check the identifier for a missing or extra digit. If it is right, register the customer first, then import the row again.",
)


def _table(*entries: CodeEntry) -> dict[str, CodeEntry]:
    return {entry.code: entry for entry in entries}


#: What one customer's `item_status.code` means.
ITEM_CODES: dict[str, CodeEntry] = _table(
    CodeEntry("200", "updated", Next.SUCCESS, "Nothing to do."),
    CodeEntry("1000", "updated", Next.SUCCESS, "Nothing to do."),
    CodeEntry(
        "400",
        "input invalid or no identifier",
        Next.ROW,
        "Check that the row has a customer identifier and that its values are plain text.",
        "",
        _SHEET,
    ),
    CodeEntry(
        "401",
        "unauthorised",
        Next.REFUSED,
        "Ask the API team for credentials that may set preferences, then resume.",
        "",
        _API,
    ),
    CodeEntry(
        "403",
        "forbidden",
        Next.REFUSED,
        "Ask the API team to permit these credentials to set preferences, then resume.",
        "",
        _API,
    ),
    CodeEntry("404", *_NOT_FOUND[:1], Next.ROW, _NOT_FOUND[1], "identifier", _SHEET),
    CodeEntry(
        "409",
        "duplicate or conflicting data",
        Next.ROW,
        "Find the other customer with the same mobile, e-mail or external id, and correct the row.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "422",
        "invalid content (bad e-mail, unsupported store code)",
        Next.ROW,
        "Check the row's e-mail address and store code.",
        "",
        _SHEET,
    ),
    CodeEntry(
        "500",
        "server error while processing the customer",
        Next.AGAIN,
        "Retry these rows later. If they fail again, send the support bundle to the API team.",
        "",
        _API,
    ),
    CodeEntry(
        "521",
        "other actions are running for this customer",
        Next.AGAIN,
        "Retry these rows when no other job updates these customers.",
        "",
        _API,
    ),
    CodeEntry("461", "server busy", Next.AGAIN, "Retry these rows later.", "", _API),
    CodeEntry(
        "9009",
        "internal error, try later",
        Next.AGAIN,
        "Retry these rows later. If they fail again, report it to the API team.",
        "",
        _API,
    ),
    CodeEntry(
        "618",
        "customer is marked as fraud",
        Next.ROW,
        "Ask the loyalty team whether the mark is right. Such customers cannot be changed.",
        "identifier",
        _API,
    ),
    CodeEntry("816", *_NOT_FOUND[:1], Next.ROW, _NOT_FOUND[1], "identifier", _SHEET),
    CodeEntry(
        "1001",
        "mobile, e-mail or external id invalid",
        Next.ROW,
        "Check the row's mobile, e-mail and external id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1002",
        "mobile, e-mail or external id invalid",
        Next.ROW,
        "Check the row's mobile, e-mail and external id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1003",
        "mobile, e-mail or external id invalid",
        Next.ROW,
        "Check the row's mobile, e-mail and external id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1004",
        "unknown store",
        Next.ROW,
        "Correct the store code, or have the store created.",
        "store.code",
        _STORES,
    ),
    CodeEntry(
        "1006",
        "mobile number validation failed",
        Next.ROW,
        "Check the number's country code. If it is right, ask the API team to allow that country for the organisation.",
        "mobile",
        _SHEET,
    ),
    CodeEntry("1011", *_NOT_FOUND[:1], Next.ROW, _NOT_FOUND[1], "identifier", _SHEET),
    CodeEntry("1012", *_NOT_FOUND[:1], Next.ROW, _NOT_FOUND[1], "identifier", _SHEET),
    CodeEntry(
        "1013",
        "customer is not in the loyalty programme",
        Next.ROW,
        "Enrol the customer in the loyalty programme, then import the row again.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1015",
        "no identifier, or an invalid one",
        Next.ROW,
        "Fill in a valid mobile, e-mail, external id or user id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1017",
        "custom field invalid",
        Next.ROW,
        "Rename the column to a preference of the organisation (`check` with --online lists them).",
        "custom_fields",
        _SHEET,
        "Rename the column to a preference of the organisation.",
    ),
    CodeEntry(
        "1018",
        "custom field cannot be updated",
        Next.ROW,
        "Ask the API team whether this preference may be changed. If not, remove the column.",
        "custom_fields",
        _API,
    ),
    CodeEntry(
        "1020",
        "customer is not in the loyalty programme",
        Next.ROW,
        "Enrol the customer in the loyalty programme, then import the row again.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1030",
        "customer preferences cannot be updated",
        Next.ROW,
        "Check the row's preference values against what the fields allow. If they are right, ask the API team.",
        "custom_fields",
        _SHEET,
    ),
    CodeEntry(
        "1035",
        "some preferences of this customer were not updated",
        Next.ROW,
        "Check each value of the row against the field's type and options, correct it and import the row again.",
        "custom_fields",
        _SHEET,
    ),
    CodeEntry(
        "1042",
        "mobile, e-mail or external id invalid",
        Next.ROW,
        "Check the row's mobile, e-mail and external id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1044",
        "no permission",
        Next.REFUSED,
        "Ask the API team to permit this till to set preferences, then resume.",
        "",
        _API,
    ),
    CodeEntry(
        "1047",
        "the primary identifier does not match the others",
        Next.ROW,
        "The row's identifiers belong to different customers. Keep the right one and clear the others.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "1060",
        "batch limit exceeded",
        Next.HALVE,
        "Nothing to do: smaller batches were sent. Set a smaller --batch-size to avoid the extra requests.",
        page_advice="Nothing to do: smaller batches were sent.",
    ),
    CodeEntry(
        "1104",
        "invalid identifier",
        Next.ROW,
        "Fill in a valid mobile, e-mail, external id or user id.",
        "identifier",
        _SHEET,
    ),
    CodeEntry("1150", "store id invalid", Next.ROW, "Correct the store id, or leave it empty.", "store.id", _STORES),
    CodeEntry(
        "8014",
        "mobile number validation failed",
        Next.ROW,
        "Check the number's country code. If it is right, ask the API team to allow that country for the organisation.",
        "mobile",
        _SHEET,
    ),
    CodeEntry("8015", *_NOT_FOUND[:1], Next.ROW, _NOT_FOUND[1], "identifier", _SHEET),
    CodeEntry(
        "8109",
        "customer was deleted after a privacy request",
        Next.ROW,
        "Remove the row. This customer's data must not be sent again.",
        "identifier",
        _SHEET,
    ),
    CodeEntry(
        "91009",
        "merged account: the surviving account was updated",
        Next.WARNING,
        "Nothing to do. Correct the identifiers in your own records.",
        "identifier",
        _SHEET,
    ),
    CodeEntry("91020", "invalid till", Next.REFUSED, "Ask the API team for a valid till, then resume.", "", _API),
    CodeEntry("91021", "invalid till", Next.REFUSED, "Ask the API team for a valid till, then resume.", "", _API),
    CodeEntry(
        "999999",
        "unexpected server error",
        Next.ALONE,
        "Retry these rows later. If they fail again, send their request IDs to the API team.",
        "",
        _API,
    ),
)

#: What `response.status.code` (or the HTTP status) means for the request as a whole.
REQUEST_CODES: dict[str, CodeEntry] = _table(
    CodeEntry("200", "success", Next.ITEMS, "Nothing to do: each item is read."),
    CodeEntry("201", "some requests failed", Next.ITEMS, "Nothing to do: each item is read."),
    CodeEntry(
        "400", "input invalid", Next.HALVE, "Nothing to do: the batch is halved until the row that causes it is found."
    ),
    CodeEntry(
        "401", "username, password or token refused", Next.RENEW, "Check the credentials, then resume.", "", _API
    ),
    CodeEntry("402", "version not supported", Next.SETTINGS, "Check --base-url.", "", _API, _ADDRESS),
    CodeEntry(
        "403", "access denied", Next.REFUSED, "Ask the API team to permit these credentials, then resume.", "", _API
    ),
    CodeEntry("404", "resource not found", Next.SETTINGS, "Check --base-url.", "", _API, _ADDRESS),
    CodeEntry("405", "method not allowed", Next.SETTINGS, "Check --base-url.", "", _API, _ADDRESS),
    CodeEntry("406", "operation not supported", Next.SETTINGS, "Check --base-url.", "", _API, _ADDRESS),
    CodeEntry("407", "unknown error", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry(
        "408",
        "network MAC ID does not match, or the request timed out",
        Next.SETTINGS,
        "Ask the API team to unbind the till from its machine.",
        "",
        _API,
    ),
    CodeEntry("413", "request too large", Next.HALVE, "Nothing to do: smaller batches are sent from here on."),
    CodeEntry(
        "415",
        "content type not accepted",
        Next.SETTINGS,
        "Omit --gzip if it is set. Otherwise report this error to the maintainers of the importer.",
        "",
        _API,
        "Ask the administrator of this page to report this error to the maintainers of the importer.",
    ),
    CodeEntry(
        "429",
        "too many requests",
        Next.SLOW,
        "Nothing to do: requests pause and continue more slowly. Set a lower --rate to avoid it.",
        page_advice="Nothing to do: requests pause and continue more slowly.",
    ),
    CodeEntry("461", "search engine busy", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry(
        "500",
        "all requests failed",
        Next.ITEMS,
        "Nothing to do: items are read; without items the batch is retried, then halved.",
    ),
    CodeEntry("502", "bad gateway", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry("503", "service unavailable", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry("504", "gateway timeout", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry("520", "edge: unknown error", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry(
        "521",
        "edge: server down; in a body: several actions for one customer",
        Next.AGAIN,
        "Nothing to do: the request is retried with back-off.",
    ),
    CodeEntry("522", "edge: connection timed out", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry("524", "edge: a timeout occurred", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
    CodeEntry("1060", "batch limit exceeded", Next.HALVE, "Nothing to do: smaller batches are sent from here on."),
    CodeEntry("4001", "authorisation unavailable", Next.AGAIN, "Nothing to do: the request is retried with back-off."),
)

#: Outcomes without a code of the server: rows that were skipped, not reached or not confirmed.
RUN_CODES: dict[str, CodeEntry] = _table(
    CodeEntry(
        "no_answer",
        "sent, but the result could not be confirmed",
        Next.ROW,
        "Verify the row, or retry it. Setting the same value again is harmless.",
        "",
        _API,
    ),
    CodeEntry(
        "contradiction",
        "the server reported success and failure together",
        Next.ROW,
        "Verify the row, or retry it, and send its request ID to the API team.",
        "",
        _API,
    ),
    CodeEntry(
        "refused_whole",
        "the server refused the request with only this row",
        Next.ROW,
        "Check the row for unusual characters and very long cells.",
        "",
        _SHEET,
    ),
    CodeEntry("not_reached", "the run stopped before this row", Next.ROW, "Resume the run."),
    CodeEntry("over_limit", "skipped: after the last row to import", Next.WARNING, "Nothing to do."),
    CodeEntry("skipped_rows", "skipped: before the first row to import", Next.WARNING, "Nothing to do."),
    CodeEntry("unchanged", "already imported unchanged", Next.WARNING, "Nothing to do."),
    CodeEntry(
        OVERTAKEN,
        "left out: a newer run has sent this customer other values",
        Next.WARNING,
        "Nothing to do. If the values of this row are the right ones, retry the run with --overwrite-newer.",
        page_advice="Nothing to do. If the values of this row are the right ones, upload it as a new file.",
    ),
    CodeEntry(
        SENT_LATER,
        "left out: a later row of the sheet has set other values for this customer",
        Next.WARNING,
        "Nothing to do. If the values of this row are the right ones, retry the run with --overwrite-newer.",
        page_advice="Nothing to do. If the values of this row are the right ones, upload it as a new file.",
    ),
    CodeEntry("already_succeeded", "succeeded in an earlier run", Next.WARNING, "Nothing to do."),
    CodeEntry("left_out", "left out by a rule or on the page", Next.WARNING, "Nothing to do."),
    CodeEntry("not_chosen", "not among the rows to retry", Next.WARNING, "Nothing to do."),
)


def own_codes() -> dict[str, CodeEntry]:
    """The importer's own reasons for rejecting a row, as catalogue entries."""
    return {
        code: CodeEntry(code, meaning, Next.REJECTED, advice, "", who, _OWN_ON_PAGE.get(code))
        for code, (meaning, advice, who) in _OWN.items()
    }


_ALL = {**ITEM_CODES, **RUN_CODES, **own_codes()}


def lookup(code: str) -> CodeEntry:
    """The entry of an item's code or of the importer's own; an undocumented code is shown as received."""
    found = _ALL.get(code)
    if found is not None:
        return found
    return CodeEntry(
        code,
        "undocumented code" if code else "no code",
        Next.ROW,
        "Send the row's request ID to the API team and ask what the code means.",
        "",
        _API,
    )
