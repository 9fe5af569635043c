"""Is somebody there?"""

import socket


def accepts(endpoint: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(endpoint, timeout=1):
            return True
    except OSError:
        return False
