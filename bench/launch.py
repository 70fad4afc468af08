"""Runs a program and prints its seconds and its largest resident memory as JSON.

It is a small process of its own: on Linux a program starts with the memory of the process that
starts it in its `ru_maxrss`, and the bench itself is larger than what it measures.
"""

import json
import os
import sys
import time

RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of `ru_maxrss`


def main(arguments: list[str]) -> int:
    """Run the program, its output going to stderr; the program's exit code."""
    started = time.perf_counter()
    child = os.posix_spawn(
        arguments[0], arguments, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
    )
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    figures = {"seconds": seconds, "peak_bytes": usage.ru_maxrss * RSS_UNIT}
    sys.stdout.write(json.dumps(figures) + "\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
