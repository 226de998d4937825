"""Mutated files of every format: each ends as rows or one message, in seconds and within bounded memory.

`python -m tests.reader.fuzz [MINUTES] [--seed N] [--keep FOLDER]` runs 10 minutes by default. It prints each input that
crashes, hangs or takes more memory, keeps it in FOLDER, and then ends with 1.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

from importer.errors import SourceError
from importer.reader import SourceOptions, open_source
from importer.reader.workbook import WorkbookSource
from tests.support.corpus import CASES

#: Bytes of a file that is changed: larger ones take longer and show no more.
_LARGEST = 1 << 20
#: The most for one input: seconds, and MiB that this process grows or a child takes beyond its start.
SECONDS, MIB = 20.0, 300
TOKENS = [
    b"<row ", b"</row>", b'<c r="A1">', b'<c r="XFD1048576" t="s"><v>0</v></c>', b"&", b"&#x110000;", b"&#xD800;",
    b"_xD800_", b"<!--", b"<![CDATA[", b"<v>", b"</v>", b"1E999", b"-1", b"99999999999999999999", b't="s"', b't="d"',
    b't="e"', b's="999999"', b"nan", b"\xff\xfe", b"\x00", b"<si>", b"</si>", b"\xed\xa0\x80", b"PT99999999999999H",
    b'table:number-rows-repeated="1048576"', b'table:number-columns-repeated="999999999"', b'text:c="100000"',
    b"2958465.9999999", b"[h]:mm", b"0" * 5000, b"yyyy", b'ref="A1:XFD1048576"', b'"', b"'", b"\r", b"\n", b",", b";",
    b"\t", b'hidden="1"', b'date1904="1"', b"UTF-16", b'encoding="utf-7"', b"<table><tr><td rowspan=9999999>", b"<div>",
    b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b'spinCount="99999999"', b"1" * 3000 + b"x", b" " * 5000, b"\x1a", b"sep=;\n",
]  # fmt: skip


def seeds() -> list[tuple[str, bytes]]:
    """(suffix, content) of a file of every case of the corpus, and of the samples."""
    made: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            file = Path(folder) / str(number) / case.file
            file.parent.mkdir()
            case.make(file)
            if file.is_file() and file.stat().st_size < _LARGEST:
                made.append(("".join(file.suffixes), file.read_bytes()))
    return made


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The same file with some changes: of a zip file, mostly in one of its parts."""
    if data[:2] == b"PK" and chance.random() < 0.85:
        with suppress(zipfile.BadZipFile, zlib.error, RuntimeError, IndexError, EOFError):
            return _with_changed_part(data, chance)
    return _changed(data, chance)


def _with_changed_part(data: bytes, chance: random.Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        likely = [name for name in names if any(word in name for word in ("sheet", "shared", "styles", "content"))]
        chosen = chance.choice(likely if likely and chance.random() < 0.8 else names)
        for name in names:
            part = old.read(name)
            new.writestr(name, _changed(part, chance) if name == chosen else part)
    return stream.getvalue()


def _changed(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at, kind = chance.randrange(len(made) + 1), chance.randrange(7)
        if kind == 0:
            made[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            made[at:at] = chance.choice(TOKENS)
        elif kind == 2:
            del made[at : at + chance.choice((1, 2, 4, 8, 64, 500))]
        elif kind == 3:
            made[at:at] = made[at : at + chance.choice((4, 16, 64, 300))] * chance.choice((1, 2, 30, 3000))
        elif kind == 4:
            other = chance.randrange(len(made) + 1)
            part = made[other : other + chance.choice((4, 16, 64))]
            made[at : at + len(part)] = part
        elif kind == 5:
            token = chance.choice(TOKENS)
            made[at : at + len(token)] = token
        elif at < len(made):
            made[at] ^= 1 << chance.randrange(8)
    return bytes(made)


def tried(file: Path, options: SourceOptions) -> str:
    """What is wrong with reading a file; empty where it gives rows or one message."""
    began, own, children = time.monotonic(), _mib(resource.RUSAGE_SELF), _mib(resource.RUSAGE_CHILDREN)
    fault = ""
    try:
        with open_source(file, options) as source:
            if isinstance(source, WorkbookSource) and source._ahead is not None:
                source._ahead[0]._patience = SECONDS
            for block in source.blocks():
                assert len(block.cells.columns) == len(source.columns)
    except SourceError as error:
        fault = "" if error.advice else "a message without advice"
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    if time.monotonic() - began > SECONDS:
        fault = f"{fault} hang"
    if _mib(resource.RUSAGE_SELF) - own > MIB or _mib(resource.RUSAGE_CHILDREN) > max(children, MIB):
        fault = f"{fault} memory"
    return fault.strip()


def _mib(whose: int) -> int:
    return resource.getrusage(whose).ru_maxrss // 1024


def run(seed: int, keep: Path, *, seconds: float = 0, inputs: int = 0) -> list[Path]:
    """Try inputs until the time or their number is reached. Returns those with a fault, which are kept."""
    chance, made = random.Random(seed), seeds()
    found: list[Path] = []
    faults: Counter[str] = Counter()
    until, count = time.monotonic() + seconds, 0
    keep.mkdir(parents=True, exist_ok=True)
    while count < inputs or time.monotonic() < until:
        suffix, data = chance.choice(made)
        count += 1
        file = keep / f"{seed}-{count}{suffix}"
        file.write_bytes(mutated(data, chance))
        password = "VelvetSweatshop" if chance.random() < 0.1 else None
        fault = tried(file, SourceOptions(password=password))
        faults[fault[:80]] += 1
        if fault:
            print(f"{file}: {fault}", flush=True)
            found.append(file)
        else:
            file.unlink()
    print(f"{count:,} inputs, {len(found):,} with a fault.")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-reader")
    given = parser.parse_args()
    return 1 if run(given.seed, given.keep, seconds=given.minutes * 60) else 0


if __name__ == "__main__":
    sys.exit(main())
