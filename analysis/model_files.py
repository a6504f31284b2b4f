"""What a model folder says before a weight is read: its config, shapes and tokenizer, and everything that is wrong with them.

Safetensors only: a folder that holds nothing but pickles is refused, and nothing in it is opened. Imports no torch.
"""

import json
import re
from pathlib import Path
from typing import Any

from analysis.architectures import ARCHITECTURES, check_supported
from analysis.model_source import ModelError

ALIASES = {  # GPT-2's names
    "n_layer": "num_hidden_layers", "n_head": "num_attention_heads", "n_embd": "hidden_size", "n_positions": "max_position_embeddings",
}
NEEDED_SIZES = ("vocab_size", *ALIASES.values())
SIZES = (*NEEDED_SIZES, "intermediate_size", "n_inner", "num_key_value_heads", "head_dim")
MOST_CONFIG, MOST_HEADER, MOST_SIZE = 10**7, 10**8, 10**7  # bytes, bytes as in the safetensors library, a size in config.json
STORED = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "BOOL": 1, "U8": 1, "I8": 1}  # bytes of a number
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"), ("vocab.txt",))
LAYER = re.compile(r"(?:^|\.)(?:h|layers)\.(\d+)\.")


def check(folder: Path) -> dict[str, Any]:
    """The folder's config.json, once nothing in config, weights' headers and file names speaks against loading the model.

    Raises ModelError with one line: what was expected, what came, what to do.
    """
    config = check_config(folder)
    _check_weights(stored_weights(folder), config)
    if (folder / "adapter_config.json").exists():
        raise ModelError("holds an adapter (adapter_config.json): merge it into its model and save that")
    if not any(all((folder / name).is_file() for name in names) for names in TOKENIZERS):
        raise ModelError("has no tokenizer: expected tokenizer.json, tokenizer.model, or vocab.json and merges.txt; copy them here")
    return config


def check_config(folder: Path) -> dict[str, Any]:
    """config.json under one set of names, if it is of a model that can be analysed; raises as `check`. Needs no other file."""
    if not (folder / "config.json").is_file():
        raise ModelError("expected a Hugging Face model folder with config.json, found none")
    config = read_json(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise ModelError("expected config.json to be a JSON object with a model_type, found none")
    _check_kind(config)
    config |= {new: config[old] for old, new in ALIASES.items() if old in config}
    for name in SIZES:
        size = config.get(name)
        if size is not None and (type(size) is not int or not 0 < size <= MOST_SIZE):
            raise ModelError(f"config.json: {name}: expected a whole number from 1 to {MOST_SIZE:,}, got {str(size)[:40]!r}")
    return config


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object without NaN or infinities; raises ModelError."""
    try:
        if file.stat().st_size > MOST_CONFIG:
            raise ValueError(f"it has {file.stat().st_size:,} bytes")
        found = json.loads(file.read_text("utf-8"), parse_constant=_not_a_number)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{file.name}: expected a JSON object: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise ModelError(f"expected {file.name} to be a JSON object with a model_type, found none")
    return found


def _not_a_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _check_kind(config: dict[str, Any]) -> None:
    if "auto_map" in config and config["model_type"] not in ARCHITECTURES:
        raise ModelError(f"architecture {config['model_type']!r} needs code of its own (auto_map), which is never run")
    check_supported(config["model_type"])
    if config.get("is_encoder_decoder"):
        raise ModelError("is_encoder_decoder is set in config.json, and only decoders are analysed")
    if config.get("quantization_config"):
        raise ModelError("its weights are quantised (quantization_config), and gradients need plain ones; take the model before it")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that make up the model, in the order of their names. Raises ModelError if one is missing or there are none."""
    if (folder / SINGLE).exists():
        return [folder / SINGLE]
    if not (folder / INDEX).exists():
        pickles = [file.name for file in sorted(folder.glob("*.bin"))[:1]]
        raise ModelError(
            f"has only {pickles[0]}, a pickle, which is never opened: convert it to safetensors (save_pretrained, where you trust it)"
            if pickles else f"expected weights in {SINGLE}, or shards with {INDEX}, found neither in {folder.name}"
        )
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise ModelError(f"{INDEX}: expected a weight_map of names to files")
    names = sorted(set(places.values()))
    for name in names:
        if not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise ModelError(f"{INDEX}: expected names of safetensors beside it, got {name[:80]!r}")
        if not (folder / name).is_file():
            raise ModelError(f"a shard is missing: {INDEX} names {name}; download it again")
    return [folder / name for name in names]


def stored_weights(folder: Path) -> dict[str, tuple[tuple[int, ...], int]]:
    """Shape and bytes per number of each weight by its name, from the headers alone. ModelError for a damaged file."""
    found: dict[str, tuple[tuple[int, ...], int]] = {}
    for file in weight_files(folder):
        try:
            header, end = _header(file)
            found |= {name: (tuple(entry["shape"]), STORED.get(entry["dtype"], 4)) for name, entry in header.items()}
            stop = end + max((entry["data_offsets"][1] for entry in header.values()), default=0)
            if stop > file.stat().st_size:
                raise ValueError(f"it is cut: {file.stat().st_size:,} of {stop:,} bytes; download it again")
            if not all(type(n) is int and n >= 0 for name in header for n in found[name][0]):
                raise ValueError("shapes are whole numbers")
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"{file.name}: expected a safetensors file of weights: {error}") from error
    return found


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """A file's entries by name and where its numbers begin."""
    with file.open("rb") as content:
        size = int.from_bytes(content.read(8), "little")
        if size > MOST_HEADER:
            raise ValueError(f"a header of {size} bytes")
        header = json.loads(content.read(size))
    return {name: entry for name, entry in header.items() if name != "__metadata__"}, 8 + size


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each weight by its name; raises as `stored_weights`."""
    return {name: shape for name, (shape, _) in stored_weights(folder).items()}


def _check_weights(weights: dict[str, tuple[tuple[int, ...], int]], config: dict[str, Any]) -> None:
    numbers = [int(found[1]) for name in weights if (found := LAYER.search(name))]
    n_layers = max(numbers, default=-1) + 1
    if config.get("num_hidden_layers") not in (None, n_layers):
        raise ModelError(f"its weights have {n_layers} layers, config.json says {config['num_hidden_layers']}: of another model")


def model_config(folder: Path) -> dict[str, Any]:
    """config.json under Hugging Face's own names; empty if there is none that can be read."""
    try:
        config = read_json(folder / "config.json")
    except ModelError:
        return {}
    return config | {new: config[old] for old, new in ALIASES.items() if old in config}
