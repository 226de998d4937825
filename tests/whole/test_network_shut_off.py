"""The guard of the tests themselves: nothing they do can leave this machine."""

from __future__ import annotations

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


@pytest.mark.filterwarnings("ignore:A test tried to use")
def test_an_address_beyond_the_machine_cannot_be_reached() -> None:
    """A connection to anywhere but loopback is an error of the test, at once."""
    with socket.socket() as outside, pytest.raises(SocketConnectBlockedError):
        outside.connect(("192.0.2.1", 80))


def test_no_name_is_looked_up() -> None:
    """Looking a host up would ask a name server."""
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("eu.api.capillarytech.com", 443)


def test_loopback_works() -> None:
    """The sandbox and the fault servers live there."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()[:2]):
        pass
