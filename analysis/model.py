"""Loading a causal language model and its tokenizer; the only file that does."""

import copy
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analysis import chat, hub, model_files, model_memory, model_source
from analysis.blocks import describe
from analysis.graph import GraphIndex
from analysis.model_source import ModelError
from analysis.tokens import FRAME, N_ROWS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class ModelHandle:
    """A loaded model, shared and read-only: whoever hooks it holds `lock`; whoever trains works on a copy (`trainable_copy`).

    `name` as it is recorded (`model_source.pinned`); `fingerprint` is a hash of the weights' names, shapes and values.
    """

    name: str
    fingerprint: str
    model: nn.Module
    tokenizer: Any
    index: GraphIndex
    device: torch.device
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @property
    def max_length(self) -> int:
        return int(self.model.config.max_position_embeddings)

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def dtype(self) -> str:
        return str(next(self.model.parameters()).dtype).removeprefix("torch.")

    @property
    def prompt_form(self) -> str:
        return "plain" if getattr(self.tokenizer, FRAME, None) is None else "chat template"

    @cached_property
    def tokenizer_hash(self) -> str:
        """Hash of how texts become tokens: of the tokenizer, and of what its chat template puts around a question."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        rules = backend.to_str() if backend is not None else repr(sorted(self.tokenizer.get_vocab().items()))
        return hashlib.sha256(f"{rules}{getattr(self.tokenizer, FRAME, None)}".encode()).hexdigest()[:16]


def load_model(name: str | Path, device: str | None = None, dtype: str = "float32", chat_template: bool = True) -> ModelHandle:
    """Load `embedded`, a Hugging Face folder or a hub id, in evaluation mode and with frozen weights.

    `dtype` is float32, bfloat16, float16, or auto: as the weights are stored. `device` defaults to CUDA where there is one. Questions
    are put into the tokenizer's chat template, if it has one and `chat_template` is wanted. Only safetensors are read and no code from
    the repository runs.

    Raises ModelError with one line for what is not a model, of an unsupported architecture, damaged, without a tokenizer, or too large
    for the memory; whatever can be known before weights are read is. ValueError if the hub refuses it.
    """
    target, name = _device(device), model_source.pinned(str(name))
    with _refused(name):
        model_files.check_config(model_source.with_config(name))
        if refusal := model_memory.model_memory(name, dtype, str(target)).refusal:
            raise ModelError(refusal)
    folder = model_source.located(name)
    with _refused(name):
        config = model_files.check(folder)
        tokenizer = _tokenizer(folder, config)
        if chat_template:
            setattr(tokenizer, FRAME, chat.frame(tokenizer))
    with _refused(f"{name}: cannot be loaded as a causal language model"):
        model = _weights(folder, dtype)
    return handle_of(model.to(target), tokenizer, name)


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Whatever a library raises for files that it did not expect becomes a ModelError of one line."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, hub.HubError):
        raise
    except BaseException as error:  # a panic of a reader written in Rust is no Exception
        raise ModelError(f"{what}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    """Its first line; the whole if that only announces a list."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines)[:500] if lines[0].endswith(":") else lines[0][:500]


def _tokenizer(folder: Path, config: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its hints on special tokens would drown the one line that says what is wrong
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    added, n_rows = tokenizer.get_added_vocab(), config.get("vocab_size")
    highest = max((place for token, place in tokenizer.get_vocab().items() if token not in added), default=-1)
    if n_rows is not None and highest >= n_rows:
        raise ModelError(f"its tokenizer has tokens up to {highest}, but the embedding only {n_rows} rows; take its own tokenizer")
    setattr(tokenizer, N_ROWS, n_rows)
    return tokenizer


def _weights(folder: Path, dtype: str) -> nn.Module:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(config, trust_remote_code=False).named_parameters()
        n_expected = sum(parameter.numel() for _, parameter in shapes)
    n_stored = sum(torch.Size(shape).numel() for shape in model_files.tensor_shapes(folder).values())
    if n_stored < n_expected:  # what is missing would silently be random
        raise ModelError(f"config.json asks for {n_expected:,} weights, the files hold {n_stored:,}; they do not belong together")
    model, found = AutoModelForCausalLM.from_pretrained(
        str(folder), config=config, dtype=DTYPES.get(dtype, dtype), trust_remote_code=False, use_safetensors=True,
        local_files_only=True, output_loading_info=True,
    )
    if missing := sorted(found["missing_keys"]):
        raise ModelError(f"the files hold no weights for {missing[0]} ({len(missing)} missing); they would be random")
    return model


def _device(name: str | None) -> torch.device:
    available = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    chosen = name or ("cuda" if "cuda" in available else "cpu")
    kind, _, number = chosen.partition(":")
    if kind not in available:
        raise ModelError(f"device: expected one of {', '.join(available)}, which this machine has; got {chosen!r}")
    if number and (kind != "cuda" or not number.isdecimal() or int(number) >= torch.cuda.device_count()):
        raise ModelError(f"device: expected a number below {torch.cuda.device_count()} after 'cuda:', got {chosen!r}")
    return torch.device(chosen)


def handle_of(model: nn.Module, tokenizer: Any, name: str) -> ModelHandle:
    """Wrap a model that is already in memory. Its weights are frozen. Raises ModelError for an unsupported architecture."""
    try:
        index = describe(model)
    except ValueError as error:
        raise ModelError(f"{name}: {error}") from error
    model.eval().requires_grad_(False)
    return ModelHandle(name, fingerprint(model), model, tokenizer, index, next(model.parameters()).device)


def trainable_copy(model: nn.Module) -> nn.Module:
    """A copy to be trained, in float32 where the weights are in half precision: a small step would be lost in 8 or 11 bits."""
    copied = copy.deepcopy(model).requires_grad_(True)
    return copied.float() if next(copied.parameters()).dtype.itemsize < 4 else copied


def fingerprint(model: nn.Module) -> str:
    """Hash of the weights: names, shapes, types and values. The same weights give the same 16 characters anywhere."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(memoryview(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()[:16]
