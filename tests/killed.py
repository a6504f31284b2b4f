"""Commands that are killed by SIGKILL at a moment of one's choice, each in a fork of this process, which has the imports done.

A *moment* is a touch of the disk below a folder (an audit event of the interpreter: open, rename, mkdir, remove, ...), just before it
happens, or a line of progress. At the opening of a file to write there are two: before it, and with half of something written.
"""

import importlib
import os
import pkgutil
import signal
import sys
import threading
from pathlib import Path

import analysis
from analysis import command

TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink", "sqlite3.connect",
           "ctypes.dlsym", "said")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def warm() -> None:
    """Import what commands import, so that a fork has it at once. Nothing is computed here: a fork would miss the threads."""
    for module in pkgutil.iter_modules(analysis.__path__):
        importlib.import_module(f"analysis.{module.name}")
    from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast  # noqa: F401


def run(arguments: list[str], log: Path, root: Path, at: int | None = None, half: bool = False) -> tuple[int, int, bool]:
    """Run a command in a fork, its words in `log`. `at`: be killed at this moment below `root`, counted from 1.

    Returns the exit code (-9 killed), the moments seen, and whether the last one was the opening of a file to write.
    """
    assert threading.active_count() == 1, "a fork has only one of the threads"
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        _work(arguments, log, Moments(str(root), writing, at, half))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        seen = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, len(seen), seen.endswith(b"w")


class Moments:
    """Counts, tells the parent through a pipe, and kills."""

    def __init__(self, root: str, pipe: int, at: int | None, half: bool):
        self.root, self.pipe, self.at, self.half, self.n, self.pid = root, pipe, at, half, 0, os.getpid()

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in TOUCHES or os.getpid() != self.pid or not self._ours(event, arguments):
            return
        self.n += 1
        writes = event == "open" and bool(arguments[2] & WRITING)
        os.write(self.pipe, b"w" if writes else b".")
        if self.n == self.at:
            if self.half and writes:
                os.write(os.open(arguments[0], arguments[2] & ~os.O_EXCL, 0o644), b'{"half": 0.')
            os.kill(self.pid, signal.SIGKILL)

    def _ours(self, event: str, arguments: tuple) -> bool:
        if event == "said":
            return True
        if event == "ctypes.dlsym":
            return "rename" in str(arguments[1])
        if event in ("os.remove", "os.rmdir", "os.mkdir") and isinstance(arguments[-1], int) and arguments[-1] >= 0:
            return self._below(os.readlink(f"/proc/self/fd/{arguments[-1]}"))
        return isinstance(arguments[0], str | bytes | os.PathLike) and self._below(os.fsdecode(arguments[0]))

    def _below(self, path: str) -> bool:
        return os.path.abspath(path.removeprefix("file:")).startswith(self.root)


def _work(arguments: list[str], log: Path, moments: Moments) -> None:
    """The command, as `python -m analysis` runs it, in this fork; never returns."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(handle, 1), os.dup2(handle, 2)
    try:
        main = importlib.import_module("analysis.__main__")
        for name, module in list(sys.modules.items()):  # whoever imported it
            if name.startswith("analysis.") and getattr(module, "say", None) is command.say and module is not command:
                module.say = _counted(command.say)
        sys.argv = ["analysis", *arguments]
        sys.addaudithook(moments)
        main.main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    os._exit(70)


def _counted(say):
    def said(*words, **more):
        sys.audit("said")
        say(*words, **more)

    return said
