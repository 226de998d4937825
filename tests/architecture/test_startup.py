"""What each command may not load: heavy libraries come with the work that needs them. No verdict depends on time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from importer.cli.main import VERBS, load_command

#: Prints, after the command in argv, the libraries that it loaded.
SPY = """
import sys
from importer.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print(end.code or 0, *sorted(loaded), file=sys.__stderr__, flush=True)
"""

#: What none of these commands needs.
WORKBOOKS = {"openpyxl", "xlsxwriter", "xlrd", "msoffcrypto", "defusedxml"}
NOTHING = {
    *("pandas", "numpy", "sqlalchemy", "aiohttp", "httpx", "jinja2", "starlette", "uvicorn", "phonenumbers"),
    *("email_validator", "ftfy", "structlog", "tqdm", "opentelemetry", "apprise", "truststore"),
    *("fsspec", "paramiko", *WORKBOOKS),
}
LIST = {
    "--help": (("--help",), NOTHING | {"msgspec", "asyncio"}),
    "--version": (("--version",), NOTHING | {"msgspec", "asyncio"}),
    "codes": (("codes",), NOTHING),
    "manual": (("manual",), NOTHING | {"msgspec", "asyncio"}),
    "runs": (("runs",), NOTHING - {"sqlalchemy"}),
    "run": (
        ("run", "ten.csv", "--sandbox", "--quiet"),
        {*WORKBOOKS, "phonenumbers", "email_validator", "structlog", "tqdm", "opentelemetry", "apprise", "fsspec"}
        | {"paramiko", "psycopg", "ftfy", "pandas", "numpy", "aiohttp", "uvicorn"},
    ),
}


def loaded_by(folder: Path, *words: str) -> tuple[int, set[str]]:
    """The exit code of a command in its own process, and the libraries that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SPY, *words], cwd=folder, capture_output=True, text=True, timeout=250, check=False
    )
    code, *libraries = done.stderr.splitlines()[-1].split()
    return int(code), set(libraries)


@pytest.mark.process
@pytest.mark.parametrize("name", list(LIST))
def test_a_command_loads_only_what_it_needs(tmp_path: Path, name: str) -> None:
    """Each in its own process; the run sends ten rows of CSV."""
    rows = "".join(f"A{number},Blue\n" for number in range(10))
    (tmp_path / "ten.csv").write_text(f"External id,Colour\n{rows}", encoding="utf-8")
    words, forbidden = LIST[name]
    code, libraries = loaded_by(tmp_path, *words)
    assert code == 0
    assert libraries & forbidden == set()


@pytest.mark.parametrize("name", list(VERBS))
def test_the_table_of_commands_repeats_the_first_line_of_each_help(name: str) -> None:
    """`--help` prints the table without loading the commands."""
    command = load_command(name)
    assert command.name == name
    assert (command.help or "").splitlines()[0] == VERBS[name].summary
