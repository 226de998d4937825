"""What only a whole sheet shows. The survey finds it before the first row is sent; the normaliser needs it for each."""

from __future__ import annotations

import msgspec

#: Opening quote → the closing quotes that fit it.
QUOTES = {"'": "'", '"': '"', "“": "”“", "„": "“”", "‘": "’", "«": "»", "»": "«"}


class SheetFacts(msgspec.Struct, frozen=True):
    """`quotes`: columns of which every filled cell is in quotes. `ranges`: preferences that mix ranges
    like 18-25 with dates. `footers`: rows at the end that are not customers. `notes`: for the user. `rows`: how many
    the sheet has, 0 where it was not read to its end."""

    quotes: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    footers: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    rows: int = 0


def opening_quote(cell: str) -> str:
    """The quote that opens a cell which is as a whole in quotes, "" if it is not."""
    text = cell.strip()
    closing = QUOTES.get(text[:1], "")
    if len(text) < 2 or not closing or text[-1] not in closing:
        return ""
    inner = text[1:-1]
    return "" if text[0] in inner or text[-1] in inner else text[0]


def unquoted(cell: str) -> str:
    """A cell without the quotes around it."""
    return cell.strip()[1:-1].strip() if opening_quote(cell) else cell
