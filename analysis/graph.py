"""Node and edge names of a transformer's computational graph <-> tensor indices (EAP-IG's order and names).

Source rows: `input`, then per layer its heads and its MLP. Destination columns: per layer the heads' q inputs, k inputs and
v inputs, then the MLP; last `logits`. With grouped-query attention K and V columns are per *query* head, as in EAP-IG.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

MOST = {"n_layers": 1000, "n_heads": 1000, "n_kv_heads": 1000, "d_model": 10**6}  # that a file may name


@dataclass(frozen=True)
class GraphIndex:
    """Sizes of a model's graph; everything else about it follows."""

    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    parallel_attn_mlp: bool = False

    @property
    def n_forward(self) -> int:
        return 1 + self.n_layers * (self.n_heads + 1)

    @property
    def n_backward(self) -> int:
        return self.n_layers * (3 * self.n_heads + 1) + 1

    @property
    def n_edges(self) -> int:
        """The number of `real_edges`, by arithmetic: those of sizes that a file made up could fill the memory."""
        columns, rows, steps = 3 * self.n_heads + 1, self.n_heads + 1, self.n_layers * (self.n_layers - 1) // 2
        own = 0 if self.parallel_attn_mlp else self.n_heads * self.n_layers
        return columns * (self.n_layers + rows * steps) + own + self.n_forward

    def head_rows(self, layer: int) -> slice:
        start = 1 + layer * (self.n_heads + 1)
        return slice(start, start + self.n_heads)

    def mlp_row(self, layer: int) -> int:
        return (layer + 1) * (self.n_heads + 1)

    def qkv_columns(self, layer: int) -> slice:
        start = layer * (3 * self.n_heads + 1)
        return slice(start, start + 3 * self.n_heads)

    def mlp_column(self, layer: int) -> int:
        return layer * (3 * self.n_heads + 1) + 3 * self.n_heads

    def n_sources(self, column: int) -> int:
        """How many source rows, counted from `input`, feed this destination column."""
        layer, place = divmod(column, 3 * self.n_heads + 1)
        if layer == self.n_layers:
            return self.n_forward
        before_layer = 1 + layer * (self.n_heads + 1)
        is_mlp = place == 3 * self.n_heads
        return before_layer + (self.n_heads if is_mlp and not self.parallel_attn_mlp else 0)

    @cached_property
    def forward_names(self) -> list[str]:
        layers = range(self.n_layers)
        return ["input"] + [n for la in layers for n in [*(f"a{la}.h{h}" for h in range(self.n_heads)), f"m{la}"]]

    @cached_property
    def backward_names(self) -> list[str]:
        names = []
        for layer in range(self.n_layers):
            names += [f"a{layer}.h{head}<{letter}>" for letter in "qkv" for head in range(self.n_heads)]
            names.append(f"m{layer}")
        return [*names, "logits"]

    @cached_property
    def forward_layers(self) -> Int[np.ndarray, " n_forward"]:
        """Layer of each source; `input` stands at -1."""
        return np.array([-1] + [la for la in range(self.n_layers) for _ in range(self.n_heads + 1)])

    @cached_property
    def backward_layers(self) -> Int[np.ndarray, " n_backward"]:
        """Layer of each destination; `logits` stands at n_layers."""
        return np.array([la for la in range(self.n_layers) for _ in range(3 * self.n_heads + 1)] + [self.n_layers])

    @cached_property
    def backward_nodes(self) -> Int[np.ndarray, " n_backward"]:
        """Source row of the node that owns each destination column; `logits`, which owns no row, is n_forward."""
        nodes: list[int] = []
        for layer in range(self.n_layers):
            rows = self.head_rows(layer)
            nodes += [*range(rows.start, rows.stop)] * 3 + [self.mlp_row(layer)]
        return np.array([*nodes, self.n_forward])

    @cached_property
    def real_edges(self) -> Bool[np.ndarray, "n_forward n_backward"]:
        """True where the source writes to the residual stream before the destination reads it."""
        n_sources = np.array([self.n_sources(column) for column in range(self.n_backward)])
        return np.arange(self.n_forward)[:, None] < n_sources[None, :]

    def edge_name(self, source: int, destination: int) -> str:
        return f"{self.forward_names[source]}->{self.backward_names[destination]}"


def index_of(record: Any) -> GraphIndex:
    """The graph of a file's sizes (`dataclasses.asdict` of a GraphIndex). Raises ValueError for what no model has."""
    sizes = {name: record.get(name) if isinstance(record, dict) else None for name in MOST}
    if wrong := [name for name, size in sizes.items() if type(size) is not int or not 1 <= size <= MOST[name]]:
        raise ValueError(f"graph: expected {wrong[0]} to be a whole number of 1 to {MOST[wrong[0]]:,}, got {sizes[wrong[0]]!r:.40}")
    if not isinstance(parallel := record.get("parallel_attn_mlp", False), bool):
        raise ValueError(f"graph: expected parallel_attn_mlp to be true or false, got {parallel!r:.40}")
    return GraphIndex(**sizes, parallel_attn_mlp=parallel)
