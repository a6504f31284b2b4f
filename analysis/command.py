"""What every command shares: its common options, errors as one line, loading a model, and progress."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis import progress

Model = Annotated[str, typer.Option(help="Hugging Face folder, hub id OWNER/NAME[@REVISION], or embedded")]
File = Annotated[Path, typer.Option(help="JSONL, JSON, CSV or Parquet with question and answer")]
Output = Annotated[Path, typer.Option(help="folder to write")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N or mps; default: CUDA where there is one")]
Dtype = Annotated[
    Literal["float32", "bfloat16", "float16", "auto"],
    typer.Option(help="of the weights; auto: as they are stored. Half precision takes half the memory; training is always in float32"),
]
ChatTemplate = Annotated[
    bool, typer.Option("--chat-template/--no-chat-template", help="form prompts by the tokenizer's chat template, if it has one")
]
Limit = Annotated[int | None, typer.Option(min=1, help="only the first samples of the forget set")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1)]  # what torch takes
PresetName = Literal["default", "embedded"]
AblationName = Literal["zero", "mean", "patching"]


@contextmanager
def bad_input_exits() -> Iterator[None]:
    """Bad input becomes one line on stderr and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"error: {' '.join(_said(error).split())}", err=True)
        raise typer.Exit(2) from error


def _said(error: Exception) -> str:
    """An error of the system by the path that it concerns, without its number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; expected a path that can be read and written"
    return str(error)


def load(model: str, device: str | None, dtype: str = "float32", chat_template: bool = True):
    """The ModelHandle of `--model`, `--device`, `--dtype` and `--chat-template`; ValueError says why there is none."""
    import torch

    from analysis.model import load_model

    torch.set_num_threads(min(torch.get_num_threads(), os.cpu_count() or 1))
    return load_model(model, device, dtype, chat_template)


def say(phase: str, done: int, total: int) -> None:
    """Print how far it is, and note it for whoever watches the job."""
    typer.echo(f"{phase} {done} of {total}", err=True)
    progress.write(phase, done, total)
