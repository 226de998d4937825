"""Fixtures for all tests: a sandbox on a real socket, a terminal, and a folder of nightly loads."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.sandbox import EmbeddedSandbox
from tests.support.nightly import House
from tests.support.terminal import Terminal


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    with EmbeddedSandbox() as running:
        yield running


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """What is opened gets a number above 1,023, with which `select` cannot deal."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], min(4096, before[1])), before[1]))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1024:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def house(tmp_path: Path, sandbox: EmbeddedSandbox) -> House:
    return House(tmp_path, sandbox.base_url)


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, capsys, monkeypatch)
