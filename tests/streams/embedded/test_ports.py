"""Free ports."""

import socket
from collections.abc import Iterator

import pytest

from streams.embedded.ports import HOST, free_ports, is_free


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as server:
        yield server


def test_a_port_with_a_listener_is_not_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not is_free(port)
    listener.close()
    assert is_free(port)


def test_a_port_with_only_closed_connections_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection((HOST, port)):
        served, _ = listener.accept()
        served.close()
    listener.close()
    assert is_free(port)


def test_ports_are_different_and_their_companions_are_free() -> None:
    ports = free_ports(20, companion=10_000)
    assert len(set(ports)) == 20
    assert all(is_free(port) and is_free(port + 10_000) for port in ports)


def test_a_port_whose_companion_is_taken_is_not_chosen() -> None:
    wanted = free_ports(1)[0]
    with socket.create_server((HOST, wanted + 10_000)):
        assert wanted not in free_ports(200, companion=10_000)
