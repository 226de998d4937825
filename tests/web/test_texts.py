"""The catalogue of texts: whole, used, and the only place where the page's words stand."""

from __future__ import annotations

import re
from pathlib import Path

import importer.web
from importer.errors import ExitCode
from importer.own_codes import OWN_CODES
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


def test_plural() -> None:
    """One row is not rows."""
    t = Texts()
    assert t.n("check.ready", 1) == "1 row is ready"
    assert t.n("check.ready", 1234) == "1,234 rows are ready"
    assert ExitCode.OK == 0
