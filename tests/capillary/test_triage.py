"""Triage: one table from HTTP status and body to what happens next with a request."""

from __future__ import annotations

import pytest

from importer.capillary.codes import REQUEST_CODES, Next
from importer.capillary.triage import about_one_row, by_a_proxy, triage
from importer.capillary.wire import Answer
from importer.model import ItemStatus, RequestStatus

ITEMS = (ItemStatus(success=True, code="200"),)


def body(code: str, items: tuple[ItemStatus, ...] | None = None, message: str = "") -> Answer:
    return Answer(RequestStatus(False, code, message), items)


@pytest.mark.parametrize("http_status", [200, 201, 400, 404, 500, 503])
@pytest.mark.parametrize("code", ["200", "201", "400", "500", "", "9999"])
def test_items_are_read_whatever_the_statuses_say(http_status: int, code: str) -> None:
    """A body code of 500 sums up its items, under any HTTP status: it is not an outage."""
    assert triage(http_status, body(code, ITEMS)) is None


@pytest.mark.parametrize(
    ("http_status", "code", "expected", "doubt"),
    [
        # the body's own word
        (200, "400", Next.HALVE, False),
        (200, "401", Next.RENEW, False),
        (200, "402", Next.SETTINGS, False),
        (200, "403", Next.REFUSED, False),
        (200, "404", Next.SETTINGS, False),
        (200, "407", Next.AGAIN, True),
        (200, "408", Next.SETTINGS, False),
        (200, "415", Next.SETTINGS, False),
        (200, "429", Next.SLOW, False),
        (200, "461", Next.AGAIN, True),
        (200, "500", Next.ALONE, True),
        (500, "500", Next.ALONE, True),
        (200, "521", Next.AGAIN, True),
        (200, "1060", Next.HALVE, False),
        (503, "4001", Next.AGAIN, True),
        (400, "1060", Next.HALVE, False),
        # it says nothing of anybody
        (200, "200", Next.WARNING, True),
        (200, "201", Next.WARNING, True),
        (200, "", Next.WARNING, True),
        (200, "31415", Next.WARNING, True),
        # the HTTP status, where the body has none
        (400, "400", Next.HALVE, False),
        (401, "401", Next.RENEW, False),
        (401, "", Next.RENEW, False),
        (404, "404", Next.SETTINGS, False),
        (410, "410", Next.SETTINGS, False),
        (418, "418", Next.HALVE, False),
        (422, "422", Next.HALVE, False),
        (403, "", Next.REFUSED, False),
        (404, "", Next.SETTINGS, False),
        (405, "", Next.SETTINGS, False),
        (407, "", Next.SETTINGS, False),
        (408, "", Next.AGAIN, True),
        (408, "408", Next.AGAIN, True),
        (521, "521", Next.AGAIN, True),
        (410, "", Next.SETTINGS, False),
        (413, "", Next.HALVE, False),
        (415, "", Next.SETTINGS, False),
        (418, "", Next.HALVE, False),
        (425, "", Next.AGAIN, True),
        (429, "", Next.SLOW, False),
        (429, "500", Next.SLOW, False),
        (500, "", Next.AGAIN, True),
        (501, "", Next.SETTINGS, False),
        (502, "", Next.AGAIN, True),
        (503, "", Next.AGAIN, True),
        (504, "", Next.AGAIN, True),
        (520, "", Next.AGAIN, True),
        (521, "", Next.AGAIN, True),
        (522, "", Next.AGAIN, True),
        (524, "", Next.AGAIN, True),
        (599, "", Next.AGAIN, True),
    ],
)
@pytest.mark.parametrize("items", [None, ()], ids=["no list", "empty list"])
def test_without_items(
    http_status: int, code: str, expected: Next, doubt: bool, items: tuple[ItemStatus, ...] | None
) -> None:
    """`doubt`: whether the server may have applied the batch all the same."""
    trouble = triage(http_status, body(code, items))
    assert trouble is not None
    assert (trouble.next, trouble.doubt) == (expected, doubt)
    assert trouble.message
    assert trouble.code == ("429" if http_status == 429 else code or str(http_status))
    assert not trouble.foreign


@pytest.mark.parametrize(
    ("http_status", "expected"),
    [
        (200, Next.WARNING),
        (401, Next.RENEW),
        (403, Next.REFUSED),
        (413, Next.HALVE),
        (502, Next.AGAIN),
        (408, Next.AGAIN),
        *((status, Next.FOREIGN) for status in (400, 402, 404, 405, 407, 409, 411, 421, 422, 431, 451, 460, 499)),
    ],
)
def test_a_body_that_cannot_be_read(http_status: int, expected: Next) -> None:
    """A gateway's page counts by its status; a page under 200 means that no customer succeeded. Only the API's own
    word can make a row fail."""
    trouble = triage(http_status, None, "it is a web page")
    assert trouble is not None and trouble.next is expected and trouble.foreign
    assert ("web page" in trouble.message) == (expected in (Next.WARNING, Next.FOREIGN) and http_status != 407)
    assert trouble.code == str(http_status)


@pytest.mark.parametrize("answer", [Answer(RequestStatus(), None), Answer(RequestStatus(message="blocked"), ())])
def test_json_that_only_resembles_the_apis_is_not_its_word(answer: Answer) -> None:
    """`{"response": "blocked"}` and the like: without a code and without a success, the API did not say it."""
    trouble = triage(400, answer)
    assert trouble is not None and trouble.next is Next.FOREIGN and trouble.foreign


def test_a_page_that_calls_one_row_too_large_is_not_the_apis_word() -> None:
    """Of a batch it teaches the limit. The API's own 413 can refuse a row."""
    page, answer = triage(413, None, "it is a web page"), triage(413, body("413"))
    assert page is not None and answer is not None
    assert (page.next, about_one_row(page).next) == (Next.HALVE, Next.FOREIGN)
    assert about_one_row(answer).next is Next.HALVE


@pytest.mark.parametrize("answer", [None, body("200", ITEMS), body("401"), body("503")])
@pytest.mark.parametrize("http_status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_never_read_as_an_answer(http_status: int, answer: Answer | None) -> None:
    trouble = triage(http_status, answer)
    assert trouble is not None
    assert (trouble.next, trouble.doubt) == (Next.SETTINGS, False)


def test_a_403_in_other_words_than_the_apis_names_a_proxy_too() -> None:
    """The credentials may be right: an administrator must know to check the proxy as well."""
    page, answer = triage(403, None, "it is a web page"), triage(403, body("403"))
    assert page is not None and answer is not None
    assert "proxy" in page.message and "access denied" in page.message
    assert "proxy" not in answer.message


@pytest.mark.parametrize(
    ("headers", "proven"),
    [
        ({"X-Squid-Error": "ERR_ACCESS_DENIED 0"}, True),
        ({"Proxy-Status": 'ours.example; error=http_request_denied; details="category"'}, True),
        ({"Server": "squid/5.7"}, True),
        ({"Server": "Zscaler/6.2"}, True),
        ({"Via": "1.1 ours.example (squid/5.7)", "X-Cache": "MISS from ours.example", "Server": "nginx"}, False),
        ({"Proxy-Status": "ours.example; received-status=403"}, False),
        ({}, False),
    ],
)
def test_signs_that_a_proxy_refused(headers: dict[str, str], proven: bool) -> None:
    """Headers of answers that a proxy only passed on are not such a sign."""
    assert by_a_proxy(headers) is proven


def test_every_code_of_the_catalogue_has_an_end() -> None:
    """No request code leads nowhere, under HTTP 200 or its own."""
    for code in REQUEST_CODES:
        for http_status in (200, int(code) if 400 <= int(code) <= 599 else 200):
            assert triage(http_status, body(code)) is not None


def test_without_a_message_the_catalogue_says_what_it_means() -> None:
    for http_status, code, meaning in ((200, "461", "search engine busy"), (502, "", "bad gateway")):
        trouble = triage(http_status, body(code))
        assert trouble is not None and trouble.message == meaning
    trouble = triage(599, body(""))
    assert trouble is not None and trouble.message == "no reason given"


def test_the_servers_own_message_is_kept() -> None:
    trouble = triage(200, body("400", message="Input is invalid"))
    assert trouble is not None and trouble.message == "Input is invalid"
