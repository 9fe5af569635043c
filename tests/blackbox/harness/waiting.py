"""Waiting for a condition, never for a time. Sanitizer builds are slower: HYBRIDGE_TEST_SLOWNESS stretches the limits."""

import os
import time

SLOWNESS = float(os.environ.get("HYBRIDGE_TEST_SLOWNESS", "1"))
PATIENCE = 10.0 * SLOWNESS


def wait_until(condition, what: str, seconds: float = PATIENCE):
    """Calls `condition` until it is true and returns what it said; fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = condition()
        if outcome:
            return outcome
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.1f} s for {what}")
        time.sleep(0.005)
