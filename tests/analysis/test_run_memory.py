"""A run's memory from the shapes of its weights, against numbers worked by hand."""

import pytest

from analysis.run_memory import LIBRARIES, RunShape, estimate

SHAPES = {"wte.weight": (2, 5), "h.0.mlp.weight": (3, 5), "h.0.ln.weight": (5,)}  # 30 weights, 120 bytes
CONFIG = {"num_hidden_layers": 2, "hidden_size": 4, "num_attention_heads": 1, "vocab_size": 10}


def parts(method: str = "GradAscent", **more) -> dict[str, int]:
    return estimate(SHAPES, CONFIG, RunShape(method, 1, 3, **more))


def test_weights_gradients_and_moments_are_counted_in_float32():
    found = parts()
    held = ("weights as loaded", "weights in training", "gradients", "AdamW's two moments")
    assert [found[name] for name in held] == [120, 120, 120, 240]
    assert found["Python and its libraries"] == LIBRARIES and set(found) == {
        "weights as loaded", "weights in training", "gradients", "AdamW's two moments", "activations", "Python and its libraries",
    }


def test_activations_by_hand():
    """Per token: 2 layers x (34 x 4 + 5 x 1 x 3) bytes in 16 bits, twice that in 32, and 3 x 10 logits of 4 bytes; three tokens."""
    assert parts()["activations"] == 3 * (2 * 2 * 151 + 120)
    assert parts(precision="bf16")["activations"] == 3 * (2 * 151 + 120)
    assert parts("NPO")["activations"] == 2 * parts()["activations"] and parts("IdkDPO")["activations"] == 3 * parts()["activations"]


@pytest.mark.parametrize(("method", "loss", "held"), [
    ("NPO", "NLL", 0), ("NPO", "KL", 120), ("RMU", "NLL", 120), ("UNDIAL", "NLL", 120), ("UNDIAL", "KL", 120), ("GradDiff", "NLL", 0),
])
def test_the_model_as_it_was_is_held_once_where_it_is_needed(method, loss, held):
    assert parts(method, retain_loss=loss).get("the model as it was", 0) == held


def test_lora_trains_two_small_matrices_beside_each_that_is_no_embedding():
    found = parts(lora_rank=2)  # 2 x (3 + 5) numbers beside the one matrix of the MLP
    assert (found["LoRA adapters"], found["gradients"], found["AdamW's two moments"]) == (64, 64, 128)
    assert found["weights in training"] == 120


def test_a_floor_and_a_mask_hold_copies():
    assert parts(retain_floor=True)["weights of the last measurement"] == 120
    assert parts(masked=True)["what the mask freezes"] == 240
