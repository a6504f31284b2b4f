"""Does a model fit? Bytes that it will take against bytes that are free, before a weight is read."""

import math
from dataclasses import dataclass
from pathlib import Path

from analysis import model_files, model_source

NUMBER = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes; "auto" is as stored


@dataclass(frozen=True)
class ModelMemory:
    """Bytes that loading takes and bytes that are free; `needed` is None where it cannot be told, and `unknown` says why."""

    needed: int | None
    free: int
    unknown: str = ""

    @property
    def refusal(self) -> str:
        """Why the model cannot be loaded, "" if it fits or nothing is known."""
        if self.needed is None or self.needed <= self.free:
            return ""
        return (
            f"loading it takes {self.needed / 1e9:.1f} GB of memory, and {self.free / 1e9:.1f} GB are free; close other programs, take "
            "--dtype bfloat16 (half of float32), or a smaller model"
        )


def model_memory(name: str, dtype: str = "float32", device: str | None = "cpu") -> ModelMemory:
    """The memory that this model takes. A hub model that is not on this machine is asked of the hub, and not downloaded. Imports torch
    only for a CUDA device, or where `device` is None."""
    free = _free(device)
    try:
        folder = model_source.on_this_machine(name)
        return ModelMemory(_on_hub(name, dtype) if folder is None else _in_folder(folder, dtype), free)
    except (ValueError, OSError) as error:
        return ModelMemory(None, free, str(error))


def _in_folder(folder: Path, dtype: str) -> int:
    sizes = [(math.prod(shape), stored) for shape, stored in model_files.stored_weights(folder).values()]
    return _peak(sum(n * NUMBER.get(dtype, stored) for n, stored in sizes), sum(n * stored for n, stored in sizes))


def _on_hub(name: str, dtype: str) -> int:
    files, counted = model_source.on_hub(name)
    stored = sum(size for file, size in files.items() if file.endswith(".safetensors"))
    if dtype == "auto":
        return _peak(stored, stored)
    if counted is None:
        raise model_source.ModelError(f"{name}: the hub does not say how many weights it has")
    return _peak(counted.total * NUMBER[dtype], stored)


def _peak(loaded: int, stored: int) -> int:
    """Bytes at most while loading: with a change of type, what is stored is held as well. Measured on 168 million weights: 673 MB in
    float32 took 677, 337 MB in bfloat16 took 340; float32 from bfloat16 979, bfloat16 from float32 988."""
    converts = abs(loaded - stored) > 0.02 * stored  # files have headers
    return int(1.05 * (loaded + stored * converts))


def _free(device: str | None) -> int:
    """Bytes of memory that are free on the device; MPS shares the machine's."""
    import psutil

    if device is None or device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            return torch.cuda.mem_get_info(device or "cuda")[0]
    return psutil.virtual_memory().available
