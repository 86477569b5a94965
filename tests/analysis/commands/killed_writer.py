"""`python killed_writer.py N ARGUMENTS` is `dyno ARGUMENTS`, ended by SIGKILL at the Nth time that it opens a file for writing, renames or removes one.

Without N's place being reached, the command ends by itself. DYNO_TEST_BELOW is the folder whose files count.
"""

import os
import signal
import sys


def arm(at):
    """Count what happens to files of the folder, in this process alone, and kill it at the given count."""
    me, below, count = os.getpid(), os.environ["DYNO_TEST_BELOW"], 0

    def hook(event, arguments):
        nonlocal count
        if event not in ("open", "os.rename", "os.remove", "os.mkdir") or os.getpid() != me:
            return
        path = arguments[0]
        if event == "open" and not (
            isinstance(arguments[1], str) and set(arguments[1]) & set("wax+") or (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        ):
            return
        if isinstance(path, str | bytes | os.PathLike) and os.path.realpath(os.fsdecode(path)).startswith(below):
            count += 1
            if count == at:
                os.kill(me, signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
    from runner.cli import app

    arm(int(sys.argv[1]))
    app(sys.argv[2:])
