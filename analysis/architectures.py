"""Which types of model the analysis knows, by the model_type of config.json."""

ARCHITECTURES = ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi")
ENCODER_DECODER = "it is an encoder-decoder, and only decoders are analysed"
NO_ATTENTION = "its layers are not attention, so that it has no heads to analyse"
EXPERTS = "its MLPs are mixtures of experts"
NO_NORM = "its attention and MLP read the residual stream without a norm before them"
NEAR_MISSES = {  # why a type that looks like one of these is not
    "gemma3": "it reads pictures, too; take a text-only checkpoint, of type gemma3_text",
    "cohere": "its logits are scaled and its norms are of a kind that is not handled",
    "olmo2": NO_NORM, "olmo3": NO_NORM,
    "phi3": "its q, k and v are one projection of another layout than those known here",
    "mixtral": EXPERTS, "qwen2_moe": EXPERTS, "qwen3_moe": EXPERTS,
    "t5": ENCODER_DECODER, "mt5": ENCODER_DECODER, "bart": ENCODER_DECODER, "pegasus": ENCODER_DECODER,
    "bert": "it is an encoder, and only decoders are analysed", "roberta": "it is an encoder, and only decoders are analysed",
    "mamba": NO_ATTENTION, "mamba2": NO_ATTENTION, "rwkv": NO_ATTENTION,
}


def check_supported(model_type: str) -> None:
    """Raises ValueError, with a reason where one is known, for an architecture that is not supported."""
    if model_type not in ARCHITECTURES:
        reason = f" ({NEAR_MISSES[model_type]})" if model_type in NEAR_MISSES else ""
        raise ValueError(f"architecture {model_type!r} is not supported{reason}; expected one of {', '.join(ARCHITECTURES)}")
