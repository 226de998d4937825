"""What happens next with a request, decided from its HTTP status and the status in the body. Pure.

Where the body lists customers, only their item_status counts. Without a list the body's code decides, and the HTTP
status only where the body has no code. Only the API's own word counts against a row: a 4xx with another body comes from
a proxy, gateway or firewall on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from importer.capillary.codes import REQUEST_CODES, Next, lookup
from importer.capillary.wire import Answer
from importer.errors import ExitCode, Stop


class Trouble(msgspec.Struct, frozen=True):
    """Why a request brought no item_status. `code`: the body's, else the HTTP status or a word. `doubt`: the server may
    have applied it nevertheless. `foreign`: the answer is not in the API's format. `advice`: for the command line."""

    next: Next
    code: str
    message: str
    doubt: bool
    foreign: bool = False
    advice: str = ""


class RequestFailed(Exception):
    """A request that brought no item_status. It decides no row: `trouble.next` says what happens next."""

    def __init__(
        self, trouble: Trouble, retry_after: float | None = None, request_id: str = "", status: int = 0
    ) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble
        self.retry_after = retry_after
        self.request_id = request_id
        self.http_status = status


#: What to do about most answers that do not come from the API.
CHECK_ADDRESS = "Check --base-url."


def refused(code: str, message: str, variables: Sequence[str] = (), then: str = "", on_page_then: str = "") -> Stop:
    """The stop when the server refuses the credentials. `variables`: the names of those that hold them; `then`,
    `on_page_then`: what follows the check."""
    held_by = " and ".join(variables) or "the credentials"
    return Stop(
        ExitCode.REFUSED,
        f"The server refuses the credentials or the permission ({code}: {message or lookup(code).meaning}).",
        f"Check {held_by}{then}.",
        on_page=f"Ask the administrator of this page to check the credentials{on_page_then}.",
    )


def unusable(trouble: Trouble, sentence: str = "The server cannot be used") -> Stop:
    """The stop when no request can succeed with these settings. `sentence` begins its message."""
    entry = REQUEST_CODES.get(trouble.code)
    advice = entry.advice if entry is not None and entry.klass is Next.SETTINGS else CHECK_ADDRESS
    return Stop(
        ExitCode.SETTINGS,
        f"{sentence}: {trouble.message}.",
        trouble.advice or advice,
        on_page="Ask the administrator of this page to check the connection to the API.",
    )


def no_longer(trouble: Trouble) -> Stop:
    """The stop where something else answers for the API, which answered before: the settings were right."""
    return Stop(
        ExitCode.TEMPORARY,
        f"The API no longer answers: {trouble.message}.",
        f"{trouble.advice or 'Check the proxies and gateways on the way.'} Then resume with `importer resume`.",
        on_page="Ask the administrator of this page to check the connection to the API, then resume the import.",
    )


#: HTTP statuses that differ from the same number in a body, or that bodies do not use.
_BY_HTTP = {
    408: Next.AGAIN,
    413: Next.HALVE,
    425: Next.AGAIN,
    500: Next.AGAIN,
    407: Next.SETTINGS,
    410: Next.SETTINGS,
    501: Next.SETTINGS,
}

#: What a 4xx means that does not come from the API; any other is `FOREIGN`. A size limit is found by halving.
_BY_PAGE = {401: Next.RENEW, 403: Next.REFUSED, 408: Next.AGAIN, 413: Next.HALVE, 425: Next.AGAIN}

#: Refused before the server read any customer: no row of such a batch was changed.
_UNTOUCHED = (Next.RENEW, Next.REFUSED, Next.SETTINGS, Next.FOREIGN, Next.SLOW, Next.HALVE)


def triage(http_status: int, answer: Answer | None, unreadable: str = "") -> Trouble | None:
    """None when there are items to read. `answer` None: the body could not be read, for the reason in `unreadable`."""
    if http_status == 429:
        return Trouble(Next.SLOW, "429", REQUEST_CODES["429"].meaning, doubt=False)
    if 300 <= http_status < 400:
        # The API does not redirect, so another server answered.
        return Trouble(Next.SETTINGS, str(http_status), "the server redirects to another address", doubt=False)
    if answer is not None and answer.items:
        return None
    code = answer.status.code if answer is not None else ""
    # A readable 500 summarises its items, whatever the HTTP status. It is not an outage.
    if code and (code == "500" or code != str(http_status)):
        by_body = _by_body(code)
        if by_body is not None:
            return Trouble(by_body, code, _message(answer, code), doubt=by_body not in _UNTOUCHED)
    return _by_http(http_status, answer, code, unreadable)


def _by_body(code: str) -> Next | None:
    """What the body's code means. Without items, 200 and 201 mean nothing, and 500 refers to items that are missing."""
    entry = REQUEST_CODES.get(code)
    if entry is None:
        return None
    if entry.klass is Next.ITEMS:
        return Next.ALONE if code == "500" else Next.WARNING
    return entry.klass


def _by_http(http_status: int, answer: Answer | None, code: str, unreadable: str) -> Trouble:
    label = code or str(http_status)
    # An error may come as a page; only a success that cannot be read is reported as unreadable.
    readable = answer is not None or http_status >= 400
    message = _message(answer, str(http_status)) if readable else f"the answer could not be read: {unreadable}"
    if http_status == 407 and answer is None:
        message = "a proxy refuses the request or requires a user and password"
    if http_status == 403 and answer is None:
        message += ", not in the API's format: a proxy or firewall may have refused the request"
    if http_status < 300:
        return Trouble(Next.WARNING, label, message, doubt=True, foreign=answer is None)
    if http_status < 500 and not _is_the_apis(answer):
        return _by_page(http_status, message, unreadable)
    if http_status in _BY_HTTP:
        klass = _BY_HTTP[http_status]
    elif http_status >= 500:
        klass = Next.AGAIN
    else:
        entry = REQUEST_CODES.get(str(http_status))
        klass = entry.klass if entry is not None else Next.HALVE
    return Trouble(klass, label, message, doubt=klass not in _UNTOUCHED, foreign=answer is None)


def _is_the_apis(answer: Answer | None) -> bool:
    """Whether the body says in the API's format why the request was refused."""
    return answer is not None and bool(answer.status.code or answer.status.success is not None)


def _by_page(http_status: int, message: str, unreadable: str) -> Trouble:
    """A 4xx whose body is not the API's."""
    klass = _BY_PAGE.get(http_status, Next.FOREIGN)
    if klass is Next.FOREIGN and http_status != 407:
        message = foreign_message(http_status, unreadable)
    advice = "Check HTTP_PROXY." if http_status == 407 else ""
    return Trouble(klass, str(http_status), message, doubt=klass not in _UNTOUCHED, foreign=True, advice=advice)


def foreign_message(http_status: int, unreadable: str) -> str:
    """What is said of a refusal that is not the API's. `unreadable`: what its body looks like."""
    known = http_status in HTTPStatus.__members__.values()
    status = f"{http_status} {HTTPStatus(http_status).phrase}" if known else str(http_status)
    return f"the answer is {status}, but not from the API ({unreadable or 'it has no code'})"


def about_one_row(trouble: Trouble) -> Trouble:
    """What a trouble means for a batch that cannot be halved: a page that calls one row too large is not the API's
    word on it."""
    if trouble.foreign and trouble.next is Next.HALVE:
        message = f"a proxy or gateway refuses even one row as too large ({trouble.code})"
        advice = "Raise its limit for request bodies (nginx: client_max_body_size)."
        return msgspec.structs.replace(trouble, next=Next.FOREIGN, message=message, advice=advice)
    return trouble


#: How common proxies name themselves in their own answers.
_PROXIES = ("squid", "zscaler", "bluecoat", "mcafee web gateway", "forcepoint", "websense")


def by_a_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a proxy certainly wrote this answer itself. `Via` and `X-Cache` prove nothing: forwarded answers have
    them too, and load balancers add them."""
    return (
        "X-Squid-Error" in headers
        or "error=" in headers.get("Proxy-Status", "")
        or headers.get("Server", "").lower().startswith(_PROXIES)
    )


def _message(answer: Answer | None, code: str) -> str:
    if answer is not None and answer.status.message:
        return answer.status.message
    entry = REQUEST_CODES.get(code)
    return entry.meaning if entry is not None else "no reason given"
