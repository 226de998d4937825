"""The number formats that a workbook names by number only. Some of them depend on the language of the program."""

from __future__ import annotations

from collections.abc import Sequence

_EVERYWHERE = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "m/d/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "m/d/yyyy h:mm", 30: "m/d/yy", 31: "yyyy/m/d", 32: "h:mm", 33: "h:mm:ss",
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
    59: "0", 60: "0.00", 61: "#,##0", 62: "#,##0.00", 67: "0%", 68: "0.00%", 69: "# ?/?", 70: "# ??/??",
    71: "d/m/yyyy", 72: "d-mmm-yy", 73: "d-mmm", 74: "mmm-yy", 75: "h:mm", 76: "h:mm:ss", 77: "d/m/yyyy h:mm",
    78: "mm:ss", 79: "[h]:mm:ss", 80: "mm:ss.0", 81: "d/m/yy",
}  # fmt: skip
#: A date in some languages and a time in others, or without its year or day in some: read as a full date, or as a
#: time where the number is less than a day.
_EVERYWHERE |= dict.fromkeys((27, 28, 29, 34, 35, 36, *range(50, 59)), "yyyy-mm-dd")

_FULL, _MONTH, _DAY, _TIME, _SECONDS = "yyyy-m-d", "yyyy-m", "m-d", "h:mm", "h:mm:ss"
_BY_LANGUAGE: dict[str, dict[int, str]] = {
    "zh-cn": {
        **dict.fromkeys((27, 36, 50, 52, 57), _MONTH), **dict.fromkeys((28, 29, 51, 53, 54, 58), _DAY),
        **dict.fromkeys((34, 55), _TIME), **dict.fromkeys((35, 56), _SECONDS),
    },
    "zh-tw": {
        **dict.fromkeys((27, 28, 29, 36, 50, 51, 54, 57, 58), _FULL), **dict.fromkeys((34, 52, 55), _TIME),
        **dict.fromkeys((35, 53, 56), _SECONDS),
    },
    "ja": {
        **dict.fromkeys((27, 28, 29, 36, 50, 51, 54, 57, 58), _FULL), **dict.fromkeys((34, 52, 55), _MONTH),
        **dict.fromkeys((35, 53, 56), _DAY),
    },
    "ko": {
        **dict.fromkeys((27, 34, 35, 36, 50, 52, 53, 55, 56, 57), _FULL), **dict.fromkeys((28, 29, 51, 54, 58), _DAY),
    },
}  # fmt: skip
#: Character sets of a workbook's default font.
_CHARSETS = {128: "ja", 129: "ko", 134: "zh-cn", 136: "zh-tw"}
#: Country codes of old workbooks.
_COUNTRIES = {81: "ja", 82: "ko", 86: "zh-cn", 886: "zh-tw"}


def built_in(number: int, language: str) -> str:
    """The code of a built-in format. `language`: from a function below; empty where the file does not say it."""
    return _BY_LANGUAGE.get(language, {}).get(number) or _EVERYWHERE.get(number, "")


def language_of(tag: str = "", charsets: Sequence[int] = (), country: int = 0) -> str:
    """The language of a workbook: by its tag (`ja-JP`), the country of its program, or the first of its fonts that has
    a character set for one language."""
    tag = tag.strip().lower().replace("_", "-")
    if tag.startswith("zh"):
        return "zh-tw" if tag.endswith(("tw", "hk", "mo")) or "hant" in tag else "zh-cn"
    if tag[:2] in _BY_LANGUAGE:
        return tag[:2]
    found = (_CHARSETS[charset] for charset in charsets if charset in _CHARSETS)
    return _COUNTRIES.get(country) or next(found, "")
