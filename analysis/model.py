"""Loading a causal language model and its tokenizer; the only file that does."""

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analysis.architectures import check_supported
from analysis.blocks import describe
from analysis.graph import GraphIndex
from analysis.model_source import ModelError


@dataclass(frozen=True)
class ModelHandle:
    """A loaded model, shared and read-only: whoever hooks it holds `lock`; whoever trains works on a copy.

    `fingerprint` is a hash of the weights' names, shapes and values.
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


def load_model(name: str | Path, device: str | None = None, dtype: str = "float32", chat: bool = True) -> ModelHandle:
    """Load a Hugging Face folder or hub id in float32, in evaluation mode, with frozen weights.

    Only safetensors are read and no code from the repository runs. `device` defaults to CUDA where there is one.
    Raises ModelError if the folder is not a model, has no tokenizer, or is of an architecture without attribution support; the
    last is found in config.json, before any weights are read.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its hints on special tokens would drown the one line that says what is wrong
    target = _device(device)
    name = str(Path(name).expanduser()) if str(name).startswith("~") else str(name)
    is_path = Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") > 1  # a hub id is OWNER/NAME or NAME
    if is_path and not (Path(name) / "config.json").is_file():
        raise ModelError(f"{name}: expected a Hugging Face model folder with config.json, found none")
    try:
        check_supported(_model_type(name))
    except (OSError, ValueError) as error:
        raise ModelError(f"{name}: {_first_line(error)}") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype if dtype == "auto" else getattr(torch, dtype), trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        raise ModelError(f"{name}: cannot be loaded as a causal language model: {_first_line(error)}") from error
    return handle_of(model.to(target), tokenizer, name)


def _model_type(name: str) -> str:
    from transformers import PreTrainedConfig

    config = PreTrainedConfig.get_config_dict(name)[0]
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ValueError("expected config.json to be a JSON object with a model_type, found none")
    return config["model_type"]


def _first_line(error: Exception) -> str:
    """Its first line; the whole if that only announces a list."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines) if lines[0].endswith(":") else lines[0]


def _device(name: str | None) -> torch.device:
    available = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
    chosen = name or ("cuda" if "cuda" in available else "cpu")
    if chosen.split(":")[0] not in available:
        raise ModelError(f"device: expected one of {', '.join(available)}, which this machine has; got {chosen!r}")
    return torch.device(chosen)


def handle_of(model: nn.Module, tokenizer: Any, name: str) -> ModelHandle:
    """Wrap a model that is already in memory. Its weights are frozen. Raises ModelError for an unsupported architecture."""
    try:
        index = describe(model)
    except ValueError as error:
        raise ModelError(f"{name}: {error}") from error
    model.eval().requires_grad_(False)
    return ModelHandle(name, fingerprint(model), model, tokenizer, index, next(model.parameters()).device)


def fingerprint(model: nn.Module) -> str:
    """Hash of the weights: names, shapes, types and values. The same weights give the same 16 characters anywhere."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
