"""What loading a model takes, by hand, and that what does not fit is refused before a weight is read."""

import pytest
import torch

from analysis import model_memory, model_source
from analysis.model import ModelError, load_model
from analysis.model_memory import ModelMemory


def folder_of(tmp_path, dtype) -> str:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1000, 10, dtype=dtype), "y": torch.zeros(5000, dtype=dtype)}, tmp_path / "model.safetensors")
    return str(tmp_path)


@pytest.mark.parametrize(("stored", "dtype", "n_bytes"), [
    (torch.float32, "float32", 60_000), (torch.bfloat16, "bfloat16", 30_000), (torch.bfloat16, "auto", 30_000),
    (torch.bfloat16, "float32", 90_000), (torch.float32, "float16", 90_000),  # both are held while it is converted
])
def test_weights_are_counted_as_loaded_and_as_stored_where_that_differs(tmp_path, stored, dtype, n_bytes):
    found = model_memory.model_memory(folder_of(tmp_path, stored), dtype)
    assert found.needed == int(1.05 * n_bytes) and found.free > 10**6 and found.unknown == found.refusal == ""


def test_what_is_not_known_is_said_and_not_refused(tmp_path):
    found = model_memory.model_memory(str(tmp_path))
    assert found.needed is None and "expected weights in model.safetensors" in found.unknown and found.refusal == ""


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(model_memory, "_free", lambda device: 10**6)
    monkeypatch.setattr("analysis.model._weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(ModelError, match=r"embedded: loading it takes .* GB of memory, and 0.0 GB are free; close other programs"):
        load_model("embedded", "cpu")
    assert ModelMemory(10**6, 10**6).refusal == "" and model_memory.model_memory(str(model_source.EMBEDDED)).needed > 10**6
