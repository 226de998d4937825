"""The JSON Schema of `importer.toml`, for editors, made from the table of options.

The package holds it as `importer.schema.json`; `python -m importer.settings.schema` writes that file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from importer.model import to_json
from importer.settings.options import FILE_OPTIONS, schema_of

FILE = Path(__file__).with_name("importer.schema.json")


def schema() -> dict[str, Any]:
    """The schema: settings, and profiles with the same settings."""
    settings = {
        option.name: {
            **schema_of(option),
            "description": f"{option.help[0].upper()}{option.help[1:]}. Default: {option.shown.replace('`', '')}.",
        }
        for option in FILE_OPTIONS
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of the importer",
        "type": "object",
        "properties": {
            **settings,
            "profiles": {
                "type": "object",
                "description": "Settings by name, for --profile NAME. A profile overrides the settings above.",
                "additionalProperties": {"type": "object", "properties": settings, "additionalProperties": False},
            },
        },
        "additionalProperties": False,
    }


if __name__ == "__main__":
    FILE.write_bytes(to_json(schema()))
