"""Where things lie: the project, and the workspace with all that is a user's own. Imports nothing, as every worker waits for it."""

import os
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SLUG = re.compile(r"[a-z0-9._-]{1,64}")
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # Windows has no such file


def workspace() -> Path:
    """`LETHE_WORKSPACE`, else `workspace/` in the project."""
    return Path(os.environ.get("LETHE_WORKSPACE") or PROJECT / "workspace").resolve()


def check_slug(name: str) -> str:
    """Raises ValueError unless `name` may be used as a folder name below the workspace."""
    if not SLUG.fullmatch(name) or name[0] == "." or name[-1] == "." or name.partition(".")[0] in DEVICES:
        kinds = "a-z, 0-9, '.', '_' or '-', with no dot at either end and no name of a device as 'con'"
        raise ValueError(f"expected a name of 1-64 characters {kinds}, got {name[:80]!r}")
    return name
