"""The code of a number format, like `"C-"00000;[Red]-0`, as sections of tokens, and the text of a number in one."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

#: Digits that a cell without a format shows before it changes to scientific notation.
_GENERAL_DIGITS = 11

_TOKEN = re.compile(
    r"""
    "(?P<quoted>[^"]*)"? | \\(?P<escaped>.) | _(?P<space>.?) | \*(?P<fill>.?) | \[(?P<bracket>[^\]]*)\]
    | (?P<general>general|standard) | (?P<half>am/pm|a/p|上午/下午|午前/午後|오전/오후) | (?P<exponent>e[+-])
    | (?P<moment>y+|m+|d+|h+|s+(?:\.0+)?|e+|g+|b+|r+|a{3,4}) | (?P<digit>[0#?]) | (?P<point>\.) | (?P<comma>,)
    | (?P<percent>%) | (?P<text>@) | (?P<slash>/) | (?P<end>;) | (?P<literal>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*", re.ASCII)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_COMPARES: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "<>": operator.ne,
}  # fmt: skip
#: Kinds of tokens that are displayed as they are.
_LITERALS = ("literal", "slash", "percent", "moment", "half")


class Token(NamedTuple):
    """`kind`: literal, currency, elapsed, numerals (digits or a condition that we do not know), or a group's name."""

    kind: str
    text: str


class Section(NamedTuple):
    """One section of a code."""

    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None = None

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)

    def applies(self, value: float) -> bool:
        """Whether the condition holds for the number."""
        return self.condition is not None and _COMPARES[self.condition[0]](value, self.condition[1])

    @property
    def is_for_negatives(self) -> bool:
        """Whether the condition holds for negative numbers only, which are then shown without a sign."""
        if self.condition is None:
            return False
        sign, limit = self.condition
        return (limit < 0 and sign in ("<", "<=", "=")) or (limit == 0 and sign == "<")

    @property
    def literal(self) -> str:
        """The text that stands in the code itself."""
        return "".join(token.text for token in self.tokens if token.kind in _LITERALS)


def sections(code: str) -> list[Section]:
    """The sections for numbers. A section for text, always the last, is left out."""
    found: list[Section] = []
    tokens: list[Token] = []
    condition: tuple[str, float] | None = None
    for token in (*_tokens(code), Token("end", ";")):
        if token.kind == "condition":
            match = _CONDITION.fullmatch(token.text)
            condition = (match[1], float(match[2])) if match else None
        elif token.kind != "end":
            tokens.append(token)
        else:
            found.append(Section(tuple(tokens), condition))
            tokens, condition = [], None
    if len(found) > 3 or (len(found) > 1 and found[-1].has("text")):
        found = found[: min(3, len(found) - 1)]
    return found


def _tokens(code: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "literal", match[match.lastgroup or 0]
        if kind in ("quoted", "escaped", "literal"):
            yield Token("literal", text)
        elif kind == "space":
            yield Token("literal", " ")
        elif kind == "bracket":
            yield from _bracket(text)
        elif kind != "fill":
            yield Token(kind, text)


def _bracket(text: str) -> Iterator[Token]:
    if text.startswith("$"):
        if currency := text[1:].partition("-")[0]:
            yield Token("currency", currency)
    elif _CONDITION.fullmatch(text):
        yield Token("condition", text)
    elif _ELAPSED.fullmatch(text):
        yield Token("elapsed", text)
    elif text.lower().startswith(("dbnum", "natnum", "<", ">", "=")):
        yield Token("numerals", text)


class NumberLayout:
    """Where the digits of a number go in a section: in front of the point, behind it, and the text between them."""

    def __init__(self, section: Section) -> None:
        tokens = section.tokens
        point = next((at for at, token in enumerate(tokens) if token.kind == "point"), len(tokens))
        places = [at for at, token in enumerate(tokens) if token.kind in ("digit", "general")]
        before = [at for at in places if at < point]
        self._tokens = tokens
        self._first = before[0] if before else -1
        self._point = point
        commas = [at for at, token in enumerate(tokens) if token.kind == "comma"]
        self.is_grouped = any(before and before[0] < at < before[-1] for at in commas)
        #: How often the number is divided by a thousand.
        self.scales = sum(at > (before or places)[-1] for at in commas)
        self.percents = sum(token.kind == "percent" for token in tokens)
        self.decimals = sum(at > point for at in places)
        zero = next((at for at in before if tokens[at].text == "0"), None)
        #: The fewest digits in front of the point.
        self.least = sum(at >= zero for at in before) if zero is not None else 0
        last = places[-1]
        #: Whether zero is shown without a digit.
        self.is_optional = all(tokens[at].text in ("#", "?") for at in places)
        literals = [(at, token.text) for at, token in enumerate(tokens) if token.kind in _LITERALS]
        slash = next((at for at, token in enumerate(tokens) if token.kind == "slash"), None)
        behind = "".join(token.text for token in tokens[slash:] if token.kind in ("literal", "digit")) if slash else ""
        self.is_fraction = slash is not None and places[0] < slash and re.search(r"[0-9#?]", behind) is not None
        #: Whether a fraction has its whole number in front of it.
        self.has_whole = self.is_fraction and " " in "".join(t.text for t in tokens[places[0] : slash])
        #: The text in front of the first digit, between digits, and behind the last.
        self.prefix = "".join(text for at, text in literals if at < places[0])
        self.between = "".join(text for at, text in literals if places[0] < at < last)
        self.suffix = "".join(text for at, text in literals if at > last)

    def shown(self, number: Decimal) -> str | None:
        """The displayed text of a number that is not negative; None where it cannot be built exactly."""
        try:
            number = number.scaleb(2 * self.percents - 3 * self.scales)
            whole, _, fraction = f"{number.quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP):f}".partition(".")
        except ArithmeticError:
            return None
        if any(token.kind == "general" for token in self._tokens) and (
            number != int(number) or len(whole) > _GENERAL_DIGITS
        ):
            return None
        written = [*self._whole(whole.lstrip("0")), *self._fraction(fraction)]
        return "".join(written).strip()

    def _whole(self, digits: str) -> list[str]:
        """The text of the tokens up to the point."""
        written: list[str] = []
        count = 0
        for at in range(self._point - 1, -1, -1):
            kind, text = self._tokens[at]
            if kind == "comma":
                continue
            if kind not in ("digit", "general"):
                written.append(text)
                continue
            zero = "0" if text == "0" or kind == "general" else ""
            taken = (digits or zero) if at == self._first or kind == "general" else (digits[-1:] or zero)
            digits = digits[: len(digits) - len(taken)] if digits else ""
            for digit in reversed(taken):
                written.append("," if self.is_grouped and count and count % 3 == 0 else "")
                written.append(digit)
                count += 1
        return written[::-1]

    def _fraction(self, digits: str) -> Iterator[str]:
        """The text of the tokens from the point on."""
        for kind, text in self._tokens[self._point :]:
            if kind == "digit":
                if text == "0" or digits.strip("0"):
                    yield digits[:1]
                digits = digits[1:]
            elif kind != "comma":
                yield text
