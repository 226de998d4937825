"""A house for each test, on a sandbox behind a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.sandbox import EmbeddedSandbox
from tests.nightly.kit import House


@pytest.fixture
def sandbox() -> Iterator[EmbeddedSandbox]:
    with EmbeddedSandbox() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path, sandbox: EmbeddedSandbox) -> House:
    return House(tmp_path, sandbox.base_url)
