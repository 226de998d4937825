"""The number formats that Excel's HTML and XML know by name, like `Short Date`."""

from __future__ import annotations

from importer.reader.number_formats import Shown, shown_as

#: name → number of the built-in format.
_BUILT_IN = {
    "general": 0,
    "general number": 0,
    "fixed": 2,
    "standard": 4,
    "percent": 10,
    "scientific": 11,
    "short date": 14,
    "long date": 14,
    "medium date": 15,
    "medium time": 18,
    "long time": 19,
    "short time": 20,
    "general date": 22,
}
_CODES = {
    "currency": "#,##0.00",
    "euro currency": "#,##0.00",
    "yes/no": '"Yes";"Yes";"No"',
    "true/false": '"True";"True";"False"',
    "on/off": '"On";"On";"Off"',
}


def shown_by(name: str, is_1904: bool = False) -> Shown:
    """How a format, given by its name or its code, shows a number."""
    key = name.strip().lower()
    if key in _BUILT_IN or not key:
        return shown_as(_BUILT_IN.get(key, 0), None, is_1904)
    return shown_as(-1, _CODES.get(key, name), is_1904)
