"""Problems while sending, by the table of failures: temporary ones are retried, others stop the run cleanly."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
from collections.abc import Mapping, Sequence

import httpx
import pytest

from importer.capillary.credentials import Basic, OAuth
from importer.chunker.batches import Chunker
from importer.errors import ExitCode, Stop
from importer.model import Customer, Status, Work
from importer.pipeline import Stages
from importer.sandbox import SandboxState
from importer.sender.retry import PROBE_EVERY
from importer.settings.values import read_rate
from tests.support.sending import Answerer, Ran, customers, fresh, magic, ran

FAST = read_rate("600/minute")


def scripted(faults: Mapping[int, httpx.Response | Exception]) -> Answerer:
    """Answers of our own for some requests; the sandbox answers the others."""

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        found = faults.get(number)
        if isinstance(found, Exception):
            raise found
        return found and fresh(found)

    return answer


def all_succeeded(result: Ran, rows: int) -> bool:
    return result.stop is None and result.count(Status.SUCCEEDED) == rows and not result.scribe.open


# --------------------------------------------------------------------------------------------------- temporary problems


PASSING = (
    "reset", "reset-after", "close", "close-after", "cut", "hang", "500", "502", "502-after", "503", "504", "408",
    "520", "521", "522", "524", "code-407", "code-461", "code-521", "503:body-code=4001", "code-500", "code-500-after",
    "truncated", "nan", "duplicate-keys", "html-after", "empty-after", "nested", "bomb:mib=32", "no-items",
)  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
def test_a_temporary_problem_is_retried_with_the_same_bytes(fault: str) -> None:
    """One fault, one attempt more: every row succeeds, and the batch keeps its id and its bytes."""
    result = ran(customers(300), options={"faults": (f"2:{fault}",)}, concurrency=1)
    assert all_succeeded(result, 300)
    assert result.requests == 4
    assert sorted(result.wire.bodies).count(result.wire.bodies[1]) == 2
    assert len(result.scribe.seen) == 3
    tried = [outcome.attempts for outcome in result.scribe.outcomes.values()]
    assert sorted(set(tried)) == [1, 2] and tried.count(2) == 100


@pytest.mark.parametrize("fault", ["missing", "extra", "repeated", "reordered", "blank"])
def test_items_that_cannot_be_attributed_are_asked_again_alone(fault: str) -> None:
    """An item that fits one row only counts; the other rows are sent again, each in its own request."""
    result = ran(customers(10), options={"faults": (f"1:{fault}",)})
    assert all_succeeded(result, 10)
    again = {"missing": 1, "extra": 0, "repeated": 2, "reordered": 0, "blank": 10}[fault]
    assert result.requests == 1 + again
    assert all(body.count(b'"mobile"') == 1 for body in result.wire.bodies[1:])


@pytest.mark.parametrize("word", ["omit", "empty"])
def test_a_row_that_no_answer_mentions_is_unknown(word: str) -> None:
    """The server stored it and never reports it: it is sent alone twice, then `unknown`, never a guess."""
    result = ran([*customers(5), magic(50, word)])
    assert result.stop is None
    assert result.scribe.rows(Status.UNKNOWN) == {50}
    assert result.count(Status.SUCCEEDED) == 5
    assert result.requests == 3


def test_a_contradiction_is_asked_again_alone_and_then_unknown() -> None:
    """Success with a code that the catalogue calls a failure."""
    result = ran([*customers(5), magic(50, "yes-816")])
    assert result.scribe.rows(Status.UNKNOWN) == {50}
    assert result.scribe.outcomes[50].code == "contradiction"
    assert result.requests == 3


def test_999999_is_asked_again_alone_twice_and_then_failed() -> None:
    result = ran([*customers(5), magic(50, "code-999999")])
    assert result.scribe.rows(Status.FAILED) == {50}
    assert (result.scribe.outcomes[50].code, result.scribe.outcomes[50].attempts) == ("999999", 3)
    assert result.requests == 3


def test_999999_that_passes_succeeds() -> None:
    result = ran([*customers(5), magic(50, "code-999999-x2")])
    assert all_succeeded(result, 6)


@pytest.mark.parametrize("code", ["500", "521", "461", "9009"])
def test_a_busy_customer_goes_again_and_not_its_batch(code: str) -> None:
    result = ran([*customers(5), magic(50, f"code-{code}-x3")])
    assert all_succeeded(result, 6)
    assert result.requests == 4
    assert all(body.count(b"custom_fields") == 1 for body in result.wire.bodies[1:])


def test_a_customer_that_stays_busy_fails_after_five_attempts() -> None:
    result = ran([*customers(5), magic(50, "code-521")])
    assert result.scribe.rows(Status.FAILED) == {50}
    assert result.scribe.outcomes[50].attempts == 5


@pytest.mark.parametrize("code", ["1012", "31337", "1035"])
def test_a_row_that_the_server_refuses_is_not_asked_again(code: str) -> None:
    result = ran([*customers(5), magic(50, f"code-{code}")])
    assert result.scribe.rows(Status.FAILED) == {50}
    assert result.scribe.outcomes[50].code == code
    assert result.requests == 1


def test_a_batch_in_which_all_failed_is_not_an_outage() -> None:
    """A body code of 500 sums up its items, under HTTP 500 too."""
    found = [magic(row, "code-1012") for row in range(2, 802)]
    result = ran(found, options={"shape": "http-body"})
    assert result.stop is None
    assert result.count(Status.FAILED) == 800
    assert result.requests == 8


def test_warnings_on_successes_and_the_request_id_stand_beside_the_row() -> None:
    result = ran([*customers(1), magic(50, "warn-1017")])
    outcome = result.scribe.outcomes[50]
    assert (outcome.status, outcome.warnings) == (Status.SUCCEEDED, ("1017",))
    assert outcome.request_id == result.state.requests[0].request_id


@pytest.mark.slow
def test_amplification_with_five_percent_of_transient_faults() -> None:
    """Requests sent over batches formed: at most 1.1."""
    kinds = ("503", "reset-after", "502", "close", "truncated", "hang")
    faults = tuple(f"{number}:{kinds[number // 20 % len(kinds)]}" for number in range(7, 1200, 20))
    result = ran(customers(50_000), options={"faults": faults}, concurrency=8, at_once=2000)
    assert all_succeeded(result, 50_000)
    assert len(result.state.requests) / 500 <= 1.1


# ---------------------------------------------------------------------------------------------------- patience


def one_by_one(rows: int) -> list[Customer]:
    """Rows of one customer: each goes alone, and the next only when it has its outcome."""
    return [Customer(row, mobile="919876500001", custom_fields=(("A", str(row)),)) for row in range(2, 2 + rows)]


def gaps(result: Ran) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(result.wire.left)]


def test_each_attempt_waits_longer() -> None:
    """Half a second at most before the second attempt, and twice as much before each that follows."""
    result = ran(customers(1), options={"faults": ("1-4:503",)}, jitter=lambda: 1.0)
    assert all_succeeded(result, 1)
    assert gaps(result) == pytest.approx([0.5, 1.0, 2.0, 4.0], abs=0.1)


def test_the_quota_is_one_for_the_run_and_successes_fill_it() -> None:
    """Every request fails once: after 500 / 14 retries, and one for each 14 successes, the others wait long."""
    faults = tuple(f"{number}:503" for number in range(1, 200, 2))
    result = ran(one_by_one(100), options={"faults": faults}, jitter=lambda: 0.0)
    assert all_succeeded(result, 100)
    quick = sum(gap < 1.0 for gap in gaps(result)[::2])
    assert 500 // 14 + 3 <= quick <= (500 + 100) // 14


def test_a_row_that_makes_the_server_say_500_is_found_and_alone_unknown() -> None:
    """500 without items to one batch and its halves is not an outage: other batches do not wait for it."""
    result = ran([*customers(9), magic(50, "request-500")], concurrency=1)
    assert result.stop is None
    assert result.scribe.rows(Status.UNKNOWN) == {50}
    assert result.count(Status.SUCCEEDED) == 9
    assert result.seconds < PROBE_EVERY


# ---------------------------------------------------------------------------------------------------- an outage


def test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5() -> None:
    """After five failures in a row nothing but probes, and after --max-outage the end, resumable and untouched."""
    result = ran(customers(2000), options={"faults": ("1-:503",)}, max_outage=600.0)
    assert result.exit_code is ExitCode.TEMPORARY
    later = [at for at in result.wire.left if at > result.wire.left[0] + 60]
    assert len(later) >= 15
    assert min(b - a for a, b in itertools.pairwise(later)) >= PROBE_EVERY - 0.001
    assert 590 <= result.seconds <= 640
    assert result.scribe.outcomes == {}


@pytest.mark.slow
def test_an_outage_ends_the_run_when_its_time_is_over_and_not_at_the_next_probe() -> None:
    result = ran(customers(2000), options={"faults": ("1-:503",)}, max_outage=100.0, jitter=lambda: 0.0)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.seconds == pytest.approx(100.0, abs=1.0)
    assert result.requests == 5 + 3
    assert result.stop is not None and "unavailable" in result.stop.message


@pytest.mark.parametrize("latency", [0.0, 1.0])
def test_after_an_outage_sending_continues_at_once_and_every_row_succeeds(latency: float) -> None:
    """The first answered probe releases all requests, also one that waits to be the next probe."""
    result = ran(customers(2000), options={"faults": ("3-12:503",), "latency": (latency,)}, concurrency=8)
    assert all_succeeded(result, 2000)
    first_good = result.wire.left[12]
    assert result.wire.left[-1] - first_good < 10.0


def test_an_outage_in_the_middle_loses_nothing() -> None:
    result = ran(customers(3000), options={"faults": ("10-25:reset-after",)}, concurrency=8)
    assert all_succeeded(result, 3000)


def test_a_server_that_says_500_to_everything_is_an_outage() -> None:
    """500 without items to batch after batch: not the rows' fault, so no row ends by it."""
    result = ran(customers(2000), options={"faults": ("5-:code-500",)}, max_outage=300.0)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.count(Status.FAILED) == result.count(Status.UNKNOWN) == 0
    assert result.requests < 60


@pytest.mark.parametrize("fault", ["html", "302", "404"])
def test_another_answer_in_the_middle_stops_with_5_and_no_row_ends_by_it(fault: str) -> None:
    """A proxy or maintenance page answers for the API: the remaining rows are not sent to it, and the settings were
    right."""
    result = ran(customers(3000), options={"faults": (f"10-:{fault}",)}, concurrency=4)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.requests <= 9 + 5 + 4
    assert result.count(Status.SUCCEEDED) == 900
    assert len(result.scribe.outcomes) == 900


@pytest.mark.parametrize(
    "fault", ["302", "307:location=https://login.example.com/", "code-402", "404", "405", "code-415"]
)
def test_configuration_stops_with_2_after_one_request_and_no_row_failed(fault: str) -> None:
    result = ran(customers(1000), options={"faults": (f"1-:{fault}",)})
    assert result.exit_code is ExitCode.SETTINGS
    assert result.requests == 1
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


def test_the_observer_knows_what_the_run_does() -> None:
    """That requests are tried again, whether there was a connection, when answers come again, and a long wait."""
    result = ran(customers(300), options={"faults": ("2:reset", "3:503")}, concurrency=1)
    assert all_succeeded(result, 300)
    assert [(bool(why), lost) for why, lost in result.watcher.retried] == [(True, True), (True, False), (False, False)]
    assert result.watcher.waited == []
    slow = ran(customers(300), rate=read_rate("1/minute"), concurrency=1)
    assert len(slow.watcher.waited) == 2 and min(slow.watcher.waited) > 50
    down = ran(customers(100), options={"faults": ("1-9:503",)}, concurrency=1)
    assert PROBE_EVERY / 2 < max(down.watcher.waited) <= PROBE_EVERY


# ---------------------------------------------------------------------------------------------------- 429


def test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight() -> None:
    """One pause for all requests; it costs no row an attempt; the rate shrinks, and the server sees nothing in it."""
    result = ran(
        customers(10_000),
        rate=FAST,
        options={"latency": (0.2,), "faults": ("20:429:retry-after=3",)},
        at_once=2000,
    )
    assert all_succeeded(result, 10_000)
    paused_at = result.wire.left[19]
    # The 429 itself comes back at once; what left before it is in flight.
    assert bisect.bisect_left(result.wire.left, paused_at + 3.0) == 20
    assert {outcome.attempts for outcome in result.scribe.outcomes.values()} == {1}
    assert len(result.watcher.pauses) == 1
    slower = [b - a for a, b in zip(result.wire.left[21:40], result.wire.left[22:40], strict=False)]
    assert min(slower) > 0.1


def test_a_429_also_holds_back_a_request_that_has_its_slot() -> None:
    """The answer arrives while the next request waits for its time: it must not be sent in the pause."""

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        if number != 5:
            return None
        await asyncio.sleep(0.05)
        return fresh(httpx.Response(429, headers={"Retry-After": "3"}))

    result = ran(customers(1000), rate=FAST, answer=answer, options={"latency": (0.2,)})
    assert all_succeeded(result, 1000)
    assert bisect.bisect_left(result.wire.left, result.wire.left[4] + 3.05) == 5


@pytest.mark.parametrize(("asked", "least"), [("", 1.0), ("2", 2.0), ("-3", 0.0), ("9999999", 900.0), ("soon", 1.0)])
def test_the_pause_is_as_long_as_asked_within_reason(asked: str, least: float) -> None:
    fault = f"1:429:retry-after={asked}" if asked else "1:429"
    result = ran(customers(1), options={"faults": (fault,)})
    assert all_succeeded(result, 1)
    assert least <= result.wire.left[1] - result.wire.left[0] <= least + 0.5


def test_an_answer_between_two_429_makes_the_second_pause_short_again() -> None:
    result = ran(one_by_one(3), options={"faults": ("1-2:429", "4:429")})
    assert all_succeeded(result, 3)
    assert [round(seconds / 1.13) for seconds, _ in result.watcher.pauses] == [1, 2, 1]


def test_429_for_ever_stops_with_5() -> None:
    result = ran(customers(1000), options={"faults": ("1-:429",)}, max_outage=600.0)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.requests < 40
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


def test_a_429_in_the_body_counts_too() -> None:
    result = ran(customers(1), options={"faults": ("1:code-429",)})
    assert all_succeeded(result, 1)
    assert result.wire.left[1] - result.wire.left[0] >= 1.0


def test_rate_limit_headers_on_an_answer_pause_before_a_429_is_needed() -> None:
    answer = httpx.Response(
        200,
        headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "5"},
        content=b'{"response":{"status":{"success":"true","code":200},"customer":[{"item_status":{"success":"true","code":200}}]}}',
    )
    result = ran(customers(3), answer=scripted({1: answer}), batch_size=1, concurrency=1)
    assert all_succeeded(result, 3)
    assert result.wire.left[1] - result.wire.left[0] >= 5.0


@pytest.mark.parametrize(("asked", "least", "most"), [("7", 7.0, 8.0), ("-7", 0.0, 1.0), ("1e400", 900.0, 901.0)])
def test_a_503_with_retry_after_pauses_until_then(asked: str, least: float, most: float) -> None:
    """One pause for all requests as with a 429, with an upper limit. The rate does not change."""
    answer = httpx.Response(503, headers={"Retry-After": asked})
    result = ran(customers(1000), answer=scripted({3: answer}), rate=FAST, jitter=lambda: 0.5)
    assert all_succeeded(result, 1000)
    assert least <= result.wire.left[3] - result.wire.left[2] <= most
    assert result.watcher.pauses == ([(min(float(asked), 900.0), "the server asked for a pause")] if least else [])
    assert max(gaps(result)[4:]) < 0.11


# ---------------------------------------------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    "credentials", [Basic("sandbox-till", "wrong"), OAuth("sandbox-key", "wrong")], ids=["basic", "oauth"]
)
@pytest.mark.parametrize("rate", [None, FAST])
def test_wrong_credentials_cost_two_requests_and_no_row(credentials: Basic | OAuth, rate: object) -> None:
    """However many connections there are: at most two requests, under 5 s, exit 4, no row failed or unknown."""
    result = ran(customers(20_000), credentials=credentials, rate=rate, concurrency=64)
    assert result.exit_code is ExitCode.REFUSED
    assert sum(result.state.calls.values()) <= 2
    # There is nothing to renew with Basic: its first 401 is final.
    assert isinstance(credentials, OAuth) or result.requests == 1
    assert result.seconds < 5
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()
    assert result.stop is not None and "wrong" not in str(result.stop)


@pytest.mark.parametrize("fault", ["401", "403", "code-401", "code-403"])
def test_a_refusal_at_the_start_costs_two_requests_and_no_row(fault: str) -> None:
    result = ran(customers(20_000), options={"faults": (f"1-:{fault}",)}, concurrency=64)
    assert result.exit_code is ExitCode.REFUSED
    assert result.requests <= 2
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


@pytest.mark.parametrize("status", [401, 403])
def test_a_slow_refusal_costs_no_more_requests(status: int) -> None:
    """No other request is sent before the first reply, however many connections there are."""

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        await asyncio.sleep(0.5)
        return fresh(httpx.Response(status))

    result = ran(customers(20_000), answer=answer, concurrency=64)
    assert result.exit_code is ExitCode.REFUSED
    assert result.requests <= 2
    assert result.seconds < 5


def test_a_refusal_in_the_middle_stops_and_keeps_what_was_done() -> None:
    result = ran(customers(2000), options={"faults": ("6-:403",)}, concurrency=4)
    assert result.exit_code is ExitCode.REFUSED
    assert result.count(Status.SUCCEEDED) == len(result.scribe.outcomes) == 500
    assert result.requests <= 5 + 4
    assert result.scribe.doubtful_rows() == set()


@pytest.mark.parametrize("code", ["401", "403", "1044", "91020", "91021"])
def test_a_permission_refused_for_a_customer_stops_the_run_and_the_row_has_not_failed(code: str) -> None:
    result = ran([*customers(99), magic(500, f"code-{code}"), *customers(5000, first_row=600)], concurrency=1)
    assert result.exit_code is ExitCode.REFUSED
    assert result.count(Status.FAILED) == result.count(Status.UNKNOWN) == 0
    assert 500 not in result.scribe.outcomes
    assert result.requests == 1


OAUTH = OAuth("sandbox-key", "sandbox-secret")


def test_oauth_asks_for_one_token() -> None:
    result = ran(customers(2000), credentials=OAUTH, concurrency=16)
    assert all_succeeded(result, 2000)
    assert result.state.calls["token"] == 1


def test_a_token_is_renewed_ahead_of_its_end() -> None:
    """One that lives a second, over a run of twelve: a new one each 0.8 s, and never a 401."""
    result = ran(
        customers(6000), credentials=OAUTH, rate=read_rate("300/minute"), options={"token_ttl": 1, "latency": (0.1,)}
    )
    assert all_succeeded(result, 6000)
    assert 12 <= result.state.calls["token"] <= 18
    assert all(attempt.http_status == 200 for attempt in result.scribe.attempts)


class SlowToken(httpx.AsyncBaseTransport):
    """The sandbox, whose calls for a token take a second."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "token" in request.url.path:
            await asyncio.sleep(1.0)
        return await self._inner.handle_async_request(request)


def revoked(*requests: int) -> Ran:
    """A run of sixty requests, eight at a time, at some of which all tokens are revoked."""
    states: list[SandboxState] = []

    async def revoke(request: httpx.Request, number: int) -> httpx.Response | None:
        if number in requests:
            states[0].expire_tokens()
        # On the way: what left before is refused as well.
        await asyncio.sleep(0.2)
        return None

    def way(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        states.append(transport.app.state.sandbox)  # type: ignore[attr-defined]
        return SlowToken(transport)

    return ran(customers(6000), credentials=OAUTH, answer=revoke, inner=way, options={"latency": (0.3,)})


def test_a_401_in_mid_run_renews_the_token_once_and_continues() -> None:
    """Tokens revoked with eight requests in flight: one renewal, the batches again, no attempt lost, nothing failed."""
    result = revoked(30)
    assert all_succeeded(result, 6000)
    assert result.state.calls["token"] == 2
    assert {outcome.attempts for outcome in result.scribe.outcomes.values()} == {1}


def test_a_token_refused_again_after_good_answers_is_renewed_again() -> None:
    """A second 401 is final only where the new token was never taken."""
    result = revoked(20, 50)
    assert all_succeeded(result, 6000)
    assert result.state.calls["token"] == 3


def test_a_fresh_token_that_is_refused_stops_with_4() -> None:
    result = ran(customers(2000), credentials=OAUTH, options={"faults": ("5-:401",)}, concurrency=4)
    assert result.exit_code is ExitCode.REFUSED
    assert result.count(Status.SUCCEEDED) == len(result.scribe.outcomes) == 400
    assert result.state.calls["token"] == 2


def test_a_token_refused_before_and_after_an_outage_does_not_stop() -> None:
    """A 401, a renewal, minutes of 503, and the renewed token has expired meanwhile: this is not a second refusal."""
    faults = {1: httpx.Response(401), **{n: httpx.Response(503) for n in range(2, 20)}}
    result = ran(customers(10), credentials=OAUTH, answer=scripted(faults), options={"token_ttl": 60})
    assert all_succeeded(result, 10)


def token_says(*responses: httpx.Response) -> type[httpx.AsyncBaseTransport]:
    """A way to the sandbox on which the call for a token is answered by us, the last answer for all that follow."""

    class Token(httpx.AsyncBaseTransport):
        asked = 0

        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self._inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if "token" not in request.url.path:
                return await self._inner.handle_async_request(request)
            Token.asked += 1
            found = responses[min(Token.asked, len(responses)) - 1]
            return fresh(found)

    return Token


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (httpx.Response(401), ExitCode.REFUSED),
        (httpx.Response(400), ExitCode.REFUSED),
        (httpx.Response(400, content=b'{"data": null, "errors": [{"code": 1}]}'), ExitCode.REFUSED),
        (httpx.Response(400, content=b"<html>plain HTTP to an HTTPS port"), ExitCode.SETTINGS),
        (httpx.Response(421, content=b"<html>"), ExitCode.SETTINGS),
        (httpx.Response(200, content=b'{"data": null, "errors": [{"code": 1}]}'), ExitCode.REFUSED),
        (httpx.Response(200, content=b'{"data": {"accessToken": "a\\nb"}}'), ExitCode.REFUSED),
        (httpx.Response(200, content=b"<html>Sign in"), ExitCode.SETTINGS),
        (httpx.Response(302, headers={"Location": "/login"}), ExitCode.SETTINGS),
        (httpx.Response(404), ExitCode.SETTINGS),
        (httpx.Response(503), ExitCode.TEMPORARY),
        (httpx.Response(429), ExitCode.TEMPORARY),
    ],
    ids=lambda value: str(value),
)
def test_a_token_that_is_not_given_ends_as_its_reason_says(response: httpx.Response, code: ExitCode) -> None:
    way = token_says(response)
    result = ran(customers(500), credentials=OAUTH, inner=way, max_outage=120.0)
    assert result.exit_code is code
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()
    assert way.asked <= 2 or code is ExitCode.TEMPORARY  # type: ignore[attr-defined]


def token_breaks(seconds: float) -> type[httpx.AsyncBaseTransport]:
    """A way to the sandbox on which the connection breaks during the call for a token, after so many seconds."""

    class Breaks(httpx.AsyncBaseTransport):
        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self._inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if "token" not in request.url.path:
                return await self._inner.handle_async_request(request)
            await asyncio.sleep(seconds)
            raise httpx.ReadError("reset")

    return Breaks


@pytest.mark.parametrize("deadline", [60.0, 120.0], ids=["does not answer", "reset"])
@pytest.mark.parametrize("rows", [5, 250])
def test_rows_that_wait_for_a_token_are_not_in_doubt(deadline: float, rows: int) -> None:
    """The request for the token broke, so the batch was never sent: its rows are unprocessed, not unknown."""
    way = token_breaks(90.0)
    result = ran(customers(rows), credentials=OAUTH, inner=way, deadline=deadline, max_outage=600.0)
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.requests == 0
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


def test_rows_that_wait_for_a_token_when_the_run_stops_are_not_in_doubt() -> None:
    """The stop cancels the request for the token."""

    async def stop(stages: Stages) -> None:
        await asyncio.sleep(5.0)
        stages.engine.stop(Stop(ExitCode.INTERRUPTED, "stopped"))

    result = ran(customers(250), credentials=OAUTH, inner=token_breaks(90.0), during=stop)
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


# ---------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("options", "largest"), [({"batch_limit": 30}, 25), ({"max_bytes": 3000}, 40)], ids=["1060", "413"]
)
def test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run(
    options: dict[str, int], largest: int
) -> None:
    """1060 and 413: halves, then nothing larger is tried again; shown, journalled, and no row fails."""
    result = ran(customers(5000), options=options, concurrency=1)
    assert all_succeeded(result, 5000)
    refused = [attempt for attempt in result.scribe.attempts if attempt.code in ("1060", "413")]
    assert 1 <= len(refused) <= 4
    assert max(attempt.customers for attempt in result.scribe.attempts[20:]) <= largest
    assert result.watcher.notes and "too large" in result.watcher.notes[0]
    assert min(result.scribe.progress.batch_size, result.scribe.progress.max_bytes) < 100 or (
        result.scribe.progress.max_bytes <= 3000
    )


def test_with_many_in_flight_a_limit_costs_no_more_than_those() -> None:
    result = ran(customers(5000), options={"batch_limit": 30, "latency": (0.2,)}, concurrency=8)
    assert all_succeeded(result, 5000)
    refused = [attempt for attempt in result.scribe.attempts if attempt.code == "1060"]
    assert len(refused) <= 8


@pytest.mark.parametrize("found", [customers(100), [*customers(50), magic(500, "code-1060-x1")]], ids=["whole", "item"])
def test_a_limit_is_in_the_journal_at_once(found: list[Customer]) -> None:
    """With the very change that halves the batch: a process that is killed has not learnt for nothing."""
    result = ran(found, options={"batch_limit": 60}, concurrency=1)
    assert result.stop is None
    assert result.scribe.progress.batch_size == result.chunker.batch_size < 100


def test_1060_said_of_items_shrinks_the_batches_too() -> None:
    """Not the request as a whole but an item says that the batch was too large: halved, and remembered."""
    result = ran([*customers(99), magic(500, "code-1060-x1"), *customers(400, first_row=1000)], concurrency=1)
    assert all_succeeded(result, 500)
    assert result.chunker.batch_size == 50
    assert max(attempt.customers for attempt in result.scribe.attempts[1:]) <= 50
    assert "too large" in result.watcher.notes[0]


def test_a_row_too_large_by_itself_is_alone_unknown() -> None:
    """The 413 is a page of the gateway, not the API's word on the row: it has not failed."""
    huge = Customer(50, mobile="919800000001", custom_fields=(("A", "x" * 5000),))
    result = ran([*customers(5), huge, *customers(2000, first_row=100)], options={"max_bytes": 3000})
    assert result.stop is None
    assert result.scribe.rows(Status.UNKNOWN) == {50}
    assert result.count(Status.SUCCEEDED) == 2005


# ------------------------------------------------------------------------------------------- refused on the way


PAGE = b"<html><head><title>Refused</title></head><body><center>nginx</center></body></html>"
ON_THE_WAY = (400, 402, 403, 404, 405, 407, 409, 411, 421, 422, 431, 451, 460, 499)


def refusing(status: int, first: int, last: int = 10**9, content: bytes = PAGE) -> Answerer:
    """A box on the way answers these requests itself."""

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        if not first <= number <= last:
            return None
        await asyncio.sleep(0.2)
        return fresh(httpx.Response(status, content=content))

    return answer


@pytest.mark.parametrize("status", [status for status in ON_THE_WAY if status != 403])
def test_a_refusal_on_the_way_at_the_start_stops_with_2_after_one_retry(status: int) -> None:
    """It is no row's fault: no row has an outcome, and none is in doubt."""
    result = ran(customers(1000), answer=refusing(status, 1), concurrency=8)
    assert result.exit_code is ExitCode.SETTINGS
    assert result.requests == 2
    assert result.scribe.outcomes == {} and result.scribe.doubtful_rows() == set()


@pytest.mark.parametrize("status", [*ON_THE_WAY, 413])
def test_a_refusal_on_the_way_in_the_middle_stops_with_5_and_no_row_has_failed(status: int) -> None:
    """What was in flight comes back, then one request is tried. 413: smaller batches are tried first."""
    result = ran(customers(3000), answer=refusing(status, 6), concurrency=8, options={"latency": (0.2,)})
    assert result.exit_code is ExitCode.TEMPORARY
    assert {outcome.status for outcome in result.scribe.outcomes.values()} == {Status.SUCCEEDED}
    assert result.scribe.doubtful_rows() == set()
    assert result.requests <= (5 + 8 + 2 if status != 413 else 100)


@pytest.mark.parametrize("content", [b"", b'{"message":"Forbidden"}', b'{"response":"blocked"}', b"<x>no</x>"])
def test_json_of_another_program_is_a_refusal_on_the_way_too(content: bytes) -> None:
    result = ran(customers(1000), answer=refusing(409, 4, content=content))
    assert result.exit_code is ExitCode.TEMPORARY
    assert result.count(Status.FAILED) == 0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_refusals_on_the_way_that_pass_cost_nothing(concurrency: int) -> None:
    """A gateway that is loaded again refuses what is in flight: one retry, and every row succeeds."""
    answer = refusing(421, 4, 3 + concurrency)
    result = ran(customers(3000), answer=answer, concurrency=concurrency, options={"latency": (0.2,)})
    assert all_succeeded(result, 3000)
    assert max(gaps(result)) >= 1.0, "the retry is not sent at once"


@pytest.mark.parametrize("after", [100, 2000])
def test_a_row_that_a_firewall_refuses_is_found_and_alone_unknown(after: int) -> None:
    """The API answers other batches, so the run continues."""

    async def answer(request: httpx.Request, number: int) -> httpx.Response | None:
        return fresh(httpx.Response(406, content=PAGE)) if b"DROP TABLE" in request.content else None

    found = [*customers(110), Customer(500, mobile="919800000001", custom_fields=(("A", "x'; DROP TABLE"),))]
    found += customers(after, first_row=1000)
    result = ran(found, answer=answer, options={"latency": (0.2,)})
    assert result.stop is None
    assert result.scribe.rows(Status.UNKNOWN) == {500}
    assert result.count(Status.SUCCEEDED) == 110 + after


# ---------------------------------------------------------------------------------------------------- poison


def poisoned(rows: int, poison: Sequence[int]) -> list[Customer]:
    return [
        magic(row, "request-400") if row in poison else customer
        for row, customer in enumerate(customers(rows), start=2)
    ]


@pytest.mark.parametrize("at", [2, 51, 52, 77, 101])
def test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself(at: int) -> None:
    result = ran(poisoned(100, [at]))
    assert result.stop is None
    assert result.scribe.rows(Status.FAILED) == {at}
    assert result.count(Status.SUCCEEDED) == 99
    assert result.requests - 1 <= 14
    assert result.scribe.outcomes[at].code == "400"


@pytest.mark.parametrize("poison", [[2, 101], [50, 51], list(range(2, 102, 10))], ids=["2", "2 together", "10"])
def test_several_poison_rows_cost_in_proportion(poison: list[int]) -> None:
    result = ran(poisoned(100, poison))
    assert result.scribe.rows(Status.FAILED) == set(poison)
    assert result.count(Status.SUCCEEDED) == 100 - len(poison)
    assert result.requests - 1 <= 14 * len(poison)


@pytest.mark.slow
def test_poison_in_the_middle_of_a_run_costs_the_others_nothing() -> None:
    result = ran(poisoned(5000, [1000, 2000, 3000]))
    assert result.scribe.rows(Status.FAILED) == {1000, 2000, 3000}
    assert result.count(Status.SUCCEEDED) == 4997
    assert result.requests <= 50 + 3 * 14


@pytest.mark.parametrize("concurrency", [1, 8])
def test_when_all_is_poison_the_run_stops_with_6_after_three_batches(concurrency: int) -> None:
    """Three batches refused down to every row: something is wrong with all."""
    result = ran([magic(row, "request-400") for row in range(2, 2002)], batch_size=20, concurrency=concurrency)
    assert result.exit_code is ExitCode.TOO_MANY_ERRORS
    assert result.count(Status.FAILED) == 60
    assert result.requests == 3 * 39
    assert result.scribe.doubtful_rows() == set()


def test_three_poison_batches_after_good_ones_do_not_stop_the_run() -> None:
    found = [*customers(100), *[magic(row, "request-400") for row in range(500, 580)], *customers(100, first_row=2000)]
    result = ran(found, batch_size=20)
    assert result.stop is None
    assert (result.count(Status.FAILED), result.count(Status.SUCCEEDED)) == (80, 200)


# ---------------------------------------------------------------------------------------------------- resuming


def test_batches_left_open_go_first_as_they_were_and_newer_rows_wait_for_them() -> None:
    """What an earlier process had in flight: the same id, the same customers, ahead of every newer row of theirs."""
    chunker = Chunker(100, next_id=7)
    older = Customer(2, mobile="919876500001", custom_fields=(("Color", "old"),))
    newer = Customer(3, mobile="919876500001", custom_fields=(("Color", "new"),))
    left = Work(chunker.form((older,)), root=7, attempts=1, doubt=True, opened=True)
    result = ran([newer, *customers(50, first_row=10)], again=[left], batch_size=10)
    assert all_succeeded(result, 52)
    assert b"old" in result.wire.bodies[0]
    assert result.scribe.attempts[0].batch_id == 7
    assert result.scribe.outcomes[2].attempts == 2
    assert result.state.preferences_of(mobile="919876500001") == {"Color": "new"}


def test_a_batch_that_was_never_sent_is_in_doubt_from_the_moment_it_may_be() -> None:
    """The process before marked it harmless; once it is sent again a crash must find it in doubt."""
    chunker = Chunker(100, next_id=7)
    left = Work(chunker.form(tuple(customers(1))), root=7, doubt=False, opened=True)
    seen: list[bool] = []

    async def look(request: httpx.Request, number: int) -> httpx.Response | None:
        seen.append(rig_scribe[0].doubt[7])
        return None

    rig_scribe: list = []

    async def during(stages: Stages) -> None:
        rig_scribe.append(stages.settlement._scribe)  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    result = ran([], again=[left], answer=look, during=during)
    assert all_succeeded(result, 1)
    assert seen == [True]


@pytest.mark.parametrize("fault", ["429", "401"])
def test_a_batch_sent_again_after_a_refusal_is_in_doubt_while_in_flight(fault: str) -> None:
    """The first attempt was surely not applied; of the second, in flight at a crash, that is not known."""
    seen: list[bool] = []
    scribes: list = []

    async def look(request: httpx.Request, number: int) -> httpx.Response | None:
        seen.append(next(iter(scribes[0].doubt.values())))
        return fresh(httpx.Response(int(fault))) if number == 1 else None

    async def during(stages: Stages) -> None:
        scribes.append(stages.settlement._scribe)  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    result = ran(customers(1), answer=look, during=during, credentials=OAUTH)
    assert all_succeeded(result, 1)
    assert seen == [True, True]


def test_new_batches_wait_until_every_inherited_one_was_sent() -> None:
    """One at a time at the rate, with room for more: the older ones have taken their turn before a newer row has."""
    chunker = Chunker(100, next_id=7)
    left = [
        Work(batch, batch.batch_id, doubt=True, opened=True)
        for batch in (chunker.form(customers(2, first_row=row, color="old")) for row in range(2, 22, 2))
    ]
    result = ran(customers(50, first_row=100), again=left, batch_size=10, concurrency=64, rate=FAST)
    assert all_succeeded(result, 70)
    assert [b"old" in body for body in result.wire.bodies] == [True] * 10 + [False] * 5


@pytest.mark.parametrize("doubt", [False, True])
def test_an_inherited_batch_above_a_limit_is_halved_only_if_it_was_never_sent(doubt: bool) -> None:
    """The server may be applying the first attempt: only the same bytes are safe. New batches follow either way."""
    chunker = Chunker(100, next_id=7)
    left = Work(chunker.form(customers(4, color="old")), root=7, doubt=doubt, opened=True)
    result = ran(customers(10, first_row=10), again=[left], batch_size=2)
    assert all_succeeded(result, 14)
    assert [body.count(b"custom_fields") for body in result.wire.bodies[:2]] == ([4, 2] if doubt else [2, 2])
    assert [b"old" in body for body in result.wire.bodies[:3]] == [True, not doubt, False]


def test_every_body_that_is_sent_is_a_batch_that_was_written_down_before() -> None:
    """Nothing is sent that the journal does not know."""
    result = ran(poisoned(300, [100]), options={"faults": ("3:503", "5:429:retry-after=1", "7:blank")})
    written = {
        tuple(customer.mobile or customer.external_id for customer in batch.customers)
        for batch in result.scribe.seen.values()
    }
    for body in result.wire.bodies:
        sent = json.loads(body)["root"]["customer"]
        assert tuple(one.get("mobile") or one.get("external_id") for one in sent) in written
