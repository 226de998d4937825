"""The catalogue of texts: complete, used, and the only source of the page's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import importer.web
from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, own_codes
from importer.errors import ExitCode
from importer.journal.records import RunProgress
from importer.model import Cause
from importer.normaliser.codes import ON_PAGE, OWN_CODES
from importer.web.texts import ENGLISH, Texts
from importer.web.views import cause_views, report_notes

PAGE = Path(importer.web.__file__).parent
TEMPLATES = sorted((PAGE / "templates").glob("*.j2"))
SOURCES = sorted(PAGE.rglob("*.py"))


def used_keys() -> set[str]:
    """Keys, and beginnings of composed keys, in templates and modules."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*TEMPLATES, *SOURCES) if path.name != "texts.py")
    return set(re.findall(r"""["'`]([a-z_]+(?:\.[a-z_.]+)?)""", text))


def test_templates_contain_no_words() -> None:
    """Templates contain no words: a translator has one table to translate."""
    for path in TEMPLATES:
        text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", " ", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"<[^>]*>", " ", text, flags=re.S)
        assert re.findall(r"[A-Za-z]{2,}", text) == [], path.name


def test_every_text_is_used() -> None:
    """Every text of the catalogue is used by a page."""
    used, unused = used_keys(), []
    for key in ENGLISH:
        stem = key.removesuffix(".one")
        parts = stem.split(".")
        known = stem in used or any(".".join(parts[:n]) + "." in used for n in range(1, len(parts)))
        if not (known or parts[0] in ("state", "refused", "sign") or _made(stem)):
            unused.append(key)
    assert unused == []


def _made(key: str) -> bool:
    """Whether modules compose this key from a beginning and a word."""
    return key.startswith(
        (
            "check.blank_",
            "doing.",
            "runs.result_",
            "use.",
            "outcome.",
            "queue.",
            "action.",
            "file.",
            "separator.",
            "setting.",
            "step.",
            "role.",
            "stopped.",
            "field.",
        )
    )


#: Words that are of use in a terminal only.
TERMINAL = re.compile(r"--[a-z]|IMPORTER_|\bimporter (?:run|check|map|resume|retry|report|serve|doctor|purge|codes)")


def test_no_code_names_an_option_on_the_page() -> None:
    """The page shows every code's meaning and advice without options, variables or commands."""
    for entry in (*ITEM_CODES.values(), *REQUEST_CODES.values(), *RUN_CODES.values(), *own_codes().values()):
        assert not TERMINAL.search(entry.meaning), entry.code
        assert not TERMINAL.search(entry.on_page), entry.code
    assert set(ON_PAGE) <= set(OWN_CODES)


def test_every_exit_code_has_a_headline() -> None:
    """A run that stopped shows the reason in the page's own words."""
    t = Texts()
    for code in ExitCode:
        assert code in (ExitCode.OK, ExitCode.ROWS) or t.has(f"stopped.{code.value}"), code


def test_no_text_names_an_option() -> None:
    """The catalogue names no option, variable or command."""
    for key, text in ENGLISH.items():
        assert not TERMINAL.search(text) and "`" not in text, key


#: Modules whose errors are raised before the page serves, or that the page does not call.
ELSEWHERE = ("cli", "nightly", "sandbox", "settings", "telemetry", "library.py")
AT_START = ("command.py", "options.py", "server.py", "users.py")


@pytest.mark.slow
def test_every_error_that_the_page_can_show_has_words_for_it() -> None:
    """Advice that names an option, a variable or a command has a wording for the page; a message names none."""
    root = Path(importer.__file__).parent
    # Each module is parsed and walked once: together they take most of this test's time.
    modules = {path: list(ast.walk(ast.parse(path.read_text(encoding="utf-8")))) for path in sorted(root.rglob("*.py"))}
    errors = _error_classes(modules.values())
    seen = 0
    wrong = []
    for path, module in modules.items():
        at = path.relative_to(root)
        if at.parts[0] in ELSEWHERE or (at.parts[0] == "web" and at.name in AT_START):
            continue
        constants = _constants(module)
        for call in module:
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id not in errors:
                continue
            seen += 1
            given = {word.arg for word in call.keywords}
            message, advice = _parts(call, constants)
            if TERMINAL.search(message) or (TERMINAL.search(advice) and "on_page" not in given):
                wrong.append(f"{at}:{call.lineno}")
            on_page = " ".join(_text(word.value, constants) for word in call.keywords if word.arg == "on_page")
            if TERMINAL.search(on_page) or "`" in on_page:
                wrong.append(f"{at}:{call.lineno} (on_page)")
    assert wrong == []
    assert seen > 100


def _error_classes(modules: Iterable[list[ast.AST]]) -> set[str]:
    """`ImporterError` and its subclasses, and the reader's own refusal, which becomes one."""
    classes = [node for module in modules for node in module if isinstance(node, ast.ClassDef)]
    found = {"ImporterError", "Refused"}
    while more := {c.name for c in classes if found & {getattr(b, "id", "") for b in c.bases}} - found:
        found |= more
    return found


def _constants(module: list[ast.AST]) -> dict[str, str]:
    """Names of texts in a module and their content, including texts that a function chooses from."""
    found: dict[str, str] = {}
    for node in module:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            found[name] = f"{found.get(name, '')} {_text(node.value, {})}"
    return found


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """Every literal of an expression and of the constants it names."""
    parts = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            parts.append(inner.value)
        elif isinstance(inner, ast.Name):
            parts.append(constants.get(inner.id, ""))
    return "".join(parts)


def _parts(call: ast.Call, constants: dict[str, str]) -> tuple[str, str]:
    """Message and advice; a `Stop` has its exit code first."""
    texts = [argument for argument in call.args if "ExitCode" not in ast.unparse(argument)]
    message = "".join(_text(argument, {}) for argument in texts[:1])
    return message, " ".join(_text(argument, constants) for argument in texts[1:])


def test_a_stop_is_shown_in_the_words_of_the_page() -> None:
    """The journal keeps both wordings of a stop, and the page shows its own; a run of an older version has only one."""
    stopped = "Stopped. Resume with `importer resume`."
    notes = (stopped, "A note.")
    assert report_notes(RunProgress(stopped=stopped, stopped_on_page="Stopped."), notes) == ["Stopped.", "A note."]
    assert report_notes(RunProgress(stopped=stopped), notes) == [stopped, "A note."]


def test_singular_and_plural() -> None:
    """Counts choose between singular and plural."""
    t = Texts()
    assert t.n("check.ready", 1) == "1 row is ready"
    assert t.n("check.ready", 1234) == "1,234 rows are ready"
    assert ExitCode.OK == 0
    causes = [Cause("Wrong.", "Fix it.", rows, example) for rows, example in ((1, (34,)), (2, (3, 4)), (9, (3, 4, 5)))]
    examples = [view.examples for view in cause_views(t, causes, {})]
    assert examples == ["Row 34", "Rows 3, 4", "Example rows: 3, 4, 5"]
