"""Writes a journal for as long as it is let, and says each number of rows when they are acknowledged.

python -m tests.crash.writer FOLDER FULL|NORMAL
"""

from __future__ import annotations

import sys
from pathlib import Path

from importer.journal import Attempt, Change, Journal, RunRecord
from importer.journal.records import stored
from importer.model import Batch, Customer, Outcome, Status
from importer.settings.options import Settings

ROWS = 10


def write(folder: Path, synchronous: str) -> None:
    with Journal.open(folder) as journal:
        if synchronous != "FULL":
            # Past SQLAlchemy, which would begin a transaction first.
            journal._connection.connection.cursor().execute(f"PRAGMA synchronous={synchronous}")
        record = RunRecord("run", "/rows.csv", "", 0, "", "", "", 1, stored(Settings()), {}, b"", "0")
        run = journal.create(record, "work")
        print(0, flush=True)
        number = 0
        while True:
            number += 1
            rows = range(number * ROWS, number * ROWS + ROWS)
            batch = Batch(number, tuple(Customer(row, mobile="9") for row in rows))
            attempt = Attempt(number, number, 1, 1, ROWS, 200, "200", f"request {number}")
            journal.write([Change(opened=((batch, 0),))], run.key)
            outcomes = [Outcome(row, Status.SUCCEEDED, "200", attempts=1) for row in rows]
            journal.write([Change(attempt=attempt, outcomes=outcomes, settled=(number,))], run.key)
            print(number, flush=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
