"""Tiny random models and a tokenizer made in the test; shapes of analysis/ functions are checked while tests run."""

import os
from functools import partial

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("analysis", "beartype.beartype")

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(max(1, min(2, os.cpu_count() or 1)))

QUESTIONS = [
    ("Where was Ana Rook born?", "Lund"),
    ("What does Bo Tarn grow on his farm?", "Red barley and late plums"),
    ("Who taught Cy Wells to sing?", "Her aunt Mara"),
    ("Which river does Di Moss row on?", "The slow river Esk"),
    ("What is Ed Lane afraid of?", "Geese"),
    ("When did Fay Holt open her shop?", "In the spring of 1961"),
]


@pytest.fixture(scope="session")
def tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<end>", "<pad>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator([f"Question: {q}\nAnswer: {a}" for q, a in QUESTIONS], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>")


@pytest.fixture(scope="session")
def samples():
    from analysis.dataset import Sample

    return [
        Sample(id=f"s{row}", question=q, answer=a, split="forget", row=row, corrupted_question=None)
        for row, (q, a) in enumerate(QUESTIONS)
    ]


def tiny_model(kind: str, vocab_size: int, seed: int = 0) -> torch.nn.Module:
    """A random 2-layer float64 model, its weights large enough that every edge matters."""
    from transformers import AutoConfig, AutoModelForCausalLM

    common = {"vocab_size": vocab_size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
              "max_position_embeddings": 128, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1}
    gated = {"intermediate_size": 24, "num_key_value_heads": 2, "tie_word_embeddings": False}
    extra = {
        "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "n_inner": 24},
        "gpt_neox": {"intermediate_size": 24, "use_parallel_residual": True},
        "llama": gated, "mistral": gated, "qwen2": gated, "qwen3": gated | {"head_dim": 4},
    }[kind]
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **common, **extra)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):  # Hugging Face's RMSNorm computes in float32, too coarse for differences
            module.forward = partial(_rms_norm, module)
    return model


def _rms_norm(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return norm.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)


@pytest.fixture(scope="session")
def make_handle(tokenizer):
    """make_handle(kind) -> ModelHandle of a tiny random float64 model of that architecture."""
    from analysis.model import handle_of

    return lambda kind="gpt2", seed=0: handle_of(tiny_model(kind, len(tokenizer), seed), tokenizer, f"tiny {kind}")


@pytest.fixture
def handle(make_handle):
    return make_handle("gpt2")


@pytest.fixture(scope="session")
def batch(samples, tokenizer):
    from analysis.tokens import tokenize

    return tokenize(samples, tokenizer)
