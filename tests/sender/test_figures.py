"""The promised figures, each repeated here: a change of one must be intended."""

from __future__ import annotations

from importer import model
from importer.capillary import bodies, client
from importer.chunker import pacer
from importer.reconciler import decide
from importer.sender import engine, retry, stop_rules
from importer.settings.options import Settings


def test_figures_of_retries_and_outages() -> None:
    """Five attempts a batch; a quota of 500, of which a retry costs 14 and to which a success gives 1 back; a probe
    every 30 s; an outage of 30 minutes."""
    assert model.MAX_ATTEMPTS == 5
    assert (retry.QUOTA, retry.RETRY_COST, retry.SUCCESS_GIVES) == (500, 14, 1)
    assert retry.PROBE_EVERY == 30.0
    assert Settings().max_outage == 30 * 60.0


def test_figures_of_one_attempt() -> None:
    """120 s over the whole of it, 16 MiB of decoded answer, a token renewed at 80 % of its life."""
    assert client.ClientOptions("http://x").deadline == client.DEADLINE == 120.0
    assert bodies.MAX_ANSWER == 16 * 1024 * 1024
    assert client.RENEW_AT == 0.8


def test_figures_of_a_429() -> None:
    """Without Retry-After 1 s, doubling to 60 s; with it, between 0 s and 15 minutes."""
    assert (pacer.FIRST_PAUSE, pacer.LONGEST_PAUSE) == (1.0, 60.0)
    assert pacer.MOST_ASKED == 15 * 60.0


def test_figures_of_stops() -> None:
    """Three batches refused down to every row; 999999 asked again alone twice; 10 s for in-flight requests."""
    assert stop_rules.REFUSED_BATCHES == 3
    assert decide.TRIES_ALONE == 2
    assert engine.GRACE == 10.0
