"""Credentials: from environment, file or command; the documented Basic header; never shown."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from importer.capillary.credentials import Basic, OAuth, from_environment
from importer.errors import SettingsError


def test_the_basic_header_is_the_documented_one() -> None:
    """till1 with the password 123, from the documentation: the MD5 in lower-case hex takes the password's place."""
    assert Basic("till1", "123").header == "Basic dGlsbDE6MjAyY2I5NjJhYzU5MDc1Yjk2NGIwNzE1MmQyMzRiNzA="


def test_secrets_are_not_shown() -> None:
    for shown in (
        repr(Basic("till", "hush")),
        repr(OAuth("key", "hush")),
        str(Basic("till", "hush")),
        f"{OAuth('k', 'hush')}",
    ):
        assert "hush" not in shown
    assert (Basic("till", "x").name, OAuth("key", "x").name) == ("till", "key")


def test_credentials_know_the_variables_that_hold_them() -> None:
    """An error names them."""
    basic = from_environment({"BRAND_A_USERNAME": "u", "BRAND_A_PASSWORD": "p"}, "BRAND_A")
    assert basic.variables == ("BRAND_A_USERNAME", "BRAND_A_PASSWORD")
    token = from_environment({"IMPORTER_CLIENT_KEY": "k", "IMPORTER_CLIENT_SECRET": "s"})
    assert token.variables == ("IMPORTER_CLIENT_KEY", "IMPORTER_CLIENT_SECRET")


def test_basic_and_oauth_from_the_environment() -> None:
    assert from_environment({"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD": " p "}) == Basic("u", " p ")
    assert from_environment({"IMPORTER_CLIENT_KEY": "k", "IMPORTER_CLIENT_SECRET": "s"}) == OAuth("k", "s")


def test_a_stray_half_of_the_other_pair_does_not_matter() -> None:
    whole = {"IMPORTER_CLIENT_KEY": "k", "IMPORTER_CLIENT_SECRET": "s"}
    assert from_environment({**whole, "IMPORTER_USERNAME": "u"}) == OAuth("k", "s")


@pytest.mark.parametrize("content", ["p w\n", "\ufeffp w\r\n", "p w"])
def test_from_a_file_without_its_line_break(tmp_path: Path, content: str) -> None:
    """An editor's line break and byte-order mark do not belong to a password; its spaces do."""
    (tmp_path / "secret").write_text(content, encoding="utf-8", newline="")
    environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_FILE": str(tmp_path / "secret")}
    assert from_environment(environ) == Basic("u", "p w")


def test_from_a_command() -> None:
    command = shlex.join([sys.executable, "-c", "print('from the vault')"])
    environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": command}
    assert from_environment(environ) == Basic("u", "from the vault")


def test_the_plain_variable_goes_first() -> None:
    environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD": "p", "IMPORTER_PASSWORD_FILE": "/nowhere"}
    assert from_environment(environ) == Basic("u", "p")


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({}, "No credentials"),
        ({"IMPORTER_USERNAME": "u"}, "IMPORTER_PASSWORD is not set"),
        ({"IMPORTER_PASSWORD": "hush"}, "IMPORTER_USERNAME is not set"),
        ({"IMPORTER_CLIENT_KEY": "k"}, "IMPORTER_CLIENT_SECRET is not set"),
        ({"IMPORTER_CLIENT_SECRET": "hush"}, "IMPORTER_CLIENT_KEY is not set"),
        (
            {
                "IMPORTER_USERNAME": "u",
                "IMPORTER_PASSWORD": "hush",
                "IMPORTER_CLIENT_KEY": "k",
                "IMPORTER_CLIENT_SECRET": "hush",
            },
            "Both",
        ),
        ({"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_FILE": "/nowhere/secret"}, "cannot be read"),
        ({"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": "/nowhere/command"}, "could not be run"),
        ({"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": "'"}, "could not be run"),
        ({"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": "  "}, "could not be run"),
        (
            {
                "IMPORTER_USERNAME": "u",
                "IMPORTER_PASSWORD_COMMAND": shlex.join([sys.executable, "-c", "print('hush'); exit(3)"]),
            },
            "exit code 3",
        ),
        (
            {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": shlex.join([sys.executable, "-c", "pass"])},
            "printed nothing",
        ),
    ],
)
def test_a_missing_or_wrong_credential_names_what_to_set_and_shows_no_secret(
    environ: dict[str, str], word: str
) -> None:
    with pytest.raises(SettingsError, match=word) as caught:
        from_environment(environ)
    assert caught.value.advice
    # At most two lines in a terminal of 80 columns.
    assert len(f"importer: {caught.value}") <= 160
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("command", ["pass show a | head -1", "echo a; echo b", "echo $(cat f)", "echo $PW", "cat <f"])
def test_a_command_that_wants_a_shell_is_refused(command: str) -> None:
    """It is run without one: the first word got the rest as arguments, and what it printed went out as the password."""
    environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": command}
    with pytest.raises(SettingsError, match=r"without a shell.*sh -c"):
        from_environment(environ)


@pytest.mark.parametrize("printed", ["a|b;c", "$5 & (more)", "a b"])
def test_quotes_in_a_command_do_not_need_a_shell(printed: str) -> None:
    for command in (shlex.join(["printf", "%s", printed]), shlex.join(["sh", "-c", f"printf %s '{printed}' | cat"])):
        environ = {"IMPORTER_USERNAME": "u", "IMPORTER_PASSWORD_COMMAND": command}
        assert from_environment(environ) == Basic("u", printed)
