"""Becomes the given program, after asking the kernel to end it when its parent ends, however the parent ends.

Run as a script between fork and exec, so that no Python code has to run in a fork of a process with threads.
Arguments: signal number, process id of the parent, program, its arguments.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Replace this process by the program."""
    death_signal, parent, *argv = sys.argv[1:]
    # What the parent blocked or ignored is no business of the program.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the request was made
        os._exit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  no shell is wanted: arguments are passed as they are
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main()
