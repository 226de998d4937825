"""`importer codes`: the code catalogue, or some codes of it."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import click

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, CodeEntry, Next, lookup, own_codes
from importer.cli.printing import print_data
from importer.cli.shared import json_option
from importer.errors import EXIT_MEANINGS, REFUSALS, SettingsError
from importer.model import to_json
from importer.normaliser.damage import REPAIRS
from importer.system.streams import width_of
from importer.system.text import wrapped

_LISTED = (
    ("Codes of a customer (item_status of the API)", ITEM_CODES),
    ("Codes of a request (response.status of the API, or HTTP)", REQUEST_CODES),
    ("Codes of rows that were skipped, not reached or not confirmed", RUN_CODES),
    ("Codes of rows that are rejected before sending", own_codes()),
)


class FoundCode(NamedTuple):
    """What a code means. `where` it stands; the others as in `CodeEntry`."""

    code: str
    where: str
    meaning: str
    next: str = ""
    advice: str = ""
    who: str = ""


@click.command("codes")
@click.argument("codes", nargs=-1, metavar="[CODE…]")
@json_option
def codes_command(codes: tuple[str, ...], as_json: bool) -> None:
    """List the codes of rows and requests, with advice for each.

    With CODE, like 816 or mobile_rounded: looks up that code.
    """
    if codes:
        _look_up([code for word in codes for code in re.split(r"[\s,;]+", word) if code], as_json)
    elif as_json:
        entries = [*ITEM_CODES.values(), *RUN_CODES.values(), *own_codes().values()]
        print_data(to_json({"items": entries, "requests": list(REQUEST_CODES.values())}))
    else:
        for title, table in _LISTED:
            lines = [title, "", *_lines("code", "meaning", "what to do")]
            for entry in table.values():
                lines += _code_lines(entry)
            print_data("\n".join([*lines, "", ""]))


# ---------------------------------------------------------------------------------------------------- some codes


def _look_up(codes: Sequence[str], as_json: bool) -> None:
    """Print what is known of the codes. Raises `SettingsError` for those that are not in the catalogue."""
    catalogue = _catalogue()
    names = {name.casefold(): name for name in catalogue}
    known = dict.fromkeys(names[code.casefold()] for code in codes if code.casefold() in names)
    found = [entry for name in known for entry in catalogue[name]]
    if as_json:
        print_data(to_json([entry._asdict() for entry in found]))
    elif found:
        print_data("\n".join(_entry_text(entry) for entry in found))
    if unknown := [code for code in dict.fromkeys(codes) if code.casefold() not in names]:
        near = [names[like] for code in unknown for like in difflib.get_close_matches(code.casefold(), names, 3)]
        advice = f"Similar: {', '.join(dict.fromkeys(near))}." if near else "`importer codes` lists all codes."
        if any(code.isdigit() for code in unknown):
            advice = f"{lookup('9').advice} {advice}"
        raise SettingsError(
            f"The catalogue has no {'code' if len(unknown) == 1 else 'codes'} {', '.join(unknown)}.", advice
        )


def _catalogue() -> dict[str, list[FoundCode]]:
    """Every code that a report, a message or JSON may show, with each of its meanings."""
    found: dict[str, list[FoundCode]] = {}
    for title, table in _LISTED:
        where = title.replace("Codes of", "Code of", 1)
        for code, entry in table.items():
            found.setdefault(code, []).append(
                FoundCode(code, where, entry.meaning, entry.klass, entry.advice, entry.who)
            )
    for code, meaning in REPAIRS.items():
        found.setdefault(code, []).append(FoundCode(code, "Cell that is fixed automatically", meaning))
    for code, meaning in REFUSALS.items():
        found.setdefault(code, []).append(FoundCode(code, "File that is refused", meaning))
    for exit_code, meaning in EXIT_MEANINGS.items():
        code = str(exit_code.value)
        found.setdefault(code, []).append(FoundCode(code, "Exit code of a command", meaning.replace("`", "")))
    return found


def _entry_text(entry: FoundCode) -> str:
    width = width_of(sys.stdout)
    lines = wrapped(entry.meaning, width, f"{entry.code}  ", "  ")
    if entry.advice:
        lines += wrapped(entry.advice, width, "  → ", "    ")
    facts = {"What happens": entry.next, "Who can fix it": entry.who}
    words = [entry.where, *(f"{name}: {value}" for name, value in facts.items() if value)]
    lines += wrapped(". ".join(words) + ".", width, "  ")
    return "\n".join([*lines, ""])


# ---------------------------------------------------------------------------------------------------- all codes


def _code_lines(entry: CodeEntry) -> list[str]:
    happens = "" if entry.klass in (Next.ROW, Next.REJECTED) else f" [{entry.klass}]"
    return _lines(entry.code, f"{entry.meaning}{happens}", entry.advice)


#: Columns of the code and of the meaning, beside which the advice has the rest. A longer code has its own line.
_CODE, _MEANING = 8, 30


def _lines(code: str, meaning: str, advice: str) -> list[str]:
    above, beside = ([], [code]) if len(code) <= _CODE else ([f"  {code}"], [])
    room = width_of(sys.stdout)
    share = _MEANING if room >= 80 else _MEANING - (80 - room) // 2
    meanings = wrapped(meaning, share)
    advices = wrapped(advice, room - share - _CODE - 6)
    cells = zip_longest(beside, meanings, advices, fillvalue="")
    return [*above, *(f"  {first:{_CODE}}  {second:{share}}  {third}".rstrip() for first, second, third in cells)]
