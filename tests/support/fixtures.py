"""Fixtures for all tests: a sandbox on a real socket, a terminal, and a folder of nightly loads."""

from __future__ import annotations

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
def house(tmp_path: Path, sandbox: EmbeddedSandbox) -> House:
    return House(tmp_path, sandbox.base_url)


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, capsys, monkeypatch)
