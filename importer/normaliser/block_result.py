"""The problems and repairs of one block's rows, while its columns are read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from importer.model import Problem, Repair
from importer.normaliser.codes import OWN_CODES
from importer.normaliser.damage import EMPTIED, CellResult, DetailedCode
from importer.normaliser.destroyed import destroyed


class BlockResult:
    """The problems and repairs of one block's rows, by position in it."""

    def __init__(self, rows: list[int], *, omits: frozenset[str] = frozenset()) -> None:
        """`omits`: columns of identifiers that are not sent where they are not valid and the row has another one."""
        self.rows = rows
        self._omits = omits
        self.problems: dict[int, list[Problem]] = {}
        self.repairs: dict[int, list[Repair]] = {}
        #: Rows with a problem in an identifier or a preference cell: they are not reported as empty too.
        self.identifier_faults: set[int] = set()
        self.preference_faults: set[int] = set()
        #: Problems of identifiers that may be omitted, until it is known which rows have another one.
        self.omitted: dict[int, list[Problem]] = {}
        #: Problems of rows that are not in the block.
        self.unplaced: list[Problem] = []
        #: Rows that the reader rejected. Their cells may be in wrong columns, so no further problems are reported.
        self.unusable: set[int] = set()

    def reject(
        self, at: int, column: str | None, value: str, code: str, allowed: str = "", *, identifier: bool = False
    ) -> None:
        if at in self.unusable:
            return
        meaning, advice, _who = OWN_CODES[code]
        message = f"“{column}”: {meaning}" if column is not None else meaning
        if allowed:
            message += f" ({allowed})"
        self.add(at, Problem(self.rows[at], column, value, code, message, advice), identifier=identifier)

    def add(self, at: int, problem: Problem, *, identifier: bool, cell: str = "") -> None:
        """Add a problem. `identifier`: of an identifier's cell. `cell`: its text, where the problem has none."""
        if cell and not problem.value:
            problem = msgspec.structs.replace(problem, value=cell)
        if identifier:
            self.identifier_faults.add(at)
        kept = self.omitted if identifier and problem.column in self._omits else self.problems
        kept.setdefault(at, []).append(problem)

    def decide_omitted(self, found: Iterable[list[str]]) -> None:
        """Reject the rows that no identifier is left of."""
        columns = list(found)
        for at in [at for at in self.omitted if at in self.unusable or not any(values[at] for values in columns)]:
            problems = self.omitted.pop(at)
            if at not in self.unusable:
                self.problems[at] = [*problems, *self.problems.get(at, ())]

    def repair(self, at: int, column: str, code: str, before: str, after: str) -> None:
        self.repairs.setdefault(at, []).append(Repair(self.rows[at], column, code, before, after))

    def settle(
        self,
        column: str,
        values: list[str],
        texts: list[str | CellResult],
        prefix: str,
        *,
        identifier: bool = False,
    ) -> list[str]:
        """The texts of a column. Its problems and repairs are added to the rows. `identifier`: it identifies them."""
        settled: list[str] = texts  # type: ignore[assignment]
        if CellResult not in set(map(type, texts)):
            return settled
        for at in [at for at, text in enumerate(texts) if text.__class__ is CellResult]:
            verdict = texts[at]
            assert isinstance(verdict, CellResult)
            text, repairs, code = verdict
            broken = destroyed(values[at]) if text or code else ""
            if broken:
                text, repairs = "", ()
                self.reject(at, column, values[at], broken, identifier=identifier)
            elif code:
                detail = code.detail if isinstance(code, DetailedCode) else ""
                self.reject(at, column, values[at], f"{prefix}{code}", detail, identifier=identifier)
            for repair in repairs if text or verdict is EMPTIED else ():
                self.repair(at, column, repair, values[at], text)
            settled[at] = text
        return settled

    def in_order(self) -> tuple[list[Problem], list[Repair]]:
        """Problems in the order of the sheet, and the repairs of rows without problems."""
        problems = [problem for at in sorted(self.problems) for problem in self.problems[at]]
        if self.unplaced:
            problems = sorted([*problems, *self.unplaced], key=lambda problem: problem.row_number)
        repairs = [repair for at in sorted(self.repairs.keys() - self.problems.keys()) for repair in self.repairs[at]]
        return problems, repairs
