"""Write the files of this folder: invented customers from a fixed seed, the same bytes every time.

`python samples/make_samples.py [FOLDER]`, with the importer installed. Its output is committed, and a test compares it.
"""

from __future__ import annotations

import csv
import random
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from importer.settings.options import OPTIONS

SEED = 20261123
#: Creation time in the workbooks: with the clock's time, every run would differ.
MADE = datetime(2026, 11, 23)

HEADER = (
    "Mobile No.",
    "E-mail ID",
    "Customer ID",
    "Store Code",
    "Favourite brand",
    "Favourite colour",
    "Shirt size",
    "Newsletter",
)
MOBILE, EMAIL, CUSTOMER_ID, STORE, BRAND = range(5)

FIRST = (
    *("Asha", "Ravi", "Meera", "Arjun", "Kavya", "Imran", "Priya", "Dev", "Lakshmi", "Farah", "Nikhil", "Anita"),
    *("Sana", "Vikram", "Divya", "Joseph", "Ishaan", "Leela", "Omar", "Tara", "Rohan", "Zoya", "Kiran", "Maya"),
)
LAST = (
    *("Iyer", "Khan", "Sharma", "Fernandes", "Patel", "Reddy", "Nair", "Bose", "Singh", "Das", "Menon", "Gupta"),
    *("Rao", "Joshi", "Pillai", "Kapoor", "Thomas", "Verma", "Shetty", "Mistry"),
)
STORES = ("BLR-014", "BOM-002", "DEL-007", "MAA-003", "HYD-011")
BRANDS = ("Puma", "Nike", "Adidas", "Levi's", "Fabindia", "H&M", "Uniqlo", "Bata")
COLOURS = ("Blue", "Black", "White", "Green", "Maroon", "Mustard", "Grey")
SIZES = ("XS", "S", "M", "L", "XL", "XXL")

#: An example of each setting, as TOML.
EXAMPLES = {
    "base-url": '"https://eu.api.capillarytech.com"',
    "cluster": '"eu"',
    "sandbox": "true",
    "mapping": '"mapping.toml"',
    "sheet": '"Customers"',
    "encoding": '"cp1252"',
    "delimiter": '"semicolon"',
    "header-row": "3",
    "country": '"IN"',
    "blank": '"clear"',
    "unknown-columns": '"ignore"',
    "invalid-identifiers": '"omit"',
    "short-rows": '"empty"',
    "batch-size": "50",
    "rate": '"300/minute"',
    "burst": "5",
    "concurrency": "4",
    "max-errors": '"5%"',
    "max-outage": '"1h"',
    "canary": "10",
    "until": '"06:00"',
    "max-duration": '"2h"',
    "limit": "1000",
    "skip-rows": "500",
    "only-changed": "true",
    "gzip": "true",
    "attribution-type": '"store_code"',
    "attribution-code": '"BLR-014"',
    "reports-dir": '"/var/lib/importer/reports"',
    "database": '"sqlite:////var/lib/importer/journal.db"',
    "credentials": '"BRAND_A"',
    "time-zone": '"Asia/Kolkata"',
    "log-format": '"json"',
    "log-file": '"/var/log/importer/nightly.log"',
    "metrics-file": '"/var/lib/node_exporter/textfile/importer.prom"',
    "inbox": '"sftp://importer@files.example.com/outgoing"',
    "done": '"sftp://importer@files.example.com/outgoing/done"',
    "failed": '"sftp://importer@files.example.com/outgoing/failed"',
    "outbox": '"s3://brand-a-reports/importer"',
    "key-file": '"/etc/importer/id_ed25519"',
    "known-hosts": '"/etc/importer/known_hosts"',
    "pattern": '"customers-{date}.csv"',
    "expect-date": '"today"',
    "expect-by": '"04:00"',
    "settle": '"2m"',
    "marker": '".ok"',
    "not-before": '"01:00"',
    "repeat": '"import"',
    "warning": '"2%"',
    "critical": '"20%"',
    "notices": '["${IMPORTER_ONCALL}", "mailto://mail.example.com?from=importer@example.com&to=data@example.com"]',
    "retention": '"90d"',
    "show-identifiers": "true",
    "insecure": "true",
}

SETTINGS_HEAD = """\
# Settings of the importer. It reads `importer.toml` in the current folder.
#
# The command line comes first, then the environment (IMPORTER_BATCH_SIZE …), then this file (a profile before the
# settings above the profiles), then the default. Do not put credentials here: they come from IMPORTER_USERNAME and
# IMPORTER_PASSWORD, or IMPORTER_CLIENT_KEY and IMPORTER_CLIENT_SECRET, each also as …_FILE or …_COMMAND.
#
# Every setting with its default. Remove the # to set one.

"""

SETTINGS_PROFILES = """\
# Profiles: `importer run customers.xlsx --profile production`. Settings that a profile does not have come from above.

[profiles.production]
base-url = "https://eu.api.capillarytech.com"
country = "IN"
rate = "100/minute"
max-errors = "5%"
canary = 10

[profiles.trial]
sandbox = true
country = "IN"
"""

#: A cell as a workbook holds it: text, a whole number (with the number format that shows it), an error, or nothing.
Cell = str | int | None


class Digits(int):
    """A number whose format shows six digits with leading zeros, for example `000042`."""


class Invented:
    """Invented customers, one after the other; no mobile or e-mail occurs twice."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - invented data, nothing to guess
        self._mobiles: set[str] = set()
        self._number = 0

    def mobile(self) -> str:
        """Twelve digits: the country code and a number of a series in India's numbering plan."""
        while True:
            mobile = (
                "91" + self.chance.choice(("98", "99", "97", "96", "81", "70")) + f"{self.chance.randrange(10**8):08}"
            )
            if mobile not in self._mobiles:
                self._mobiles.add(mobile)
                return mobile

    def email(self) -> str:
        self._number += 1
        first, last = self.chance.choice(FIRST).lower(), self.chance.choice(LAST).lower()
        return f"{first}.{last}{self._number}@{self.chance.choice(('example.com', 'example.org', 'example.net'))}"

    def typed(self, mobile: str) -> Cell:
        """A mobile as people type it: a number, or text with a plus and spaces, or with dashes."""
        kind = self.chance.random()
        if kind < 0.55:
            return int(mobile)
        if kind < 0.8:
            return f"+{mobile[:2]} {mobile[2:7]} {mobile[7:]}"
        if kind < 0.9:
            return f"+{mobile[:2]}-{mobile[2:]}"
        return mobile

    def preferences(self) -> list[Cell]:
        """Four cells, at least one of them set."""
        cells: list[Cell] = [
            self.chance.choice(BRANDS),
            self.chance.choice(COLOURS) if self.chance.random() < 0.85 else None,
            self.chance.choice(SIZES) if self.chance.random() < 0.8 else None,
            self.chance.choice(("yes", "yes", "no")) if self.chance.random() < 0.9 else None,
        ]
        if self.chance.random() < 0.1 and any(cells[1:]):
            cells[0] = None
        return cells

    def row(self) -> list[Cell]:
        """A customer's row: most have a mobile and an e-mail, some only one identifier."""
        mobile, email, store = self.typed(self.mobile()), self.email(), self.chance.choice(STORES)
        self._number += 1
        customer_id = Digits(self._number) if self.chance.random() < 0.7 else f"C-{self._number:05}"
        kind = self.chance.random()
        if kind < 0.62:
            identifiers: list[Cell] = [mobile, email, customer_id]
        elif kind < 0.8:
            identifiers = [mobile, None, None]
        elif kind < 0.92:
            identifiers = [None, email, None]
        else:
            identifiers = [None, None, customer_id]
        return [*identifiers, store if self.chance.random() < 0.75 else None, *self.preferences()]


def customers() -> list[list[Cell]]:
    """500 rows that can all succeed; 24 of them repeat a customer further down, with a changed preference."""
    invented = Invented(SEED)
    rows = [invented.row() for _ in range(476)]
    for _ in range(24):
        position = invented.chance.randrange(0, 300)
        again = list(rows[position])
        again[BRAND] = invented.chance.choice([brand for brand in BRANDS if brand != again[BRAND]])
        rows.insert(invented.chance.randrange(position + 50, len(rows)), again)
    return rows


def messy() -> list[list[Cell]]:
    """120 rows, about a third of which cannot succeed, with the usual problems of sheets and servers."""
    invented = Invented(SEED + 1)
    chance = invented.chance

    def broken(**cells: Cell) -> list[Cell]:
        row = [None, None, None, chance.choice(STORES), *invented.preferences()]
        for name, cell in cells.items():
            row[{"mobile": MOBILE, "email": EMAIL, "customer_id": CUSTOMER_ID, "brand": BRAND}[name]] = cell
        return row

    bad = [
        # Mobiles without their last digit, and two that Excel cut when it opened a CSV.
        *(broken(mobile=int(invented.mobile()[:-1])) for _ in range(8)),
        *(broken(mobile="9.17745E+11") for _ in range(2)),
        # Invalid e-mail addresses.
        *(broken(email=email) for email in ("asha.iyer.example.com", "ravi@@example.com", "meera @example", "none")),
        # No identifier, and no preference.
        *(broken() for _ in range(3)),
        *([invented.typed(invented.mobile()), invented.email(), None, None, *[None] * 4] for _ in range(3)),
        # A failed lookup.
        *(broken(mobile=int(invented.mobile()), brand="#N/A") for _ in range(2)),
        # Refused by the server: the sandbox's test identifiers trigger the answers.
        *(broken(email=f"code-816+{name.lower()}@sandbox.test") for name in FIRST[:6]),
        *(broken(email=f"code-1012+{name.lower()}@sandbox.test") for name in FIRST[:2]),
        broken(email="code-618@sandbox.test"),
        broken(email="code-1035@sandbox.test"),
        broken(email="code-8109@sandbox.test"),
        broken(mobile="916000010060"),
        broken(customer_id="code-1004"),
        broken(customer_id="code-999999"),
        broken(customer_id="yes-816"),
    ]
    # These succeed in the end: sent again, or with a warning.
    odd = [
        broken(customer_id="code-521-x1"),
        broken(customer_id="code-999999-x2"),
        broken(email="warn-1017+asha@sandbox.test"),
        broken(email="warn-1017+ravi@sandbox.test"),
    ]
    good = [invented.row() for _ in range(120 - len(bad) - len(odd))]
    rows = good + bad + odd
    chance.shuffle(rows)
    return rows


def long_rows() -> Iterator[list[str]]:
    """One preference per row, one to four rows per customer."""
    invented = Invented(SEED + 2)
    names = HEADER[BRAND:]
    for _ in range(60):
        mobile, email = invented.mobile(), invented.email()
        for name, value in zip(names, invented.preferences(), strict=True):
            if value is not None:
                yield [f"+{mobile}", email, name, str(value)]


def write_workbook(path: Path, rows: Sequence[Sequence[Cell]], title: str = "") -> None:
    """Write a visible sheet of customers and a hidden one of notes."""
    book = xlsxwriter.Workbook(str(path))
    book.set_properties({"created": MADE, "title": "Customer preferences", "comments": "Invented data"})
    bold = book.add_format({"bold": True, "bg_color": "#DDE6F0", "bottom": 1})
    zeros, plain = book.add_format({"num_format": "000000"}), book.add_format({"num_format": "0"})
    sheet = book.add_worksheet("Customers")
    first = 0
    if title:
        sheet.write_string(0, 0, title, book.add_format({"bold": True, "font_size": 14}))
        first = 2
    for column, name in enumerate(HEADER):
        sheet.write_string(first, column, name, bold)
        sheet.set_column(column, column, 26 if column == EMAIL else 18)
    sheet.freeze_panes(first + 1, 0)
    for number, row in enumerate(rows, first + 1):
        for column, cell in enumerate(row):
            write_cell(sheet, number, column, cell, zeros if isinstance(cell, Digits) else plain)
    notes = book.add_worksheet("Notes")
    for number, line in enumerate(
        ("Collected at the tills in October.", "Ask the store before changing a store code.", "Not for upload.")
    ):
        notes.write_string(number, 0, line)
    notes.hide()
    book.close()


def write_cell(sheet: Worksheet, row: int, column: int, cell: Cell, number: Format) -> None:
    if cell == "#N/A":
        sheet.write_formula(row, column, "=NA()", None, "#N/A")
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell, number)
    elif cell is not None:
        sheet.write_string(row, column, cell)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{cell:06}" if isinstance(cell, Digits) else cell for cell in row])


def settings_file() -> str:
    """Return the text of `importer.toml` with every setting, explained by the program's table of options."""
    parts = [SETTINGS_HEAD]
    for option in OPTIONS:
        if option.name in EXAMPLES:
            shown = option.shown.replace("`", "")
            explained = textwrap.wrap(f"{option.help[0].upper()}{option.help[1:]}. Default: {shown}.", 116)
            parts += [f"# {line}\n" for line in explained]
            parts.append(f"#{option.name} = {EXAMPLES[option.name]}\n\n")
    return "".join([*parts, SETTINGS_PROFILES])


def make(folder: Path) -> None:
    rows = customers()
    write_workbook(folder / "customers.xlsx", rows)
    write_csv(folder / "customers.csv", HEADER, rows)
    write_workbook(folder / "messy.xlsx", messy(), title="Preferences collected in October")
    write_csv(folder / "long.csv", ("Mobile No.", "E-mail ID", "Preference", "Value"), list(long_rows()))
    (folder / "importer.toml").write_text(settings_file(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
