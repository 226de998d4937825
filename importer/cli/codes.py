"""`importer codes`: the code catalogue."""

from __future__ import annotations

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
        print_data(f"{title}\n\n")
        for entry in table:
            print_data(f"{_code_line(entry)}\n")
        print_data("\n")


def _code_line(entry: CodeEntry) -> str:
    happens = "" if entry.klass in (Next.ROW, Next.REJECTED) else f" [{entry.klass}]"
    head = click.wrap_text(f"{entry.meaning}{happens}", 78, f"  {entry.code:<8} ", " " * 11)
    return head + "\n" + click.wrap_text(entry.advice, 78, " " * 11, " " * 11)
