"""Variables of the environment in settings: `${NAME}` in a location or in the address of a notice."""

from __future__ import annotations

import re
from collections.abc import Mapping

from importer.capillary.credentials import secret_of
from importer.errors import SettingsError

#: The variables that settings may use: those of this program, and those that the person who starts it allows.
_OWN, _ALLOWED = "IMPORTER_", "IMPORTER_ALLOWED_VARIABLES"
#: The secrets of the API and of sources. No other program gets them.
_KEPT = frozenset({"IMPORTER_PASSWORD", "IMPORTER_CLIENT_SECRET", "IMPORTER_SOURCE_PASSWORD", "IMPORTER_DATABASE"})


def refuse_foreign_variable(name: str, environ: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a variable that a settings file could send elsewhere without the user's consent."""
    if name in re.split(r"[\s,]+", environ.get(_ALLOWED, "")) or (name.startswith(_OWN) and name not in _KEPT):
        return
    if name in _KEPT:
        raise SettingsError(
            f"${{{name}}} is not used: the settings must not pass it on.", "Use another secret for each service."
        )
    raise SettingsError(
        f"${{{name}}} is not used: the environment does not allow settings to read it.",
        f"Name the variable {_OWN}…, or set {_ALLOWED}={name} in the environment.",
    )


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """The text with each `${NAME}` replaced by the environment variable, or the content of its file or command.

    Raises `SettingsError` for a variable that is not set, or that the settings may not use.
    """

    def value(found: re.Match[str]) -> str:
        refuse_foreign_variable(found[1], environ)
        if secret := secret_of(environ, found[1]):
            return secret
        raise SettingsError(f"{found[1]} is not set.", "The settings use it: set it in the environment.")

    return re.sub(r"\$\{(\w+)\}", value, text)
