"""The network of a run: loopback in a namespace of its own, where nobody else is, with the kernel's congestion control."""

import ctypes
import fcntl
import pathlib
import socket
import struct

CONGESTION_CONTROL = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")  # of the namespace that reads it
KERNEL_DEFAULT = "cubic"
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
INTERFACE = struct.Struct("16sh22x")  # struct ifreq: name and flags


def enter() -> dict:
    """For this thread and all that it starts from now on, where the kernel allows it (root). Answers what there is.

    bbr sends by timers, at a pace that suits a link; on loopback it would be those timers that were measured.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    is_own = libc.unshare(CLONE_NEWNET) == 0
    if is_own:
        _raise_loopback()
        try:
            CONGESTION_CONTROL.write_text(KERNEL_DEFAULT)
        except OSError:
            pass  # the kernel has it not: said below
    return {"own_namespace": is_own, "congestion_control": CONGESTION_CONTROL.read_text().strip()}


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, INTERFACE.pack(b"lo", 0))
        flags = INTERFACE.unpack(answer)[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, INTERFACE.pack(b"lo", flags | IFF_UP))


def describe(network: dict) -> str:
    where = "a network namespace of its own" if network["own_namespace"] else "the machine's network (root would get its own)"
    return f"loopback in {where}, congestion control {network['congestion_control']}"
