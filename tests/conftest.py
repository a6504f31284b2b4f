"""Tiny random models, a tokenizer and samples; shapes of analysis/ functions are checked while tests run."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models gain nothing from more, and wait long for them on a busy machine

import inspect  # noqa: E402

import jaxtyping  # noqa: E402
from beartype import BeartypeConf, beartype  # noqa: E402

shapes_checked = jaxtyping.jaxtyped
beartyped = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def types_checked(*, typechecker):
    """Shapes are compared where an annotation has any, which doubles the price of a call; elsewhere the types are all there is."""
    def wrapped(made):
        if inspect.isfunction(made) and not any(isinstance(a, str) or "jaxtyping." in repr(a) for a in made.__annotations__.values()):
            return beartyped(made)
        return shapes_checked(made, typechecker=typechecker)

    return wrapped


jaxtyping.jaxtyped = types_checked  # the hook writes this name above every function of analysis
jaxtyping.install_import_hook("analysis", "beartype.beartype")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("lethe", max_examples=40, deadline=None, database=None)
settings.load_profile("lethe")


@pytest.fixture(autouse=True, scope="session")
def workspace_of_the_tests(tmp_path_factory):
    """So that no test reads or writes the one of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        yield


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


@pytest.fixture(scope="session")
def make_handle(tokenizer):
    """make_handle(kind) -> ModelHandle of a tiny random float64 model of that architecture."""
    from analysis.model import handle_of
    from tests.tiny_models import tiny_model

    return lambda kind="gpt2", seed=0: handle_of(tiny_model(kind, len(tokenizer), seed), tokenizer, f"tiny {kind}")


@pytest.fixture
def handle(make_handle):
    return make_handle("gpt2")


@pytest.fixture(scope="session")
def batch(samples, tokenizer):
    from analysis.tokens import tokenize

    return tokenize(samples, tokenizer)
