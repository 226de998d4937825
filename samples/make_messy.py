"""Write a large messy sheet: invented customers with the damage that sheets of companies have, the same every time.

`python samples/make_messy.py [FILE [ROWS]]`, with the importer installed. 40,000 rows by default. Its output is not
committed.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROWS, SEED = 40_000, 20261129
HEADER = ("Mobile No.", "E-mail ID", "Customer ID", "Favourite brand", "Favourite colour", "Newsletter", "Interests")
MOBILE, EMAIL, CUSTOMER, BRAND, COLOUR, NEWSLETTER, INTERESTS = range(7)
BRANDS = ("Puma", "Nike", "Adidas", "Levi's", "Fabindia")
COLOURS = ("Blue", "Black", "White", "Green", "Maroon")
INTERESTED = ("cricket", "music", "travel", "cooking", "chess")

Row = list[str]


def _without_country(row: Row, _: random.Random) -> None:
    row[MOBILE] = row[MOBILE][3:]


def _label(row: Row, chance: random.Random) -> None:
    row[MOBILE] = f"{chance.choice(('Ph: ', 'Ph:', 'tel: ', 'Mob. '))}{row[MOBILE]}"


def _two_mobiles(row: Row, chance: random.Random) -> None:
    row[MOBILE] = f"{row[MOBILE]} / +9197{chance.randrange(10**8):08}"


def _no_domain(row: Row, _: random.Random) -> None:
    row[EMAIL] = f"{row[CUSTOMER].lower()}@"


def _two_addresses(row: Row, _: random.Random) -> None:
    own = f"{row[CUSTOMER].lower()}@example.com"
    row[EMAIL] = f"{own}; family.{own}"


def _no_address(row: Row, chance: random.Random) -> None:
    row[EMAIL] = chance.choice(("no email", "not given", "unknown"))


def _no_value(row: Row, chance: random.Random) -> None:
    row[BRAND] = chance.choice(("n/a", "-", "tbd"))


def _colour(row: Row, chance: random.Random) -> None:
    row[COLOUR] = chance.choice(("blu", "BLACK", "whte", "Gren", "maron"))


def _yes(row: Row, chance: random.Random) -> None:
    row[NEWSLETTER] = chance.choice(("Y", "N"))


def _rounded(row: Row, _: random.Random) -> None:
    """The last digits are lost: only a person can know what to do with the row."""
    row[MOBILE], row[EMAIL], row[CUSTOMER] = f"{row[MOBILE][1:2]}.19796E+11", "", ""


def _cut(row: Row, _: random.Random) -> None:
    row[MOBILE], row[EMAIL] = row[MOBILE][1:-3], ""


def _nobody(row: Row, _: random.Random) -> None:
    row[MOBILE] = row[EMAIL] = row[CUSTOMER] = ""


#: (what is done to a row, in how many of a thousand).
DAMAGE: tuple[tuple[Callable[[Row, random.Random], None], int], ...] = (
    (_without_country, 150),
    (_label, 60),
    (_two_mobiles, 40),
    (_no_domain, 60),
    (_two_addresses, 20),
    (_no_address, 20),
    (_no_value, 25),
    (_colour, 50),
    (_yes, 40),
    (_rounded, 10),
    (_cut, 5),
    (_nobody, 5),
)


def rows(count: int = ROWS) -> Iterator[Row]:
    """The rows below the header. Three of them have damage of their own."""
    chance = random.Random(SEED)  # noqa: S311 - invented data, nothing to guess
    kinds = [kind for kind, share in DAMAGE for _ in range(share)]
    for number in range(count):
        interests = chance.sample(INTERESTED, 2) if chance.random() < 0.5 else [chance.choice(INTERESTED)]
        row = [
            f"+9198{10_000_019 + 7 * number:08}",
            f"customer{number}@example.com" if chance.random() < 0.8 else "",
            f"C-{number:06}",
            chance.choice(BRANDS),
            chance.choice(COLOURS),
            chance.choice(("true", "false")),
            "; ".join(interests),
        ]
        place = chance.randrange(1000)
        if number == count // 4:
            row[EMAIL] = f"customer{number} at example.com"
        elif number == count // 2:
            row[MOBILE] = f"{row[MOBILE][:-1]}O"
        elif number == count * 3 // 4:
            row[COLOUR] = "?? (ask the shop)"
        elif place < len(kinds):
            kinds[place](row, chance)
        yield row


def write(path: Path, count: int = ROWS) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows(count))


if __name__ == "__main__":
    write(
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path("large-messy.csv"),
        int(sys.argv[2]) if len(sys.argv) > 2 else ROWS,
    )
