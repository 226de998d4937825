"""The paths of the API's calls."""

from __future__ import annotations

PREFERENCES = "/v1.1/customer/preferences"
CUSTOM_FIELDS = "/v1.1/organization/customfields"
TOKEN = "/v3/oauth/token/generate"  # noqa: S105 - a path
