"""The time of every expression grows with the length of the text, not with its square: files are foreign."""

from __future__ import annotations

import pytest

from tests.support.expressions import Expression, TooSlow, applied, at_most, attacks, expressions

#: Texts that are tried, and the length of those that took the longest then.
_TRIED, _LONG = 1_000, 1 << 20
#: Packages that read only what the tool itself wrote, or its own options.
_OWN = ("sandbox", "telemetry", "cli")
#: Expressions whose texts are cut before, and their length.
SHORT = {
    "importer.reader.foreign._ELEMENT": 1 << 13,
    "importer.reader.format_code._TOKEN": 1 << 10,
    "importer.reader.html_cells._FORMAT": 1 << 12,
    "importer.reader.html_cells._HIDES": 1 << 12,
}
#: Expressions of the tool's own texts.
OWN = ("importer.web.manual._COMMENT",)
#: How those are applied that are used through a variable.
APPLIED = {"importer.normaliser.footers._": "fullmatch"}
ALL = [
    (expression, next((method for name, method in APPLIED.items() if expression.name.startswith(name)), method))
    for expression in expressions()
    if expression.name.split(".")[1].partition(":")[0] not in _OWN and expression.name not in OWN
    for method in expression.methods
]


@pytest.mark.slow
@pytest.mark.parametrize(("expression", "method"), ALL, ids=[f"{found.name} {method}" for found, method in ALL])
def test_an_expression_is_linear(expression: Expression, method: str) -> None:
    """A megabyte of its worst texts takes no minute of CPU time; with the square of its length it would take hours."""
    with at_most(20):
        tried = sorted(
            ((applied(expression, method, text), text) for text in attacks(expression.pattern, _TRIED)), reverse=True
        )
    for _, text in tried[:3]:
        length = SHORT.get(expression.name, _LONG)
        body, end = (text[:-1], text[-1]) if text.endswith("\x00") else (text, "")
        long = body + body[len(body) // 2 :] * (length // max(len(body) - len(body) // 2, 1)) + end
        try:
            with at_most(10):
                applied(expression, method, long[: length - 1] + end)
        except TooSlow:
            pytest.fail(f"{expression.name}: {expression.pattern.pattern!r} is slow on {text[:60]!r}…")


def test_every_package_has_expressions_here() -> None:
    """The collection finds them: in tables, bound methods and calls too."""
    names = {expression.name for expression, _ in ALL}
    assert {name.split(".")[1].partition(":")[0] for name in names} >= {
        "reader", "normaliser", "capillary", "nightly", "web", "settings", "masking", "system",
    }  # fmt: skip
    assert "importer.reader.archive._OLE_STREAMS['Workbook']" in names
    assert set(SHORT) <= names
