"""Exit codes of all commands."""

from typing import Final

FAILED: Final = 1
STOPPED: Final = 3
INTERRUPTED: Final = 130
EXIT_CODES: Final = {
    0: "done",
    FAILED: "something given cannot be used, or a clip failed",
    2: "the command line is wrong",
    STOPPED: "training stopped early, with a checkpoint",
    INTERRUPTED: "stopped with Ctrl-C; finished work is kept",
}
"""What each means; the command line itself gives 2."""
