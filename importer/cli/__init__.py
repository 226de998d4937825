"""The command line: one module per family of verbs, loaded when a verb is used."""

import os
import signal
from types import FrameType


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(130)


# The kernel drops a signal for the first process of a container that has no handler: a SIGTERM that arrives while
# modules are loaded would be lost. Commands that send rows replace this one.
if os.getpid() == 1:
    signal.signal(signal.SIGTERM, _end)
