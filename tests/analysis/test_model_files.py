"""A folder that is no model, or a damaged one, is refused in one line that says what is wrong, before its weights are read."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from analysis import model_files, model_source
from analysis.model import ModelError, load_model
from tests.tiny_models import tiny_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    tiny_model("llama", len(tokenizer)).float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_model(folder, "cpu")
    assert len(str(refused.value).splitlines()) == 1 and str(folder) in str(refused.value)
    return str(refused.value)


def set_config(folder: Path, **changed) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def write_safetensors(file: Path, header: dict, content: bytes = b"") -> None:
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content)


def split(folder: Path) -> None:
    """The same weights in two shards."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    places = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in sorted(set(places.values())):
        save_file({name: weights[name] for name in names if places[name] == file}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_a_whole_folder_loads_and_says_how(folder):
    """The control of every refusal below."""
    handle = load_model(folder, "cpu")
    assert (handle.name, handle.dtype, handle.prompt_form) == (str(folder), "float32", "plain") and handle.n_parameters > 0
    assert not handle.model.training and not any(parameter.requires_grad for parameter in handle.model.parameters())
    split(folder)
    assert load_model(folder, "cpu").fingerprint == handle.fingerprint


@pytest.mark.parametrize(("changed", "message"), [
    ({"model_type": "t5"}, "'t5' is not supported (it is an encoder-decoder"),
    ({"model_type": "mamba"}, "'mamba' is not supported (its layers are not attention"),
    ({"model_type": "mine", "auto_map": {"AutoConfig": "code.Config"}}, "needs code of its own (auto_map), which is never run"),
    ({"is_encoder_decoder": True}, "only decoders are analysed"),
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "its weights are quantised"),
    ({"hidden_size": float("nan")}, "expected a JSON object: NaN is no number"),
    ({"hidden_size": 0}, "hidden_size: expected a whole number from 1 to 10,000,000, got '0'"),
    ({"vocab_size": 10**15}, "vocab_size: expected a whole number"), ({"num_attention_heads": -4}, "num_attention_heads: expected"),
    ({"num_hidden_layers": 3}, "its weights have 2 layers, config.json says 3"),
    ({"num_hidden_layers": 1}, "its weights have 2 layers, config.json says 1"),
    ({"intermediate_size": 10**7}, "weights, the files hold"), ({"intermediate_size": 20}, "cannot be loaded as a causal language"),
    ({"num_attention_heads": 3}, "is not a multiple of the number of attention heads"),
])
def test_a_config_that_does_not_fit(folder, changed, message):
    set_config(folder, **changed)
    assert message in refusal(folder)


def test_a_tokenizer_with_one_token_more_than_the_embedding_has_rows(folder, tokenizer):
    set_config(folder, vocab_size=len(tokenizer) - 1)
    assert f"tokens up to {len(tokenizer) - 1}, but the embedding only {len(tokenizer) - 1} rows" in refusal(folder)


def test_a_known_type_with_code_beside_it_loads_without_the_code(folder):
    canary = folder / "canary"
    (folder / "code.py").write_text(f"open({str(canary)!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    set_config(folder, auto_map={"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"})
    assert load_model(folder, "cpu").model.config.model_type == "llama" and not canary.exists()


class Canary:
    """A pickle that writes a file where it is opened."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return open, (str(self.place), "w")


def test_no_pickle_is_ever_opened(folder):
    canary = folder / "canary"
    for name in ("pytorch_model.bin", "tokenizer.pkl", "training_args.bin", "adapter_model.bin"):
        torch.save(Canary(canary), folder / name)
    load_model(folder, "cpu")
    assert not canary.exists()
    shutil.move(folder / "model.safetensors", folder / "elsewhere")
    assert "has only adapter_model.bin, a pickle, which is never opened: convert it to safetensors" in refusal(folder)
    torch.save(Canary(canary), folder / "model.safetensors")
    assert "expected a safetensors file of weights" in refusal(folder) and not canary.exists()
    torch.load(folder / "adapter_model.bin", weights_only=False)  # the control: whoever opens it is seen
    assert canary.exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b"\x08\0\0\0\0\0\0\0{\"a\": 1}"])
def test_weights_that_are_none(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    assert "model.safetensors: expected a safetensors file" in refusal(folder)


def test_weights_that_are_cut_or_incomplete(folder, whole):
    content = (whole / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-10])
    assert f"it is cut: {len(content) - 10:,} of {len(content):,} bytes; download it again" in refusal(folder)
    (folder / "model.safetensors").unlink()
    assert "expected weights in model.safetensors, or shards" in refusal(folder)


def test_a_name_that_is_missing_among_the_weights(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights["other"] = weights.pop("model.norm.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "the files hold no weights for model.norm.weight (1 missing)" in refusal(folder)


@pytest.mark.parametrize(("place", "message"), [
    ("model-00009-of-00009.safetensors", "a shard is missing"), ("../whole.safetensors", "expected names of safetensors beside it"),
    ("/etc/passwd", "expected names of safetensors beside it"), (3, "expected a weight_map"),
])
def test_shards_that_are_missing_or_elsewhere(folder, place, message):
    split(folder)
    index = folder / "model.safetensors.index.json"
    found = json.loads(index.read_text())
    found["weight_map"]["model.norm.weight"] = place
    index.write_text(json.dumps(found))
    assert message in refusal(folder)


def test_a_tokenizer_that_is_missing_or_damaged(folder):
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "BPE", "vocab": 3}}')
    assert len(refusal(folder)) < 600
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer: expected tokenizer.json" in refusal(folder)


def test_an_adapter_is_no_model(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/where", "peft_type": "LORA"}')
    assert "holds an adapter (adapter_config.json)" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["", "nowhere", "a/b/c", "../up", "a/b@", "a/b@../../refs", "a\0b", "C:\\models\\x", "a/" + "x" * 5000]
)
def test_a_name_that_names_nothing(name):
    with pytest.raises(ModelError) as refused:
        model_source.local(name)
    said = str(refused.value)
    assert "OWNER/NAME[@REVISION] of the hub, or 'embedded'" in said and said.isprintable() and len(said) < 400


def test_one_string_names_a_model_everywhere(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert model_source.pinned("embedded") == "embedded" and model_source.local("embedded") == model_source.EMBEDDED
    assert model_source.pinned("model") == model_source.pinned("./model") == str(folder)
    assert model_source.local("owner/name@v1.0") is None and model_source.local("owner/na-me_1.5") is None


def test_shapes_come_from_the_headers_of_the_weights_alone(tmp_path):
    entry = {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}
    write_safetensors(tmp_path / "model.safetensors", {"__metadata__": {"format": "pt"}, "x": entry}, bytes(12))
    write_safetensors(tmp_path / "consolidated.safetensors", {"y": entry}, bytes(12))
    assert model_files.tensor_shapes(tmp_path) == {"x": (2, 3)} and model_files.stored_weights(tmp_path) == {"x": ((2, 3), 2)}
    with pytest.raises(ModelError, match="found neither"):
        model_files.tensor_shapes(tmp_path / "nowhere")


def test_a_config_is_read_under_one_set_of_names(tmp_path):
    (tmp_path / "config.json").write_text('{"n_layer": 8, "hidden_size": 4, "n_positions": 64}')
    found = model_files.model_config(tmp_path)
    assert [found[name] for name in ("num_hidden_layers", "hidden_size", "max_position_embeddings")] == [8, 4, 64]
    (tmp_path / "config.json").write_text("[")
    assert model_files.model_config(tmp_path) == {}
