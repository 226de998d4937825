"""Which proxy leads to a host."""

from __future__ import annotations

import pytest

from importer.capillary.proxies import proxies_of, proxy_for


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, ("", "")),
        ({"HTTP_PROXY": "http://other:1"}, ("", "")),
        ({"HTTPS_PROXY": " http://p:1 "}, ("HTTPS_PROXY", "http://p:1")),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, ("HTTPS_PROXY", "http://low:1")),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, ("", "")),
        ({"ALL_PROXY": "http://p:1"}, ("ALL_PROXY", "http://p:1")),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://s:1"}, ("HTTPS_PROXY", "http://s:1")),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, ("", "")),
        ({"ALL_PROXY": "http://p:1", "no_proxy": "localhost, capillarytech.com"}, ("", "")),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": ".capillarytech.com"}, ("", "")),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "tech.com"}, ("ALL_PROXY", "http://p:1")),
    ],
)
def test_the_variables_of_the_environment_that_is_passed_in_decide(
    environ: dict[str, str], found: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in curl and urllib. The process's own environment does not count."""
    monkeypatch.setenv("https_proxy", "http://process:1")
    monkeypatch.setenv("no_proxy", "")
    assert proxy_for("https", "eu.api.capillarytech.com", proxies_of(environ)) == found
