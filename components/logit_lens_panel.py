"""Where along the layers the answer becomes readable: the logit lens of one sample, next to other answers."""

import math

import pandas as pd
import streamlit as st

from components import logit_lens_plot

READING = """What the model would answer if it stopped there: its final norm and unembedding applied to the residual stream after each
layer (*embed*: before the first). Gray: the same prompt followed by other answers of the set, to the same question about others
where it has three or more. A low value early on is no proof that the answer is not there yet: it may stand in directions that the
unembedding does not read."""


EXPLANATION = """
*Logit lens* (nostalgebraist, 2020): the model's own final norm and unembedding, with its final soft cap where it has one, read the
residual stream after each layer; the last layer gives the model's own answer. The number is the mean log-probability of the answer's
tokens, given the true tokens before each. The control is up to 16 other answers after the same prompt, drawn by seed 0: answers
of samples that ask the same of other subjects (from three on), else of any. Early layers may hold the answer in directions that
the unembedding does not read, so the lens tends to see it too late (Belrose et al., arXiv 2303.08112).
"""


def show(table: pd.DataFrame, boundary: int) -> None:
    """Chart, one sentence and the numbers of `analysis.logit_lens.answer_by_layer`."""
    st.markdown("**Where the answer becomes readable** (logit lens)")
    st.plotly_chart(
        logit_lens_plot.figure(table, boundary), theme=None, key="logit_lens", alt="Answer's log-probability over layers; table below"
    )
    st.markdown(takeaway(table))
    st.caption(READING)
    with st.expander("Layer by layer"):
        _numbers(table)


def takeaway(table: pd.DataFrame) -> str:
    """From which layer on the answer beats every other one, and from which its first token comes first."""
    n_others, final = int(table["n_control"].iloc[0]), math.exp(table["log_prob"].iloc[-1])
    ahead = since(table["layer"], table["log_prob"] > table["control_high"])
    first = since(table["layer"], table["first_rank"] == 1)
    words = [f"Likelier than each of {n_others} other answers: **{_from(ahead)}**."] if n_others else []
    words.append(f"Its first token is the model's first choice: **{_from(first)}**.")
    return " ".join([*words, f"At the end each token has probability {final:.2f} (geometric mean)."])


def since(layers: pd.Series, holds: pd.Series) -> int | None:
    """The layer from which on something holds to the end; None if not even after the last."""
    to_the_end = holds[::-1].cummin()[::-1].astype(bool)
    return int(layers[to_the_end].iloc[0]) if to_the_end.any() else None


def _from(layer: int | None) -> str:
    if layer is None:
        return "not even after the last layer"
    return "from the embedding on" if layer < 0 else f"from layer {layer} on"


def _numbers(table: pd.DataFrame) -> None:
    names = ["embed" if layer < 0 else str(layer) for layer in table["layer"]]
    shown = table.assign(layer=names, first_probability=table["first_log_prob"].map(math.exp))
    st.dataframe(
        shown[["layer", "log_prob", "control", "first_probability", "first_rank", "top_token"]], hide_index=True,
        alt="Logit lens, layer by layer", height="content" if len(shown) <= 13 else 480,
        column_config={
            "layer": st.column_config.TextColumn("After layer", width=80),
            "log_prob": _number("Answer", "Mean log-probability per answer token, nats.", 75),
            "control": _number("Others", "The same for the other answers, on average.", 75),
            "first_probability": _number("First token", "Probability of the answer's first token.", 85),
            "first_rank": st.column_config.NumberColumn("Rank", width=60, help="Of that token; 1 = the likeliest of the vocabulary."),
            "top_token": st.column_config.TextColumn("Likeliest token", help="What the model would put in its place."),
        },
    )


def _number(label: str, meaning: str, width: int):
    return st.column_config.NumberColumn(label, format="%.3f", help=meaning, width=width)
