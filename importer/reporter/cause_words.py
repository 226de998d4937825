"""Words about causes that the console, summary.html and the page share."""

from __future__ import annotations

from importer.capillary.codes import CodeEntry, Next, lookup
from importer.model import CodeCount, RunSummary

#: Who can fix it, where the advice does not name them and it is not the owner of the sheet.
_WHO = {"store master data": "For the team that maintains the store data."}
#: Codes of rows whose result the server never gave: sending them again as they are can confirm them.
_UNCONFIRMED = frozenset({"no_answer", "contradiction"})


def reason(entry: CodeEntry) -> str:
    """Return the meaning with the code, as a cause has it: `: customer not found (code 816)`"""
    return f": {entry.meaning}{f' (code {entry.code})' if entry.code else ''}"


def advice_for(*advice: str, who: str) -> str:
    """Return the advice of a cause, with who can follow it."""
    return " ".join(filter(None, (*advice, _WHO.get(who))))


def codes_without_cause(summary: RunSummary) -> list[CodeCount]:
    """Return the codes that no cause names: a cause has the meaning and the advice already."""
    texts = [cause.text for cause in summary.causes]
    return [code for code in summary.codes if not any(reason(lookup(code.code)) in text for text in texts)]


def retry_words(summary: RunSummary) -> str:
    """Return for how many rows a retry without a change can help, "" where there is nothing to say."""
    helped = [code for code in summary.codes if retry_helps(code.code)]
    rows, wrong = sum(code.rows for code in helped), sum(code.rows for code in summary.codes)
    if not wrong or rows == wrong:
        return ""
    if not rows:
        return f"A plain retry will not help {'this row' if wrong == 1 else 'these rows'}."
    codes = f"code{'s' if len(helped) > 1 else ''} {', '.join(code.code for code in helped)}"
    return f"A plain retry can help {rows:,} of these rows ({codes}), not the others."


def retry_helps(code: str) -> bool:
    """Whether rows with this code can succeed without a change."""
    return code in _UNCONFIRMED or lookup(code).klass in (Next.AGAIN, Next.ALONE)
