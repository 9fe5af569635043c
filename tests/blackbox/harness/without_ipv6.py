"""Runs a command for which the kernel speaks no IPv6, as in many containers: a seccomp filter refuses the sockets.

    python3 without_ipv6.py COMMAND...
"""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}[platform.machine()]
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER_MODE = 38, 22, 2
ALLOW, FAIL = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
CALL_AT, FIRST_ARGUMENT_AT = 0, 16  # in struct seccomp_data


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


PROGRAM = b"".join(
    [
        instruction(LOAD, CALL_AT),
        instruction(JUMP_IF_EQUAL, SOCKET_CALL, 0, 3),
        instruction(LOAD, FIRST_ARGUMENT_AT),
        instruction(JUMP_IF_EQUAL, socket.AF_INET6, 0, 1),
        instruction(RETURN, FAIL | errno.EAFNOSUPPORT),
        instruction(RETURN, ALLOW),
    ]
)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = Filter(len(PROGRAM) // 8, PROGRAM)
    for call in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SET_SECCOMP, FILTER_MODE, ctypes.byref(wanted), 0, 0)):
        if libc.prctl(*call) != 0:
            sys.exit(f"without_ipv6: prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
