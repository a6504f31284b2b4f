"""How many samples, runs and positions attribution may take at a time, so that its peak stays under a budget in bytes."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis import blocks as architecture
from analysis.graph import GraphIndex
from analysis.losses import n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch

DEFAULT_BUDGET = 2 * 10**9  # bytes
CPU_TOKENS = 1280  # in one pass; more runs slower on a CPU: measured, 8 samples x 5 runs x 32 tokens are best


@dataclass(frozen=True)
class Chunk:
    """Samples of one chunk, how many runs of each go through the model at once, how many positions are contracted at once."""

    rows: list[int]
    n_runs: int
    n_positions: int


@dataclass(frozen=True)
class Need:
    """Estimates in bytes that err upwards; measured against real peaks in tests/analysis/test_attribution_memory.py."""

    index: GraphIndex
    item_size: int  # of the model's numbers; scores are added up in at least 4 bytes
    attention_width: int  # of all heads of a layer together; not d_model in Gemma and Qwen3
    mlp_width: int  # of all hidden layers of one MLP together
    vocab: int
    n_kept: int  # positions with logits
    max_tokens: int | None  # in one pass; None: as many as fit

    @classmethod
    def of(cls, handle: ModelHandle, batch: TokenBatch) -> "Need":
        index, model = handle.index, handle.model
        in_blocks = sum(p.numel() for name, p in model.named_parameters() if "mlp" in name) // index.n_layers
        max_tokens = CPU_TOKENS if handle.device.type == "cpu" else None
        width = architecture.blocks(model, index)[0].write_weights().shape[:2].numel()
        sizes = width, in_blocks // index.d_model, model.config.vocab_size
        return cls(index, model.dtype.itemsize, *sizes, n_kept(batch.labels), max_tokens)

    @property
    def wide_size(self) -> int:
        return max(4, self.item_size)

    @property
    def fixed(self) -> int:
        """One layer's weights folded with its norm."""
        return 16 * self.index.d_model * self.attention_width * self.wide_size

    def row(self, n_pos: int) -> int:
        """One row's forward and backward pass: what autograd keeps, the taps and their gradients, and the logits."""
        index = self.index
        per_layer = 4 * index.d_model + 12 * self.attention_width + 2 * self.mlp_width + 2 * index.n_heads * n_pos
        return n_pos * index.n_layers * per_layer * self.item_size + min(n_pos, self.n_kept) * self.vocab * 5 * self.wide_size

    def kept(self, n_pos: int) -> int:
        """What of a row is still there when edges are contracted."""
        return n_pos * self.index.n_layers * (4 * self.index.d_model + 8 * self.attention_width) * self.item_size

    def sample(self, n_pos: int) -> int:
        """Clean and ablated writes of one sample, and its scores."""
        index = self.index
        writes = 2 * n_pos * ((index.n_layers + 1) * index.d_model + index.n_layers * self.attention_width) * self.item_size
        return writes + 2 * index.n_forward * index.n_backward * self.wide_size

    def position(self, n_runs: int) -> int:
        """Contraction of one position of one sample: every node's output, clean and ablated, and one layer's gradients."""
        of_nodes = (2 * self.index.n_forward + 12 * self.index.n_heads) * self.index.d_model
        return (of_nodes + 12 * n_runs * max(self.index.d_model, self.attention_width)) * self.wide_size


def chunks(need: Need, batch: TokenBatch, n_runs: int, budget: int) -> Iterator[Chunk]:
    """All samples, longest first so that little padding is run; runs of one sample are split where they do not fit together.

    Raises ValueError where a single row does not fit.
    """
    lengths = batch.attention_mask.sum(1)
    order = lengths.argsort(descending=True, stable=True).tolist()
    while order:
        n_pos = int(lengths[order[0]])
        per_sample = need.sample(n_pos) + need.position(n_runs)
        n_rows = int((budget - need.fixed - per_sample) // (need.row(n_pos) + per_sample / n_runs))
        if n_rows < 1:
            least = need.fixed + 2 * per_sample + need.row(n_pos)
            raise ValueError(
                f"memory_budget: one run of a sample of {n_pos} tokens needs about {least / 1e9:.2g} GB, got "
                f"{budget / 1e9:.2g}; give more memory or shorter samples"
            )
        if need.max_tokens is not None:
            n_rows = max(1, min(n_rows, need.max_tokens // n_pos))
        n_samples = min(len(order), max(1, n_rows // n_runs))
        at_once = -(-n_runs // -(-n_runs // min(n_rows, n_runs)))
        left = budget - need.fixed - n_samples * (need.sample(n_pos) + at_once * need.kept(n_pos))
        yield Chunk(order[:n_samples], at_once, max(1, min(n_pos, left // (n_samples * need.position(at_once)))))
        order = order[n_samples:]
