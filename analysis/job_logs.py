"""What jobs print: two files a job in `jobs/` of the workspace, beside its progress; old ones go, so that they stay small together."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from analysis import place, progress

KEPT_BYTES = 20_000_000  # of all logs together; those of jobs that have not ended are kept in any case
SUFFIXES = (".out", ".err", ".json", ".tmp")
END = 16_384  # bytes of a log's end that are read


def path(job_id: str, stream: str) -> Path:
    """`stream`: out or err."""
    return progress.folder() / f"{place.check_slug(job_id)}.{stream}"


def lines(job_id: str, stream: str, n_lines: int) -> list[str]:
    """The last lines that are not blank; none where there is no log that can be read."""
    try:
        with open(path(job_id, stream), "rb") as content:
            content.seek(max(0, content.seek(0, 2) - END))
            text = content.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-n_lines:]


def prune(gone: Collection[str], active: Collection[str]) -> None:
    """Remove the files of the jobs `gone`, then the oldest beyond KEPT_BYTES; never those of a job that is `active`."""
    found = []
    for file in progress.folder().glob("*"):
        with suppress(OSError):  # another process removed it meanwhile
            if file.suffix in SUFFIXES:
                found.append((file.stat().st_mtime, file.stat().st_size, file))
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if file.stem not in active and (file.stem in gone or total > KEPT_BYTES):
            with suppress(OSError):
                file.unlink()
