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
    above = [] if len(code) <= _CODE else [f"  {code}"]
    texts = textwrap.wrap(meaning, _MEANING), textwrap.wrap(advice, _ADVICE, break_on_hyphens=False)
    lines = [
        f"  {'':{_CODE}}  {left:{_MEANING}}  {right}".rstrip() for left, right in zip_longest(*texts, fillvalue="")
    ]
    return [*above, *lines] if above else [f"  {code:{_CODE}}{lines[0][2 + _CODE :]}", *lines[1:]]
