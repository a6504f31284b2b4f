"""Read-only demo mode (`LETHE_DEMO=1`) for public showing: what is on disk is shown, nothing is started, stopped or taken in."""

import os


def on() -> bool:
    """Whether this process only shows: set in its environment, the same for every visitor of a server."""
    return os.environ.get("LETHE_DEMO", "") not in ("", "0")


def refuse(what: str) -> None:
    """Raises ValueError in read-only mode; `what` was asked for, such as "starting a job"."""
    if on():
        raise ValueError(f"this server is a read-only demo, in which {what} is switched off; run Lethe on your own machine to try it")
