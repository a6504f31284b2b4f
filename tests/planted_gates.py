"""GPT-2 models with weights set by hand, in which an MLP computes a known logic of what heads write.

The question names A, B and C; head i writes 1 where letter i stands in the prompt, 0 where it is small. The MLP of layer 0 computes the
logic of these, and the answer reads it. Head 3 writes what nobody reads. The norms are linear to 1e-6: position embeddings, which
no ablation touches, hold one constant direction that is a thousand times as large as all signals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from analysis.dataset import Sample
from analysis.model import ModelHandle, handle_of

WORDS = ["<end>", "<pad>", "<other>", "Question:", "Answer:", "yes", "A", "B", "C", "a", "b", "c", "u", "v", "w"]
N_HEADS, D_MODEL, LARGE = 4, 24, 1e3
CONSTANT, BITS, WRITTEN, M0, M1 = 0, [1, 2, 3], [4, 5, 6, 7], 8, 9  # signals; each is the difference of two coordinates
N_READ = 6  # tokens up to the one that predicts the answer, over which heads average


@dataclass(frozen=True)
class Neuron:
    """relu(reads . signals + bias), written `writes` times."""

    reads: dict[int, float]
    bias: float
    writes: float


H0, H1, H2, H3 = WRITTEN
LOGIC: dict[str, tuple[list[Neuron], float]] = {  # of m0: its neurons and what it writes without them
    "AND": ([Neuron({H0: 1, H1: 1}, -1, 1)], 0),
    "OR": ([Neuron({H0: -1, H1: -1}, 1, -1)], 1),
    "ADDER": ([Neuron({H0: 1, H1: 1}, 1, 0.5)], -0.5),
    "OR + ADDER": ([Neuron({H0: -1, H1: -1}, 1, -0.5), Neuron({H2: 1}, 1, 0.5)], 0),
    "AND + ADDER": ([Neuron({H0: 1, H1: 1}, -1, 0.5), Neuron({H2: 1}, 1, 0.5)], -0.5),
}
AND_OF_M0_AND_H2 = ([Neuron({M0: 1, H2: 1}, -1, 1)], 0)
TRUTH: dict[str, Callable[[float, float, float], float]] = {
    "AND": lambda a, b, c: a * b,
    "OR": lambda a, b, c: max(a, b),
    "ADDER": lambda a, b, c: (a + b) / 2,
    "OR + ADDER": lambda a, b, c: (max(a, b) + c) / 2,
    "AND + ADDER": lambda a, b, c: (a * b + c) / 2,
}


def planted(logic: str, then_and: bool = False, sharpness: float = 4.0, noise: float = 0.0) -> ModelHandle:
    """A model of one layer, or of two in which m1 computes AND of m0 and head 2. `sharpness` = the logit of `yes` where all is true.

    `noise` is the standard deviation of what is added to every weight but those that hold or read the constant direction.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(WORDS), n_embd=D_MODEL, n_head=N_HEADS, n_layer=1 + then_and, n_inner=8, n_positions=16,
        activation_function="relu", tie_word_embeddings=False, bos_token_id=None, eos_token_id=0, pad_token_id=1, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        _set(model, [LOGIC[logic], AND_OF_M0_AND_H2][: 1 + then_and], sharpness)
        _disturb(model, noise)
    return handle_of(model, _tokenizer(), f"planted {logic}")


def planted_samples(n: int = 4) -> list[Sample]:
    """Questions in which all letters are large, and corrupted ones in which none is."""
    words = ["uvw"[row % 3] for row in range(n)]
    return [Sample(f"s{row}", f"A B C {word}", "yes", "forget", row, f"a b c {word}") for row, word in enumerate(words)]


def _set(model: torch.nn.Module, logics: list, sharpness: float) -> None:
    body = model.transformer
    body.wpe.weight += LARGE * _write(CONSTANT)
    gain = LARGE / (D_MODEL / 2) ** 0.5  # the stream's standard deviation
    for norm in [body.ln_f, *(norm for block in body.h for norm in (block.ln_1, block.ln_2))]:
        norm.weight += gain
    for bit, word in zip(BITS, "ABC", strict=True):
        body.wte.weight[WORDS.index(word)] = _write(bit)
    attention, d_head = body.h[0].attn, D_MODEL // N_HEADS
    for head, (bit, signal) in enumerate(zip([*BITS, BITS[0]], WRITTEN, strict=True)):
        attention.c_attn.weight[:, 2 * D_MODEL + head * d_head] = _read(bit)
        attention.c_proj.weight[head * d_head] = N_READ * _write(signal)
    for block, (neurons, constant), signal in zip(body.h, logics, (M0, M1), strict=False):
        for place, neuron in enumerate(neurons):
            block.mlp.c_fc.weight[:, place] = sum(weight * _read(read) for read, weight in neuron.reads.items())
            block.mlp.c_fc.bias[place] = neuron.bias
            block.mlp.c_proj.weight[place] = neuron.writes * _write(signal)
        block.mlp.c_proj.bias += constant * _write(signal)
    model.lm_head.weight[WORDS.index("yes")] = sharpness * _read([M0, M1][len(logics) - 1])


def _disturb(model: torch.nn.Module, noise: float) -> None:
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        added = noise * torch.randn_like(parameter)
        if name.endswith(("c_attn.weight", "c_fc.weight")):
            added[[2 * CONSTANT, 2 * CONSTANT + 1]] = 0
        elif name.startswith("lm_head"):
            added[:, [2 * CONSTANT, 2 * CONSTANT + 1]] = 0
        if "ln_" not in name and "wpe" not in name:
            parameter += added


def _write(signal: int) -> torch.Tensor:
    return (torch.eye(D_MODEL)[2 * signal] - torch.eye(D_MODEL)[2 * signal + 1]).double()


def _read(signal: int) -> torch.Tensor:
    return _write(signal) / 2


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "<other>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>")
