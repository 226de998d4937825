"""What would travel unencrypted over a network, which --insecure allows."""

from __future__ import annotations

import pytest

from importer.capillary.proxies import proxies_of
from importer.capillary.unencrypted import refuse_unencrypted
from importer.errors import SettingsError


@pytest.mark.parametrize(
    ("base_url", "environ"),
    [
        ("https://api.example", {}),
        ("HTTPS://api.example", {}),
        ("http://127.0.0.1:8080/x", {}),
        ("http://127.8.9.1", {}),
        ("http://localhost:1", {}),
        ("http://LocalHost.", {}),
        ("http://[::1]:1", {}),
        ("http://[::ffff:127.0.0.1]", {}),
        # Through a tunnel, which the proxy cannot look into.
        ("https://api.example", {"HTTPS_PROXY": "http://proxy.example:3128"}),
        ("https://api.example", {"HTTPS_PROXY": "https://user:word@proxy.example"}),
        ("https://api.example", {"HTTPS_PROXY": "http://user:word@proxy.example:3128"}),
        ("https://api.example", {"ALL_PROXY": "user:word@proxy.example:3128"}),
        ("https://api.example", {"HTTP_PROXY": "http://user:word@proxy.example"}),
        ("https://api.example", {"HTTPS_PROXY": "http://u:w@proxy.example", "NO_PROXY": "api.example"}),
        ("http://127.0.0.1", {"http_proxy": "http://127.0.0.1:3128"}),
        ("http://127.0.0.1", {"http_proxy": "http://proxy.example", "no_proxy": "127.0.0.1"}),
    ],
)
def test_what_is_encrypted_or_stays_on_this_machine(base_url: str, environ: dict[str, str]) -> None:
    refuse_unencrypted(base_url, proxies_of(environ))


@pytest.mark.parametrize(
    ("base_url", "environ"),
    [
        ("http://api.example", {}),
        ("HTTP://api.example", {}),
        ("http://192.0.2.2", {}),
        ("http://[fe80::1]", {}),
        ("http://localhost.example", {}),
        ("http://127.0.0.1.example", {}),
        ("http://api.example", {"http_proxy": "http://127.0.0.1:3128"}),
        ("http://127.0.0.1", {"http_proxy": "http://proxy.example:3128"}),
        ("http://localhost", {"ALL_PROXY": "proxy.example:3128"}),
        ("http://localhost", {"ALL_PROXY": "user:word@proxy.example:3128"}),
    ],
)
def test_what_others_on_the_way_could_read(base_url: str, environ: dict[str, str]) -> None:
    """The message holds no password."""
    with pytest.raises(SettingsError) as refused:
        refuse_unencrypted(base_url, proxies_of(environ))
    assert "--insecure" in str(refused.value)
    assert "word" not in str(refused.value).replace("password", "")
