"""Addresses to listen on. All of 127/8 is loopback, so a test run takes a network of its own: a port there can
neither be taken by another run nor be the ephemeral port of somebody's client on 127.0.0.1.
"""

import itertools
import os
import socket

_next_host = itertools.count(1)


def own_address() -> str:
    """An address that nobody else in this run has."""
    number = next(_next_host)
    pid = os.getpid() + 256 * (number // 250)
    return f"127.{1 + (pid >> 8) % 250}.{pid % 256}.{1 + number % 250}"


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def free_endpoint() -> tuple[str, int]:
    address = own_address()
    return address, free_port(address)


def text(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
