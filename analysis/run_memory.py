"""How much memory an unlearning run will take, from the shapes in the model's safetensors: no weight is read, torch is not imported.

A run holds, in float32, the model as loaded and the copy that it trains (`training.Trainer`), gradients and AdamW's two moments of what
is trained; RMU, UNDIAL and a KL retain loss also hold the model as it was. NPO and IdkDPO keep one number per sample of it instead.
"""

import math
from dataclasses import dataclass
from typing import Any

NUMBER = 4  # bytes of a float32
LIBRARIES = 600 * 10**6  # Python with torch and transformers: measured, at most 0.5 GB
WITH_REFERENCE = ("RMU", "UNDIAL")  # methods that hold the model as it was, whatever their retain loss
PASSES = {"GradAscent": 1, "IdkDPO": 3}  # batches whose activations are held at once; 2 (forget and retain) in all others
EMBEDDINGS = ("wte", "wpe", "embed", "lm_head")  # matrices that get no LoRA adapter, by a part of their names


@dataclass(frozen=True)
class RunShape:
    """The settings of a run that decide its memory; `n_tokens` of the longest sample."""

    method: str
    batch_size: int
    n_tokens: int
    retain_loss: str = "NLL"
    precision: str = "fp32"
    lora_rank: int | None = None
    retain_floor: bool = False
    masked: bool = False


def estimate(shapes: dict[str, tuple[int, ...]], config: dict[str, Any], run: RunShape) -> dict[str, int]:
    """Bytes by what takes them. `config`: the model's config.json under Hugging Face's names.

    Activations are a guess: a layer's by arXiv 2205.05198 (34 width + 5 heads n_tokens bytes per token in 16 bits, twice that in
    float32), and three times the logits, counted at every position, which errs upwards.
    """
    n_weights = sum(math.prod(shape) for shape in shapes.values())
    n_trained = n_weights if run.lora_rank is None else n_adapter_weights(shapes, run.lora_rank)
    held = {
        "weights as loaded": n_weights, "weights in training": n_weights,
        "LoRA adapters": 0 if run.lora_rank is None else n_trained,
        "gradients": n_trained, "AdamW's two moments": 2 * n_trained,
        "the model as it was": n_weights if run.method in WITH_REFERENCE or run.retain_loss == "KL" else 0,
        "weights of the last measurement": n_trained if run.retain_floor else 0,
        "what the mask freezes": 2 * n_weights if run.masked else 0,
    }
    parts = {name: NUMBER * number for name, number in held.items()}
    parts |= {"activations": _activations(config, run), "Python and its libraries": LIBRARIES}
    return {name: size for name, size in parts.items() if size}


def n_adapter_weights(shapes: dict[str, tuple[int, ...]], rank: int) -> int:
    """Numbers in LoRA adapters of this rank beside every matrix that is no embedding (`lora.add_adapters`)."""
    matrices = [shape for name, shape in shapes.items() if len(shape) == 2 and not any(part in name for part in EMBEDDINGS)]
    return sum(rank * sum(shape) for shape in matrices)


def _activations(config: dict[str, Any], run: RunShape) -> int:
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
    n_layers, width, n_heads, vocab = (config[name] if isinstance(config.get(name), int) else 0 for name in names)
    wider = 2 if run.precision == "fp32" else 1
    per_token = wider * n_layers * (34 * width + 5 * n_heads * run.n_tokens) + 3 * vocab * NUMBER
    return PASSES.get(run.method, 2) * run.batch_size * run.n_tokens * per_token
