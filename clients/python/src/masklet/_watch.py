"""Runs a command until it ends or until its standard input closes, which happens also when the parent is killed.

``python _watch.py COMMAND ...``. The command gets a process group of its own, so that Ctrl-C in a terminal reaches
the parent only, and so that everything the command started ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_GRACE_S = 10.0


def main(command: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    has_groups = hasattr(os, "killpg")
    options = {"start_new_session": True} if has_groups else {"creationflags": 0x200}  # a new process group
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)

    def stop(is_last: bool) -> None:
        try:
            if not has_groups:
                child.kill()
            elif is_last:
                os.killpg(child.pid, signal.SIGKILL)
            else:
                os.killpg(child.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            pass

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        # The second signal ends a server that still waits for running requests.
        for is_last in (False, False, True):
            stop(is_last)
            try:
                child.wait(_GRACE_S / 2)
            except subprocess.TimeoutExpired:
                continue
            break

    signal.signal(signal.SIGTERM, lambda *_: stop(False))
    threading.Thread(target=wait_for_parent, daemon=True).start()
    status = child.wait()
    stop(True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    # The thread that reads the standard input does not let the interpreter end in the usual way.
    os._exit(main(sys.argv[1:]))
