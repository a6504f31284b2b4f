"""Random models of two layers, one of each architecture."""

from functools import partial

import torch

KINDS = ["gpt2", "gpt_neox", "gpt_neox sequential", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi"]


def tiny_config(kind: str, vocab_size: int):
    """Two layers of an architecture; what follows its name is a variant of it.

    Windows and soft caps are so small that they matter; heads of Qwen3 and Gemma are not d_model / n_heads wide.
    """
    from transformers import AutoConfig

    common = {"vocab_size": vocab_size, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
              "max_position_embeddings": 128, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1}
    gated = {"intermediate_size": 24, "num_key_value_heads": 2, "tie_word_embeddings": False}
    gemma = gated | {"head_dim": 6, "tie_word_embeddings": True}
    windowed = gemma | {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 8}
    capped = windowed | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}
    extra = {
        "gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "n_inner": 24},
        "gpt_neox": {"intermediate_size": 24, "use_parallel_residual": True},
        "gpt_neox sequential": {"intermediate_size": 24, "use_parallel_residual": False},
        "llama": gated, "mistral": gated | {"sliding_window": 8}, "qwen2": gated, "qwen3": gated | {"head_dim": 6},
        "gemma": gemma, "gemma2": capped, "gemma2 biased": capped | {"attention_bias": True}, "gemma3_text": windowed,
        "phi": {"intermediate_size": 24},
    }[kind]
    return AutoConfig.for_model(kind.split()[0], **common, **extra)


def random_model(config, seed: int = 0, **options) -> torch.nn.Module:
    """A random float64 model, its weights large enough that every edge matters."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    return model


def tiny_model(kind: str, vocab_size: int, seed: int = 0) -> torch.nn.Module:
    """A random 2-layer model that computes in float64 throughout.

    Hugging Face computes RMSNorms and Gemma 2's softmax in float32, too coarse for finite differences: both are replaced.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register("float64", _attention)
    AttentionMaskInterface.register("float64", eager_mask)
    options = {"attn_implementation": "float64"} if kind.startswith("gemma2") else {}
    model = random_model(tiny_config(kind, vocab_size), seed, **options)
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(_rms_norm, module)
    return model


def _rms_norm(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    gain = 1 + norm.weight if "Gemma" in type(norm).__name__ else norm.weight
    eps = norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps
    return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def _attention(module, query, key, value, mask, scaling: float, softcap: float, **_):
    key, value = (x.repeat_interleave(module.num_key_value_groups, 1) for x in (key, value))
    scores = softcap * torch.tanh(query @ key.transpose(2, 3) * scaling / softcap) + mask
    return (scores.softmax(-1) @ value).transpose(1, 2), None
