"""Rules that a sheet's own cells suggest, each with the number of cells it fixes and examples. Pure.

A rule is proposed only where the cell it makes is valid as its column is read. A person decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from importer.model import IDENTIFIERS, FieldDefinition, Problem
from importer.normaliser.countries import is_country
from importer.normaliser.damage import CellResult
from importer.normaliser.destroyed import destroyed
from importer.normaliser.fixing import step_of
from importer.normaliser.mapping import PREFERENCE, VALUE, ColumnUse, Mapping
from importer.normaliser.meant import values_meant
from importer.normaliser.normaliser import column_reader
from importer.normaliser.placeholders import is_placeholder
from importer.normaliser.preferences import InvalidPreference, ValueReader
from importer.normaliser.rules import MOST_TEXTS, Rule
from importer.row_block import RowBlock
from importer.system.late import late

#: Examples of a proposal, and the texts of one rule.
EXAMPLES, _MOST_PROPOSED = 10, 50
#: Different cells with a problem that are kept of a column, and the characters of one.
_REMEMBERED, _LONGEST = 20_000, 500
#: Numbers that each country is tried with.
_SAMPLE = 100
#: Words that stand for no value in a preference, where nothing is emptied without being asked.
_NO_VALUE = frozenset(
    (
        *("na", "not available", "not applicable", "unknown", "tbd", "xxx", "?", "no email", "no mobile", "not given"),
        *("blank", "not known", "not provided", "no data"),
        # The same in other languages.
        *("unbekannt", "keine angabe", "keine angaben", "desconhecido", "desconhecida", "não informado"),
        *("nao informado", "não disponível", "desconocido", "desconocida", "no disponible", "sin datos", "inconnu"),
        *("inconnue", "non renseigné", "sconosciuto", "tidak diketahui", "pata nahi", "pata nahin", "bilinmiyor"),
        *("неизвестно", "غير معروف", "ไม่ทราบ", "अज्ञात", "不明", "未知", "모름"),
    )
)
_WORD = re.compile(r"[^\W\d_]+")
#: What people write before or in place of a number or an address.
_WORDS = frozenset(
    [
        "no",
        "not",
        "none",
        "nil",
        "null",
        "na",
        "n",
        "a",
        "unknown",
        "available",
        "applicable",
        "given",
        "known",
        "provided",
        "tbd",
        "xxx",
        "blank",
        "empty",
        "missing",
        "refused",
        "email",
        "e",
        "mail",
        "id",
        "mailto",
        "address",
        "ph",
        "phone",
        "tel",
        "telephone",
        "mob",
        "mobile",
        "cell",
        "contact",
        "number",
        "num",
        "nr",
        "m",
        "p",
        "t",
        "whatsapp",
        "wa",
        "fax",
        "home",
        "office",
        "work",
        "personal",
        "customer",
        "has",
        "the",
        "does",
        "have",
    ]
)
#: Countries that numbers without a country code may be of, after those of the sheet's other numbers.
_COUNTRIES = (
    *("IN", "AE", "SA", "ID", "TH", "MY", "SG", "PH", "VN", "US", "GB", "ZA", "AU", "KW", "QA", "OM", "BH", "EG"),
    *("CN", "HK", "BD", "LK", "NP", "KE", "NG", "DE", "FR", "ES", "IT", "TR", "BR", "MX"),
)
_PREFIX = re.compile(r"[^\W\d_][^\d+@(]{0,20}(?=[\d+(])")
_EMAIL_PREFIX = re.compile(r"[^\W\d_][^@:]{0,20}:")


class CellExample(msgspec.Struct, frozen=True):
    row: int
    before: str
    after: str


class Proposal(msgspec.Struct, frozen=True):
    """`cells`: how many the rule fixes; for `omit`, rows."""

    rule: Rule
    cells: int
    examples: tuple[CellExample, ...]
    #: The rule has words of an identifier's cells that may name a customer.
    personal: bool = False


class _Cells:
    """The different cells of a column: how often each occurs, and its first row."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rows: dict[str, int] = {}

    def add(self, text: str, row: int) -> None:
        if text in self.counts or (len(self.counts) < _REMEMBERED and len(text) <= _LONGEST):
            self.counts[text] += 1
            self.rows.setdefault(text, row)


class Proposer:
    """Give it each block of a check with its problems, then ask for the `proposals`."""

    def __init__(
        self,
        mapping: Mapping,
        *,
        country: str | None = None,
        fields: Sequence[FieldDefinition] | None = None,
        omits: bool = False,
    ) -> None:
        """`country`, `fields`: as for the normaliser. `omits`: the run omits identifiers that are not valid."""
        self._country = mapping.country or country
        self._fields = {field.name: field for field in fields or ()}
        self._omits = omits
        self._uses = {use.column: use for use in mapping.columns}
        self._identifiers = [use.column for use in mapping.columns if use.field in IDENTIFIERS]
        #: (column, code) → its cells.
        self._wrong: dict[tuple[str, str], _Cells] = {}
        #: Cells of preferences that seem to stand for none.
        self._no_value = {use.column: _Cells() for use in mapping.columns if use.field in (PREFERENCE, VALUE)}
        #: The options of preferences, folded: what is one of them is a value, even “none”.
        self._options = {
            use.column: frozenset(option.strip().casefold() for option in field.options)
            for use in mapping.columns
            if (field := self._fields.get(use.preference)) is not None
        }
        self._omitted: dict[str, tuple[int, list[CellExample]]] = {}

    def add(self, block: RowBlock, problems: Iterable[Problem]) -> None:
        by_row: dict[int, list[Problem]] = {}
        for problem in problems:
            by_row.setdefault(problem.row_number, []).append(problem)
            if problem.column is not None and problem.value:
                self._wrong.setdefault((problem.column, problem.code), _Cells()).add(problem.value, problem.row_number)
        for column, cells in self._no_value.items():
            texts = block.column(column)
            found = set(filter(is_no_value, set(texts)))
            if found and (names := self._options.get(column)):
                found = {text for text in found if text.strip().casefold() not in names}
            for row, text in zip(block.cells.row_numbers, texts, strict=True) if found else ():
                if text in found:
                    cells.add(text, row)
        if not self._omits and len(self._identifiers) > 1:
            self._add_omittable(block, by_row)

    def _add_omittable(self, block: RowBlock, by_row: dict[int, list[Problem]]) -> None:
        """Count the rows with one identifier that is not valid, no other problem, and another identifier."""
        filled = {column: block.column(column) for column in self._identifiers}
        places = {number: at for at, number in enumerate(block.cells.row_numbers)} if by_row else {}
        for row, found in by_row.items():
            columns = {problem.column for problem in found}
            at = places.get(row)
            if at is None or len(columns) != 1 or found[0].column not in filled:
                continue
            column = found[0].column
            if any(cells[at].strip() for other, cells in filled.items() if other != column):
                count, examples = self._omitted.get(column, (0, []))
                if len(examples) < EXAMPLES:
                    examples.append(CellExample(row, found[0].value, ""))
                self._omitted[column] = (count + 1, examples)

    def proposals(self, countries: Iterable[str] = ()) -> tuple[Proposal, ...]:
        """What is proposed, by the number of cells. `countries`: of the sheet's mobile numbers, most frequent first."""
        found = [proposal for proposal in self._found(list(countries)) if proposal.cells]
        # What loses an identifier comes last.
        return tuple(sorted(found, key=lambda one: (one.rule.omit, -one.cells, one.rule.column, one.rule.does)))

    def _found(self, countries: Sequence[str]) -> Iterator[Proposal]:
        columns = dict.fromkeys(column for column, _ in self._wrong)
        for column in columns:
            use = self._uses.get(column)
            if use is None:
                continue
            wrong = {code: cells for (name, code), cells in self._wrong.items() if name == column}
            yield from self._of_column(use, wrong)
            numbers = wrong.get("mobile_without_country")
            if numbers is not None and (country := _likely_country(numbers, countries)):
                yield self._applied(Rule(column, country=country), use, [numbers])
        for column, cells in self._no_value.items():
            if cells.counts:
                texts = tuple([text.strip() for text, _ in cells.counts.most_common(_MOST_PROPOSED)])
                yield self._applied(Rule(column, empty=tuple(dict.fromkeys(texts))), self._uses[column], [cells])
        for column, (rows, examples) in self._omitted.items():
            yield Proposal(Rule(column, omit=True), rows, tuple(examples))

    def _of_column(self, use: ColumnUse, wrong: dict[str, _Cells]) -> Iterator[Proposal]:
        every = list(wrong.values())
        for code in ("mobile_several", "email_several"):
            if code in wrong:
                yield self._applied(Rule(use.column, first=True), use, [wrong[code]])
        if use.field in ("mobile", "email"):
            pattern = _PREFIX if use.field == "mobile" else _EMAIL_PREFIX
            for texts, personal in _by_kind(_prefixes(pattern, every)):
                yield replace(self._applied(Rule(use.column, strip=texts), use, every), personal=personal)
        if use.field in IDENTIFIERS:
            for texts, personal in _by_kind(_repeated_words(every)):
                yield replace(self._applied(Rule(use.column, empty=texts), use, every), personal=personal)
        if use.field == PREFERENCE and (values := self._values(use, wrong)):
            yield self._applied(Rule(use.column, values=values), use, every)

    def _values(self, use: ColumnUse, wrong: dict[str, _Cells]) -> dict[str, str]:
        """What each cell that is not one of the options, or not true or false, may mean."""
        field = self._fields.get(use.preference)
        if field is None:
            return {}
        texts = _texts(wrong.get("preference_not_an_option"))
        options = field.options
        if "preference_not_a_boolean" in wrong and not options:
            texts, options = _texts(wrong["preference_not_a_boolean"]), ("true", "false")
        found = dict[str, str]()
        for text in texts[:MOST_TEXTS]:
            found.update(values_meant(text, use, options))
        return dict(islice(found.items(), MOST_TEXTS))

    def _applied(self, rule: Rule, use: ColumnUse, cells: Sequence[_Cells]) -> Proposal:
        """The rule with the cells that it makes valid."""
        country = rule.country or self._country
        step: Callable[[str], tuple[str, bool]] = (
            (lambda cell: (cell, False)) if rule.country else step_of(rule, use, country)
        )
        judge = cell_judge(use, country, self._fields.get(use.preference))
        count, examples = 0, list[CellExample]()
        for column in cells:
            changed = [(text, after) for text in column.counts if (after := step(text)[0]) != text or rule.country]
            for (text, after), sent in zip(changed, judge([after for _, after in changed]), strict=True):
                if sent is None:
                    continue
                count += column.counts[text]
                if len(examples) < EXAMPLES:
                    examples.append(CellExample(column.rows[text], text, sent if rule.country else after))
        return Proposal(rule, count, tuple(sorted(examples, key=lambda example: example.row)))


#: Cells → what is sent of each: None if it is not valid, "" for nothing.
Judge = Callable[[Sequence[str]], list[str | None]]


def cell_judge(use: ColumnUse, country: str | None, field: FieldDefinition | None) -> Judge:
    """The function that judges cells as this column is read."""
    if use.field in (PREFERENCE, VALUE):
        reader = ValueReader(use.preference, use, field)

        def judge_value(cell: str) -> str | None:
            pair = reader[cell]
            return "" if pair is None else None if isinstance(pair, InvalidPreference) else pair[1]

        return lambda cells: list(map(judge_value, cells))
    read = column_reader(use.field, country)

    def judge(cell: str, found: str | CellResult) -> str | None:
        if isinstance(found, CellResult):
            return None if found.code or destroyed(cell) else found.text
        return found

    return lambda cells: list(map(judge, cells, read(cells, False)))


def _likely_country(numbers: _Cells, known: Sequence[str]) -> str:
    """The first of the countries that make most of the numbers valid, "" where none does. `known`: of the sheet's other
    numbers."""
    sample = list(numbers.counts)[:_SAMPLE]
    countries = [country for country in dict.fromkeys([*known, *_COUNTRIES]) if is_country(country)]

    def valid(country: str) -> int:
        tried = [number for number in sample if not is_cut_short(number, country, known)]
        found = column_reader("mobile", country)(tried, False)
        return sum(1 for number in found if not isinstance(number, CellResult) or number.text)

    best = max(countries, key=valid)
    return best if valid(best) else ""


def is_cut_short(number: str, country: str, known: Iterable[str]) -> bool:
    """Whether a number begins with the code of another of the `known` countries: it is more likely a number of that
    country without one of its digits than one of this country."""
    calling_code: Callable[[str], str] = late("importer.normaliser.phones", "calling_code")
    code_of: Callable[[str], str] = late("importer.normaliser.phones", "code_of_country")
    code = calling_code("".join(filter(str.isdecimal, number)))
    return bool(code) and code != code_of(country) and any(code == code_of(one) for one in known if is_country(one))


def is_no_value(text: str) -> bool:
    """Whether a preference's cell may stand for an empty one."""
    short = text.strip()
    return 0 < len(short) <= 20 and (short.casefold() in _NO_VALUE or (len(short) <= 16 and is_placeholder(short)))


def _texts(cells: _Cells | None) -> list[str]:
    return [text for text, _ in cells.counts.most_common()] if cells is not None else []


def _by_kind(texts: Sequence[str]) -> list[tuple[tuple[str, ...], bool]]:
    """The texts that name no one, and the others, with whether they may."""
    known = tuple(filter(is_impersonal, texts))
    others = tuple([text for text in texts if text not in known])
    return [(found, personal) for found, personal in ((known, False), (others, True)) if found]


def is_impersonal(text: str) -> bool:
    """Whether all words of a text are known, and none of them is a name."""
    return all(word in _WORDS for word in _WORD.findall(text.casefold()))


def form_of(text: str) -> str:
    """The text with digits as 9 and unknown words as x: its form, without what it says."""
    words = _WORD.sub(lambda found: found[0] if found[0].casefold() in _WORDS else "x" * len(found[0]), text)
    return re.sub(r"\d", "9", words)


def _prefixes(pattern: re.Pattern[str], cells: Iterable[_Cells]) -> tuple[str, ...]:
    """The words that stand before the values, the most frequent first."""
    found: Counter[str] = Counter()
    for column in cells:
        for text, times in column.counts.items():
            if match := pattern.match(text.strip()):
                found[match[0].strip().casefold()] += times
    return tuple([text for text, _ in found.most_common(_MOST_PROPOSED)])


def _repeated_words(cells: Iterable[_Cells]) -> tuple[str, ...]:
    """Words that stand in several cells of an identifier, where a customer's own cannot."""
    found: Counter[str] = Counter()
    for column in cells:
        for text, times in column.counts.items():
            word = text.strip().casefold()
            if word and "@" not in word and not any(map(str.isdecimal, word)):
                found[word] += times
    return tuple([word for word, times in found.most_common(_MOST_PROPOSED) if times > 2])
