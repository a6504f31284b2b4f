"""A JSON or YAML object in a file that anybody may have changed, or ValueError: one line that names the file and says what is wrong."""

import json
from pathlib import Path
from typing import Any

import yaml

LARGEST = 50 * 2**20  # bytes; ours have at most 2 MB
LARGEST_YAML = 256 * 2**10  # it is read a hundred times slower
DEEPEST = 20  # lists and objects in each other


def json_object(file: Path) -> dict[str, Any]:
    """Raises ValueError if the file cannot be read, or holds no JSON object."""
    try:
        text = _text(file, LARGEST)
        found = json.loads(text)
        _check_text(text, found)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}: expected a JSON object: {one_line(error)}") from error
    return _object(file, found)


def yaml_object(file: Path) -> dict[str, Any]:
    """Raises ValueError if the file cannot be read, or holds no YAML object of plain values: anchors, which can unfold without end, and
    tags are not read."""
    try:
        text = _text(file, LARGEST_YAML)
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:  # the time that deep ones take grows with the square
                raise ValueError(f"lists or objects more than {DEEPEST} deep")
            if getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise ValueError(f"an anchor, an alias or a tag in line {event.start_mark.line + 1}")
        found = yaml.safe_load(text) or {}
        _check_text(text, found)
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: expected a YAML object of plain values: {one_line(error)}") from error
    return {str(name): value for name, value in _object(file, found).items()}


def one_line(error: Exception) -> str:
    """What an error says, in one line that is not endless."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _text(file: Path, largest: int) -> str:
    if (size := file.stat().st_size) > largest:
        raise ValueError(f"it has {size:,} bytes, at most {largest:,} are read")
    return file.read_text(encoding="utf-8")


def _check_text(text: str, found: Any) -> None:
    """Raises ValueError for half of a character (a lone surrogate), which only an escape can write, and no page can show."""
    if "\\u" in text:
        json.dumps(found, ensure_ascii=False, default=str).encode()


def _object(file: Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected an object with names and values, got {type(found).__name__}")
    return found
