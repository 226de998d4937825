"""The catalogue of texts: whole, used, and the only place where the page's words stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import importer.web
from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES
from importer.errors import EXIT_MEANINGS, ExitCode
from importer.normaliser.codes import OWN_CODES
from importer.web.texts import ENGLISH, Texts

PAGE = Path(importer.web.__file__).parent
TEMPLATES = sorted((PAGE / "templates").glob("*.j2"))
SOURCES = sorted(PAGE.glob("*.py"))


def used_keys() -> set[str]:
    """Keys that templates and modules name, and the beginnings of those that they put together."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*TEMPLATES, *SOURCES) if path.name != "texts.py")
    return set(re.findall(r"""["'`]([a-z_]+(?:\.[a-z_.]+)?)""", text))


def test_no_word_stands_in_a_template() -> None:
    """Whoever translates has one table to translate."""
    for path in TEMPLATES:
        text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", " ", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"<[^>]*>", " ", text, flags=re.S)
        assert re.findall(r"[A-Za-z]{2,}", text) == [], path.name


def test_every_text_is_used() -> None:
    """A text that no page names is dead weight for translators."""
    used, unused = used_keys(), []
    for key in ENGLISH:
        stem = key.removesuffix(".one")
        parts = stem.split(".")
        known = stem in used or any(".".join(parts[:n]) + "." in used for n in range(1, len(parts)))
        if not (known or parts[0] in ("state", "refused", "sign") or _made(stem)):
            unused.append(key)
    assert unused == []


def _made(key: str) -> bool:
    """Keys that modules put together from a beginning and a word."""
    return key.startswith(
        ("check.blank_", "use.", "outcome.", "action.", "file.", "separator.", "setting.", "step.", "role.")
    )


def test_the_words_of_the_terminal_become_those_of_the_page() -> None:
    """Nobody on the page is told to type an option."""
    t = Texts()
    for meaning, advice, _ in OWN_CODES.values():
        for text in (meaning, advice):
            assert "--" not in t.said(text) and "`importer" not in t.said(text), text
    assert t.said("Go on with `importer resume`.") == "It can go on."
    for entry in (*ITEM_CODES.values(), *REQUEST_CODES.values(), *RUN_CODES.values()):
        for text in (entry.meaning, entry.advice):
            assert "--" not in t.said(text) and "importer " not in t.said(text), text
    for code, meaning in EXIT_MEANINGS.items():
        said = t.said(f"Stopped: {meaning.split(';')[0]}.")
        assert "--" not in said, code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Look at the report; go on with `importer resume` once the reason is gone.",
            "Look at the report; let it go on once the reason is gone.",
        ),
        (
            "Check IMPORTER_USERNAME and IMPORTER_PASSWORD (or the client key), then go on with `importer resume`.",
            "Check the credentials, then let it go on.",
        ),
        (
            "Something is wrong with all: look at the failed rows, then `importer resume`.",
            "Something is wrong with all: look at the failed rows, then let it go on.",
        ),
        ("50 rows failed or unknown: the limit of --max-errors.", "50 rows failed or unknown: the limit that was set."),
        (
            "Make room or repair the disk, then type `importer resume 20261124-0200-a-7f3a`, which writes them.",
            "Make room or repair the disk, then let it go on, which writes them.",
        ),
        (
            "Save the sheet as 'CSV UTF-8', or name its encoding with --encoding (such as --encoding cp1252).",
            "Save the sheet as 'CSV UTF-8', or name its encoding under “How the file is read”.",
        ),
    ],
)
def test_what_stopped_a_run_is_told_without_the_terminal(text: str, said: str) -> None:
    """Whoever reads it here has a button, and never saw a prompt."""
    assert Texts().said(text) == said


def test_plural() -> None:
    """One row is not rows."""
    t = Texts()
    assert t.n("check.ready", 1) == "1 row is ready"
    assert t.n("check.ready", 1234) == "1,234 rows are ready"
    assert ExitCode.OK == 0
