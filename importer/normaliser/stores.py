"""The stores of a block's rows: from their columns, or the constants of the mapping."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence

from importer.model import Store
from importer.normaliser.block_result import BlockResult
from importer.normaliser.damage import CellResult, identifier
from importer.normaliser.destroyed import destroyed
from importer.normaliser.mapping import Mapping
from importer.normaliser.remembering import LONGEST_KEPT

#: The API's limit on an external id. Other ids have no known limit, so it applies to them too.
LONGEST_TEXT = 250
_REMEMBERED = 20_000


class _Texts(dict[str, "str | CellResult"]):
    """Cell text → identifier text or `CellResult`, cached because stores repeat."""

    def __missing__(self, text: str) -> str | CellResult:
        verdict = identifier(text, LONGEST_TEXT)
        found: str | CellResult = text if verdict == (text, (), "") and not destroyed(text) else verdict
        if len(text) <= LONGEST_KEPT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = found
        return found


class StoreReader:
    """Reads the store of each row. Stores repeat, so they are cached."""

    def __init__(self, mapping: Mapping) -> None:
        constants = dict(mapping.constants)
        #: Kind → its texts, its column or None, and the constant.
        self._parts = {
            kind: (_Texts(), mapping.column_of(kind), constants.get(kind, "")) for kind in ("store.code", "store.id")
        }
        self._stores: dict[tuple[str, str], Store | None] = {}

    def read(self, rows: BlockResult, columns: Map[str, list[str]]) -> Sequence[Store | None]:
        """The store of each row of a block. Its problems and repairs are added to `rows`."""
        count = len(rows.rows)
        parts: list[Sequence[str]] = []
        for kind, (texts, column, constant) in self._parts.items():
            if column is None:
                parts.append([constant] * count)
                continue
            values = columns[column]
            parts.append(rows.settle(column, values, [texts[value] for value in values], f"{kind.replace('.', '_')}_"))
        if all(column is None for _, column, _ in self._parts.values()):
            return [self._store(parts[0][0], parts[1][0])] * count if count else []
        stores = self._stores
        if len(stores) >= _REMEMBERED:
            stores.clear()
        return [stores[pair] if pair in stores else self._store(*pair) for pair in zip(*parts, strict=True)]

    def _store(self, code: str, store_id: str) -> Store | None:
        store = self._stores[code, store_id] = Store(code, store_id) if code or store_id else None
        return store
