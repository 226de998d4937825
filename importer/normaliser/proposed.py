"""What one cell with a problem may have been meant to be, for a person to accept. Pure.

Only a value that is valid as its column is read is proposed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from importer.model import IDENTIFIERS, FieldDefinition, Problem
from importer.normaliser.countries import is_country
from importer.normaliser.damage import is_changed_range
from importer.normaliser.fixing import DAMAGE, step_of
from importer.normaliser.mapping import PREFERENCE, VALUE, ColumnUse, Mapping
from importer.normaliser.meant import cell_meant
from importer.normaliser.proposals import Judge, cell_judge, is_cut_short, is_no_value
from importer.normaliser.rules import Rule

#: A longer cell is no slip of the pen.
_LONGEST = 200
#: Countries whose numbers are tried, for a number without a country code.
_MOST_COUNTRIES = 5
_LETTERS = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1", "|": "1", "S": "5", "B": "8"})
_WORD_BEFORE = re.compile(r"^[^\W\d_][^\d+@(]*(?=[\d+(])")
_TRUNK = re.compile(r"\(\s*0\s*\)")
_AT = re.compile(r"\(at\)|\[at\]|\{at\}|\sat\s", re.IGNORECASE)
_DOT = re.compile(r"\(dot\)|\[dot\]|\{dot\}|\sdot\s", re.IGNORECASE)
_WORDS = re.compile(r"[,;/|\s]+")
_LABEL = re.compile(r"(?:e-?mail|mailto|mail) ?[:=]", re.IGNORECASE)
_MANY_AT, _MANY_DOTS = re.compile(r"@{2,}"), re.compile(r"\.{2,}")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d{1,3}(?: \d{3})+")
_AMONG_WORDS = re.compile(r"(?:[^\W\d_]|\s)*+([+-]?\d+)(?:[^\W\d_]|\s)*+")
_POINT_ZERO = re.compile(r"([+-]?\d+)\.0+")
#: What is left of a number in scientific notation.
_SCIENTIFIC = re.compile(r"\d[eE][+-]?\d")
#: Ends of the codes of cells whose value is lost: nothing that is made of them is what they were.
_LOST = (*DAMAGE, "_letters", "error_cell", "formula_without_value", "number_format_unknown")
_ENDS = ((".con", ".com"), (".cmo", ".com"), (".vom", ".com"), (".ocm", ".com"), (".comm", ".com"), (".co,", ".com"))


class CellProposals:
    """For the columns of one sheet. `countries`: of its other mobile numbers, most frequent first."""

    def __init__(
        self,
        mapping: Mapping,
        fields: Sequence[FieldDefinition] | None,
        country: str | None,
        countries: Sequence[str] = (),
    ) -> None:
        self._uses = {use.column: use for use in mapping.columns}
        self._fields = {field.name.casefold(): field for field in fields or ()}
        self._country = mapping.country or country
        self._countries = [one for one in dict.fromkeys(countries) if is_country(one)][:_MOST_COUNTRIES]
        self._judges: dict[tuple[str, str | None], Judge] = {}

    def of(self, problem: Problem) -> str | None:
        """What is proposed for the problem's cell: "" to empty it, None for nothing."""
        use = self._uses.get(problem.column or "")
        cell = problem.value
        if use is None or not cell.strip() or len(cell) > _LONGEST or _is_lost(problem):
            return None
        for text in dict.fromkeys(self._candidates(use, problem)):
            if text != cell and self._valid(use, text, self._country):
                return text
        if use.field == "mobile":
            return self._with_country(use, cell)
        return "" if use.field in IDENTIFIERS and is_no_value(cell) else None

    def _valid(self, use: ColumnUse, text: str, country: str | None) -> str | None:
        """What is sent of a cell, None or "" where it is not valid or empty."""
        key = (use.column, country)
        if key not in self._judges:
            self._judges[key] = cell_judge(use, country, self._fields.get(use.preference.casefold()))
        return self._judges[key]([text])[0] if text.strip() else None

    def _with_country(self, use: ColumnUse, cell: str) -> str | None:
        for country in self._countries:
            if not is_cut_short(cell, country, self._countries) and (sent := self._valid(use, cell, country)):
                return f"+{sent}"
        return None

    def _candidates(self, use: ColumnUse, problem: Problem) -> Iterator[str]:
        cell = problem.value
        if use.field in (PREFERENCE, VALUE):
            yield from self._values(use, problem)
            return
        first = step_of(Rule(use.column, first=True), use, self._country)
        yield first(cell)[0]
        made: Callable[[str], Iterator[str]] | None = {"mobile": _mobiles, "email": _emails}.get(use.field)
        if made is not None:
            for text in made(cell.strip()):
                yield text
                yield first(text)[0]

    def _values(self, use: ColumnUse, problem: Problem) -> Iterator[str]:
        field = self._fields.get(use.preference.casefold())
        cell = problem.value.strip()
        options = field.options if field is not None else ()
        if problem.code == "preference_not_a_boolean" and not options:
            options = ("true", "false")
        if options and (meant := cell_meant(cell, use, options)):
            yield meant
        if problem.code in ("preference_not_an_integer", "preference_not_a_number"):
            if _GROUPED.fullmatch(cell):
                yield re.sub(r"[, ]", "", cell)
            if whole := _POINT_ZERO.fullmatch(cell) or _AMONG_WORDS.fullmatch(cell):
                yield whole[1]


def _is_lost(problem: Problem) -> bool:
    """Whether what the cell was cannot be known."""
    text = problem.value.strip()
    return problem.code.endswith(_LOST) or _SCIENTIFIC.search(text) is not None or is_changed_range(text)


def _mobiles(cell: str) -> Iterator[str]:
    """The number without what people write around and into it."""
    yield _TRUNK.sub("", cell)
    bare = _WORD_BEFORE.sub("", cell)
    yield bare
    yield _TRUNK.sub("", bare)
    if any(map(str.isdecimal, cell)):
        yield cell.translate(_LETTERS)
    digits = "".join(filter(str.isdecimal, bare))
    if digits.startswith("00"):
        yield f"+{digits[2:]}"
    yield f"+{digits}"
    # A trunk zero after the country code, which is never dialled from elsewhere.
    for length in (1, 2, 3):
        if digits[length : length + 1] == "0":
            yield f"+{digits[:length]}{digits[length + 1 :]}"


def _emails(cell: str) -> Iterator[str]:
    """The address without the slips that people make."""
    label = _LABEL.match(cell)
    text = (cell[label.end() :] if label else cell).strip(" <>()[]{}\"'.,;:")
    yield text
    text = _DOT.sub(".", _AT.sub("@", text))
    yield text
    for sign in "@.":
        text = sign.join([part.strip() for part in text.split(sign)])
    yield text
    yield from _WORDS.split(text)
    text = _MANY_AT.sub("@", _MANY_DOTS.sub(".", text.replace(",", ".").replace(";", ".")))
    text = text.replace(".@", "@").replace("@.", "@")
    yield text
    for wrong, right in _ENDS:
        if text.casefold().endswith(wrong):
            yield text[: -len(wrong)] + right
    for end in ("com", "in", "org", "net"):
        if text.casefold().endswith(end) and "." not in text.partition("@")[2]:
            yield f"{text[: -len(end)]}.{text[-len(end) :]}"
