"""Our own reasons for rejecting a row before it is sent: code → (meaning, advice, who can fix it).

Words instead of numbers, so that nobody mistakes them for the server's codes.
"""

from __future__ import annotations

#: code: (meaning, advice, who)
OWN_CODES: dict[str, tuple[str, str, str]] = {
    "no_identifier": (
        "the row names no customer",
        "Fill in at least one of mobile, e-mail, external id or user id and upload the failed rows again.",
        "sheet owner",
    ),
    "nothing_to_set": (
        "the row has no preference to set",
        "Fill in at least one preference of this row, or use --blank clear if empty cells mean 'remove it'.",
        "sheet owner",
    ),
    "ragged_row": (
        "the row has more cells than the header",
        "Check for a delimiter inside an unquoted value, or a quote that is missing, in this row.",
        "sheet owner",
    ),
}
