"""The removals: for each clause of the table of failures, a patch that takes its handling out and the tests it fails.

`python -m tests.whole.removals [WORD]` copies the program, applies the removals whose name contains WORD one after the
other, and runs the tests named beside each. It prints the removals that no test notices.

`python -m tests.whole.removals --check` prints the entries that do not match the program, and where their code is now.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.support.patches import ROOT, Misfit, apply

#: Copies of the program that run tests at the same time.
AT_ONCE = 2
#: Seconds after which a test counts as failed: it waits forever for the handling that was taken out.
ENDLESS = 60.0
#: The trees of the program are shared and changed for a moment: one removal is applied at a time.
_APPLYING = threading.Lock()


class Removal(msgspec.Struct, frozen=True):
    """`old` in `scope` becomes `new` (see tests/support/patches.py); then at least one of `tests` must fail."""

    what: str
    scope: str
    old: str
    new: str
    tests: tuple[str, ...]


def out(what: str, scope: str, old: str, new: str, *tests: str) -> Removal:
    return Removal(what, scope, old, new, tests)


#: The bytes break off after the server took them.
RESET = (
    out(
        "reset: the same bytes again",
        "decide._failed",
        "server_down or not work.doubt or work.tries < work.most_tries",
        "False",
        "test_network::test_the_same_bytes_go_again",
    ),
    out(
        "reset: whether it was applied is in doubt",
        "explain",
        "Trouble(Next.AGAIN, 'connection', ..., doubt=True)",
        "Trouble(Next.AGAIN, 'connection', ..., doubt=False)",
        "test_network::test_a_connection_that_breaks_after_the_batch_was_taken_leaves_it_in_doubt",
    ),
    out(
        "reset: a batch in doubt stays so while it is tried again",
        "decide.decide",
        "if trouble.doubt:\n    work = msgspec.structs.replace(work, doubt=True)",
        "",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "reset: attempts spent, each row alone",
        "decide._failed",
        "len(work.batch.customers) > 1",
        "False",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "reset: then unknown",
        "decide._unknown",
        "Status.UNKNOWN",
        "Status.FAILED",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
)

#: No connection, no name server, no answer in time.
AWAY = (
    out(
        "refused: passes",
        "explain",
        "Trouble(Next.AGAIN, 'connect', ..., doubt=False)",
        "Trouble(Next.SETTINGS, 'connect', ..., doubt=False)",
        "test_network::test_a_closed_port_ends_the_run_with_5_after_the_outage_and_no_row_is_touched",
    ),
    out(
        "refused: nothing was sent",
        "explain",
        "Trouble(Next.AGAIN, 'connect', ..., doubt=False)",
        "Trouble(Next.AGAIN, 'connect', ..., doubt=True)",
        "test_network::test_a_closed_port_ends_the_run_with_5_after_the_outage_and_no_row_is_touched",
    ),
    out(
        "DNS: a name server that is away passes",
        "explain",
        "Trouble(Next.AGAIN, 'dns', ..., doubt=False)",
        "Trouble(Next.SETTINGS, 'dns', ..., doubt=False)",
        "test_network::test_a_name_server_that_is_away_for_a_moment_is_waited_for",
    ),
    out(
        "timeout: passes, and is in doubt",
        "explain",
        "Trouble(Next.AGAIN, 'timeout', ..., doubt=True)",
        "Trouble(Next.SETTINGS, 'timeout', ..., doubt=False)",
        "test_network::test_a_black_hole_ends_at_the_deadline",
    ),
    out(
        "back-off: it doubles",
        "BackOff.delay",
        "FIRST_DELAY * 2.0 ** max(attempts - 1, 0)",
        "FIRST_DELAY",
        "test_retry::test_delays_double_and_are_jittered_from_nothing_to_all_of_them",
    ),
    out(
        "back-off: full jitter",
        "BackOff.delay",
        "min(..., LONGEST_DELAY) * self._jitter()",
        "min(..., LONGEST_DELAY)",
        "test_retry::test_delays_double_and_are_jittered_from_nothing_to_all_of_them",
    ),
    out(
        "back-off: the batch waits for it",
        "pipeline._record",
        "stages.admission.back_off(follow_up.back_off)",
        "0.0",
        "test_trouble::test_each_attempt_waits_longer",
    ),
    out(
        "back-off: by the attempts that were made",
        "decide._failed",
        "_again(work, work.tries)",
        "_again(work)",
        "test_trouble::test_each_attempt_waits_longer",
    ),
    out(
        "back-off: the engine keeps the batch as long",
        "Engine.settled",
        "self._put(next_work, delay)",
        "self._put(next_work, 0.0)",
        "test_trouble::test_each_attempt_waits_longer",
    ),
    out(
        "attempts: five a batch",
        "MAX_ATTEMPTS",
        "5",
        "6",
        "test_network::test_when_the_attempts_are_spent_each_row_is_asked_alone_and_then_unknown",
    ),
    out(
        "attempts: five for a busy customer",
        "status_of",
        "MAX_ATTEMPTS",
        "50",
        "test_trouble::test_a_customer_that_stays_busy_fails_after_five_attempts",
    ),
    out(
        "quota: spent, everything waits",
        "BackOff.delay",
        "self._quota < RETRY_COST",
        "False",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: 500",
        "SUCCESS_GIVES",
        "500",
        "5000",
        "test_figures",
    ),
    out(
        "quota: a retry costs 14",
        "BackOff.delay",
        "self._quota -= RETRY_COST",
        "self._quota -= 1",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: a success gives 1 back",
        "BackOff.succeeded",
        "min(self._quota + SUCCESS_GIVES, QUOTA)",
        "self._quota",
        "test_retry::test_the_quota_bounds_what_retries_add",
    ),
    out(
        "quota: an answer is a success",
        "Admission.answered",
        "self._backoff.succeeded()",
        "",
        "test_trouble::test_the_quota_is_one_for_the_run_and_successes_fill_it",
    ),
    out(
        "breaker: no answer counts",
        "Admission.learn",
        "self._breaker.failed(*..., **...)",
        "if trouble.next is not Next.AGAIN:\n    self._breaker.failed(*..., **...)",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "breaker: a batch waits for it",
        "Admission._wait_for_turn",
        "self._breaker.wait()",
        "0.0",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "breaker: one probe",
        "Breaker.wait",
        "self._next_probe = now + PROBE_EVERY",
        "",
        "test_retry::test_an_open_breaker_lets_one_probe_through_every_half_minute",
    ),
    out(
        "breaker: every 30 s",
        "PROBE_EVERY",
        "30.0",
        "20.0",
        "test_figures",
    ),
    out(
        "breaker: an answer closes it",
        "Admission._is_answering",
        "self._breaker.answered()",
        "",
        "test_trouble::test_after_an_outage_sending_continues_at_once_and_every_row_succeeds",
    ),
    out(
        "breaker: waiting batches are woken",
        "Admission._is_answering",
        "self._answering.set()",
        "",
        "test_trouble::test_after_an_outage_sending_continues_at_once_and_every_row_succeeds",
    ),
    out(
        "breaker: one batch is not an outage",
        "Breaker.open",
        "... and (self._plain or len(self._roots) > 1)",
        "...",
        "test_retry::test_one_batch_that_breaks_every_connection_does_not_open_the_breaker",
    ),
    out(
        "--max-outage: the run stops with 5",
        "Admission._outage",
        "self._breaker.outlasted()",
        "False",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "--max-outage: also between two probes",
        "Admission._wait_for_turn",
        "if (stop := self._outage()) is not None:\n    raise stop",
        "",
        "test_trouble::test_an_outage_ends_the_run_when_its_time_is_over_and_not_at_the_next_probe",
    ),
    out(
        "--max-outage: 30 minutes",
        "Settings.max_outage",
        "1800.0",
        "180.0",
        "test_figures",
    ),
    out(
        "--max-outage: the breaker gets it",
        "Session.admission",
        "settings.max_outage",
        "settings.max_outage + 30.0",
        "test_through_the_pipeline::test_an_outage_longer_than_max_outage_ends_the_run_with_5",
    ),
)

#: Waiting does not help.
CONFIGURATION = (
    out(
        "unknown host: stop",
        "explain",
        "cause.errno in _NO_SUCH_HOST",
        "False",
        "test_network::test_an_unknown_host_stops_with_2_and_no_row_failed",
    ),
    out(
        "network: its failures can be explained when no file can be opened",
        "Client.__init__",
        "_late_explain() if transport is None else None",
        "None",
        "test_network::test_a_network_failure_needs_no_module_to_be_loaded",
    ),
    out(
        "spool: an earlier run's copy stays",
        "spool._written",
        "not path.exists()",
        "True",
        "test_resume::test_standard_input_is_private_and_kept_until_its_run_is_complete",
    ),
    out(
        "spool: an interrupted copy is removed",
        "Sending._stop",
        "raise KeyboardInterrupt",
        "os._exit(130)",
        "test_resume::test_an_interrupted_copy_of_standard_input_is_removed",
    ),
    out(
        "certificate: it is verified",
        "transport.network",
        "tls_context(...) if scheme == 'https' else False",
        "False",
        "test_network::test_an_untrusted_certificate_stops_with_2",
    ),
    out(
        "certificate: stop",
        "explain",
        "Trouble(Next.SETTINGS, 'certificate', message, doubt=False, advice=advice)",
        "Trouble(Next.AGAIN, 'certificate', message, doubt=False, advice=advice)",
        "test_network::test_a_certificate_for_another_name_stops_with_2",
    ),
    out(
        "redirect: never followed",
        "Client.__init__",
        "httpx.AsyncClient(**..., follow_redirects=False, **...)",
        "httpx.AsyncClient(**..., follow_redirects=True, **...)",
        "test_network::test_a_redirect_is_never_followed_and_stops_with_2",
    ),
    out(
        "redirect: not an answer, whatever its body",
        "capillary.triage.triage",
        "300 <= http_status < 400",
        "False",
        "test_network::test_a_redirect_is_never_followed_and_stops_with_2",
    ),
    out(
        "configuration: stop, and no row failed",
        "decide.decide",
        "Next.SETTINGS",
        "Next.ITEMS",
        "test_trouble::test_configuration_stops_with_2_after_one_request_and_no_row_failed",
    ),
    out(
        "configuration: nothing of it is unknown",
        "decide._stays",
        "not work.doubt",
        "False",
        "test_trouble::test_configuration_stops_with_2_after_one_request_and_no_row_failed",
    ),
    out(
        "configuration: the journal gets it",
        "Settlement.write",
        "(work.batch.batch_id,) if decision.untouched else ()",
        "()",
        "test_trouble::test_configuration_stops_with_2_after_one_request_and_no_row_failed",
    ),
)

#: A byte every half second.
DRIP = (
    out(
        "drip: a deadline over the whole attempt",
        "Client._exchange",
        "self._options.deadline",
        "None",
        "test_network::test_a_drip_ends_at_the_deadline_over_the_whole_attempt",
    ),
    out(
        "drip: 120 s",
        "DEADLINE",
        "120.0",
        "240.0",
        "test_figures",
    ),
)

#: Too many requests.
THROTTLED = (
    out(
        "429: whatever the body says",
        "capillary.triage.triage",
        "http_status == 429",
        "False",
        "test_triage::test_without_items",
    ),
    out(
        "429: a pause",
        "Admission.throttled",
        "self._pacer.throttled(sent_at, retry_after)",
        "0.0",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: Retry-After in seconds",
        "asked_to_wait",
        "None if math.isnan(seconds) else seconds",
        "None",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: Retry-After that is NaN",
        "asked_to_wait",
        "None if math.isnan(seconds) else seconds",
        "seconds",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
    ),
    out(
        "429: Retry-After as a date",
        "asked_to_wait",
        "_until(value, headers.get('Date', ''))",
        "None",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
    ),
    out(
        "429: the date against the answer's own",
        "asked_to_wait",
        "_until(value, headers.get('Date', ''))",
        "_until(value, email.utils.formatdate(usegmt=True))",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
    ),
    out(
        "429: the answer's headers reach the pacer",
        "Client._set_preferences",
        "self._failed(..., response, wait)",
        "self._failed(..., response, None)",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: never negative",
        "Pacer.throttled",
        "max(retry_after, 0.0)",
        "retry_after",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
    ),
    out(
        "429: never more than a quarter of an hour",
        "Pacer.throttled",
        "min(max(retry_after, 0.0), MOST_ASKED)",
        "max(retry_after, 0.0)",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: 15 min",
        "MOST_ASKED",
        "15",
        "60",
        "test_figures",
    ),
    out(
        "429: absent, it doubles",
        "Pacer.throttled",
        "FIRST_PAUSE * 2.0 ** min(self._pauses_in_a_row - 1, 10)",
        "FIRST_PAUSE",
        "test_pacer::test_without_retry_after_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: absent, at most a minute",
        "LONGEST_PAUSE",
        "60.0",
        "600.0",
        "test_pacer::test_without_retry_after_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: absent, jitter",
        "Pacer.throttled",
        "seconds * (1 + 0.25 * self._jitter())",
        "seconds",
        "test_pacer::test_without_retry_after_the_pause_doubles_up_to_a_minute_with_jitter_upwards",
    ),
    out(
        "429: an answer between makes the next pause short",
        "Admission.answered",
        "self._pacer.answered()",
        "",
        "test_trouble::test_an_answer_between_two_429_makes_the_second_pause_short_again",
    ),
    out(
        "429: one pause for all",
        "Pacer.throttled.slow_down",
        "max(state.not_before, now + seconds) if fresh or retry_after else state.not_before",
        "state.not_before",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: also for a batch that has its slot",
        "Admission._wait_for_turn",
        "self._pacer.may_leave(leave) - self._clock()",
        "0.0",
        "test_trouble::test_a_429_also_holds_back_a_request_that_has_its_slot",
    ),
    out(
        "429: what was in flight counts once",
        "Pacer.throttled",
        "sent_at >= self._pause_began",
        "True",
        "test_pacer::test_what_was_in_flight_when_the_pause_began_counts_once",
    ),
    out(
        "429: costs a row no attempt",
        "decide.decide",
        "_again(work)",
        "_again(msgspec.structs.replace(work, attempts=work.attempts + 1))",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: the batch again",
        "decide.decide",
        "(_again(work),)",
        "(_again(work),) if trouble.next is Next.RENEW else ()",
        "test_trouble::test_the_pause_is_as_long_as_asked_within_reason",
    ),
    out(
        "429: it is shown",
        "Admission.throttled",
        "self._observer.paused(seconds, ...)",
        "",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: the rate shrinks",
        "Pacer.throttled.slow_down",
        "max(state.share * shrink, FLOOR) if fresh else state.share",
        "state.share",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
        "test_trouble::test_after_a_429_with_retry_after_3_nothing_arrives_for_3_seconds_beyond_what_was_in_flight",
    ),
    out(
        "429: the rate never shrinks to zero",
        "Pacer.throttled.slow_down",
        "max(state.share * shrink, FLOOR)",
        "state.share * shrink",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
    ),
    out(
        "429: the rate grows back",
        "Pacer.slot.take",
        "grown(state, now)",
        "state",
        "test_pacer::test_the_rate_shrinks_on_429_and_grows_back",
    ),
    out(
        "429: RateLimit headers",
        "asked_to_wait",
        "reset and (http_status == 429 or remaining == '0')",
        "False",
        "test_pacer::test_a_429_pauses_for_as_long_as_retry_after_says",
    ),
    out(
        "429: X-RateLimit-Reset in milliseconds",
        "_until_reset",
        "standard or value <= _SURELY_SECONDS",
        "True",
        "test_pacer::test_the_end_of_a_window_in_seconds_milliseconds_or_as_a_moment",
    ),
    out(
        "429: X-RateLimit-Reset as a moment in milliseconds",
        "_until_reset",
        "value > _NOT_SECONDS",
        "False",
        "test_pacer::test_the_end_of_a_window_in_seconds_milliseconds_or_as_a_moment",
    ),
    out(
        "429: X-RateLimit-Reset by a wrong clock",
        "_of_a_window",
        "seconds is None or seconds > _LONGEST_WINDOW",
        "seconds is None",
        "test_pacer::test_the_end_of_a_window_in_seconds_milliseconds_or_as_a_moment",
    ),
    out(
        "429: RateLimit headers of a good answer",
        "Admission.learn",
        "self.answered()\nself._pause_as_asked(reply.retry_after)",
        "self.answered()",
        "test_trouble::test_rate_limit_headers_on_an_answer_pause_before_a_429_is_needed",
    ),
    out(
        "429: forever, the run stops with 5",
        "Admission.throttled",
        "self._clock() - self._throttled_since < self._breaker.max_outage",
        "True",
        "test_trouble::test_429_for_ever_stops_with_5",
    ),
)

#: A temporary problem of a gateway or the server.
TRANSIENT = (
    out(
        "transient: HTTP 500",
        "_BY_HTTP",
        "{**..., 500: Next.AGAIN, **...}",
        "{**..., 500: Next.SETTINGS, **...}",
        "test_triage::test_without_items",
    ),
    out(
        "transient: HTTP 408",
        "_BY_HTTP",
        "{**..., 408: Next.AGAIN, **...}",
        "{**..., **...}",
        "test_trouble::test_a_temporary_problem_is_retried_with_the_same_bytes",
    ),
    out(
        "transient: 502, 503, 504, 52x",
        "_by_http",
        "Next.AGAIN",
        "Next.SETTINGS",
        "test_trouble::test_a_temporary_problem_is_retried_with_the_same_bytes",
    ),
    out(
        "transient: no reply of another server",
        "stop_rules._HANDLED",
        "Next.AGAIN",
        "Next.ITEMS",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "transient: no sign of life",
        "Admission.learn",
        "trouble.next not in (Next.AGAIN, Next.ALONE)",
        "trouble.next is not Next.ALONE",
        "test_trouble::test_a_dead_server_gets_one_probe_every_half_minute_and_then_the_run_stops_with_5",
    ),
    out(
        "transient: a customer alone keeps its attempts",
        "decide.decide",
        "Next.AGAIN",
        "Next.ITEMS",
        "test_decide::test_a_temporary_problem_leaves_a_customer_alone_its_five_attempts",
    ),
    out(
        "transient: Retry-After",
        "Admission.learn",
        "if trouble.next is Next.AGAIN:\n    self._pause_as_asked(reply.retry_after)",
        "",
        "test_trouble::test_a_503_with_retry_after_pauses_until_then",
    ),
    out(
        "transient: the body says 407",
        "capillary.codes.REQUEST_CODES",
        "CodeEntry('407', ..., Next.AGAIN, ...)",
        "CodeEntry('407', ..., Next.SETTINGS, ...)",
        "test_triage::test_without_items",
    ),
    out(
        "transient: the body says 461",
        "capillary.codes.REQUEST_CODES",
        "CodeEntry('461', ..., Next.AGAIN, ...)",
        "CodeEntry('461', ..., Next.SETTINGS, ...)",
        "test_triage::test_without_items",
    ),
    out(
        "transient: the body says 4001",
        "capillary.codes.REQUEST_CODES",
        "CodeEntry('4001', ..., Next.AGAIN, ...)",
        "CodeEntry('4001', ..., Next.SETTINGS, ...)",
        "test_triage::test_without_items",
    ),
    out(
        "a body code of 500 sums up its items",
        "capillary.triage.triage",
        "answer is not None and answer.items",
        "answer is not None and answer.items and (answer.status.code != '500')",
        "test_trouble::test_a_batch_in_which_all_failed_is_not_an_outage",
    ),
    out(
        "a body code of 500 without items is not a gateway's 500",
        "capillary.triage.triage",
        "code == '500' or code != str(http_status)",
        "code != str(http_status)",
        "test_triage::test_without_items",
    ),
    out(
        "a body code of 500 to one batch is not an outage",
        "Admission.learn",
        "trouble.next is Next.AGAIN and ...",
        "trouble.next is Next.ALONE or ...",
        "test_trouble::test_a_row_that_makes_the_server_say_500_is_found_and_alone_unknown",
    ),
    out(
        "a body code of 500 to every batch is an outage",
        "Admission.learn",
        "self._breaker.failed(*..., **...)",
        "if trouble.next is not Next.ALONE:\n    self._breaker.failed(*..., **...)",
        "test_trouble::test_a_server_that_says_500_to_everything_is_an_outage",
    ),
)

#: HTTP 200 with a body that is not an answer of the API.
PAGE = (
    out(
        "page: not an answer",
        "_decode_slowly",
        "if not isinstance(response, dict):\n    raise UnreadableAnswer(...)",
        "if not isinstance(response, dict):\n    response = {'customer': [{'item_status': {'success': True}}]}",
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
        "test_wire::test_an_unreadable_answer_is_described_by_what_it_looks_like",
    ),
    out(
        "page: foreign to the API",
        "_by_http",
        "Trouble(*..., doubt=True, foreign=answer is None)",
        "Trouble(*..., doubt=True)",
        "test_trouble::test_another_answer_in_the_middle_stops_with_5_and_no_row_ends_by_it",
    ),
    out(
        "page: once more, then stop",
        "StopRules.learn",
        "not everywhere and ...",
        "not everywhere",
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
    ),
    out(
        "page: once more",
        "StopRules.learn",
        "len(self._unreadable) < 2 or self._sound",
        "self._sound",
        "test_network::test_a_200_without_an_answer_is_asked_once_more_and_then_stops_with_2",
    ),
    out(
        "page: in the middle of a run too",
        "StopRules.learn",
        "not everywhere and ...",
        "...",
        "test_trouble::test_another_answer_in_the_middle_stops_with_5_and_no_row_ends_by_it",
    ),
    out(
        "page: a good answer in between resets the count",
        "StopRules.learn",
        "self._unreadable.clear()",
        "",
        "test_stop_rules::test_unreadable_answers_count_in_a_row",
    ),
    out(
        "page: one batch that cannot be answered is not another server",
        "StopRules.learn",
        "... and len(set(self._unreadable)) > 1",
        "...",
        "test_stop_rules::test_one_batch_of_unreadable_answers_is_not_everywhere",
    ),
)

#: A 4xx that is not the API's: only its own word counts against a row.
ON_THE_WAY = (
    out(
        "on the way: not the API's word",
        "_by_http",
        "http_status < 500 and not _is_the_apis(answer)",
        "False",
        "test_trouble::test_a_refusal_on_the_way_in_the_middle_stops_with_5_and_no_row_has_failed",
    ),
    out(
        "on the way: JSON of another program",
        "_is_the_apis",
        "bool(answer.status.code or answer.status.success is not None)",
        "True",
        "test_triage::test_json_that_only_resembles_the_apis_is_not_its_word",
    ),
    out(
        "on the way: one row too large for a gateway",
        "about_one_row",
        "trouble.foreign and ...",
        "False",
        "test_trouble::test_a_row_too_large_by_itself_is_alone_unknown",
    ),
    out(
        "on the way: 403 after the API has answered",
        "Client._failed",
        "trouble.foreign and ... and self._answered",
        "False",
        "test_trouble::test_a_refusal_on_the_way_in_the_middle_stops_with_5_and_no_row_has_failed",
    ),
    out(
        "on the way: the call for a token too",
        "Client._renew",
        "bool(content.strip()) and not refuses_tokens(content)",
        "False",
        "test_trouble::test_a_token_that_is_not_given_ends_as_its_reason_says",
    ),
    out(
        "on the way: what was in flight counts once",
        "Admission.refused_on_the_way",
        "if sent_at <= self._foreign_since:\n    return None",
        "",
        "test_trouble::test_refusals_on_the_way_that_pass_cost_nothing",
    ),
    out(
        "on the way: a pause before the retry",
        "Admission.refused_on_the_way",
        "self._pacer.asked(FOREIGN_PAUSE)",
        "",
        "test_trouble::test_refusals_on_the_way_that_pass_cost_nothing",
    ),
    out(
        "on the way: one at a time after it",
        "Admission.refused_on_the_way",
        "self._accepted = False",
        "",
        "test_trouble::test_a_refusal_on_the_way_in_the_middle_stops_with_5_and_no_row_has_failed",
    ),
    out(
        "on the way: 5 once the API has answered",
        "Admission.refused_on_the_way",
        "no_longer(trouble) if self._answered else unusable(trouble)",
        "unusable(trouble)",
        "test_trouble::test_a_refusal_on_the_way_in_the_middle_stops_with_5_and_no_row_has_failed",
    ),
    out(
        "on the way: a row that a firewall refuses",
        "Admission.refused_on_the_way",
        "root in self._suspects and ...",
        "False",
        "test_trouble::test_a_row_that_a_firewall_refuses_is_found_and_alone_unknown",
    ),
    out(
        "on the way: that row is looked for",
        "decide._refused_on_the_way",
        "work.tries < TRIES_ON_THE_WAY",
        "True",
        "test_trouble::test_a_row_that_a_firewall_refuses_is_found_and_alone_unknown",
    ),
    out(
        "never sent: a token that is not given leaves no doubt",
        "Client.set_preferences",
        "if not has_left:\n    ...",
        "",
        "test_trouble::test_rows_that_wait_for_a_token_are_not_in_doubt",
    ),
    out(
        "never sent: a stop while the token is awaited",
        "pipeline._ask",
        "partial(stages.engine.sent, work)",
        "lambda: (stages.settlement.sent(work), stages.engine.sent(work))",
        "test_trouble::test_rows_that_wait_for_a_token_when_the_run_stops_are_not_in_doubt",
    ),
)

#: A run that has nothing left to do.
NOTHING_LEFT = (
    out(
        "nothing left: a retry without open rows begins no run",
        "pipeline.retry",
        "nothing_to_retry(journal, before, **...)",
        "False",
        "test_ends::test_a_retry_of_a_run_without_open_rows_has_nothing_to_do",
    ),
    out(
        "nothing left: a run that wrong settings stopped has open rows",
        "nothing_to_retry",
        "not run.finished or run.exit_code not in (ExitCode.OK, ExitCode.ROWS)",
        "not run.finished",
        "test_ends::test_a_retry_of_a_run_that_wrong_settings_stopped_sends_its_rows",
    ),
    out(
        "nothing left: the run's own exit code without reports and source",
        "nothing_left",
        "Stop(ExitCode(run.exit_code), *..., on_page='')",
        "SettingsError(text)",
        "test_ends::test_a_finished_run_repeats_its_exit_code_without_its_reports",
    ),
)

#: SIGTERM, whatever hangs.
TERMINATED = (
    out(
        "SIGTERM: the end in time",
        "Overdue._watch",
        "self._end(number)",
        "pass",
        "test_overdue::test_the_end_comes_once_the_time_is_over",
    ),
    out(
        "SIGTERM: a run has such an end",
        "Sending.__enter__",
        "self._watches.enter_context(...)",
        "pass",
        "test_stopping::test_sigterm_ends_the_program_within_15_seconds_whatever_hangs",
    ),
    out(
        "SIGTERM: the first process of a container",
        "cli.__init__",
        "os.getpid() == 1",
        "False",
        "test_overdue::test_the_first_process_of_a_container_ends_by_sigterm_while_it_starts",
    ),
)

#: Several sources in one call.
SEVERAL = (
    out(
        "several sources: one deadline for the call",
        "deadline_of",
        "if world.deadline is not None:\n    return world.deadline",
        "",
        "test_several_sources::test_the_time_is_one_for_the_whole_call",
    ),
    out(
        "several sources: none is begun after the deadline",
        "run_command",
        "number and ... and world.clock() >= deadline.at",
        "False",
        "test_several_sources::test_no_file_is_begun_after_the_time_is_over",
    ),
    out(
        "several sources: what the next one would share ends the call",
        "run_command",
        "world.stopper.asked or code in SHARED_ENDS",
        "world.stopper.asked",
        "test_several_sources::test_wrong_credentials_cost_two_requests_for_all_files",
        "test_several_sources::test_an_outage_ends_the_call",
    ),
    out(
        "several sources: one file with several names",
        "cli.shared._same",
        "(status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else source",
        "source",
        "test_several_sources::test_a_file_that_is_named_several_times_is_imported_once",
    ),
)

#: The web page: its uploads, its visitors and its end.
WEB_PAGE = (
    out(
        "web page: the page's own files are beside no file of a user",
        "Upload.own_folder",
        "self.folder / self.own",
        "self.folder",
        "test_uploads::test_a_file_named_like_one_of_the_page_is_a_source_like_any_other",
    ),
    out(
        "web page: uploads of earlier versions",
        "Upload.own_folder",
        "self.folder / self.own",
        "self.folder / OWN",
        "test_restart::test_an_upload_of_an_earlier_version_is_imported",
    ),
    out(
        "web page: a mapping is remembered",
        "mapped.take_mapping",
        "site.storage.keep_mapping(*...)",
        "pass",
        "test_remembered::test_the_next_file_is_mapped_as_the_last_one",
    ),
    out(
        "web page: a file with a new column is mapped as the one before",
        "mapped.kept_of",
        "found is not None",
        "False",
        "test_remembered::test_a_file_with_a_new_column_is_mapped_as_the_most_alike",
    ),
    out(
        "web page: a new column is not sent as what another one is",
        "remembered._moved",
        "ColumnUse(use.column, IGNORED) if clashes else use",
        "use",
        "test_remembered::test_other_columns_take_nothing_from_those_that_are_known",
    ),
    out(
        "web page: a mapping of one user only",
        "Storage.mapping",
        "self._db.execute(..., key.row)",
        "self._db.execute('SELECT content FROM mappings WHERE header = ?', (key.header,))",
        "test_remembered::test_the_next_file_is_mapped_as_the_last_one",
    ),
    out(
        "web page: a remembered preference that is gone",
        "recalled",
        "finding.fault in ('unknown', 'disabled')",
        "False",
        "test_remembered::test_a_preference_that_is_gone_is_named",
    ),
    out(
        "web page: unknown columns are never sent without asking",
        "chosen_word",
        "'refuse' if ... else word",
        "word",
        "test_unknown_columns::test_a_server_that_sends_unknown_columns_asks_too",
    ),
    out(
        "web page: a removed user's mappings",
        "web.app.create_app",
        "Users(options.users_file, storage.forget_users)",
        "Users(options.users_file)",
        "test_remembered::test_a_removed_user_leaves_no_mapping",
    ),
    out(
        "web page: choosing a sheet is a step",
        "ColumnPages.columns",
        "inspection.locked or inspection.sheets",
        "inspection.locked",
        "test_uploads::test_the_sheet_of_a_workbook_is_chosen_on_the_page",
    ),
    out(
        "web page: a password is a step",
        "ColumnPages.columns",
        "inspection.locked or inspection.sheets",
        "inspection.sheets",
        "test_uploads::test_a_protected_workbook_is_reported_in_the_pages_words",
    ),
    out(
        "web page: the limit of a file holds for each of several",
        "_Parts.on_part_data",
        "self._size > self._most",
        "False",
        "test_queue::test_limits_hold_for_each_file_and_for_all",
    ),
    out(
        "web page: a refused form leaves none of its files",
        "web.receiving.receive",
        "() if whole else parts.folders",
        "()",
        "test_queue::test_limits_hold_for_each_file_and_for_all",
    ),
    out(
        "web page: files of one form count one by one",
        "_Admission.__call__",
        "self._tries.count(self._user)",
        "pass",
        "test_queue::test_the_number_of_files_is_limited",
    ),
    out(
        "web page: a run without an answer shows no speed",
        "run_views._waiting",
        "live.silence >= _SHOWN_SILENCE",
        "False",
        "test_states::test_a_run_without_an_answer_shows_no_speed",
    ),
    out(
        "web page: a file that cannot be read is not the next one",
        "Site._leads_on",
        "not msgspec.json.decode(found, type=Readability).is_unreadable",
        "True",
        "test_queue::test_a_queue_shows_what_each_file_needs",
    ),
    out(
        "web page: the queue passes over a file that cannot be read",
        "QueuePage.queue",
        "(*_BUSY, _UNREADABLE)",
        "_BUSY",
        "test_queue::test_a_queue_shows_what_each_file_needs",
    ),
    out(
        "progress: no run ends before its next request",
        "Pace.left",
        "max(rows / min(speeds) + max(self._paused_until - now, 0.0), self._next_at - now)",
        "rows / min(speeds) + max(self._paused_until - now, 0.0)",
        "test_progress::test_no_run_ends_before_its_next_request",
    ),
    out(
        "web page: the next file of a queue",
        "Site.queue",
        "self._leads_on(file)",
        "False",
        "test_queue::test_files_are_taken_one_after_the_other",
    ),
    out(
        "web page: the grid shows each row of a long sheet",
        "preview._row",
        "[*found.customers, *normaliser.finish().customers]",
        "found.customers",
        "test_preview::test_a_long_sheet",
    ),
    out(
        "web page: the grid shows cells after the rules",
        "web.preview.preview",
        "block = fixing(block)",
        "pass",
        "test_preview::test_rules_change_cells_and_leave_rows_out",
    ),
    out(
        "web page: the grid knows the quotes of the sheet",
        "Head.rows",
        "msgspec.structs.replace(facts, footers=(), notes=())",
        "SheetFacts()",
        "test_preview::test_the_grid_says_what_the_check_says",
    ),
    out(
        "web page: the head of a request has a time limit",
        "Connection.connection_made",
        "self._await_request()",
        "pass",
        "test_connections::test_a_request_that_does_not_come_ends_its_connection",
    ),
    out(
        "web page: the head of a later request too",
        "Connection.data_received",
        "self._await_request()",
        "pass",
        "test_connections::test_a_request_that_does_not_come_ends_its_connection",
    ),
    out(
        "web page: waiting connections keep no visitor out",
        "Connection.connection_made",
        "len(self.connections) > MOST_CONNECTIONS",
        "False",
        "test_connections::test_waiting_connections_keep_no_visitor_out",
    ),
    out(
        "web page: a request being received is not given up",
        "Connection.may_be_closed",
        "self.conn.their_state is h11.SEND_BODY and ...",
        "True",
        "test_connections::test_waiting_connections_keep_no_visitor_out",
    ),
    out(
        "web page: a body has a time limit",
        "receiving._body",
        "asyncio.timeout_at(end)",
        "asyncio.timeout_at(None)",
        "test_arriving::test_a_slow_body_is_refused",
    ),
    out(
        "web page: the time limit is for each part of a file",
        "receiving._body",
        "part and ...",
        "False",
        "test_arriving::test_a_slow_body_is_refused",
    ),
    out(
        "web page: a file without its final boundary",
        "receiving.receive",
        "if not parts.ended:\n    raise RequestRefused(*...)",
        "",
        "test_arriving::test_a_body_without_its_final_boundary_is_refused",
    ),
    out(
        "web page: the form to sign in is small",
        "SignInPages.sign_in",
        "form(request, SMALL_FORM)",
        "form(request)",
        "test_arriving::test_the_form_to_sign_in_is_small",
    ),
    out(
        "web page: the disk is asked while a file arrives",
        "_Parts.on_part_data",
        "self._grow(*...)",
        "pass",
        "test_arriving::test_the_disk_is_asked_again_while_a_file_arrives",
    ),
    out(
        "web page: a quota for each user",
        "Room.of",
        "stored + ... > self._quota",
        "False",
        "test_arriving::test_a_user_has_a_quota",
    ),
    out(
        "web page: a full disk cuts no file",
        "_Parts.on_part_data",
        "while rest:\n    rest = rest[os.write(self.file, rest) :]",
        "os.write(self.file, rest)",
        "test_arriving::test_a_full_disk_cuts_no_file",
    ),
    out(
        "web page: others cannot lock a user out",
        "SignInPages.sign_in",
        'f"{place} {name.lower()}"',
        "name.lower()",
        "test_arriving::test_failed_attempts_count_by_name_and_address",
    ),
    out(
        "web page: a right password does not count",
        "SignInPages.sign_in",
        "self._tries_of_address.take_back(...)",
        "",
        "test_arriving::test_failed_attempts_count_by_name_and_address",
    ),
    out(
        "web page: only a proxy that was set says who the client is",
        "WebOptions.trusts_forwarded",
        "self.behind_proxy or self.https or bool(self.proxy_header)",
        "True",
        "test_arriving::test_proxies_are_trusted_only_where_they_are_set",
    ),
    out(
        "web page: a client cannot choose its address",
        "addresses.client_of",
        "found not in trusted or address is None",
        "address is None",
        "test_arriving::test_failed_attempts_count_by_name_and_address",
    ),
    out(
        "web page: a broken users file",
        "Guard._refusal_for",
        "isinstance(error, UsersUnreadable)",
        "False",
        "test_arriving::test_a_broken_users_file_gives_an_error_page_and_a_log_line",
    ),
    out(
        "web page: a user has a share of the slots",
        "Slots._give",
        "self._taken[entry[0]] < self._each",
        "True",
        "test_slots::test_slots_are_fair",
    ),
    out(
        "web page: a free slot goes to the user who has the fewest",
        "Slots._give",
        "min(entitled, key=...)",
        "entitled[-1]",
        "test_slots::test_slots_are_fair",
    ),
    out(
        "web page: reading has a limit of time",
        "Supervisor._carry_inspection",
        "asyncio.timeout(LONGEST[task.kind])",
        "asyncio.timeout(None)",
        "test_slots::test_a_file_that_takes_too_long_ends_its_process",
    ),
    out(
        "web page: a process ends with those that it started",
        "Child.end",
        "os.killpg(self._process.pid, signal.SIGKILL)",
        "self._process.kill()",
        "test_slots::test_a_process_ends_with_those_that_it_started",
    ),
    out(
        "web page: ends in time although a worker hangs",
        "Supervisor.close",
        "asyncio.wait(waiting, timeout=max(left, 0.0))",
        "asyncio.wait(waiting, timeout=60.0)",
        "test_ending::test_the_page_ends_within_15_seconds",
    ),
    out(
        "web page: a lost connection to the API is not a normal state",
        "run_views._doing",
        "live.retrying.why",
        "False",
        "test_states::test_the_state_is_what_the_run_does",
    ),
    out(
        "web page: a pause for the rate limit is not a normal state",
        "run_views._doing",
        "live.pause >= _SHOWN_PAUSE",
        "False",
        "test_states::test_the_state_is_what_the_run_does",
    ),
    out(
        "web page: the observer learns that the server answers again",
        "Admission._is_answering",
        "self._observer.retrying('', lost=False)",
        "pass",
        "test_trouble::test_the_observer_knows_what_the_run_does",
    ),
    out(
        "web page: a queued run stops at once",
        "Supervisor._turn",
        "live.halted.wait()",
        "live.over.wait()",
        "test_states::test_a_queued_run_stops_at_once",
    ),
    out(
        "web page: a mail is not sent to an address outside the domains",
        "web.notices.recipient",
        "found[1].lower() in options.mail_domains",
        "True",
        "test_page_notices::test_the_recipients_that_the_page_allows",
    ),
    out(
        "web page: an address is not a list",
        "telemetry.notices.mail",
        "service.targets = [(False, to)]",
        "services.add(f'{server}&to={to}')",
        "test_page_notices::test_a_mail_has_one_recipient",
    ),
    out(
        "web page: a mail that a killed server did not send",
        "Supervisor.start",
        "self._ended(wish)",
        "pass",
        "test_page_notices::test_a_mail_that_a_killed_server_did_not_send_is_sent_by_the_next",
    ),
    out(
        "web page: the history is that of the user",
        "HomePage.home",
        "user.may_see(owners.get(run.record.run_id, ''))",
        "True",
        "test_history::test_a_user_finds_only_their_own_runs",
    ),
    out(
        "web page: a link to the next page keeps the search",
        "Wanted.address",
        "self.words",
        "''",
        "test_history::test_pages_and_their_addresses",
    ),
    out(
        "web page: cells are masked for who cannot fix them",
        "ReportPage._cells",
        "controls or self._site.options.settings.show_identifiers",
        "True",
        "test_report_cells::test_the_report_shows_the_problem_cells",
    ),
    out(
        "web page: the first row of a stretch has its problem columns",
        "problem_columns.problem_columns",
        "OUTCOMES.c.row_number <= row",
        "OUTCOMES.c.row_number == row + 1",
        "test_report_cells::test_the_report_shows_the_problem_cells",
    ),
    out(
        "web page: times carry their zone",
        "clock.moment_text",
        "f'{at:%d %b %Y, %H:%M} {zone_of(at)}'",
        "f'{at:%d %b %Y, %H:%M}'",
        "test_states::test_times_carry_their_zone",
    ),
    out(
        "grid: an edit is judged",
        "EditedRows._settled",
        "self.rows.settle(*...)",
        "pass",
        "test_grid::test_a_change_is_judged_at_once",
    ),
    out(
        "grid: what was typed instead of a proposed value",
        "fix._changed",
        "{**proposed, **texts}",
        "{**texts, **proposed}",
        "test_grid::test_all_proposed_values_of_a_page_are_one_step",
    ),
    out(
        "grid: a form without scripts in another tab",
        "fix.change_of",
        "before.get(name) != digest(text)",
        "True",
        "test_grid::test_a_form_without_scripts_takes_back_nothing_of_another_tab",
    ),
    out(
        "grid: a change of rules is a step of the history",
        "rules._keep_step",
        "store.ruled(ruling_of(before), ruling_of(after))",
        "pass",
        "test_grid::test_undo_is_offered_where_no_row_is_left",
    ),
    out(
        "grid: steps that no longer show are passed over",
        "EditedRows.step",
        "made != mapping",
        "True",
        "test_grid::test_rules_that_changed_since_are_passed_over",
    ),
    out(
        "grid: rules are undone in a mapping that was changed since",
        "ruling.with_ruling",
        "mapping.rules != before.rules",
        "False",
        "test_problem_rows::test_rules_are_undone_in_any_mapping",
    ),
    out(
        "grid: what a cell was before is not an edit",
        "EditedRows.change",
        "None if shown(text) == shown(before[row][place]) else text",
        "text",
        "test_grid::test_without_scripts_the_grid_is_a_form",
    ),
    out(
        "grid: a check is older than the edits",
        "results.check_of",
        "await asyncio.to_thread(is_stale, upload.own_folder)",
        "False",
        "test_grid::test_fixed_rows_are_imported_as_fixed",
    ),
    out(
        "grid: edits of a file that is read otherwise",
        "ColumnPages.read_again",
        "self._start_over(upload, RESULT_FILES['inspect'], *edits)",
        "self._start_over(upload, RESULT_FILES['inspect'])",
        "test_grid::test_edits_end_with_the_way_in_which_a_file_is_read",
    ),
    out(
        "grid: the sheet is written again after an edit",
        "FixedPages._copy",
        "copy.stamp in ('', await asyncio.to_thread(stamp_of, folder))",
        "True",
        "test_grid::test_the_sheet_is_downloaded_with_the_fixes",
    ),
    out(
        "grid: the length of a cell",
        "fix.change_of",
        "len(text) > LONGEST_CELL",
        "False",
        "test_grid::test_what_a_form_may_change_is_bounded",
    ),
    out(
        "grid: nothing is changed during an import",
        "web.pages.results.form_to_fix",
        "site.live_of(upload)",
        "False",
        "test_grid::test_nothing_is_changed_during_an_import",
    ),
    out(
        "grid: a second click",
        "CheckPages.start",
        "fields.get('rest', '') != rest",
        "False",
        "test_grid::test_only_the_fixed_rows_are_imported_after_a_run",
    ),
    out(
        "grid: a proposal is valid",
        "CellProposals.of",
        "self._valid(use, text, self._country)",
        "True",
        "test_proposed::test_what_is_proposed_is_valid",
    ),
    out(
        "grid: a number without one of its digits",
        "CellProposals._with_country",
        "not is_cut_short(cell, country, self._countries)",
        "True",
        "test_proposed::test_what_is_proposed_is_valid",
    ),
    out(
        "copy with the fixes: it is a report",
        "fixed_copy._OWN",
        "('_sheet', '_row', '_status', FIXED, '')",
        "('_sheet', '_row', '_state', FIXED, '')",
        "test_grid::test_the_sheet_with_the_fixes_comes_back_as_it_was_fixed",
    ),
    out(
        "copy with the fixes: what was fixed is not fixed twice",
        "fixed_copy._own_columns",
        "fixed_cells(block, numbers)",
        "{}",
        "test_grid::test_the_sheet_with_the_fixes_comes_back_as_it_was_fixed",
    ),
    out(
        "grid: an old form is of another sheet",
        "web.pages.results.form_to_fix",
        "fields.get('reading', '') != reading_of(inspection)",
        "False",
        "test_grid::test_an_old_form_changes_no_row_or_rule_of_another_sheet",
    ),
    out(
        "rules: no cell gets longer than a spreadsheet holds",
        "fixing.step_of.bounded",
        "len(found[0]) <= max(len(cell), LONGEST_MADE)",
        "True",
        "test_rules::test_a_rule_makes_no_cell_longer_than_a_spreadsheet_holds",
    ),
    out(
        "page of rules: a preview keeps only its examples",
        "ruling.preview",
        "len(examples) < EXAMPLES",
        "True",
        "test_page_rules::test_a_preview_keeps_only_its_examples",
    ),
    out(
        "web page: the rest is of what the run read",
        "CheckPages._rest_of",
        "not _is_read_alike(newest, inspection)",
        "False",
        "test_grid::test_the_rest_is_of_the_sheet_that_was_imported",
    ),
    out(
        "page of rules: it shows other rules",
        "RulePages._changed",
        "fields.get('seen') == _seen(mapping)",
        "True",
        "test_page_rules::test_rules_are_moved_and_removed",
    ),
    out(
        "page of rules: a value without an equals sign",
        "ruling.fault_of",
        "'=' not in line",
        "False",
        "test_page_rules::test_a_wrong_rule_is_shown_at_its_field",
    ),
    out(
        "first rows: a plus is not a change",
        "preview._is_same",
        "cell.removeprefix('+') if use.field == 'mobile' else cell",
        "cell",
        "test_preview::test_a_plus_is_not_a_change",
    ),
    out(
        "page of rules: a column of the file",
        "ruling.with_rule",
        "all(use.column != rule.column for use in mapping.columns)",
        "False",
        "test_page_rules::test_a_rule_that_cannot_be_used_is_refused",
    ),
    out(
        "proposals: several values are not one",
        "meant.option_meant",
        "len(named) > 1 or len(_parts(text)) > len(_parts(near))",
        "False",
        "test_proposals::test_several_values_are_never_taken_for_one",
    ),
    out(
        "proposals: an option is a value",
        "Proposer.add",
        "found and (names := self._options.get(column))",
        "False",
        "test_proposals::test_an_option_is_a_value_whatever_its_word",
    ),
    out(
        "samples: lists with different separators",
        "samples._SampledColumn.samples",
        "every - cells > every * _MIXED",
        "False",
        "test_preferences::test_lists_with_different_separators",
    ),
    out(
        "proposals: a number without one of its digits",
        "proposals._likely_country",
        "not is_cut_short(number, country, known)",
        "True",
        "test_proposals::test_a_number_that_lacks_a_digit_suggests_no_other_country",
    ),
)

#: Bytes that are not valid JSON.
MANGLED = (
    out(
        "truncated",
        "load_json",
        "raise UnreadableAnswer(_looks_like(body)) from None",
        "raise",
        "test_wire::test_a_truncated_answer_is_unreadable",
    ),
    out(
        "NaN",
        "load_json",
        "json.loads(*..., **..., parse_constant=_no_constant)",
        "json.loads(*..., **...)",
        "test_wire::test_an_invalid_json_number_makes_the_answer_unreadable",
    ),
    out(
        "duplicate keys: counted in the quick reading",
        "decode_answer",
        "if not _each_once(*...):\n    ...",
        "",
        "test_wire::test_a_duplicate_key_makes_the_answer_unreadable",
    ),
    out(
        "duplicate keys: refused in the slow reading",
        "capillary.wire._unique",
        "len(found) != len(pairs)",
        "False",
        "test_wire::test_a_duplicate_key_makes_the_answer_unreadable",
    ),
    out(
        "nesting: in the quick reading",
        "decode_answer",
        "RecursionError",
        "()",
        "test_wire::test_deep_nesting_never_raises_a_recursion_error",
    ),
    out(
        "nesting: in the slow reading",
        "load_json",
        "RecursionError",
        "()",
        "test_wire::test_json_that_is_nested_too_deeply_is_reported_as_such",
    ),
    out(
        "nesting: in the answers of other calls",
        "_of_sane_depth",
        "RecursionError",
        "()",
        "test_wire::test_deep_nesting_in_the_answers_of_the_other_calls",
    ),
    out(
        "bytes that are not text",
        "decode_answer",
        "(msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError)",
        "(msgspec.ValidationError,)",
        "test_wire::test_any_bytes_are_read_or_raise_unreadable_answer",
    ),
    out(
        "an unreadable answer is a failure of the request, not an exception",
        "Client._set_preferences",
        "try:\n    ...\nexcept UnreadableAnswer as error:\n    ...",
        "try:\n    ...\nfinally:\n    pass",
        "test_trouble::test_a_temporary_problem_is_retried_with_the_same_bytes",
    ),
)

BOMB = (
    out(
        "bomb: decoded cap",
        "capillary.bodies._joined",
        "len(content) > MAX_ANSWER",
        "False",
        "test_network::test_a_gzip_bomb_is_unreadable_and_never_unpacked_whole",
    ),
    out(
        "bomb: unpacked in small parts",
        "capillary.bodies._unpacked",
        "unpacker.decompress(part, 1 << 20)",
        "unpacker.decompress(part)",
        "test_network::test_a_gzip_bomb_in_one_piece_is_never_unpacked_whole",
    ),
    out(
        "bomb: 16 MiB",
        "MAX_ANSWER",
        "16",
        "32",
        "test_figures",
    ),
    out(
        "bomb: an encoding that was not requested",
        "capillary.bodies.bounded",
        "encoding not in ('gzip', 'x-gzip', 'deflate')",
        "False",
        "test_network::test_any_content_in_an_encoding_that_was_not_requested_is_unreadable",
    ),
    out(
        "bomb: a truncated compressed answer",
        "capillary.bodies._unpacked",
        "not unpacker.eof",
        "False",
        "test_network::test_gzip_without_its_checksum_is_unreadable",
    ),
)

#: The token in mid-run, the password at the start.
CREDENTIALS = (
    out(
        "401: renewed",
        "Client._refused",
        "self._token = ''",
        "",
        "test_trouble::test_a_401_in_mid_run_renews_the_token_once_and_continues",
    ),
    out(
        "401: once for all",
        "Client._refused",
        "response.request.headers.get('X-CAP-API-OAUTH-TOKEN', '') == self._token",
        "True",
        "test_trouble::test_a_401_in_mid_run_renews_the_token_once_and_continues",
    ),
    out(
        "401: the batch again",
        "decide.decide",
        "(_again(work),)",
        "(_again(work),) if trouble.next is Next.SLOW else ()",
        "test_trouble::test_a_401_in_mid_run_renews_the_token_once_and_continues",
    ),
    out(
        "401: a second stops with 4",
        "Client._refused",
        "if self._renewed_in_vain:\n    ...",
        "if False:\n    ...",
        "test_trouble::test_a_fresh_token_that_is_refused_stops_with_4",
    ),
    out(
        "401: a good answer proves the new token",
        "Client._set_preferences",
        "self._renewed_in_vain = False",
        "",
        "test_trouble::test_a_token_refused_again_after_good_answers_is_renewed_again",
    ),
    out(
        "401: renewed ahead",
        "Client._authorisation",
        "self._clock() >= self._renew_at",
        "False",
        "test_trouble::test_a_token_is_renewed_ahead_of_its_end",
    ),
    out(
        "401: at 80 % of its life",
        "RENEW_AT",
        "0.8",
        "0.9",
        "test_figures",
    ),
    out(
        "401: one renewal at a time",
        "Client._authorisation",
        "async with self._renewing:\n    ...",
        "if True:\n    ...",
        "test_trouble::test_a_401_in_mid_run_renews_the_token_once_and_continues",
    ),
    out(
        "at the start: one request at a time",
        "Admission.ask",
        "if not self._accepted:\n    async with self._first:\n        ...",
        "if False:\n    ...",
        "test_trouble::test_a_slow_refusal_costs_no_more_requests",
    ),
    out(
        "at the start: verify asks for one customer",
        "verify._ask_all",
        "await work(1)",
        "pass",
        "test_verify::test_wrong_credentials_cost_one_request_and_end_with_4",
    ),
    out(
        "at the start: with Basic the first 401 is final",
        "Client._refused",
        "isinstance(self._credentials, Basic)",
        "False",
        "test_trouble::test_wrong_credentials_cost_two_requests_and_no_row",
    ),
    out(
        "at the start: the call for a token too",
        "triage_token",
        "if http_status in (401, 403) or ...:\n    return Next.REFUSED",
        "",
        "test_trouble::test_wrong_credentials_cost_two_requests_and_no_row",
    ),
    out(
        "403: stop with 4, no row failed",
        "decide.decide",
        "Next.REFUSED",
        "Next.ITEMS",
        "test_trouble::test_a_refusal_at_the_start_costs_two_requests_and_no_row",
    ),
    out(
        "403: nothing new starts while it is recorded",
        "pipeline._decide",
        "stages.engine.stop(decision.stop)",
        "asyncio.get_running_loop().call_later(0.1, stages.engine.stop, decision.stop)",
        "test_trouble::test_a_refusal_at_the_start_costs_two_requests_and_no_row",
    ),
    out(
        "403: of one customer too",
        "decide._of_items",
        "Verdict.REFUSED in later",
        "False",
        "test_trouble::test_a_permission_refused_for_a_customer_stops_the_run_and_the_row_has_not_failed",
    ),
)

#: A limit of the server, and a row that makes its batch fail.
REFUSED_WHOLE = (
    out(
        "413: halves",
        "_BY_HTTP",
        "{**..., 413: Next.HALVE, **...}",
        "{**..., 413: Next.SETTINGS, **...}",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060: halves",
        "capillary.codes.REQUEST_CODES",
        "CodeEntry('1060', ..., Next.HALVE, ...)",
        "CodeEntry('1060', ..., Next.SETTINGS, ...)",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060 of an item: halves",
        "decide._of_items",
        "Verdict.TOO_MANY in later",
        "False",
        "test_trouble::test_1060_said_of_items_shrinks_the_batches_too",
    ),
    out(
        "1060, 413: for the rest of the run",
        "decide._refused_whole",
        "trouble.code in _TOO_LARGE",
        "False",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "1060, 413: the chunker gets it",
        "Settlement.settle",
        "decision.too_large",
        "False",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "413: bounds the bytes",
        "decide._refused_whole",
        "trouble.code == '413'",
        "False",
        "test_decide::test_a_batch_refused_whole_is_halved_down_to_its_row",
    ),
    out(
        "1060, 413: also for prepared batches",
        "send_rows",
        "chunker.too_large(work.batch) and (not work.doubt)",
        "False",
        "test_trouble::test_with_many_in_flight_a_limit_costs_no_more_than_those",
    ),
    out(
        "1060, 413: not for a batch in doubt",
        "send_rows",
        "chunker.too_large(work.batch) and (not work.doubt)",
        "chunker.too_large(work.batch)",
        "test_trouble::test_an_inherited_batch_above_a_limit_is_halved_only_if_it_was_never_sent",
    ),
    out(
        "1060, 413: in the journal at once",
        "Settlement.write",
        "... or ... or self._learnt",
        "... or ...",
        "test_trouble::test_a_limit_is_in_the_journal_at_once",
    ),
    out(
        "1060: kept on resume",
        "chunker_of",
        "min(job.settings.batch_size, taught.batch_size or job.settings.batch_size)",
        "job.settings.batch_size",
        "test_through_the_pipeline::test_a_limit_that_was_learnt_holds_after_a_resume",
    ),
    out(
        "413: kept on resume",
        "chunker_of",
        "taught.max_bytes or MAX_BYTES",
        "MAX_BYTES",
        "test_through_the_pipeline::test_a_limit_that_was_learnt_holds_after_a_resume",
    ),
    out(
        "1060, 413: shown",
        "Settlement._shrink",
        "self._observer.noted(text)",
        "",
        "test_trouble::test_a_limit_of_the_server_shrinks_the_batches_for_the_rest_of_the_run",
    ),
    out(
        "poison: halved",
        "decide.decide",
        "Next.HALVE",
        "Next.ITEMS",
        "test_decide::test_a_batch_refused_whole_is_halved_down_to_its_row",
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "poison: in halves, not row by row",
        "Settlement._works",
        "self._chunker.halves(follow_up.customers, batch.batch_id)",
        "[self._chunker.form((one,), batch.batch_id) for one in follow_up.customers]",
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "poison: alone, it has failed",
        "decide._refused_whole",
        "Status.FAILED",
        "Status.UNKNOWN",
        "test_trouble::test_one_poison_row_in_a_hundred_costs_at_most_fourteen_requests_and_only_itself",
    ),
    out(
        "all poison: stop with 6",
        "StopRules._root_settled",
        "self._refused_roots < REFUSED_BATCHES",
        "self._refused_roots",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: after three batches",
        "REFUSED_BATCHES",
        "3",
        "4",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: no more than three are risked",
        "StopRules.may_begin",
        "self._sound or self._begun < REFUSED_BATCHES",
        "True",
        "test_trouble::test_when_all_is_poison_the_run_stops_with_6_after_three_batches",
    ),
    out(
        "all poison: only the first batches",
        "StopRules._root_settled",
        "self._sound or root.customers < 2 or root.refused < root.customers",
        "root.customers < 2 or root.refused < root.customers",
        "test_trouble::test_three_poison_batches_after_good_ones_do_not_stop_the_run",
    ),
    out(
        "all poison: only down to every row",
        "StopRules._root_settled",
        "self._sound or root.customers < 2 or root.refused < root.customers",
        "self._sound or root.customers < 2",
        "test_stop_rules::test_a_batch_with_one_row_that_was_not_refused_does_not_stop",
    ),
)

#: The answer's content. (tests/reconciler also catches every mutant of the reconciler.)
CONTENT = (
    out(
        "items: by position only where counts agree",
        "reconciler.reconcile.reconcile",
        "len(items) == len(customers) and _in_order(customers, items)",
        "_in_order(customers, items[:len(customers)])",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: by position only where nothing contradicts",
        "reconciler.reconcile.reconcile",
        "len(items) == len(customers) and _in_order(customers, items)",
        "len(items) == len(customers)",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: one that fits two belongs to neither",
        "_by_identifier",
        "if len(fitting) > 1 or found[index] is not None:\n    ambiguous.add(index)",
        "",
        "test_reconcile::test_the_rule",
    ),
    out(
        "items: the rest is asked again",
        "decide._follow_ups",
        "(Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED)",
        "(Verdict.ALONE, Verdict.CONTRADICTION)",
        "test_trouble::test_items_that_cannot_be_attributed_are_asked_again_alone",
    ),
    out(
        "items: alone",
        "decide._follow_ups",
        "FollowUp((customer,), ..., alone=True)",
        "FollowUp((customer,), ...)",
        "test_trouble::test_a_row_that_no_answer_mentions_is_unknown",
    ),
    out(
        "items: alone, as the batch remembers",
        "Settlement._works",
        "self._chunker.form(*..., alone=follow_up.alone)",
        "self._chunker.form(*...)",
        "test_trouble::test_a_row_that_no_answer_mentions_is_unknown",
    ),
    out(
        "items: then unknown",
        "status_of",
        "Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None",
        "Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None",
        "test_trouble::test_a_row_that_no_answer_mentions_is_unknown",
    ),
    out(
        "normalised: an e-mail by case",
        "_may_be",
        "customer.email.lower() == item.email.lower()",
        "customer.email == item.email",
        "test_reconcile::test_the_rule",
    ),
    out(
        "normalised: a mobile by its country code",
        "same_mobile",
        "longer.endswith(shorter)",
        "longer == shorter",
        "test_reconcile::test_the_rule",
    ),
    out(
        "normalised: blank",
        "_as_sent",
        "item.mobile in ('', customer.mobile)",
        "item.mobile == customer.mobile",
        "test_reconcile::test_no_mutant_of_the_reconciler_survives",
    ),
    out(
        "normalised: never a choice between two",
        "_by_identifier",
        "len(fitting) > 1 or found[index] is not None",
        "found[index] is not None",
        "test_reconcile::test_the_rule",
    ),
    out(
        "success: real yes and no",
        "read_success",
        "return value",
        "return None",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: a word by any case",
        "read_success",
        "value.strip().lower()",
        "value",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: 1 is not a yes",
        "read_success",
        "if value is True or value is False:\n    return value",
        "if value in (True, False):\n    return bool(value)",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: anything else is unknown",
        "read_success",
        "{'true': True, 'false': False}.get(value.strip().lower())",
        "{'true': True, 'false': False}.get(value.strip().lower(), True)",
        "test_wire::test_success_is_a_closed_list_of_yes_and_no",
    ),
    out(
        "success: missing or null is unknown",
        "reconcile.rule",
        "Verdict.UNATTRIBUTED",
        "Verdict.SUCCEEDED",
        "test_reconcile::test_the_rule",
    ),
    out(
        "contradiction: the item wins over the status",
        "capillary.triage.triage",
        "answer is not None and answer.items",
        "answer is not None and answer.items and (http_status < 300)",
        "test_triage::test_items_are_read_whatever_the_statuses_say",
    ),
    out(
        "contradiction: success with a failure's code",
        "reconcile.rule",
        "Verdict.SUCCEEDED if sound else Verdict.CONTRADICTION",
        "Verdict.SUCCEEDED",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "contradiction: asked again alone",
        "decide._follow_ups",
        "(Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED)",
        "(Verdict.ALONE, Verdict.UNATTRIBUTED)",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "contradiction: reported as one",
        "decide._words",
        "ruling.verdict is Verdict.CONTRADICTION",
        "False",
        "test_trouble::test_a_contradiction_is_asked_again_alone_and_then_unknown",
    ),
    out(
        "999999: again alone",
        "ITEM_CODES",
        "CodeEntry('999999', ..., Next.ALONE, *...)",
        "CodeEntry('999999', ..., Next.ROW, *...)",
        "test_trouble::test_999999_that_passes_succeeds",
    ),
    out(
        "999999: twice",
        "TRIES_ALONE",
        "2",
        "3",
        "test_trouble::test_999999_is_asked_again_alone_twice_and_then_failed",
    ),
    out(
        "999999: then failed",
        "status_of",
        "Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None",
        "Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None",
        "test_trouble::test_999999_is_asked_again_alone_twice_and_then_failed",
    ),
    out(
        "late answer: a newer row waits",
        "Lanes._enter",
        "first = False",
        "",
        "test_order::test_a_newer_row_waits_until_the_older_has_its_outcome_though_its_request_timed_out",
    ),
    out(
        "late answer: a newer row waits for the journal",
        "pipeline._record",
        "await stages.settlement.write(*...)\nstages.engine.settled(*...)",
        "write = stages.settlement.write(*...)\nstages.engine.settled(*...)\nawait write",
        "test_order::test_a_newer_row_is_sent_only_after_the_outcome_of_the_older_is_in_the_journal",
    ),
    out(
        "late answer: busy with a lost attempt is unknown",
        "status_of",
        "Status.UNKNOWN if work.doubt else Status.FAILED",
        "Status.FAILED",
        "test_order::test_a_row_whose_timed_out_request_keeps_the_server_busy_is_unknown_and_not_failed",
    ),
)

#: Order and counts across processes; a clean stop.
OTHERS = (
    out(
        "links: of rows that had their outcome",
        "SheetFeed.portions",
        "links = self._links(*...)",
        "",
        "test_through_the_pipeline::test_a_link_of_a_row_with_an_outcome_holds_after_a_resume",
    ),
    out(
        "links: of skipped rows",
        "SheetFeed.portions",
        "links = self._links(*...)",
        "",
        "test_through_the_pipeline::test_a_link_of_a_row_that_retry_skips_holds",
    ),
    out(
        "links: of rows that are unchanged",
        "UnchangedFilter.__call__",
        "links.append(keys_of(customer))",
        "",
        "test_through_the_pipeline::test_a_link_of_an_unchanged_row_holds",
    ),
    out(
        "requests: a lane is released in the order of the batches",
        "Schedule.settled",
        "if batch_id in self._order and batch_id not in self._settled:\n    ...",
        "",
        "test_requests::test_as_many_as_a_run_makes",
    ),
    out(
        "requests: what is ready is ordered by its place in the sheet",
        "Lanes.add",
        "self._places[customer.row_number] = self._next_place",
        "self._places[customer.row_number] = 0",
        "test_requests::test_as_many_as_a_run_makes",
    ),
    out(
        "requests: check has the canary of a run",
        "RequestCounter.__init__",
        "StopRules(None, canary)",
        "StopRules(None, 0)",
        "test_requests::test_of_a_sheet",
    ),
    out(
        "commands: of a report, with the options of the run",
        "typed_for",
        "of_report(settings, word)",
        "command(Settings(), verb, word)",
        "test_printed_commands::test_reports_are_imported_with_the_settings_of_the_run",
    ),
    out(
        "commands: one option is dropped",
        "settings.commands.command",
        "field not in {*_ONCE - {*also}, 'profile', *without}",
        "field not in {*_ONCE - {*also}, 'profile', 'blank', *without}",
        "test_printed_commands::test_reports_are_imported_with_the_settings_of_the_run",
    ),
    out(
        "commands: a profile is typed again",
        "settings.commands.command",
        "takes_profile and found.profile",
        "False",
        "test_printed_commands::test_reports_are_imported_with_the_settings_of_the_run",
    ),
    out(
        "commands: a report is not read like its source",
        "of_report",
        "_REPORT.keys() & settings.found.texts.keys()",
        "()",
        "test_printed_commands::test_reports_are_imported_with_the_settings_of_the_run",
    ),
    out(
        "commands: those in messages are completed",
        "completed",
        "return _WRITTEN.sub(whole, text)",
        "return text",
        "test_printed_commands::test_a_run_that_stopped_is_found_by_each_command",
        "test_printed_commands::test_each_command_that_resumes_a_run_does",
    ),
    out(
        "commands: --resubmit finds its sheet",
        "with_sheet",
        "return found[0] if len(found) == 1 else settings",
        "return settings",
        "test_printed_commands::test_resubmit_finds_its_sheet",
    ),
    out(
        "links: the lanes get them",
        "send_rows",
        "lanes.link(keys)",
        "pass",
        "test_through_the_pipeline::test_a_link_of_a_row_with_an_outcome_holds_after_a_resume",
    ),
    out(
        "links: the next row waits for both",
        "Lanes.link",
        "if len(queues) == 1:\n    return",
        "return",
        "test_lanes::test_a_link_between_two_that_are_out_waits_for_both",
    ),
    out(
        "fixes: of rows that a killed process sent",
        "SheetFeed.portions",
        "self._count_decided(*...)",
        "",
        "test_through_the_pipeline::test_the_count_of_repairs_is_right_after_a_kill",
    ),
    out(
        "fixes: each once",
        "SheetFeed._count",
        "(repair.code for repair in ... if repair.row_number > before)",
        "(repair.code for repair in ...)",
        "test_through_the_pipeline::test_the_count_of_repairs_is_right_after_a_kill",
    ),
    out(
        "--until: the run stops",
        "deadline_of",
        "if settings.until:\n    ...",
        "if False:\n    pass",
        "test_through_the_pipeline::test_until_stops_with_10_and_the_run_can_be_resumed",
    ),
    out(
        "--max-duration: the run stops",
        "deadline_of",
        "if settings.max_duration:\n    ...",
        "if False:\n    pass",
        "test_through_the_pipeline::test_max_duration_counts_per_process_and_is_a_setting_of_the_run",
    ),
    out(
        "stop: in-flight requests complete",
        "Engine.run",
        "await asyncio.wait(self._tasks, timeout=GRACE)",
        "pass",
        "test_stopping::test_a_stop_lets_in_flight_requests_complete_and_starts_nothing_new",
    ),
    out(
        "stop: ten seconds for in-flight requests",
        "Engine.run",
        "asyncio.wait(..., timeout=GRACE)",
        "asyncio.wait(...)",
        "test_stopping::test_a_request_that_hangs_holds_a_stop_up_for_ten_seconds_at_most_and_its_rows_are_in_doubt",
    ),
    out(
        "stop: queued batches are not sent",
        "Admission.pause",
        "if self.stopping.is_set():\n    raise Stopping",
        "",
        "test_stopping::test_a_stop_lets_in_flight_requests_complete_and_starts_nothing_new",
    ),
    out(
        "stop: queued batches are not in doubt, at once",
        "send_rows",
        "await settlement.withdraw(work)",
        "pass",
        "test_stopping::test_queued_batches_are_not_in_doubt_while_the_stop_waits_for_a_request",
    ),
    out(
        "stop: batches behind hanging requests are not in doubt",
        "Settlement.end",
        "(*self._unsent, *...)",
        "(*...,)",
        "test_stopping::test_a_request_that_hangs_holds_a_stop_up_for_ten_seconds_at_most_and_its_rows_are_in_doubt",
    ),
    out(
        "stop: batches that wait for their back-off are not in doubt",
        "Settlement.end",
        "(*self._unsent, *...)",
        "(*self._unsent,)",
        "test_stopping::test_a_stop_after_a_queued_batch_was_halved_calls_no_settled_batch_harmless",
    ),
    out(
        "stop: a batch that was sent is in doubt",
        "Settlement.sent",
        "self._unsent.discard(work.batch.batch_id)",
        "",
        "test_stopping::test_a_request_that_hangs_holds_a_stop_up_for_ten_seconds_at_most_and_its_rows_are_in_doubt",
    ),
    out(
        "stop: a settled batch is not called harmless",
        "Settlement.write",
        "if not decision.goes_on:\n    self._unsent.discard(work.batch.batch_id)",
        "",
        "test_stopping::test_a_stop_after_a_queued_batch_was_halved_calls_no_settled_batch_harmless",
    ),
    out(
        "--max-errors: nothing new starts while it is recorded",
        "pipeline._record",
        "stages.engine.stop(stages.rules.settled(*...))",
        "asyncio.get_running_loop().call_later(0.1, stages.engine.stop, stages.rules.settled(*...))",
        "test_stopping::test_max_errors_by_number_stops_with_6",
    ),
    out(
        "canary: in its own batch",
        "StopRules.at_most",
        "self._canary_to_take or None",
        "None",
        "test_stopping::test_a_canary_of_which_one_succeeds_lets_the_rest_go",
    ),
    out(
        "canary: the rest waits",
        "StopRules.may_begin",
        "if self._canary and (not self._canary_to_take):\n    return False",
        "",
        "test_stopping::test_the_rest_waits_also_while_the_canary_is_sent_again",
    ),
    out(
        "inherited: in doubt before they are sent again",
        "Settlement.inherit",
        "await self._scribe.write(...)",
        "pass",
        "test_trouble::test_a_batch_that_was_never_sent_is_in_doubt_from_the_moment_it_may_be",
    ),
    out(
        "inherited: new batches wait for them",
        "Engine._next",
        "self._inherited or not self._rules.may_begin()",
        "not self._rules.may_begin()",
        "test_trouble::test_an_inherited_batch_above_a_limit_is_halved_only_if_it_was_never_sent",
    ),
    out(
        "inherited: and begin once the last is sent",
        "Engine.sent",
        "self._inherited.discard(work.batch.batch_id)",
        "",
        "test_trouble::test_new_batches_wait_until_every_inherited_one_was_sent",
    ),
    out(
        "inherited: or continues in halves",
        "Engine.settled",
        "self.sent(work)",
        "",
        "test_trouble::test_an_inherited_batch_above_a_limit_is_halved_only_if_it_was_never_sent",
    ),
)

#: What only the whole sheet shows, and damage that a report must not make good.
SHEETS = (
    out(
        "fixes: refused rows are in the grid",
        "Supervisor._delete_what_is_done",
        "(upload.own_folder / RESULT_FILES['check']).unlink(missing_ok=True)",
        "pass",
        "test_grid::test_rows_that_the_api_refused_are_in_the_grid_after_the_run",
    ),
    out(
        "fixes: a refused row is open until it is changed",
        "Judge._row",
        "row.refused is not None and cells == row.refused.sent",
        "False",
        "test_grid::test_rows_that_the_api_refused_are_in_the_grid_after_the_run",
    ),
    out(
        "fixes: a run reads its source through them",
        "sources.fix",
        "source.fixing = fixing",
        "pass",
        "test_fixes_in_runs::test_what_is_sent_and_what_the_results_say",
    ),
    out(
        "fixes: a run reads its source through them, with what the whole sheet shows",
        "pipeline.run",
        "fix(source, mapping, settings, edits)",
        "pass",
        "test_fixes_in_runs::test_what_a_program_did_to_a_value_is_found_behind_a_rule",
    ),
    out(
        "fixes: a check reads its source through them, with what the whole sheet shows",
        "check._check",
        "fix(source, found, settings, edits)",
        "pass",
        "test_fixes_in_runs::test_what_a_program_did_to_a_value_is_found_behind_a_rule",
    ),
    out(
        "fixes: a retry reads its source through them",
        "job.retry_of",
        "fix_as(journal, before, source)",
        "pass",
        "test_fixes_in_runs::test_a_retry_sends_what_was_fixed",
    ),
    out(
        "fixes: a resumed run reads its source through them",
        "job.resume_of",
        "fix_as(journal, known, source)",
        "pass",
        "test_fixes_in_runs::test_a_resumed_run_keeps_the_edits",
    ),
    out(
        "rules: a key of another type or without a value is named",
        "rules.rule_of",
        "not _is_of_form(key, value)",
        "False",
        "test_rules::test_a_mistake_is_named",
    ),
    out(
        "rules: a code that its column cannot have",
        "rules.misuse_of",
        "field not in fields",
        "False",
        "test_rules::test_a_mistake_is_named",
    ),
    out(
        "rules: the code of a whole row is not one of a column",
        "rules.misuse_of",
        "rule.column and code in _OF_ROWS",
        "False",
        "test_rules::test_a_mistake_is_named",
        "test_page_rules::test_a_wrong_rule_is_shown_at_its_field",
    ),
    out(
        "printed commands: the mapping from another folder",
        "record._kept",
        "str(Path(settings.mapping).absolute())",
        "settings.mapping",
        "test_printed_commands::test_a_report_that_is_written_again_in_another_folder",
    ),
    out(
        "fixes: not twice",
        "Fixing.__call__",
        "block.fixed.get(number, {}).get(column) if block.fixed else None",
        "None",
        "test_rules::test_what_an_earlier_report_says_was_fixed_is_not_fixed_twice",
        "test_fixes_in_runs::test_the_failed_file_imported_again_is_not_fixed_twice",
    ),
    out(
        "fixes: not twice in a DataFrame of a report",
        "frame_spool._write",
        "source.names",
        "[name if name in source.columns else '' for name in source.names]",
        "test_library::test_a_frame_of_a_report_is_read_like_the_report",
    ),
    out(
        "frames: a column that pandas named",
        "FrameSource.__init__",
        "'' if _UNNAMED.fullmatch(str(name)) else str(name)",
        "str(name)",
        "test_library::test_a_frame_of_a_report_is_read_like_the_report",
        "test_library::test_a_frame_without_results_of_a_run_is_named_so",
    ),
    out(
        "fixes: damage stays damage",
        "Fixing.__call__",
        "if whole:\n    replaced.add((number, column))",
        "replaced.add((number, column))",
        "test_rules::test_damage_of_a_cell_matters_until_a_person_replaces_all_of_it",
    ),
    out(
        "fixes: a part of a damaged value",
        "_ColumnRules.__missing__",
        "damage or self._damage_of(found.text, self._typed)",
        "damage",
        "test_rules::test_a_rule_that_changes_a_part_of_a_damaged_value_does_not_make_it_right",
        "test_fixes_in_runs::test_what_a_program_did_to_a_value_is_found_behind_a_rule",
    ),
    out(
        "fixes: a part of a damaged value in a report",
        "Fixing.__call__",
        "damage and (before is None or text == cell)",
        "damage and before is None",
        "test_rules::test_a_rule_that_changes_a_part_of_a_damaged_value_does_not_make_it_right",
        "test_fixes_in_runs::test_what_a_program_did_to_a_value_is_found_behind_a_rule",
    ),
    out(
        "fixes: dates that a rule hides from the survey",
        "_Ranges.add",
        "block.fixed.values()",
        "()",
        "test_fixes_in_runs::test_what_a_program_did_to_a_value_is_found_behind_a_rule",
    ),
    out(
        "fixes: the rest of a run without what succeeded",
        "job.begin",
        "_closed_before(journal, run, settings)",
        "None",
        "test_fixes_in_runs::test_the_rest_of_a_run_is_sent_as_it_was_fixed",
    ),
    out(
        "fixes: the rest of a run with what was rejected",
        "job._closed_before",
        "run.record.fixed",
        "False",
        "test_fixes_in_runs::test_the_rest_of_a_run_is_sent_as_it_was_fixed",
    ),
    out(
        "fixes: purged with the run",
        "Journal.purge",
        "{'progress': progress, 'finished': True, 'edits': None}",
        "{'progress': progress, 'finished': True}",
        "test_fixes_in_runs::test_edits_and_the_texts_of_rules_are_purged_with_the_run",
    ),
    out(
        "sheet: surveyed before it is sent",
        "pipeline.run",
        "survey(source, mapped, first_rows(settings))",
        "mapped",
        "test_survey_in_runs::test_what_refuses_a_file_is_found_before_the_first_request",
    ),
    out(
        "sheet: checked again by its facts",
        "check._check",
        "msgspec.structs.replace(found.facts, rows=0) != columns.mapping.facts",
        "False",
        "test_survey_in_runs::test_a_check_says_what_the_run_does",
    ),
    out(
        "sheet: a date among ranges is refused again",
        "rows._overflow",
        "outcome.code == 'preference_is_a_date'",
        "False",
        "test_survey_in_runs::test_a_date_among_ranges_is_refused_again_without_them",
    ),
    out(
        "sheet: a customer above the header refuses it",
        "header.header_of",
        "_refuse_customers_above(source, (row, cells), above, [record for _, record in below])",
        "pass",
        "test_header::test_a_customer_above_the_header_refuses_the_file",
    ),
    out(
        "sheet: the organisation is asked before the run",
        "fields.columns_of_a_run",
        "raise columns.refusal",
        "pass",
        "test_fields::test_unknown_columns_refuse_the_file_before_it_is_sent",
    ),
)

#: Two machines share one database, and connections to it end or stall.
LEASES = (
    out(
        "lease: no request without proof",
        "Admission._wait_for_turn",
        "await proof.prove()",
        "pass",
        "test_admission::test_no_request_leaves_without_its_proofs",
    ),
    out(
        "lease: no request after a long wait for a token",
        "Admission._ask",
        "all((proof.is_certain() for proof in self._proofs))",
        "True",
        "test_admission::test_a_batch_that_waited_for_its_token_is_not_sent_without_the_lease",
    ),
    out(
        "lease: a lock whose file is deleted",
        "Lock.is_certain",
        "os.fstat(self._file).st_nlink > 0",
        "True",
        "test_locks::test_a_lock_whose_file_is_deleted_proves_nothing",
    ),
    out(
        "lease: time that passed takes the proof away",
        "Lease._is_fresh",
        "0 <= now - then < PROVEN",
        "True",
        "test_leases::test_no_proof_no_request",
    ),
    out(
        "lease: the commit of a replaced holder is refused",
        "JournalConnection.transaction",
        "guard(self._connection)",
        "pass",
        "test_leases::test_the_commit_of_a_holder_that_was_replaced_is_refused",
    ),
    out(
        "lease: that of another machine is kept for its time",
        "_holding",
        "found.valid or (holder.lives_here and holder.pid != os.getpid())",
        "None",
        "test_leases::test_a_lease_of_another_machine_is_free_only_after_its_time",
    ),
    out(
        "lease: a proxy ends an idle connection",
        "JournalConnection.transaction",
        "self._reconnect()",
        "pass",
        "test_leases::test_connections_that_are_ended_while_idle_cost_nothing",
    ),
    out(
        "lease: a stalled database is not waited for",
        "BoundedConnection.wait",
        "self._bounded(gen)",
        "gen",
        "test_leases::test_a_database_that_stalls_is_not_waited_for",
    ),
)

#: Runs that are resumed or retried after newer ones, and what counts as sent before.
LEDGER = (
    out(
        "ledger: an older run leaves out what a newer one sent",
        "unchanged_filter_of",
        "[] if settings.overwrite_newer else [newer.key for newer in newer_runs(journal, run)]",
        "[]",
        "test_newer::test_an_older_run_leaves_out_what_a_newer_one_has_sent_otherwise",
    ),
    out(
        "ledger: a preference that is no column of the newer run",
        "newer._share_preferences",
        "if one.is_long or other.is_long: ...",
        "pass",
        "test_newer::test_a_value_for_every_row_and_one_named_in_a_cell_count_too",
    ),
    out(
        "ledger: a retry does not inherit the consent to overwrite",
        "job.retry_of",
        "{'overwrite_newer': False, **given}",
        "dict(given)",
        "test_newer::test_a_retry_does_not_inherit_the_consent_to_overwrite",
    ),
    out(
        "ledger: a newer run that was purged is not guessed",
        "check_newer",
        "sent_purged(newer)",
        "False",
        "test_newer::test_what_a_purged_newer_run_sent_is_not_guessed",
    ),
    out(
        "ledger: nor is what a purged one left out as unchanged",
        "check_newer",
        "_unchanged_purged(newer)",
        "False",
        "test_newer::test_what_a_purged_newer_run_left_out_as_unchanged_is_not_guessed",
    ),
    out(
        "ledger: nor what a newer one left out as unchanged",
        "unchanged_filter_of",
        "sent_by(journal, newer, failed=False, unchanged=True)",
        "sent_by(journal, newer, failed=False)",
        "test_newer::test_what_a_newer_run_left_out_as_unchanged_is_not_overwritten",
    ),
    out(
        "ledger: what was not sent is not the last that was sent",
        "sent_by",
        "not unchanged",
        "False",
        "test_newer::test_what_was_left_out_as_unchanged_is_not_what_was_sent_last",
    ),
    out(
        "ledger: a request in doubt is not repeated over newer values",
        "open_work",
        "unchanged.overtaken(customers)",
        "[''] * len(customers)",
        "test_newer::test_a_request_in_doubt_is_not_repeated_over_newer_values",
        "test_later_rows::test_a_request_in_doubt_is_not_repeated_over_a_later_row",
    ),
    out(
        "ledger: a retry leaves out what a later row has overtaken",
        "unchanged_filter_of",
        "if later is not None: ...",
        "pass",
        "test_later_rows::test_an_older_row_does_not_overwrite_a_later_one",
        "test_later_rows::test_after_any_retries_the_state_is_that_of_rows_sent_in_order",
    ),
    out(
        "ledger: only a later row overtakes",
        "Fingerprints._compared",
        "if rows: ...",
        "pass",
        "test_later_rows::test_rows_that_are_sent_together_keep_their_order",
    ),
    out(
        "ledger: what an edited row that is left out itself had set stands",
        "later_rows",
        "not any(stands)",
        "True",
        "test_later_rows::test_an_edited_row_that_is_left_out_itself_still_counts",
    ),
    out(
        "ledger: preferences are compared one by one",
        "LaterRows.__call__",
        "found[owner] |= differs",
        "found[owner] = True",
        "test_later_rows::test_a_row_that_overwrites_nothing_is_sent",
    ),
    out(
        "ledger: a later row that reads otherwise now counts as a whole",
        "LaterRows.__call__",
        "self._whole.differ(entries, [customer.row_number for customer in customers])",
        "[False] * len(customers)",
        "test_later_rows::test_a_later_row_that_reads_otherwise_now_counts_as_a_whole",
    ),
    out(
        "ledger: a customer of several rows does not overtake itself",
        "later._compared",
        "closed.find(0, one.first, one.last + 1) >= 0",
        "False",
        "test_later_rows::test_a_customer_of_several_rows_is_as_old_as_its_first",
    ),
    out(
        "ledger: a purged run of the same rows is not guessed",
        "check_same_sheet",
        "sent_purged(other) or _unchanged_purged(other)",
        "False",
        "test_later_rows::test_what_a_purged_run_of_the_rows_sent_is_not_guessed",
    ),
    out(
        "ledger: what was sent last, by time too",
        "sent_before",
        "[sent_by_time(journal, counted)] if overlap(journal, counted) else []",
        "[]",
        "test_newer::test_overwritten_on_request_is_not_unchanged_afterwards",
    ),
    out(
        "ledger: what is older than purged rows does not count",
        "sent_purged",
        "purged is not None and any((purged.rows.get(status) for status in ('succeeded', 'failed', 'unknown')))",
        "False",
        "test_newer::test_what_is_older_than_purged_rows_does_not_count",
    ),
    out(
        "ledger: nothing is unchanged while a request has no answer",
        "sent_before",
        "if not others[key].finished: ...",
        "pass",
        "test_newer::test_nothing_is_unchanged_while_a_request_has_no_answer",
    ),
    out(
        "ledger: unchanged rows are verified",
        "runs.verify.verify",
        "succeeded[row] |= unchanged",
        "pass",
        "test_newer::test_a_run_without_requests_is_verified_by_what_it_says_of_the_server",
    ),
)

#: The sheet changes or disappears in mid-run.
MID_RUN = (
    out(
        "mid-run: a private copy is read",
        "runs.sources.opened",
        "'' if _is_private(*...) else str(...)",
        "''",
        "test_private_copy::test_the_reports_hold_what_was_sent",
    ),
    out(
        "mid-run: a file that changes while it is copied",
        "private_copy._copy",
        "_state(file) == before",
        "True",
        "test_private_copy::test_a_file_that_changes_while_it_is_copied_is_refused",
    ),
    out(
        "mid-run: a broken-off run leaves its copy",
        "PrivateCopy.close",
        "self.needed",
        "False",
        "test_private_copy::test_a_broken_off_run_leaves_the_copy_for_its_reports",
    ),
    out(
        "mid-run: a file that changes while it is checked",
        "opening._check_unchanged",
        "not same",
        "False",
        "test_private_copy::test_check_reports_no_problems_of_two_contents",
    ),
    out(
        "mid-run: a journal that was deleted or replaced",
        "JournalConnection.transaction",
        "if self._in_place is not None:\n    self._in_place.check()",
        "",
        "test_journal::test_a_journal_that_disappears_takes_no_more_changes",
    ),
    out(
        "purge: a run that can be resumed is kept",
        "runs.purge.purge",
        "not run.finished and not unfinished",
        "False",
        "test_purge::test_an_old_unfinished_run_is_kept_and_named",
    ),
    out(
        "purge: SQLite's log is emptied",
        "runs.purge.purge",
        "journal.erase()",
        "True",
        "test_purge::test_nothing_of_a_purged_row_is_left_while_another_process_has_the_journal_open",
    ),
    out(
        "purge: the rules of a remembered mapping",
        "storage._without_file",
        "msgspec.structs.replace(parse(kept.toml, ...), rules=())",
        "parse(kept.toml, 'The mapping')",
        "test_remembered::test_a_purge_forgets_the_name_of_the_file_and_its_rules",
    ),
    out(
        "purge: the page's own log is emptied",
        "Storage.forget_names",
        "erase_log(self._db)",
        "",
        "test_keeping::test_a_purge_forgets_the_names_of_its_files",
    ),
)

#: A foreign workbook that is copied part by part.
ANNOTATED = (
    out(
        "annotated: parts that share their bytes are not copied",
        "annotated_package.Package.__init__",
        "sum(member.compress_size for member in self.members) > end",
        "False",
        "test_annotated::test_a_workbook_that_cannot_be_marked_still_gets_its_other_reports",
    ),
    out(
        "annotated: macros and signatures are left out",
        "annotated_package.Package.save",
        "part_name(name) in self._dropped or member.is_dir()",
        "member.is_dir()",
        "test_annotated::test_what_an_xlsx_file_cannot_hold_is_left_out_and_said",
    ),
    out(
        "annotated: XML in an uncommon form is rewritten",
        "annotated_rows.extent",
        "piece.count(_CELL) != piece.count(b'<c')",
        "False",
        "test_annotated::test_a_sheet_in_any_form_of_xml_is_marked",
    ),
    out(
        "annotated: a workbook has one list of names",
        "annotated_frame.with_filter",
        "child[0] != 'definedNames'",
        "True",
        "test_annotated_writers::test_a_workbook_has_one_list_of_names_in_its_place",
    ),
    out(
        "annotated: a sheet with nothing before its rows",
        "annotated_frame.Head.__init__",
        "b'<sheetData/></worksheet>'",
        "b'</worksheet>'",
        "test_annotated_writers::test_a_sheet_with_nothing_before_its_rows_gets_its_header_frozen",
    ),
    out(
        "annotated: result columns are right of merged cells",
        "annotated_frame.Tail.merged",
        "int(row) >= header and end < MOST_COLUMNS",
        "False",
        "test_annotated_writers::test_the_result_columns_are_right_of_all_that_the_reader_sees",
    ),
    out(
        "annotated: result columns are right of charts",
        "annotated_frame.drawn",
        "last_row >= header and last < MOST_COLUMNS",
        "False",
        "test_annotated_writers::test_the_result_columns_are_right_of_all_that_the_reader_sees",
    ),
    out(
        "annotated: the reader finds the result columns beside a stray cell",
        "annotated_child._room",
        "first + columns > MOST_COLUMNS",
        "False",
        "test_annotated_writers::test_the_result_columns_are_right_of_all_that_the_reader_sees",
    ),
    out(
        "annotated: a comment's reading comes after its words",
        "comment_parts.Comments._join",
        "_READING.search(inside)",
        "None",
        "test_annotated_writers::test_a_comment_with_its_reading_gets_ours_before_the_reading",
    ),
    out(
        "annotated: not more formats than Excel opens",
        "annotated_styles.Styles.filled",
        "len(self._formats.items) < _MANY_FORMATS",
        "True",
        "test_annotated_writers::test_a_workbook_with_very_many_formats_does_not_get_more_than_excel_opens",
    ),
    out(
        "annotated: a thread of comments stays alone",
        "comment_parts.Comments._own",
        "names[author].startswith(_THREAD)",
        "False",
        "test_annotated::test_a_threaded_comment_stays_alone",
    ),
    out(
        "annotated: a sheet has not more comments than LibreOffice can open",
        "comment_parts.Comments._has_room",
        "self.count >= MOST_COMMENTS and (text in self._seen or self.count >= MOST_COMMENTS + MOST_FIRST)",
        "False",
        "test_annotated_limits::test_a_large_workbook_has_the_first_comments_and_all_highlights",
        "test_failed_workbook::test_more_cells_than_can_be_commented_stay_highlighted",
    ),
    out(
        "annotated: the first cell of each problem has a comment",
        "comment_parts.Comments._has_room",
        "text in self._seen or self.count >= MOST_COMMENTS + MOST_FIRST",
        "True",
        "test_failed_workbook::test_more_cells_than_can_be_commented_stay_highlighted",
    ),
    out(
        "annotated: a strict workbook gets strict parts",
        "annotated_package.Package.namespace",
        "_STRICT if _STRICT in self.text('_rels/.rels') else RELATIONSHIPS",
        "RELATIONSHIPS",
        "test_annotated_limits::test_a_strict_workbook_stays_strict",
    ),
    out(
        "annotated: cells that no sheet can hold leave no damaged copy",
        "plain_workbook.PlainWorkbook.add",
        "max(...) > CELL_CHARACTERS",
        "False",
        "test_annotated_limits::test_what_no_sheet_can_hold_has_no_copy",
    ),
    out(
        "annotated: unpacking at the limit of memory is not damage",
        "zip_safety.blocks",
        "str(error).startswith(_NO_MEMORY)",
        "False",
        "test_annotated_limits::test_unpacking_without_memory_is_not_damage",
    ),
    out(
        "annotated: the child has limited memory",
        "annotated_child.main",
        "limit_resources(memory, _SECONDS, _BYTES)",
        "None",
        "test_annotated::test_a_child_that_needs_too_much_costs_the_annotated_workbook_only",
    ),
    out(
        "annotated: the child has limited time",
        "annotated._answer",
        "subprocess.TimeoutExpired",
        "ZeroDivisionError",
        "test_annotated::test_a_child_that_needs_too_much_costs_the_annotated_workbook_only",
    ),
    out(
        "annotated: the child ends with its parent",
        "annotated_child.main",
        "end_with_parent(lifeline)",
        "None",
        "test_annotated::test_the_child_ends_with_its_parent",
    ),
    out(
        "annotated: a disk that fails under the child ends the run",
        "Annotations.publish",
        "raise OSError(answer.errno, ..., ...)",
        "pass",
        "test_annotated::test_a_disk_that_fails_under_the_child_ends_the_run",
    ),
    out(
        "annotated: the child sees no secret",
        "annotated._answer",
        "child_environ(os.environ, WITHOUT_SECRETS)",
        "child_environ(os.environ)",
        "test_annotated::test_the_child_sees_no_secret",
    ),
)

#: Texts that a spreadsheet program or a terminal would run.
RUNNABLE = (
    out(
        "formulas: the guard of a cell",
        "formula_guard.guard",
        '"\'" + cell if begins else cell',
        "cell",
        "test_formula_guard",
    ),
    out(
        "failed.xlsx: the sheet of the causes is not read",
        "workbook_child.choose_sheet",
        "without_explanations(visible, rows)",
        "visible",
        "test_failed_workbook::test_the_workbook_is_imported_again_as_it_is",
    ),
    out(
        "failed.xlsx: text that looks like an escape stays as it is",
        "xml_text.xml_text",
        "_ODD.sub(_escaped, text)",
        "text",
        "test_failed_workbook::test_hostile_cells_come_back_as_they_were",
    ),
    out(
        "failed.xlsx: a problem cell is marked",
        "workbook_table.WorkbookTable._write",
        "look.places(rows.columns, at) if look.style else ()",
        "()",
        "test_failed_workbook::test_each_problem_cell_is_highlighted_and_says_what_to_do",
    ),
    out(
        "formulas: parts of a cell that a semicolon or a line break divides",
        "formula_guard.guard",
        "_LATER.search(cell)",
        "False",
        "test_roundtrip::test_no_program_divides_a_report_into_formulas",
    ),
    out(
        "formulas: wide signs",
        "formula_guard._SIGNS",
        r"r'=+\-@＝＋－＠﹦﹢﹣﹫−'",
        r"r'=+\-@'",
        "test_formula_guard::test_the_rule_by_example",
    ),
    out(
        "formulas: the guard comes off column names",
        "reader.text._header",
        "list(map(unguard, records[at]))",
        "records[at]",
        "test_roundtrip::test_our_own_csv_reports",
    ),
    out(
        "control characters: in the texts of the server",
        "wire._clean",
        "harmless(_storable(text))",
        "_storable(text)",
        "test_wire::test_no_control_character_of_the_server_is_kept",
    ),
    out(
        "control characters: in the texts of an earlier run",
        "rows.result_cells",
        "harmless(message_of(outcome))",
        "message_of(outcome)",
        "test_round_trip::test_a_message_with_control_characters_leaves_its_row_importable",
    ),
    out(
        "control characters: only mapped columns are judged",
        "TextSource._block",
        "own_problem(number, 'control_character', name)",
        "own_problem(number, 'control_character')",
        "test_round_trip::test_a_message_with_control_characters_leaves_its_row_importable",
    ),
    out(
        "control characters: request ids are cut and cleaned",
        "wire.read_header",
        "_clean(value[:LONGEST_HEADER])",
        "value",
        "test_network::test_a_request_id_is_cut_and_without_control_characters",
    ),
    out(
        "control characters: the warnings of a row are cut",
        "wire._few",
        "length <= LONGEST_WARNINGS",
        "True",
        "test_wire::test_codes_and_warnings_are_cut",
    ),
    out(
        "control characters: in logs",
        "log_lines._clean",
        "visible(value)",
        "value",
        "test_log::test_no_control_character_reaches_a_log",
    ),
    out(
        "log: a lost folder closes no other file",
        "LogFile.write",
        "new = self._open()\nos.close(self._file)\nself._file = new",
        "os.close(self._file)\nself._file = self._open()",
        "test_log::test_a_log_whose_folder_is_gone_closes_the_file_of_no_one_else",
    ),
    out(
        "log: a command closes its log",
        "Sending.__exit__",
        "self._log.close()",
        "pass",
        "test_log::test_a_command_closes_its_log",
    ),
    out(
        "log: a nightly load closes its log",
        "nightly_command",
        "closing(_nightly_log(*...))",
        "__import__('contextlib').nullcontext(_nightly_log(settings, None if quiet else sys.stderr, world, mistakes))",
        "test_log::test_a_command_closes_its_log",
    ),
    out(
        "sqlite: an existing file keeps its locks",
        "sqlite.make_private",
        "os.O_RDWR | os.O_CREAT | os.O_EXCL",
        "os.O_RDWR | os.O_CREAT",
        "test_sqlite::test_a_store_that_is_opened_again_keeps_the_locks_of_this_process",
    ),
    out(
        "control characters: in mapping files",
        "mapping_file._toml_text",
        "escaped(json.dumps(text, ensure_ascii=False))",
        "json.dumps(text, ensure_ascii=False)",
        "test_mapping::test_a_mapping_file_holds_no_control_characters",
    ),
)

#: One server has many organisations: what one was sent says nothing about another.
ORGANISATIONS = (
    out(
        "organisation: what customers were sent before",
        "sent_before",
        "other.record.organisation == run.record.organisation",
        "True",
        "test_unchanged::test_another_organisation_of_the_same_server_has_its_own_fingerprints",
    ),
    out(
        "organisation: which runs imported a file before",
        "Journal.imported",
        "run.record.organisation == organisation",
        "True",
        "test_journal::test_the_newest_run_of_a_source_and_target_is_unfinished_until_it_is_finished_or_abandoned",
    ),
    out(
        "organisation: a run is not resumed for another",
        "_refuse_other_organisation",
        "is_of_another(journal, run, target.organisation)",
        "False",
        "test_resume::test_a_run_is_not_resumed_with_the_credentials_of_another_organisation",
    ),
    out(
        "organisation: other credentials take the place of refused ones",
        "is_of_another",
        "return answered or any((batch.doubt for batch in journal.open_batches(run.key)))",
        "return True",
        "test_resume::test_a_run_whose_credentials_were_refused_is_resumed_with_others",
    ),
    out(
        "organisation: the nightly load imports a file again for another",
        "FileLoader._load",
        "is_of_another(journal, known, self._organisation())",
        "False",
        "test_one_file::test_a_profile_with_other_credentials_imports_its_file_again",
    ),
    out(
        "organisation: unfinished runs of an older journal are found",
        "make_or_migrate",
        "_add_organisations(connection)",
        "pass",
        "test_resume::test_an_unfinished_run_of_an_older_journal_is_in_the_way_of_a_new_one",
    ),
)

#: Settings of others, and what leaves the machine unencrypted.
SETTINGS = (
    out(
        "settings: a file that every user can write is refused",
        "why_not_trusted",
        "found.st_mode & stat.S_IWOTH",
        "False",
        "test_trust::test_a_file_that_every_user_can_write_is_refused_unless_it_is_named",
    ),
    out(
        "settings: a file of another user is refused",
        "why_not_trusted",
        "found.st_uid not in (_ROOT, user) and (not _is_who_typed_sudo(found.st_uid, user, environ))",
        "False",
        "test_trust::test_a_file_of_another_user_is_refused",
    ),
    out(
        "settings: server, credentials and file are named before the first request",
        "asking._name_target",
        "not settings.sandbox",
        "False",
        "test_trust::test_server_credentials_and_file_are_named_before_the_first_request",
    ),
    out(
        "settings: a variable of others is not expanded",
        "settings.variables.expanded",
        "refuse_foreign_variable(found[1], environ)",
        "pass",
        "test_locations::test_a_variable_of_others_is_expanded_only_where_the_environment_allows_it",
    ),
    out(
        "settings: http:// to another machine needs --insecure",
        "target_of",
        "refuse_unencrypted(settings.base_url, proxies_of(world.environ))",
        "pass",
        "test_options::test_an_option_does_what_it_says",
    ),
    out(
        "settings: a webhook's secret is not sent unencrypted",
        "telemetry.notices.send",
        "_refuse_unencrypted(service, address)",
        "pass",
        "test_notices::test_a_webhook_sends_no_secret_unencrypted_to_another_machine",
    ),
    out(
        "settings: a user without a home shares the rate",
        "state_folder",
        "home == '~'",
        "False",
        "test_shared_rate::test_a_user_without_a_home_shares_the_rate_by_a_folder_of_its_own",
    ),
    out(
        "settings: a value that is not UTF-8 is refused",
        "load_command",
        "_refuse_other_bytes(command, click.get_current_context())",
        "pass",
        "test_settings::test_a_value_that_is_not_utf_8_ends_with_2",
    ),
)

#: Small files that stand for much text or much time.
AMPLIFIED = (
    out(
        "amplification: rows of a sheet",
        "reader.portions.portions",
        "batch.numbers[-1] > MOST_ROWS",
        "False",
        "test_amplification::test_no_format_gives_more_than_a_sheet_holds",
    ),
    out(
        "amplification: text of a sheet",
        "reader.portions.portions",
        "left < 0",
        "False",
        "test_amplification::test_no_format_gives_more_than_a_sheet_holds",
    ),
    out(
        "amplification: text of a row",
        "reader.portions._cut",
        "characters > LONGEST_ROW",
        "False",
        "test_amplification::test_no_format_gives_more_than_a_sheet_holds",
    ),
    out(
        "amplification: blocks of a workbook",
        "_BlockBuilder.add",
        "self._cost > MOST_COST",
        "False",
        "test_amplification::test_long_rows_come_in_smaller_blocks",
    ),
    out(
        "amplification: blocks of a text",
        "PlainLines.take",
        "self._size < LONGEST_ROW",
        "True",
        "test_amplification::test_long_rows_come_in_smaller_blocks",
    ),
    out(
        "amplification: members of an archive",
        "checked_members",
        "len(members) > _MOST_MEMBERS",
        "False",
        "test_amplification::test_it_is_refused",
    ),
    out(
        "amplification: digits of a number format",
        "shown_as",
        "len(code) > _LONGEST_CODE",
        "False",
        "test_amplification::test_a_number_format_of_very_many_digits_is_not_built",
    ),
    out(
        "slow: an expression that is not linear",
        "sheet_xml._ENTITY",
        "'&([^;&]{0,40}+)(;?)'",
        "'&([^;]*)(;?)'",
        "test_expressions::test_an_expression_is_linear",
    ),
    out(
        "slow: the organisation's own pattern",
        "ValueReader._has_form",
        "form.fullmatch(item, timeout=_SECONDS)",
        "form.fullmatch(item)",
        "test_preferences::test_a_pattern_that_takes_years_is_left_to_the_server",
    ),
    out(
        "memory: full caches of preferences are emptied",
        "Normaliser.__call__",
        "empty_full([*self._readers, *self._long_readers.values()])",
        "None",
        "test_normaliser::test_short_free_text_does_not_fill_the_memory_either",
    ),
    out(
        "memory: long texts are not cached",
        "remembering.remembered",
        "len(text) <= LONGEST_KEPT",
        "True",
        "test_normaliser::test_free_text_does_not_fill_the_memory",
    ),
    out(
        "slow: a parser whose parent was killed",
        "workbook_child.main",
        "end_with_parent(sys.stdin.fileno())",
        "None",
        "test_child::test_it_ends_with_its_parent_while_it_computes",
    ),
    out(
        "slow: a worker of the page whose server was killed",
        "worker.main",
        "end_with_parent(commands.fileno())",
        "None",
        "test_ending::test_a_worker_that_reads_a_file_ends_with_its_server",
    ),
    out(
        "slow: a parser that hangs",
        "workbook._Child._read",
        "has_input(stream, self._patience)",
        "has_input(stream, 1e6)",
        "test_child::test_a_child_that_hangs_is_given_up",
    ),
)

#: The nightly load: one bad entry, one window, one notice.
NIGHTLY = (
    out(
        "inbox: a name that is not text is set aside",
        "Intake.take",
        "if fault := fault_of(entry.name):\n    return ...",
        "",
        "test_intake::test_a_file_whose_name_is_not_text_is_set_aside",
    ),
    out(
        "inbox: a file that cannot be read costs only itself",
        "Intake.take",
        "failure = error",
        "raise",
        "test_intake::test_a_file_of_another_user_is_set_aside",
    ),
    out(
        "inbox: a file that the disk has no room for costs only itself",
        "Intake.take",
        "return _left(entry, str(full), ExitCode.JOURNAL)",
        "raise",
        "test_intake::test_a_file_for_which_the_disk_has_no_room_stays",
    ),
    out(
        "inbox: an internal error while a file is opened belongs to it",
        "FileLoader.load",
        "self._is_of_the_file(claim, error)",
        "False",
        "test_intake::test_an_internal_error_while_a_file_is_opened",
    ),
    out(
        "inbox: what another machine has imported since is not imported again",
        "FileLoader._earlier_import",
        "[run for run in own if run.record.started_at > claim.taken_at and _name(run) == claim.name]",
        "[]",
        "test_one_file::test_a_file_that_another_machine_has_imported_is_not_imported_again",
    ),
    out(
        "inbox: a run of another machine is continued",
        "FileLoader._load",
        "known or self._left_by_another(journal, claim, digest)",
        "known",
        "test_one_file::test_a_run_of_another_machine_is_continued_with_the_copy_of_this_one",
    ),
    out(
        "watch: it ends once another machine has taken over",
        "NightlyLoad.watch",
        "held.check()",
        "pass",
        "test_load::test_watch_ends_once_another_machine_has_taken_over",
    ),
    out(
        "inbox: SFTP lists names that are not UTF-8",
        "_Client._request",
        "kind == CMD_READDIR",
        "False",
        "test_locations::test_odd_entries_of_an_sftp_inbox_cost_only_themselves",
    ),
    out(
        "inbox: a file that was not removed is remembered",
        "state.remembered",
        "kept |= {entry.name: Seen(entry.size, entry.mark, 0) for entry in step.stays}",
        "pass",
        "test_intake::test_a_file_that_cannot_be_removed_is_imported_once",
    ),
    out(
        "inbox: S3 without the right to delete",
        "RemoteFolder._copy_or_rename",
        "raise NotRemoved(self, name, free, error) from error",
        "raise",
        "test_locations::test_objects_that_cannot_be_fetched_or_removed",
    ),
    out(
        "inbox: a window across midnight is one day",
        "inbox.deadline",
        "_minutes(_begin_of_day(nightly, until))",
        "0",
        "test_inbox::test_the_night_of_a_file_without_a_date",
    ),
    out(
        "inbox: links and pipes are reported",
        "NightlyLoad._odd",
        "tuple(map(why_odd, inbox.odd))",
        "()",
        "test_intake::test_links_and_pipes_are_reported",
    ),
    out(
        "inbox: no link is followed that is swapped in",
        "local._opened",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC",
        "test_intake::test_no_link_is_followed_by_a_folder",
    ),
    out(
        "inbox: only a regular file is read",
        "local._opened",
        "not stat.S_ISREG(os.fstat(file.fileno()).st_mode)",
        "False",
        "test_intake::test_only_a_regular_file_is_read",
    ),
    out(
        "inbox: a hidden name is random",
        "hidden_name",
        "f'.{secrets.token_hex(8)}.part'",
        "'.results.csv.part'",
        "test_intake::test_hidden_names_are_random",
    ),
    out(
        "notice: it has the type of the state",
        "notices.send",
        "service.notify(body=body, title=subject, notify_type=kind, body_format='text')",
        "service.notify(body=body, title=subject, body_format='text')",
        "test_notices::test_a_notice_has_the_type_of_the_state",
    ),
    out(
        "notice: one that is sent late gives the cause",
        "NightlyLoad._notify",
        "memory = msgspec.structs.replace(memory, unsent=body)",
        "pass",
        "test_notices::test_a_notice_that_is_sent_late_gives_the_cause",
    ),
    out(
        "notice: a fixed report is taken whatever the pattern says",
        "is_wanted",
        "is_failed_report(name) or day_in(name, nightly.pattern) is not None",
        "day_in(name, nightly.pattern) is not None",
        "test_inbox::test_a_fixed_report_is_taken_whatever_the_pattern_says",
    ),
    out(
        "notice: the doctor connects to its server",
        "_notices",
        "unreachable(settings.nightly.notices, world.environ)",
        "[]",
        "test_commands::test_the_doctor_finds_notices_that_cannot_work",
    ),
    out(
        "inbox: a refused SFTP login is closed",
        "CheckedSFTP._connect",
        "self.client.close()",
        "pass",
        "test_locations::test_a_refused_login_leaves_no_thread_and_no_socket",
    ),
)

#: A workbook that people fill in is right as it is.
TEMPLATES = (
    out(
        "template: the instructions are not read beside data",
        "workbook_child.choose_sheet",
        "[name for name in visible if name.strip().lower() not in HELP_SHEETS] or visible",
        "visible",
        "test_hidden::test_the_tools_own_instructions_are_not_read_beside_data",
    ),
    out(
        "template: a name that would not map by itself is left out",
        "template.columns._why_without_column",
        "not holds(name) or not _maps(name, names)",
        "False",
        "test_template::test_a_name_that_would_not_map_by_itself_is_left_out",
    ),
    out(
        "fields: a comma in an option does not split it",
        "capillary.lookups._options",
        "[text] if is_item else text.split(',')",
        "text.split(',')",
        "test_wire::test_only_a_text_of_all_options_is_split_at_its_commas",
    ),
    out(
        "template: options without a list are named",
        "template.columns._column",
        "len(allowed) - len(offered)",
        "0",
        "test_template::test_the_instructions_name_what_no_list_shows",
    ),
    out(
        "template: no mapping is advised that would be refused",
        "template.columns._why_without_column",
        "_cannot_be_set(name)",
        "False",
        "test_template::test_a_name_that_is_left_out_can_be_mapped_where_it_is_said",
    ),
    out(
        "template: options decide, whatever the datatype",
        "preferences.ValueReader._check",
        '"" if definition.options else definition.datatype.lower()',
        "definition.datatype.lower()",
        "test_template::test_every_option_passes_the_check",
    ),
    out(
        "template: one column for names that are one for people",
        "template.columns._why_without_column",
        "likeness(name) in taken",
        "False",
        "test_template::test_names_that_are_one_for_people_have_one_column",
    ),
    out(
        "template: options that would be changed are not offered",
        "template.columns._as_it_is",
        "holds(text) and ... and text not in takes.repaired",
        "True",
        "test_template::test_the_options_are_those_that_are_sent_as_they_are",
    ),
    out(
        "template: cells are text",
        "_Maker.customers",
        "sheet.set_column(at, at, ..., form)",
        "sheet.set_column(at, at, ...)",
        "test_template::test_the_columns_are_text_and_lists",
    ),
    out(
        "template: an existing file is kept",
        "write_new",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL",
        "os.O_WRONLY | os.O_CREAT | os.O_TRUNC",
        "test_template::test_a_file_is_never_overwritten",
    ),
    out(
        "template: refused credentials are not covered up by names",
        "template.template._fields",
        "not preferences or error.exit_code not in _DISPENSABLE",
        "not preferences",
        "test_template::test_without_a_field_list_the_named_columns_are_made",
    ),
)

#: What a cause states is true of the rows that it counts.
CAUSES = (
    out(
        "causes: a date has no number of digits",
        "traits._digits_of",
        "not _NUMBER.fullmatch(text) or text.count('.') == 1 or is_date(text)",
        "False",
        "test_causes::test_a_cell_that_is_not_a_plain_number_has_no_length",
    ),
    out(
        "causes: a date with points or dashes is a date",
        "traits._digits_of",
        "not _NUMBER.fullmatch(text) or text.count('.') == 1 or is_date(text)",
        "not _NUMBER.fullmatch(text) or text.count('.') == 1",
        "test_causes::test_a_cell_that_is_not_a_plain_number_has_no_length",
    ),
    out(
        "causes: an address without @ is not empty",
        "traits._after_the_at",
        "cell.strip() and UNCLEAR",
        "EMPTY",
        "test_causes_oracle::test_each_kind_of_statement_is_made_and_true",
    ),
    out(
        "causes: a domain is counted whatever its case",
        "SameDomain.tidy",
        "str(key).strip().lower()",
        "str(key).strip()",
        "test_causes_oracle::test_each_kind_of_statement_is_made_and_true",
    ),
    out(
        "causes: every row that succeeded is counted",
        "CauseFinder._count_traits",
        "trait.count_good(keys, _picked(keys, other))",
        "trait.count_good(keys, ())",
        "test_causes_oracle::test_each_kind_of_statement_is_made_and_true",
    ),
    out(
        "causes: a rejected row is explained by its problem cell",
        "causes._concerns",
        "trait.column == key.column and not trait.sent_only",
        "True",
        "test_causes::test_a_rejected_row_is_explained_by_its_problem_cell",
    ),
    out(
        "causes: a problem of the whole row has no column",
        "causes._key",
        "outcome.status is Status.REJECTED and outcome.message and not outcome.message.startswith(f'“{column}”: ')",
        "False",
        "test_causes_oracle::test_each_kind_of_statement_is_made_and_true",
    ),
    out(
        "causes: rows of another outcome are another cause",
        "causes._key",
        "_Key(outcome.status, outcome.code, column)",
        "_Key(Status.FAILED, outcome.code, column)",
        "test_causes::test_rows_of_one_code_with_another_outcome_are_another_cause",
    ),
    out(
        "causes: a block with blank rows is not unbroken",
        "_Neighbours.state",
        "count == last - first + 1",
        "count == length",
        "test_causes::test_blank_rows_make_a_block_of_rows_broken",
    ),
    out(
        "causes: zeros are lost only where ids begin with them",
        "IdLength._advice",
        "int(length) > int(usual) or not zeros_lost",
        "False",
        "test_causes_oracle::test_each_kind_of_statement_is_made_and_true",
    ),
    out(
        "causes: a code is not repeated where a cause has it",
        "codes_without_cause",
        "not any(reason(lookup(code.code)) in text for text in texts)",
        "True",
        "test_page::test_a_code_is_listed_only_where_no_cause_has_it",
    ),
)

#: What a person in a terminal sees of a run.
SEEN = (
    out(
        "width: the summary has that of the terminal",
        "Paragraph.lines",
        "wrapped(self.text, width, self.indent, self.following)",
        "wrapped(self.text, 80, self.indent, self.following)",
        "test_console::test_it_fits_the_terminal",
    ),
    out(
        "width: so have messages",
        "printing.print_note",
        "for_stream(visible(text), sys.stderr)",
        "visible(text)",
        "test_wrapping::test_messages_have_the_width_of_the_terminal",
    ),
    out(
        "codes: an unknown one names the nearest",
        "codes._look_up",
        "difflib.get_close_matches(code.casefold(), names, 3)",
        "[]",
        "test_codes::test_an_unknown_code_names_the_nearest",
    ),
    out(
        "rate: the summary has that of the resume",
        "job.resume_of",
        "_paced(journal, run, own)",
        "run",
        "test_rate_in_summary::test_the_rate_of_a_resume_is_that_of_the_summary",
    ),
    out(
        "Ctrl-C: the end in time",
        "Sending.__enter__",
        "Overdue(_SENT, LATEST, self._overdue)",
        "Overdue((signal.SIGTERM,), LATEST, self._overdue)",
        "test_in_a_terminal::test_whatever_hangs_a_signal_ends_the_program_and_says_how_to_resume",
    ),
    out(
        "Ctrl-C: a second one says how to resume",
        "Sending._end_now",
        "self._print('ended', completed(' '.join(said), self._settings))",
        "pass",
        "test_in_a_terminal::test_whatever_hangs_a_signal_ends_the_program_and_says_how_to_resume",
    ),
    out(
        "Ctrl-C: counts the requests in flight",
        "pipeline._stop_when_asked",
        "lambda: admission.in_flight",
        "None",
        "test_in_a_terminal::test_ctrl_c_says_what_it_waits_for_and_ends_in_time",
    ),
    out(
        "progress: counts the rows of the whole sheet",
        "stages.extent_of",
        "job.mapping.facts.rows",
        "0",
        "test_progress::test_a_run_says_how_much_there_is_to_do",
    ),
    out(
        "progress: rejected rows cost no time",
        "Pace._rows_to_send",
        "to_come * ...",
        "to_come",
        "test_progress::test_the_time_left_holds",
    ),
    out(
        "progress: the speed is that of the rows sent",
        "Pace._sent",
        "self.counts.total() + self._verified - ...",
        "self.counts.total()",
        "test_progress::test_the_time_left_holds",
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
    *ON_THE_WAY,
    *SEVERAL,
    *TERMINATED,
    *NOTHING_LEFT,
    *WEB_PAGE,
    *CAUSES,
    *MANGLED,
    *BOMB,
    *CREDENTIALS,
    *REFUSED_WHOLE,
    *CONTENT,
    *OTHERS,
    *SHEETS,
    *ANNOTATED,
    *RUNNABLE,
    *LEASES,
    *LEDGER,
    *MID_RUN,
    *ORGANISATIONS,
    *SETTINGS,
    *AMPLIFIED,
    *NIGHTLY,
    *TEMPLATES,
    *SEEN,
)


# ---------------------------------------------------------------------------------------------------- trying


def selection(tests: Sequence[str]) -> list[str]:
    """The paths for pytest of tests that are named `test_x::test_y`."""
    found = []
    for name in tests:
        file, *rest = name.split("::")
        (path,) = (ROOT / "tests").rglob(f"{file}.py")
        found.append("::".join((str(path.relative_to(ROOT)), *rest)))
    return found


class Copy:
    """A copy of the program and its tests, to which a removal can be applied."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self.printed = ""
        for name in ("importer", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def passes(self, tests: Sequence[str], seconds: float) -> bool:
        """Whether the tests pass here; `printed` holds the end of what pytest printed. Raises when they cannot run."""
        words = (sys.executable, "-m", "pytest", "-q", "-x", "-m", "", "-p", "no:cacheprovider", *selection(tests))
        environ = {**os.environ, "PYTHONPATH": str(self._root), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(words, cwd=self._root, env=environ, capture_output=True, timeout=seconds)
        self.printed = (done.stdout[-2000:] + done.stderr[-2000:]).decode(errors="replace")
        if done.returncode not in (0, 1):
            raise RuntimeError(self.printed)
        return done.returncode == 0

    def notices(self, removal: Removal) -> bool:
        """Whether a test fails, or never ends, once the handling is taken out."""
        with _APPLYING:
            path, patched = apply(removal.scope, removal.old, removal.new)
        copy = self._root / path.relative_to(ROOT)
        copy.write_text(patched, encoding="utf-8")
        try:
            return not self.passes(removal.tests, ENDLESS)
        except subprocess.TimeoutExpired:
            return True
        finally:
            shutil.copy(path, copy)


def unnoticed(removals: Sequence[Removal]) -> list[Removal]:
    """The removals after which every test beside them still passes."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(AT_ONCE)]
        if not copies[0].passes(sorted({test for removal in removals for test in removal.tests}), 900.0):
            raise RuntimeError(f"the tests fail before anything is taken out: {copies[0].printed}")
        parts = [removals[number::AT_ONCE] for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as executor:
            found = executor.map(lambda copy, part: [one for one in part if not _notices(copy, one)], copies, parts)
            return [removal for part in found for removal in part]


def _notices(copy: Copy, removal: Removal) -> bool:
    noticed = copy.notices(removal)
    print("noticed   " if noticed else "UNNOTICED ", removal.what, flush=True)
    return noticed


def misfits() -> list[str]:
    """The entries that do not match the program once, each with the reason."""
    found = []
    for removal in REMOVALS:
        try:
            apply(removal.scope, removal.old, removal.new)
        except Misfit as error:
            found.append(f"{removal.what}: {error}")
    return found


def main(words: Sequence[str]) -> int:
    if "--check" in words:
        found = misfits()
        print(*found, sep="\n")
        return 1 if found else 0
    chosen = [removal for removal in REMOVALS if all(word in removal.what for word in words)]
    alive = unnoticed(chosen)
    print(f"{len(chosen)} removals, {len(alive)} of them noticed by no test")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
