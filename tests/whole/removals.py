"""What happens to the tests when a handling is taken out: one removal for each clause of the table of failures.

`python -m tests.whole.removals [WORD]` copies the program aside, takes the handlings out one after the other (those
whose name holds WORD), and runs the tests named beside each: they must fail. It prints those that nobody misses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
#: How many copies are tried at once.
AT_ONCE = 2
#: Seconds after which a test is taken to wait for ever for what was taken out.
ENDLESS = 60.0


class Removal(msgspec.Struct, frozen=True):
    """`old` of the file `where` becomes `new`; then at least one of `tests` must fail."""

    what: str
    where: str
    old: str
    new: str
    tests: tuple[str, ...]


def out(what: str, where: str, old: str, new: str, *tests: str) -> Removal:
    return Removal(what, f"importer/{where}.py", old, new, tests)


#: The bytes break off after the server took them.
RESET = (
    out(
        "reset: the same bytes again",
        "sender/sender",
        "if self._breaker.open or not work.doubt or work.tries < work.most_tries:",
        "if False:",
        "test_network::test_the_same_bytes_go_again",
    ),
    out(
        "reset: whether it was applied is in doubt",
        "capillary/client",
        'return Trouble(Next.AGAIN, "connection", f"the connection to {host} broke", doubt=True)',
        'return Trouble(Next.AGAIN, "connection", f"the connection to {host} broke", doubt=False)',
        "test_network::test_a_connection_that_breaks_after_the_batch_was_taken_leaves_it_in_doubt",
    ),
    out(
        "reset: a batch in doubt stays so while it is tried again",
        "sender/sender",
        "        if trouble.doubt:\n            work.doubt = True\n",
        "",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "reset: attempts spent, each row alone",
        "sender/sender",
        "elif len(work.batch.customers) > 1:",
        "elif False:",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "reset: then unknown",
        "sender/sender",
        "await self._decide_alone(work, attempt, Status.UNKNOWN,",
        "await self._decide_alone(work, attempt, Status.FAILED,",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
)

#: No connection, no name server, no answer in time.
AWAY = (
    out(
        "refused: passes",
        "capillary/client",
        'return Trouble(Next.AGAIN, "connect",',
        'return Trouble(Next.SETTINGS, "connect",',
        "test_network::test_a_closed_port_ends_the_run_with_5_after_the_outage_and_no_row_is_touched",
    ),
    out(
        "refused: nothing was sent",
        "capillary/client",
        'f"no connection to {host}", doubt=False)',
        'f"no connection to {host}", doubt=True)',
        "test_network::test_a_closed_port_ends_the_run_with_5_after_the_outage_and_no_row_is_touched",
    ),
    out(
        "DNS: a name server that is away passes",
        "capillary/client",
        'return Trouble(Next.AGAIN, "dns",',
        'return Trouble(Next.SETTINGS, "dns",',
        "test_network::test_a_name_server_that_is_away_for_a_moment_is_waited_for",
    ),
    out(
        "timeout: passes, and is in doubt",
        "capillary/client",
        'return Trouble(Next.AGAIN, "timeout", f"{host} did not answer in time", doubt=True)',
        'return Trouble(Next.SETTINGS, "timeout", f"{host} did not answer in time", doubt=False)',
        "test_network::test_a_black_hole_ends_at_the_deadline",
    ),
    out(
        "back-off: it doubles",
        "sender/retry",
        "FIRST_DELAY * 2.0 ** max(attempts - 1, 0)",
        "FIRST_DELAY",
        "test_retry::test_delays_double_and_are_jittered_from_nothing_to_all_of_them",
    ),
    out(
        "back-off: full jitter",
        "sender/retry",
        "LONGEST_DELAY) * self._jitter()",
        "LONGEST_DELAY)",
        "test_retry::test_delays_double_and_are_jittered_from_nothing_to_all_of_them",
    ),
    out(
        "back-off: the sender waits for it",
        "sender/sender",
        "await self._same_again(work, attempt, self._backoff.delay(work.tries))",
        "await self._same_again(work, attempt, 0.0)",
        "test_trouble::test_each_attempt_waits_longer",
    ),
    out(
        "attempts: five a batch",
        "sender/retry",
        "MAX_ATTEMPTS = 5",
        "MAX_ATTEMPTS = 6",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "attempts: five for a busy customer",
        "sender/sender",
        "return last if work.attempts >= MAX_ATTEMPTS else None",
        "return last if work.attempts >= 50 else None",
        "test_trouble::test_a_customer_who_stays_busy_has_failed_after_five_attempts",
    ),
    out(
        "quota: spent, everything waits",
        "sender/retry",
        "        if self._quota < RETRY_COST:\n",
        "        if False:\n",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: 500",
        "sender/retry",
        "QUOTA, RETRY_COST, SUCCESS_GIVES = 500, 14, 1",
        "QUOTA, RETRY_COST, SUCCESS_GIVES = 5000, 14, 1",
        "test_figures",
    ),
    out(
        "quota: a retry costs 14",
        "sender/retry",
        "        self._quota -= RETRY_COST\n",
        "        self._quota -= 1\n",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: a success gives 1 back",
        "sender/retry",
        "min(self._quota + SUCCESS_GIVES, QUOTA)",
        "self._quota",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: an answer is a success",
        "sender/sender",
        "        self._backoff.succeeded()\n",
        "",
        "test_trouble::test_the_quota_is_one_for_the_run_and_successes_fill_it",
    ),
    out(
        "breaker: no answer counts",
        "sender/sender",
        "                self._breaker.failed(work.root, plain=not trouble.doubt or error.http_status >= 500)\n",
        "",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "breaker: the door waits for it",
        "sender/sender",
        "            while (wait := self._breaker.wait()) > 0:\n",
        "            while (wait := 0.0) > 0:\n",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "breaker: one probe",
        "sender/retry",
        "            self._next_probe = now + PROBE_EVERY\n            return 0.0\n",
        "            return 0.0\n",
        "test_retry::test_an_open_breaker_lets_one_probe_through_every_half_minute",
    ),
    out(
        "breaker: every 30 s",
        "sender/retry",
        "PROBE_EVERY = 30.0",
        "PROBE_EVERY = 20.0",
        "test_figures",
    ),
    out(
        "breaker: an answer closes it",
        "sender/sender",
        "        self._breaker.answered()\n",
        "",
        "test_trouble::test_after_an_outage_it_goes_on_at_once_and_every_row_succeeds",
    ),
    out(
        "breaker: who waits is woken",
        "sender/sender",
        "        self._alive.set()\n",
        "",
        "test_trouble::test_after_an_outage_it_goes_on_at_once_and_every_row_succeeds",
    ),
    out(
        "breaker: one batch is no dead server",
        "sender/retry",
        " and (self._plain or len(self._roots) > 1)",
        "",
        "test_retry::test_one_batch_that_breaks_every_connection_is_no_dead_server",
    ),
    out(
        "--max-outage: the run stops with 5",
        "sender/sender",
        "        if self._breaker.outlasted():\n",
        "        if False:\n",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "--max-outage: 30 minutes",
        "settings/options",
        "max_outage: float = 1800.0",
        "max_outage: float = 180.0",
        "test_figures",
    ),
    out(
        "--max-outage: the breaker is told",
        "runs/send",
        "Breaker(world.clock, settings.max_outage)",
        "Breaker(world.clock, settings.max_outage + 30.0)",
        "test_through_the_pipeline::test_a_server_that_is_away_for_longer_than_max_outage_ends_the_run_with_5",
    ),
)

#: What no waiting mends.
CONFIGURATION = (
    out(
        "unknown host: stop",
        "capillary/client",
        "            if cause.errno in _NO_SUCH_HOST:\n",
        "            if False:\n",
        "test_network::test_an_unknown_host_stops_with_2_and_no_row_failed",
    ),
    out(
        "certificate: it is verified",
        "capillary/client",
        'verify=tls_context(os.environ) if scheme == "https" else False',
        "verify=False",
        "test_network::test_a_certificate_nobody_vouches_for_stops_with_2",
    ),
    out(
        "certificate: stop",
        "capillary/client",
        'return Trouble(Next.SETTINGS, "certificate", message, doubt=False)',
        'return Trouble(Next.AGAIN, "certificate", message, doubt=False)',
        "test_network::test_a_certificate_for_another_name_stops_with_2",
    ),
    out(
        "redirect: never followed",
        "capillary/client",
        "follow_redirects=False",
        "follow_redirects=True",
        "test_network::test_a_redirect_is_never_followed_and_stops_with_2",
    ),
    out(
        "redirect: no answer, whatever it carries",
        "capillary/triage",
        "    if 300 <= http_status < 400:\n",
        "    if False:\n",
        "test_network::test_a_redirect_is_never_followed_and_stops_with_2",
    ),
    out(
        "configuration: stop, and no row failed",
        "sender/sender",
        "            case Next.SETTINGS:\n",
        "            case Next.ITEMS:\n",
        "test_trouble::test_configuration_stops_with_2_after_one_request_and_no_row_failed",
    ),
    out(
        "configuration: nothing of it is unknown",
        "sender/sender",
        "harmless=() if work.doubt else (work.batch.batch_id,)",
        "harmless=()",
        "test_trouble::test_configuration_stops_with_2_after_one_request_and_no_row_failed",
    ),
)

#: A byte every half second.
DRIP = (
    out(
        "drip: a deadline over the whole attempt",
        "capillary/client",
        "async with asyncio.timeout(self._options.deadline):",
        "async with asyncio.timeout(None):",
        "test_network::test_a_drip_ends_at_the_deadline_over_the_whole_attempt",
    ),
    out("drip: 120 s", "capillary/client", "DEADLINE = 120.0", "DEADLINE = 240.0", "test_figures"),
)

#: Too many requests.
THROTTLED = (
    out(
        "429: it is one, whatever the body says",
        "capillary/triage",
        "    if http_status == 429:\n",
        "    if False:\n",
        "test_triage::test_without_items",
    ),
    out(
        "429: a pause",
        "sender/sender",
        "        seconds = self._pacer.throttled(sent_at, error.retry_after)\n",
        "        seconds = 0.0\n",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: Retry-After in seconds",
        "capillary/client",
        "        return None if math.isnan(seconds) else seconds\n",
        "        return None\n",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: Retry-After that is no number",
        "capillary/client",
        "        return None if math.isnan(seconds) else seconds\n",
        "        return seconds\n",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
    ),
    out(
        "429: Retry-After as a date",
        "capillary/client",
        '            return _until(value, headers.get("Date", ""))\n',
        "            return None\n",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
    ),
    out(
        "429: the date against the answer's own",
        "capillary/client",
        '_until(value, headers.get("Date", ""))',
        "_until(value, email.utils.formatdate(usegmt=True))",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
    ),
    out(
        "429: the answer's headers reach the pacer",
        "capillary/client",
        "        raise self._failed(trouble, response, wait)\n",
        "        raise self._failed(trouble, response, None)\n",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: never less than nothing",
        "chunker/pacer",
        "seconds = min(max(retry_after, 0.0), MOST_ASKED)",
        "seconds = min(retry_after, MOST_ASKED)",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
    ),
    out(
        "429: never more than a quarter of an hour",
        "chunker/pacer",
        "seconds = min(max(retry_after, 0.0), MOST_ASKED)",
        "seconds = max(retry_after, 0.0)",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out("429: 15 min", "chunker/pacer", "MOST_ASKED = 15 * 60.0", "MOST_ASKED = 60 * 60.0", "test_figures"),
    out(
        "429: absent, it doubles",
        "chunker/pacer",
        "FIRST_PAUSE * 2.0 ** (self._pauses_in_a_row - 1)",
        "FIRST_PAUSE",
        "test_pacer::test_without_a_word_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: absent, at most a minute",
        "chunker/pacer",
        "FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0",
        "FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0",
        "test_pacer::test_without_a_word_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: absent, jitter",
        "chunker/pacer",
        "seconds * (1 + 0.25 * self._jitter())",
        "seconds",
        "test_pacer::test_without_a_word_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: an answer between makes the next pause short",
        "sender/sender",
        "        self._pacer.answered()\n",
        "",
        "test_trouble::test_an_answer_between_two_429_makes_the_second_pause_short_again",
    ),
    out(
        "429: one pause for all",
        "chunker/pacer",
        "not_before=max(state.not_before, now + seconds) if fresh or retry_after else state.not_before,",
        "not_before=state.not_before,",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: also for who has a slot already",
        "sender/sender",
        "held = self._pacer.may_leave(leave) - self._clock()",
        "held = 0.0",
        "test_trouble::test_a_429_also_holds_back_who_waits_for_a_slot_that_was_given_before",
    ),
    out(
        "429: what was in flight counts once",
        "chunker/pacer",
        "fresh = sent_at >= self._pause_began",
        "fresh = True",
        "test_pacer::test_what_was_in_flight_when_the_pause_began_counts_once",
    ),
    out(
        "429: costs a row no attempt",
        "sender/sender",
        '        self._observer.paused(seconds, "the server says 429, too many requests")\n',
        "        work.attempts += 1\n",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: it is told",
        "sender/sender",
        '        self._observer.paused(seconds, "the server says 429, too many requests")\n',
        "",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: the rate shrinks",
        "chunker/pacer",
        "share=max(state.share * shrink, FLOOR) if fresh else state.share,",
        "share=state.share,",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: the rate never shrinks to nothing",
        "chunker/pacer",
        "share=max(state.share * shrink, FLOOR) if fresh",
        "share=state.share * shrink if fresh",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
    ),
    out(
        "429: the rate grows back",
        "chunker/pacer",
        "grant(grown(state, now), now, self.rate, self.burst)",
        "grant(state, now, self.rate, self.burst)",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
    ),
    out(
        "429: RateLimit headers",
        "capillary/client",
        '        if reset and (http_status == 429 or remaining == "0"):\n',
        "        if False:\n",
        "test_pacer::test_a_429_pauses_for_as_long_as_it_asks",
    ),
    out(
        "429: RateLimit headers of a good answer",
        "sender/sender",
        "        self._asked_to_wait(reply.retry_after)\n",
        "",
        "test_trouble::test_rate_limit_headers_on_an_answer_pause_before_a_429_is_needed",
    ),
    out(
        "429: for ever, the run stops with 5",
        "sender/sender",
        "        if self._clock() - self._throttled_since >= self._breaker.max_outage:\n",
        "        if False:\n",
        "test_trouble::test_429_for_ever_stops_with_5",
    ),
)

#: A gateway's or the server's own trouble.
TRANSIENT = (
    out(
        "transient: HTTP 500",
        "capillary/triage",
        "    500: Next.AGAIN,\n",
        "    500: Next.SETTINGS,\n",
        "test_triage::test_without_items",
    ),
    out(
        "transient: HTTP 408",
        "capillary/triage",
        "    408: Next.AGAIN,\n",
        "",
        "test_trouble::test_what_passes_is_tried_again_with_the_same_bytes",
    ),
    out(
        "transient: 502, 503, 504, 52x",
        "capillary/triage",
        "        klass = Next.AGAIN\n",
        "        klass = Next.SETTINGS\n",
        "test_trouble::test_what_passes_is_tried_again_with_the_same_bytes",
    ),
    out(
        "transient: the sender tries again",
        "sender/sender",
        "            case Next.AGAIN:\n",
        "            case Next.ITEMS:\n",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "transient: Retry-After",
        "sender/sender",
        "                self._asked_to_wait(error.retry_after)\n",
        "",
        "test_trouble::test_a_503_that_says_when_to_come_back_is_left_alone_until_then",
    ),
    *(
        out(
            f"transient: the body says {code}",
            "capillary/codes",
            old,
            old.replace("Next.AGAIN", "Next.SETTINGS"),
            "test_triage::test_without_items",
        )
        for code, old in (
            ("407", 'CodeEntry("407", "unknown error", Next.AGAIN'),
            ("461", 'CodeEntry("461", "search engine busy", Next.AGAIN'),
            ("4001", 'CodeEntry("4001", "authorisation unavailable", Next.AGAIN'),
        )
    ),
    out(
        "a body code of 500 sums up its items",
        "capillary/triage",
        "    if answer is not None and answer.items:\n        return None\n",
        '    if answer is not None and answer.items and answer.status.code != "500":\n        return None\n',
        "test_trouble::test_a_batch_in_which_all_failed_is_no_outage",
    ),
    out(
        "a body code of 500 without items is no gateway's 500",
        "capillary/triage",
        'if code and (code == "500" or code != str(http_status)):',
        "if code and code != str(http_status):",
        "test_triage::test_without_items",
    ),
    out(
        "a body code of 500 to one batch is no outage",
        "sender/sender",
        "                self._breaker.failed(work.root, plain=False)\n",
        "                self._breaker.failed(work.root, plain=True)\n",
        "test_trouble::test_a_row_that_makes_the_server_say_500_is_found_and_alone_unknown",
    ),
    out(
        "a body code of 500 to every batch is an outage",
        "sender/sender",
        "                self._breaker.failed(work.root, plain=False)\n",
        "",
        "test_trouble::test_a_server_that_says_500_to_everything_is_an_outage",
    ),
)

#: 200, and nothing that the API says.
PAGE = (
    out(
        "page: no answer",
        "capillary/wire",
        '        raise Unreadable("it is JSON, but not of this API")\n',
        '        response = {"customer": [{"item_status": {"success": True}}]}\n',
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
        "test_wire::test_an_unreadable_answer_is_told_by_what_it_looks_like",
    ),
    out(
        "page: nothing that the API says",
        "capillary/triage",
        "doubt=True, foreign=answer is None)",
        "doubt=True)",
        "test_trouble::test_a_login_page_in_the_middle_stops_with_2_and_no_row_ends_by_it",
    ),
    out(
        "page: once more, then stop",
        "sender/stop_rules",
        "if everywhere or (len(self._unreadable) >= 2 and not self._sound):",
        "if everywhere:",
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
    ),
    out(
        "page: once more",
        "sender/stop_rules",
        "(len(self._unreadable) >= 2 and not self._sound)",
        "not self._sound",
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
    ),
    out(
        "page: in the middle of a run too",
        "sender/stop_rules",
        "if everywhere or (len(self._unreadable) >= 2 and not self._sound):",
        "if len(self._unreadable) >= 2 and not self._sound:",
        "test_trouble::test_a_login_page_in_the_middle_stops_with_2_and_no_row_ends_by_it",
    ),
    out(
        "page: a good answer between forgives",
        "sender/stop_rules",
        "        self._unreadable.clear()\n",
        "",
        "test_stop_rules::test_unreadable_answers_count_in_a_row",
    ),
    out(
        "page: one batch that cannot be answered is no other server",
        "sender/stop_rules",
        " and len(set(self._unreadable)) > 1",
        "",
        "test_stop_rules::test_one_batch_of_unreadable_answers_is_not_everywhere",
    ),
)

#: Bytes that are no sound JSON.
MANGLED = (
    out(
        "truncated",
        "capillary/wire",
        "    except ValueError:\n        raise Unreadable(_looks_like(body)) from None\n",
        "    except ValueError:\n        raise\n",
        "test_wire::test_a_truncated_answer_is_unreadable",
    ),
    out(
        "NaN",
        "capillary/wire",
        ", parse_constant=_no_constant)",
        ")",
        "test_wire::test_what_is_no_json_number_makes_the_answer_unreadable",
    ),
    out(
        "duplicate keys: counted in the quick reading",
        "capillary/wire",
        "        if not _each_once(body, response, items or []):\n            return _decode_slowly(body)\n",
        "",
        "test_wire::test_a_key_that_stands_twice_makes_the_answer_unreadable",
    ),
    out(
        "duplicate keys: refused in the slow reading",
        "capillary/wire",
        "    if len(found) != len(pairs):\n",
        "    if False:\n",
        "test_wire::test_a_key_that_stands_twice_makes_the_answer_unreadable",
    ),
    out(
        "nesting: in the quick reading",
        "capillary/wire",
        '    except RecursionError:\n        raise Unreadable("it is nested too deeply") from None\n\n\ndef _each_once',
        "    finally:\n        pass\n\n\ndef _each_once",
        "test_wire::test_deep_nesting_never_raises_a_recursion_error",
    ),
    out(
        "nesting: in the slow reading",
        "capillary/wire",
        'raise Unreadable("it is nested too deeply") from None\n    except Unreadable:\n',
        "raise\n    except Unreadable:\n",
        "test_wire::test_json_that_is_nested_too_deeply_is_told_as_such",
    ),
    out(
        "nesting: in the answers of other calls",
        "capillary/wire",
        "    try:\n        yield\n    except RecursionError:\n",
        "    try:\n        yield\n    except KeyError:\n",
        "test_wire::test_deep_nesting_in_the_answers_of_the_other_calls",
    ),
    out(
        "bytes that are no text",
        "capillary/wire",
        "(msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError)",
        "(msgspec.ValidationError,)",
        "test_wire::test_no_bytes_raise_anything_but_unreadable",
    ),
    out(
        "what cannot be read is a failure of the request and no exception",
        "capillary/client",
        "        except Unreadable as error:\n            answer, unreadable = None, str(error)\n",
        "        finally:\n            pass\n",
        "test_trouble::test_what_passes_is_tried_again_with_the_same_bytes",
    ),
)

BOMB = (
    out(
        "bomb: decoded cap",
        "capillary/client",
        "        if len(content) > MAX_ANSWER:\n",
        "        if False:\n",
        "test_network::test_a_gzip_bomb_is_no_answer_and_never_unpacked_whole",
    ),
    out(
        "bomb: unpacked in small parts",
        "capillary/client",
        "unpacker.decompress(part, 1 << 20)",
        "unpacker.decompress(part)",
        "test_network::test_a_gzip_bomb_in_one_piece_is_never_unpacked_whole",
    ),
    out(
        "bomb: 16 MiB",
        "capillary/client",
        "MAX_ANSWER = 16 * 1024 * 1024",
        "MAX_ANSWER = 32 * 1024 * 1024",
        "test_figures",
    ),
    out(
        "bomb: no encoding that was not asked for",
        "capillary/client",
        '    if encoding not in ("gzip", "x-gzip", "deflate"):\n',
        "    if False:\n",
        "test_network::test_an_encoding_that_was_not_asked_for_is_no_answer_whatever_it_holds",
    ),
    out(
        "bomb: a compressed answer that is cut off",
        "capillary/client",
        "    if not unpacker.eof:\n",
        "    if False:\n",
        "test_network::test_gzip_without_its_end_is_no_answer_though_all_of_it_could_be_read",
    ),
)

#: The token in the middle, the password at the start.
CREDENTIALS = (
    out(
        "401: renewed",
        "capillary/client",
        '            self._renewed_in_vain = True\n            self._token = ""\n',
        "            self._renewed_in_vain = True\n",
        "test_trouble::test_a_401_in_the_middle_renews_once_for_all_and_goes_on",
    ),
    out(
        "401: once for all",
        "capillary/client",
        '        if response.request.headers.get("X-CAP-API-OAUTH-TOKEN", "") == self._token:\n',
        "        if True:\n",
        "test_trouble::test_a_401_in_the_middle_renews_once_for_all_and_goes_on",
    ),
    out(
        "401: the batch again",
        "sender/sender",
        "            case Next.RENEW:\n                await self._same_again(work, attempt, 0.0)\n",
        "            case Next.RENEW:\n                await self._stay(work, attempt)\n",
        "test_trouble::test_a_401_in_the_middle_renews_once_for_all_and_goes_on",
    ),
    out(
        "401: a second stops with 4",
        "capillary/client",
        "if self._renewed_in_vain:",
        "if False:",
        "test_trouble::test_a_fresh_token_that_is_refused_stops_with_4",
    ),
    out(
        "401: a good answer proves the new token",
        "capillary/client",
        "            self._renewed_in_vain = False\n            return Reply(",
        "            return Reply(",
        "test_trouble::test_a_token_refused_again_after_good_answers_is_renewed_again",
    ),
    out(
        "401: renewed ahead",
        "capillary/client",
        "            if self._clock() >= self._renew_at:\n",
        "            if False:\n",
        "test_trouble::test_a_token_is_renewed_ahead_of_its_end",
    ),
    out("401: at 80 % of its life", "capillary/client", "RENEW_AT = 0.8", "RENEW_AT = 0.9", "test_figures"),
    out(
        "401: one renewal at a time",
        "capillary/client",
        "        async with self._renewing:\n",
        "        if True:\n",
        "test_trouble::test_a_401_in_the_middle_renews_once_for_all_and_goes_on",
    ),
    out(
        "at the start: one request at a time",
        "sender/sender",
        "        if not self._proven:\n            async with self._first:",
        "        if False:\n            async with self._first:",
        "test_trouble::test_a_refusal_that_takes_its_time_costs_no_more",
    ),
    out(
        "at the start: with Basic the first 401 is final",
        "capillary/client",
        "        if isinstance(self._credentials, Basic):\n            return msgspec",
        "        if False:\n            return msgspec",
        "test_trouble::test_wrong_credentials_cost_two_requests_and_no_row",
    ),
    out(
        "at the start: the call for a token too",
        "capillary/client",
        "    if http_status in (400, 401, 403):\n        return Next.REFUSED\n",
        "",
        "test_trouble::test_wrong_credentials_cost_two_requests_and_no_row",
    ),
    out(
        "403: stop with 4, no row failed",
        "sender/sender",
        "            case Next.REFUSED:\n                # First",
        "            case Next.ITEMS:\n                # First",
        "test_trouble::test_a_refusal_at_the_start_costs_two_requests_and_no_row",
    ),
    out(
        "403: nothing new starts while it is written down",
        "sender/sender",
        "self.stop(_refused(trouble.code, trouble.message))",
        "asyncio.get_running_loop().call_later(0.1, self.stop, _refused(trouble.code, trouble.message))",
        "test_trouble::test_a_refusal_at_the_start_costs_two_requests_and_no_row",
    ),
    out(
        "403: said of a customer too",
        "sender/sender",
        "        if Verdict.REFUSED in later:\n",
        "        if False:\n",
        "test_trouble::test_a_permission_refused_for_a_customer_stops_the_run_and_the_row_has_not_failed",
    ),
)

#: A limit of the server's, and a row that poisons its batch.
REFUSED_WHOLE = (
    out(
        "413: halves",
        "capillary/triage",
        "    413: Next.HALVE,\n",
        "    413: Next.SETTINGS,\n",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060: halves",
        "capillary/codes",
        'CodeEntry("1060", "batch limit exceeded", Next.HALVE, "Smaller',
        'CodeEntry("1060", "batch limit exceeded", Next.SETTINGS, "Smaller',
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060 of an item: halves",
        "sender/sender",
        "            self._shrink(work.batch, None)\n",
        "",
        "test_trouble::test_1060_said_of_items_shrinks_the_batches_too",
    ),
    out(
        "1060, 413: for the rest of the run",
        "sender/sender",
        '            self._shrink(work.batch, size if "413" in code else None)\n',
        "            pass\n",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060, 413: also for what is prepared already",
        "sender/sender",
        "        if self._chunker.too_large(work.batch, len(body)) and not work.doubt:\n",
        "        if False:\n",
        "test_trouble::test_with_many_in_flight_a_limit_costs_no_more_than_those",
    ),
    out(
        "1060, 413: in the journal at once",
        "sender/sender",
        "attempt.number % 64 == 0 or self._learnt else None",
        "attempt.number % 64 == 0 else None",
        "test_trouble::test_a_limit_is_in_the_journal_at_once",
    ),
    out(
        "1060: and resumed with",
        "runs/send",
        "min(settings.batch_size, run.progress.batch_size or settings.batch_size)",
        "settings.batch_size",
        "test_through_the_pipeline::test_a_limit_that_was_learnt_holds_after_a_resume",
    ),
    out(
        "413: and resumed with",
        "runs/send",
        "run.progress.max_bytes or MAX_BYTES",
        "MAX_BYTES",
        "test_through_the_pipeline::test_a_limit_that_was_learnt_holds_after_a_resume",
    ),
    out(
        "1060, 413: told",
        "sender/sender",
        "        self._observer.noted(text)\n",
        "",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "poison: halved",
        "sender/sender",
        "            case Next.HALVE:\n",
        "            case Next.ITEMS:\n",
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "poison: in halves, not row by row",
        "sender/sender",
        "return [self._part(work, half) for half in self._chunker.halves(batch)]",
        "return [self._part(work, self._chunker.form((one,), batch.batch_id)) for one in batch.customers]",
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "poison: alone, it has failed",
        "sender/sender",
        'await self._decide_alone(work, attempt, Status.FAILED, code.removeprefix("HTTP "), message, refused=True)',
        'await self._decide_alone(work, attempt, Status.UNKNOWN, "no_answer", message, refused=True)',
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "all poison: stop with 6",
        "sender/stop_rules",
        "        if self._refused_roots < REFUSED_BATCHES:\n            return None\n",
        "        if self._refused_roots:\n            return None\n",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: after three batches",
        "sender/stop_rules",
        "REFUSED_BATCHES = 3",
        "REFUSED_BATCHES = 4",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: no more than three are risked",
        "sender/stop_rules",
        "        return self._sound or self._begun < REFUSED_BATCHES\n",
        "        return True\n",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: only the first batches",
        "sender/stop_rules",
        "        if self._sound or root.customers < 2 or root.refused < root.customers:\n",
        "        if root.customers < 2 or root.refused < root.customers:\n",
        "test_trouble::test_three_poison_batches_after_good_ones_do_not_stop_the_run",
    ),
    out(
        "all poison: only down to every row",
        "sender/stop_rules",
        " or root.refused < root.customers:\n",
        ":\n",
        "test_stop_rules::test_a_batch_of_which_one_row_was_not_refused_is_not_all_poison",
    ),
)

#: The answer's content. (The reconciler's every mutant is caught besides: test_reconciler.)
CONTENT = (
    out(
        "items: by position only where counts agree",
        "reconciler/reconcile",
        "if len(items) == len(customers) and _in_order(customers, items):",
        "if _in_order(customers, items[: len(customers)]):",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: by position only where nothing contradicts",
        "reconciler/reconcile",
        "if len(items) == len(customers) and _in_order(customers, items):",
        "if len(items) == len(customers):",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: one that fits two is nobody's",
        "reconciler/reconcile",
        "            if len(fitting) > 1 or found[index] is not None:\n                spoilt.add(index)\n",
        "",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: the rest is asked again",
        "sender/sender",
        "        for verdict in (Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED):\n",
        "        for verdict in (Verdict.ALONE, Verdict.CONTRADICTION):\n",
        "test_trouble::test_items_that_cannot_be_attributed_are_asked_again_alone",
    ),
    out(
        "items: alone",
        "sender/sender",
        "self._part(work, self._chunker.form((customer,), work.batch.batch_id, alone=True))",
        "self._part(work, self._chunker.form((customer,), work.batch.batch_id))",
        "test_trouble::test_a_row_of_which_nothing_is_ever_said_is_unknown",
    ),
    out(
        "items: then unknown",
        "sender/sender",
        "                return Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None\n",
        "                return Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None\n",
        "test_trouble::test_a_row_of_which_nothing_is_ever_said_is_unknown",
    ),
    out(
        "normalised: an e-mail by case",
        "reconciler/reconcile",
        "customer.email.lower() == item.email.lower()",
        "customer.email == item.email",
        "test_reconcile::test_the_rule",
    ),
    out(
        "normalised: a mobile by its country code",
        "reconciler/reconcile",
        "        and longer.endswith(shorter)\n",
        "        and longer == shorter\n",
        "test_reconcile::test_the_rule",
    ),
    out(
        "normalised: blank",
        "reconciler/reconcile",
        'item.mobile in ("", customer.mobile)',
        "item.mobile == customer.mobile",
        "test_reconcile::test_no_mutant_of_the_reconciler_survives",
    ),
    out(
        "normalised: never a choice between two",
        "reconciler/reconcile",
        "            if len(fitting) > 1 or found[index] is not None:\n",
        "            if found[index] is not None:\n",
        "test_reconcile::test_the_rule",
    ),
    out(
        "success: real yes and no",
        "capillary/wire",
        "    if value is True or value is False:\n        return value\n",
        "    if value is True or value is False:\n        return None\n",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: a word by any case",
        "capillary/wire",
        "value.strip().lower())",
        "value)",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: 1 is none",
        "capillary/wire",
        "    if value is True or value is False:\n        return value\n",
        "    if value in (True, False):\n        return bool(value)\n",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: all else is none",
        "capillary/wire",
        '{"true": True, "false": False}.get(value.strip().lower())',
        '{"true": True, "false": False}.get(value.strip().lower(), True)',
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: missing or null is none",
        "reconciler/reconcile",
        "        verdict = Verdict.UNATTRIBUTED\n",
        "        verdict = Verdict.SUCCEEDED\n",
        "test_reconcile::test_the_rule",
    ),
    out(
        "contradiction: the item wins over the status",
        "capillary/triage",
        "    if answer is not None and answer.items:\n        return None\n",
        "    if answer is not None and answer.items and http_status < 300:\n        return None\n",
        "test_triage::test_items_are_read_whatever_the_statuses_say",
    ),
    out(
        "contradiction: success with a failure's code",
        "reconciler/reconcile",
        "verdict = Verdict.SUCCEEDED if sound else Verdict.CONTRADICTION",
        "verdict = Verdict.SUCCEEDED",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "contradiction: asked again alone",
        "sender/sender",
        "        for verdict in (Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED):\n",
        "        for verdict in (Verdict.ALONE, Verdict.UNATTRIBUTED):\n",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "contradiction: told as one",
        "sender/sender",
        "    if ruling.verdict is Verdict.CONTRADICTION:\n",
        "    if False:\n",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "999999: again alone",
        "capillary/codes",
        '        "unexpected server error",\n        Next.ALONE,\n',
        '        "unexpected server error",\n        Next.ROW,\n',
        "test_trouble::test_999999_that_passes_succeeds",
    ),
    out(
        "999999: twice",
        "sender/sender",
        "TRIES_ALONE = 2",
        "TRIES_ALONE = 3",
        "test_trouble::test_999999_is_asked_again_alone_twice_and_then_failed",
    ),
    out(
        "999999: then failed",
        "sender/sender",
        "                return Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None\n",
        "                return Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None\n",
        "test_trouble::test_999999_is_asked_again_alone_twice_and_then_failed",
    ),
    out(
        "late answer: a newer row waits",
        "chunker/lanes",
        "                queue.append(row_number)\n                first = False\n",
        "                queue.append(row_number)\n",
        "test_order::test_a_newer_row_waits_until_the_older_has_its_outcome_though_its_request_timed_out",
    ),
    out(
        "late answer: busy with our own lost attempt is unknown",
        "sender/sender",
        "last = Status.UNKNOWN if work.doubt else Status.FAILED",
        "last = Status.FAILED",
        "test_order::test_a_row_whose_timed_out_request_keeps_the_server_busy_is_unknown_and_not_failed",
    ),
)

#: Order and counts beyond one process; stopping well.
OTHERS = (
    out(
        "links: of rows that had their outcome, or are left out",
        "sender/feed",
        "                links = self._links(block, row_numbers, order, keep)\n",
        "",
        "test_through_the_pipeline::test_a_link_of_a_row_that_had_its_outcome_before_a_resume_still_holds",
    ),
    out(
        "links: of rows that are left out",
        "sender/feed",
        "                links = self._links(block, row_numbers, order, keep)\n",
        "",
        "test_through_the_pipeline::test_a_link_of_a_row_that_retry_leaves_out_still_holds",
    ),
    out(
        "links: of rows that are unchanged",
        "sender/unchanged",
        "                links.append(keys_of(customer))\n",
        "",
        "test_through_the_pipeline::test_a_link_of_a_row_that_is_left_out_as_unchanged_still_holds",
    ),
    out(
        "links: the lanes are told",
        "sender/sender",
        "                    self._lanes.link(keys)\n",
        "                    pass\n",
        "test_through_the_pipeline::test_a_link_of_a_row_that_had_its_outcome_before_a_resume_still_holds",
    ),
    out(
        "links: what follows waits for both",
        "chunker/lanes",
        "        if len(queues) == 1:\n            return\n",
        "        return\n",
        "test_lanes::test_a_link_between_two_that_are_out_waits_for_both",
    ),
    out(
        "repairs: of rows that a killed process sent",
        "sender/feed",
        "                self._count_decided(block, row_numbers, sent & ~open_rows)\n",
        "",
        "test_through_the_pipeline::test_the_count_of_repairs_is_right_after_a_kill",
    ),
    out(
        "repairs: each once",
        "sender/feed",
        " if repair.row_number > before)",
        ")",
        "test_through_the_pipeline::test_the_count_of_repairs_is_right_after_a_kill",
    ),
    out(
        "--until: the run stops",
        "runs/send",
        "    if settings.until:\n",
        "    if False:\n",
        "test_through_the_pipeline::test_until_stops_with_10_and_the_run_can_be_resumed",
    ),
    out(
        "--max-duration: the run stops",
        "runs/send",
        "    if settings.max_duration:\n",
        "    if False:\n",
        "test_through_the_pipeline::test_max_duration_counts_anew_for_each_process_and_is_the_runs_own_setting",
    ),
    out(
        "stop: what flies lands",
        "sender/sender",
        "                await self._land()\n",
        "                pass\n",
        "test_stopping::test_a_stop_lets_what_flies_land_and_starts_nothing_new",
    ),
    out(
        "stop: ten seconds for what flies",
        "sender/sender",
        "await asyncio.wait(self._tasks, timeout=GRACE)",
        "await asyncio.wait(self._tasks)",
        "test_stopping::test_a_request_that_hangs_holds_a_stop_up_for_ten_seconds_at_most_and_its_rows_are_in_doubt",
    ),
    out(
        "stop: who waits at the door goes home",
        "sender/sender",
        "        if self._stopping.is_set():\n            raise _Stopped\n",
        "",
        "test_stopping::test_a_stop_lets_what_flies_land_and_starts_nothing_new",
    ),
)

REMOVALS: tuple[Removal, ...] = (
    *RESET,
    *AWAY,
    *CONFIGURATION,
    *DRIP,
    *THROTTLED,
    *TRANSIENT,
    *PAGE,
    *MANGLED,
    *BOMB,
    *CREDENTIALS,
    *REFUSED_WHOLE,
    *CONTENT,
    *OTHERS,
)


# ---------------------------------------------------------------------------------------------------- trying


def selection(tests: Sequence[str]) -> list[str]:
    """`test_x::test_y` as pytest calls it."""
    found = []
    for name in tests:
        file, *rest = name.split("::")
        (path,) = (ROOT / "tests").rglob(f"{file}.py")
        found.append("::".join((str(path.relative_to(ROOT)), *rest)))
    return found


class Copy:
    """A copy of the program and its tests, in which something may be missing."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self.said = ""
        for name in ("importer", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def passes(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether the tests pass here; `said` is what pytest had to say. Raises when they cannot be run."""
        words = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selection(tests))
        environ = {**os.environ, "PYTHONPATH": str(self._root), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(words, cwd=self._root, env=environ, capture_output=True, timeout=seconds)
        self.said = done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:]
        if done.returncode not in (0, 1):
            raise RuntimeError(self.said)
        return done.returncode == 0

    def misses(self, removal: Removal) -> bool:
        """Whether a test fails once the handling is taken out. (A test that then never ends has failed as well.)"""
        path = self._root / removal.where
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(removal.old, removal.new), encoding="utf-8")
        try:
            return not self.passes(removal.tests, ENDLESS)
        except subprocess.TimeoutExpired:
            return True
        finally:
            path.write_text(text, encoding="utf-8")


def unmissed(removals: Sequence[Removal]) -> list[Removal]:
    """Those after which every test beside them still passes."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(AT_ONCE)]
        if not copies[0].passes(sorted({test for removal in removals for test in removal.tests}), 900.0):
            raise RuntimeError(f"the tests fail though nothing was taken out: {copies[0].said}")
        parts = [removals[number::AT_ONCE] for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as executor:
            found = executor.map(lambda copy, part: [one for one in part if not _told(copy, one)], copies, parts)
            return [removal for part in found for removal in part]


def _told(copy: Copy, removal: Removal) -> bool:
    missed = copy.misses(removal)
    print("missed   " if missed else "UNMISSED ", removal.what, flush=True)
    return missed


if __name__ == "__main__":
    chosen = [removal for removal in REMOVALS if all(word in removal.what for word in sys.argv[1:])]
    alive = unmissed(chosen)
    print(f"{len(chosen)} handlings taken out, {len(alive)} of them missed by no test")
    sys.exit(1 if alive else 0)
