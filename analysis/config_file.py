"""Commands with `--config FILE.yaml`, flags overriding, and flags spelt as lm-eval and open-unlearning spell them.

A config file holds a command's flags by name, without dashes; hyphens and underscores are alike. `command` names the command that it
is for. Each result folder holds the one that makes the result again: `python -m analysis COMMAND --config FILE --output NEW`.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.core import TyperGroup

from analysis import atomic
from analysis.place import check_slug

FILE = "config.yaml"
LARGEST, DEEPEST = 65_536, 8  # bytes and nesting of a config file; ours have 2 kB and 4 levels
ALIASES = {"output-path": "output", "forget-split": "forget", "retain-split": "retain", "n-accumulation": "accumulate"}
HELP = "--config FILE.yaml: flags by name, as config.yaml in each result folder has them; flags given beside it override it."
Context = typer.Context.__base__  # what typer really gives to a command that asks for its context
UNRECORDED = ("output", "resume")  # they say where and how, not what


def flag(name: str) -> str:
    """One spelling of a flag without its dashes: `batch_size` is `batch-size`, `output_path` is `output`."""
    name = name.replace("_", "-")
    return ALIASES.get(name, name)


class Commands(TyperGroup):
    """A group whose commands take `--config`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is None or hasattr(command, "commands"):
            return name, command, rest
        command.epilog = HELP
        try:
            return name, command, _expanded(command, rest)
        except OSError as error:
            ctx.fail(f"--config: {error.filename}: {error.strerror}; expected a YAML file")
        except ValueError as error:
            ctx.fail(str(error))


def read(file: Path) -> dict[str, Any]:
    """The settings of a config file. Raises ValueError naming what is wrong: no mapping of names to plain values, an anchor, alias or
    tag, a name twice, too large or too deep; OSError if it cannot be read."""
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{file}: expected a config file of at most {LARGEST:,} bytes, got {file.stat().st_size:,}")
    try:
        text = file.read_text(encoding="utf-8-sig")
        _check_plain(file, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{file}: expected flags and values, one `name: value` per line")
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{file}: {twice[:40]!r} is there twice; keep one of them")
        return {str(name): value for name, value in yaml.safe_load(text).items()}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: expected YAML as UTF-8 text: {' '.join(str(error).split())[:200]}") from error
    except (TypeError, ValueError, OverflowError) as error:
        where = "" if str(error).startswith(str(file)) else f"{file}: expected plain names and values: "
        raise ValueError(f"{where}{error}") from error


def _check_plain(file: Path, text: str) -> None:
    """Refuses what could grow, or make objects, when it is loaded; parsing into events does neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(f"{file}: line {event.start_mark.line + 1}: expected plain values, got an anchor or alias (& or *)")
        if getattr(event, "tag", None):
            raise ValueError(f"{file}: line {event.start_mark.line + 1}: expected plain values, got the tag {event.tag[:60]!r}")
        if depth > DEEPEST:
            raise ValueError(f"{file}: line {event.start_mark.line + 1}: expected flags and values, got {depth} levels of nesting")


def _expanded(command: Any, args: list[str]) -> list[str]:
    """The arguments with what `--config` names before them, but for what is given anyway."""
    file, rest = _taken(args)
    if file is None:
        return args
    options = {flag(name.lstrip("-")): param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    given = {options[name].name for word in rest if word.startswith("--") and (name := flag(word[2:].partition("=")[0])) in options}
    words = []
    for name, value in read(file).items():
        if name == "command":
            if flag(str(value)) != command.name:
                raise ValueError(f"{file}: it is of the command {str(value)[:40]!r}, not of {command.name!r}")
            continue
        key, value = _translated(file, name, value)
        if key not in options:
            close = difflib.get_close_matches(key, options, 1)
            hint = f"; {close[0].replace('-', '_')!r} is one" if close else ""
            raise ValueError(f"{file}: {name[:40]!r} is no setting of {command.name!r}{hint}; see `{command.name} --help`")
        if options[key].name not in given:
            words += _words(f"{file}: {name}", options[key], value)
    return words + rest


def _taken(args: list[str]) -> tuple[Path | None, list[str]]:
    """The file that `--config` names, and the other arguments."""
    rest, files, words = [], [], iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if name != "--config":
            rest.append(word)
        elif value or (value := "" if equals else next(words, "")):
            files.append(Path(value))
        else:
            raise ValueError("--config: expected a YAML file after it")
    if len(files) > 1:
        raise ValueError("--config: expected one file, got several; flags beside it override it")
    return (files[0] if files else None), rest


def _translated(file: Path, name: str, value: Any) -> tuple[str, Any]:
    """A setting by its flag. `task_name` is open-unlearning's for a run's folder below saves/unlearn."""
    if flag(name) != "task-name":
        return flag(name), value
    try:
        return "output", f"saves/unlearn/{check_slug(str(value))}"
    except ValueError as error:
        raise ValueError(f"{file}: task_name: {error}") from error


def _words(where: str, option: Any, value: Any) -> list[str]:
    """The words of the command line that set this option. Raises ValueError if the value is of another kind."""
    if value is None:
        return []
    if getattr(option, "is_flag", False):
        if not isinstance(value, bool):
            raise ValueError(f"{where}: expected true or false, got {str(value)[:40]!r}")
        return [option.opts[0]] if value else list(option.secondary_opts[:1])
    if isinstance(value, dict) and option.name.endswith("_args"):
        value = ",".join(f"{name}={part}" for name, part in value.items() if part is not None)
    values = value if isinstance(value, list) and option.multiple else [value]
    if wrong := [part for part in values if isinstance(part, bool) or not isinstance(part, str | int | float)]:
        raise ValueError(f"{where}: expected text or a number{' or a list of them' * option.multiple}, got {str(wrong[0])[:40]!r}")
    return [f"{option.opts[0]}={part}" for part in values]


def write(folder: Path, ctx: Context, **found: Any) -> None:
    """config.yaml of a result: every setting of the command that runs in `ctx`, defaults too. `found` replaces what was left to the
    command, or adds to it."""
    atomic.write_bytes(folder / FILE, dumped(settings(ctx) | found))


def settings(ctx: Context) -> dict[str, Any]:
    """The command and its settings as plain values, without those that are not set."""
    known = {name: _plain(value) for name, value in ctx.params.items() if name not in UNRECORDED}
    return {"command": ctx.info_name} | {name: value for name, value in known.items() if value not in (None, [])}


def dumped(content: Mapping[str, Any]) -> bytes:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
