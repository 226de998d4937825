"""E-mail addresses: the fast way agrees with email-validator, and what is sent is what the sheet says."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from importer.normaliser.damage import CellResult, DetailedCode
from importer.normaliser.emails import read_email, read_emails

_NAMES = st.text(alphabet="abzABZ019_+-.", min_size=1, max_size=70)
_DOMAINS = st.text(alphabet="abzABZ019-.", min_size=1, max_size=70)


@pytest.mark.parametrize(
    ("value", "sent", "repairs"),
    [
        ("asha@example.com", "asha@example.com", ()),
        (" Asha.K+x_y-1@EXAMPLE.Com ", "Asha.K+x_y-1@example.com", ()),
        ("code-1012@sandbox.test", "code-1012@sandbox.test", ()),
        ("a@b.co.in", "a@b.co.in", ()),
        ("mailto:a@b.com", "a@b.com", ("mailto_removed",)),
        ("mailto:a@b.com?subject=x", "a@b.com", ("mailto_removed",)),
        ("a@b.com <mailto:a@b.com>", "a@b.com", ("email_brackets_removed",)),
        ("A@B.com<mailto:A@b.com?subject=x>", "A@b.com", ("email_brackets_removed",)),
        ("a@b.com [mailto:a@b.com]", "a@b.com", ("email_brackets_removed",)),
        ("[a@b.com](mailto:a@b.com)", "a@b.com", ("email_brackets_removed",)),
        ("'a@b.com' <a@b.com>", "a@b.com", ("email_brackets_removed",)),
        ("<a@b.com>", "a@b.com", ("email_brackets_removed",)),
        ("n/a", "", ("placeholder_emptied",)),
        ("NA", "", ("placeholder_emptied",)),
        ("-", "", ("placeholder_emptied",)),
        ("a@b.com\u200b", "a@b.com", ("invisible_characters_removed",)),
        ("\u00a0a@b.com", "a@b.com", ()),
        ("", "", ()),
        ("  ", "", ()),
    ],
)
def test_what_is_sent(value: str, sent: str, repairs: tuple[str, ...]) -> None:
    """The address, its domain in lower case, its name as written."""
    assert read_email(value) == CellResult(sent, repairs)
    assert [found if isinstance(found, str) else found.text for found in read_emails([value])] == [sent]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("asha", "email_invalid"),
        ("asha@", "email_invalid"),
        ("@example.com", "email_invalid"),
        ("asha@example", "email_invalid"),
        ("a..b@example.com", "email_invalid"),
        (".a@example.com", "email_invalid"),
        ("a@-example.com", "email_invalid"),
        ("a@example..com", "email_invalid"),
        ("a@b@example.com", "email_invalid"),
        ("a@" + "x" * 64 + ".com", "email_invalid"),
        ("asha k@example.com", "email_unsupported_character"),
        ("ásha@example.com", "email_unsupported_character"),
        ("asha@exämple.com", "email_unsupported_character"),
        ('"a"@example.com', "email_unsupported_character"),
        ("Asha <a@b.com>", "email_unsupported_character"),
        ("a'b@example.com", "email_unsupported_character"),
        ("a@b.com; c@d.com", "email_several"),
        ("a@b.com,c@d.com", "email_several"),
        ("a@b.com <mailto:c@d.com>", "email_several"),
        ("a@b.com <c@d.com>", "email_several"),
        ("a" * 250 + "@b.com", "email_too_long"),
    ],
)
def test_what_is_refused(value: str, code: str) -> None:
    """Each with its own reason."""
    assert read_email(value) == CellResult(code=code)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("\u0430sha@example.com", "\u0430"),  # Cyrillic
        ("asha@exampl\u0435.com", "\u0435"),
        ("\u03b1sha@example.com", "\u03b1"),  # Greek
        ("asha@example.com,", ","),
        ("asha@example.com;", ";"),
        ("ásha@example.com", "á"),
        ("a'b@example.com", "'"),
        ("asha k@example.com", "space"),
        ("asha@example\u3002com", "\u3002"),
        ("asha\x07@example.com", "U+0007"),
        ("Asha <a@b>", "name before"),
        ("a@b@example.com", "2 @"),
        ("asha", "no @"),
        ("asha@example", "no dot"),
        ("asha@example.com.", "ends with a dot"),
    ],
)
def test_the_problem_names_what_is_not_allowed(value: str, named: str) -> None:
    """The character, as it cannot always be seen, or what is missing; never more of the address."""
    code = read_email(value).code
    assert isinstance(code, DetailedCode) and named in code.detail
    assert "asha" not in code.detail and "example" not in code.detail


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None)
@example("a", "b--c.com")
@example("a", "xn--a.com")
@example("a", "b.c")
@example("A", "EXAMPLE.COM")
@example("A" * 60, "EXAMPLE.COM")
@example("a", "b.1c")
@given(_NAMES, _DOMAINS)
def test_the_fast_way_agrees_with_the_slow_one(name: str, domain: str) -> None:
    """A column gives what each cell gives alone."""
    value = f"{name}@{domain}"
    found = read_emails([value])[0]
    assert (found if isinstance(found, CellResult) else CellResult(found)) == read_email(value)
