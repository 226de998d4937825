"""`check` of a large CSV beside pandas with the same checks written vectorised and naively, in one run.

    python tests/benchmarks/normalising.py [rows]

Each side runs in its own process; wall time, CPU and peak memory are theirs. Ends with 1 when our time is more
than 1.5 times the other's, when memory passes 300 MiB, or when it grows by 10 % or more from a fifth of the rows.
"""

from __future__ import annotations

import csv
import datetime
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 1_000_000
HEADER = ("Mobile", "Email", "Customer ID", "Store Code", "Favourite Brand", "Favourite Color", "Shoe Size", "City")
MOST_TIMES, MOST_MIB, MOST_GROWTH = 1.5, 300, 1.10


def write(path: Path, rows: int) -> None:
    """A lifelike sheet: one row in fifty is damaged in a usual way, some customers come twice, some cells are empty."""
    rnd = random.Random(20261124)
    brands, colors = ["puma", "nike", "adidas", "lotto", "bata"], ["Blue", "Red", "Green", "Black", ""]
    damage = ["9.17745E+11", "2026-03-09", "7744876415.0", "+91 77448-76415", "77448764", "", "7744876415, 9876543210"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(rows):
            digits = str(rnd.randrange(7_000_000_000, 9_999_999_999))
            mobile = rnd.choice(damage) if rnd.random() < 0.02 else f"91{digits}"
            store, city = rnd.randrange(300), rnd.randrange(2_000)
            writer.writerow(
                (
                    mobile, f"customer{number}@example.com", f"C{number:08d}", f"S{store:03d}", rnd.choice(brands),
                    rnd.choice(colors), str(rnd.randrange(36, 47)), f"City {city}",
                )
            )  # fmt: skip


def ours(path: Path) -> dict[str, float]:
    """The whole of `check`, from the file to the findings."""
    from importer.checker.findings import Gatherer
    from importer.checker.requests import RequestCounter
    from importer.checker.text import findings_text
    from importer.model import Rate
    from importer.normaliser.mapping import propose
    from importer.normaliser.normaliser import Normaliser
    from importer.reader.opening import open_source

    with open_source(path) as source:
        mapping = propose(source.columns)
        normaliser, gatherer = Normaliser(mapping, country="IN"), Gatherer(mapping, RequestCounter(100, 8, 0))
        normalising = gathering = 0.0
        for block in source.blocks():
            before = time.perf_counter()
            made = normaliser(block)
            between = time.perf_counter()
            gatherer.add(block, made)
            normalising += between - before
            gathering += time.perf_counter() - between
        gatherer.add(None, normaliser.finish())
    now = datetime.datetime.now(datetime.UTC)
    findings = gatherer.findings(source=path.name, has_rows=True, rate=Rate(100, 60.0, "100/minute"), now=now)
    print(findings_text(findings), file=sys.stderr)
    return {"rejected": findings.rejected_rows, "normalising": normalising, "gathering": gathering}


def naive(path: Path) -> dict[str, float]:
    """What one would write with pandas: the file as text, then a vectorised expression for each check."""
    import pandas as pd
    from phonenumbers import PhoneMetadata

    india = PhoneMetadata.metadata_for_region("IN")
    plan = f"(?:91|0)?(?:{india.mobile.national_number_pattern}|{india.fixed_line.national_number_pattern})"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in frame.columns:
        frame[column] = frame[column].str.strip()
    mobile, email, external_id, store = (frame[column] for column in HEADER[:4])
    cut = mobile.str.fullmatch(r"\d[.,]?\d*[eE]\+\d+")
    date = mobile.str.fullmatch(r"\d{4}-\d\d-\d\d|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}")
    digits = mobile.str.replace(r"\.0$", "", regex=True).str.replace(r"[\s()+.-]", "", regex=True)
    bad_mobile = (mobile != "") & (cut | date | ~digits.str.fullmatch(plan))
    email = email.str.replace(r"@.*", lambda match: match[0].lower(), regex=True)
    well_formed = email.str.fullmatch(r"[\w+-]+(?:\.[\w+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}")
    bad_email = (email != "") & ((email.str.len() > 255) | ~well_formed)
    bad_id = pd.Series(False, index=frame.index)
    for texts in (external_id, store):
        bad_id |= (texts.str.len() > 250) | texts.str.fullmatch(r"\d{15}\d*0+|\d[.,]?\d*[eE]\+\d+|\d{4}-\d\d-\d\d")
    nameless = (mobile == "") & (email == "") & (external_id == "")
    preferences = frame[list(HEADER[4:])]
    blanks = (preferences == "").sum()
    empty = (preferences == "").all(axis=1)
    repeated = pd.Series(False, index=frame.index)
    for texts in (digits, email.str.lower(), external_id):
        repeated |= (texts != "") & texts.duplicated(keep=False)
    lists = preferences.apply(lambda column: column.str.contains(r"[;|,]")).sum()
    samples = {column: preferences[column].drop_duplicates().head(3).tolist() for column in preferences}
    rejected = bad_mobile | bad_email | bad_id | nameless | empty
    print(blanks.to_dict(), lists.to_dict(), samples, int(repeated.sum()), file=sys.stderr)
    return {"rejected": int(rejected.sum())}


def single_values() -> None:
    """What one ordinary value costs: the fast way, and the library it agrees with."""
    from importer.normaliser.emails import read_email, read_emails
    from importer.normaliser.phones import PhoneReader

    rnd = random.Random(7)
    mobiles = [f"91{rnd.randrange(7_000_000_000, 9_999_999_999)}" for _ in range(20_000)]
    emails = [f"customer{number}@example.com" for number in range(20_000)]
    phones = PhoneReader(None)
    for name, fast, slow, values in (
        ("mobile", phones.read_column, phones.read, mobiles),
        ("e-mail", read_emails, read_email, emails),
    ):
        fast(values[:200])
        costs = []
        for way in (lambda: fast(values), lambda: [slow(value) for value in values]):  # noqa: B023 (called at once)
            began = time.perf_counter()
            way()
            costs.append((time.perf_counter() - began) / len(values) * 1e6)
        print(f"{name}: {costs[0]:.2f} µs a value, {costs[1]:.1f} µs by the library alone")


def measured(side: str, path: Path) -> dict[str, float]:
    """One side in its own process."""
    done = subprocess.run([sys.executable, __file__, side, str(path)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.csv", Path(folder) / "small.csv"
        write(large, rows)
        write(small, rows // 5)
        sides = {
            "ours": measured("ours", large),
            "pandas": measured("naive", large),
            "a fifth": measured("ours", small),
        }
    single_values()
    for name, found in sides.items():
        print(f"{name:8}", ", ".join([f"{key} {value:,.2f}" for key, value in found.items()]))
    ratio = sides["ours"]["seconds"] / sides["pandas"]["seconds"]
    growth = sides["ours"]["mib"] / sides["a fifth"]["mib"]
    print(f"{ratio:.2f} times the time of pandas (at most {MOST_TIMES}); {sides['ours']['mib']:.0f} MiB (at most"
          f" {MOST_MIB}), {growth:.2f} times those of a fifth of the rows (below {MOST_GROWTH})")  # fmt: skip
    return int(ratio > MOST_TIMES or sides["ours"]["mib"] > MOST_MIB or growth >= MOST_GROWTH)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if len(sys.argv) == 3:
        began = time.perf_counter()
        result = {"ours": ours, "naive": naive}[sys.argv[1]](Path(sys.argv[2]))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        result |= {
            "seconds": time.perf_counter() - began,
            "cpu": usage.ru_utime + usage.ru_stime,
            "mib": usage.ru_maxrss / 1024,
        }
        print(json.dumps(result))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
