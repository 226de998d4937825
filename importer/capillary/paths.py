"""The paths of the API's calls, and the parts of an address."""

from __future__ import annotations

from urllib.parse import urlsplit

PREFERENCES = "/v1.1/customer/preferences"
CUSTOM_FIELDS = "/v1.1/organization/customfields"
TOKEN = "/v3/oauth/token/generate"  # noqa: S105 - a path


def scheme_and_host(address: str) -> tuple[str, str]:
    """Both empty where the address cannot be parsed."""
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""
