"""What is expected of each sample: `python -m tests.whole.make_expected` writes it, the tests compare with it.

Look at the difference before it is committed: every changed line is a changed promise.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.terminal import EXPECTED, FAST, SAMPLES, stable, table, without_stamps, workbook_rows

#: sample → how the run ends.
SAMPLE_ENDS = {"customers.xlsx": 0, "customers.csv": 0, "messy.xlsx": 3, "long.csv": 0}


def results_text(folder: Path) -> str:
    """`results.csv` without its stamps."""
    rows = without_stamps(table(folder / "results.csv"))
    return _csv(rows)


def failed_text(folder: Path) -> str:
    """The failed rows as cells, whatever the file's kind; empty when there is none."""
    for name, read in (("failed.xlsx", workbook_rows), ("failed.csv", table)):
        if (folder / name).exists():
            return _csv(without_stamps(read(folder / name)))
    return ""


def summary_text(folder: Path) -> str:
    summary = json.loads((folder / "summary.json").read_bytes())
    return json.dumps(stable(summary), indent=2, ensure_ascii=False) + "\n"


def _csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    table_out = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table_out.writeheader()
    table_out.writerows(rows)
    return text.getvalue()


#: file beside the sample's name → how it is made from a run folder.
PARTS = {"results.csv": results_text, "failed.csv": failed_text, "summary.json": summary_text}


def main() -> None:
    EXPECTED.mkdir(exist_ok=True)
    for sample, code in SAMPLE_ENDS.items():
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "importer", "run", str(SAMPLES / sample), "--sandbox", "--rate", FAST]
            done = subprocess.run(command, cwd=place, capture_output=True, check=False, env=os.environ)
            assert done.returncode == code, (sample, done.returncode, done.stderr.decode())
            (folder,) = [path for path in (Path(place) / "reports").iterdir() if path.is_dir() and path.name[0] != "."]
            for name, made in PARTS.items():
                if text := made(folder):
                    (EXPECTED / f"{sample}.{name}").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
