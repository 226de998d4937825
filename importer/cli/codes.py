"""`importer codes`: the code catalogue."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

import click

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, CodeEntry, Next, own_codes
from importer.cli.printing import print_data
from importer.cli.shared import json_option
from importer.model import to_json


@click.command("codes")
@json_option
def codes_command(as_json: bool) -> None:
    """List the codes of rows and requests, with advice for each."""
    entries = [*ITEM_CODES.values(), *RUN_CODES.values(), *own_codes().values()]
    if as_json:
        print_data(to_json({"items": entries, "requests": list(REQUEST_CODES.values())}))
        return
    for title, table in (
        ("Codes of a customer (item_status of the API)", ITEM_CODES.values()),
        ("Codes of a request (response.status of the API, or HTTP)", REQUEST_CODES.values()),
        ("Codes of rows without a usable answer", RUN_CODES.values()),
        ("Codes of rows that are rejected before sending", own_codes().values()),
    ):
        lines = [title, "", *_lines("code", "meaning", "what to do")]
        for entry in table:
            lines += _code_lines(entry)
        print_data("\n".join([*lines, "", ""]))


def _code_lines(entry: CodeEntry) -> list[str]:
    happens = "" if entry.klass in (Next.ROW, Next.REJECTED) else f" [{entry.klass}]"
    return _lines(entry.code, f"{entry.meaning}{happens}", entry.advice)


#: Columns of the table, which fits into 80. A longer code has its own line.
_CODE, _MEANING, _ADVICE = 8, 30, 36


def _lines(code: str, meaning: str, advice: str) -> list[str]:
    above, beside = ([], [code]) if len(code) <= _CODE else ([f"  {code}"], [])
    meanings = textwrap.wrap(meaning, _MEANING)
    advices = textwrap.wrap(advice, _ADVICE, break_on_hyphens=False)
    cells = zip_longest(beside, meanings, advices, fillvalue="")
    return [*above, *(f"  {first:{_CODE}}  {second:{_MEANING}}  {third}".rstrip() for first, second, third in cells)]
