"""Links in the workspace that lead out of it: what is behind them is none of its results, so it is neither shown nor exported."""

import os
from itertools import chain
from pathlib import Path

from analysis.place import workspace


def way_out(folder: Path) -> Path | None:
    """The folder itself, or the first link in it, that leads out of the workspace; None if nothing does."""
    inside = (Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    links = chain([folder], (path for path in inside if path.is_symlink()))
    return next((path for path in links if not Path(os.path.realpath(path)).is_relative_to(workspace())), None)


def leads_out(path: Path) -> bool:
    """Whether a link on the way to it, not itself, leads out of the workspace."""
    return not path.parent.resolve().is_relative_to(workspace())
