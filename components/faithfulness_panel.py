"""How much of the answer a circuit keeps alone, and how much is lost without it; measured on the spot, and over its size."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from analysis.circuit import Circuit, Rule
from analysis.studies import Study
from components import cached, circuit_readings, curve_plot

QUICK = 5000  # edges of a graph: up to here the curve, 10 sizes each with 3 random ones and all complements, takes a second or two
FAITHFUL = """Share of the answer's log-probability, between the fully ablated and the intact model, that comes back when only these
edges carry their real value. 1 = all of it, 0 = none; a small circuit can fall below 0."""
COMPLETE = """Share of it that is lost when only these edges are ablated. 1 = nothing is left without them, above 1 = the
answer is even less likely than with every edge ablated, 0 = the model answers as well; the rest then runs beside the circuit."""
READING = """Circuits of growing size by the rule chosen above, each really run; the dot is the circuit drawn. Gray: random circuits of
the same size (mean of 3), all on paths from `input` to `logits`; a circuit says something where its line leaves theirs."""


def measure(study: Study, drawn: Circuit, ablation: str) -> dict[str, float]:
    """The drawn circuit's faithfulness and completeness, measured and shown. Raises ValueError as `cached.faithfulness` does."""
    complement = replace(drawn, in_circuit=drawn.index.real_edges & ~drawn.in_circuit)
    alone, without = cached.faithfulness(study, [drawn, complement], ablation)
    circuit_readings.number("Faithfulness", f"{alone:.2f}", FAITHFUL)
    circuit_readings.number("Completeness", f"{1 - without:.2f}", COMPLETE)
    return {"faithfulness": alone, "completeness": 1 - without}


def in_words(measured: dict[str, float], n_edges: int) -> str:
    """What both numbers say of the drawn circuit, in one line."""
    alone, lost = measured["faithfulness"], measured["completeness"]
    kept = f"**bring back {alone:.0%}** of the answer's log-probability" if alone > 0.005 else "**bring back nothing** of the answer"
    if lost > 1.005:
        gone = "**nothing** of it is left: the answer is even less likely than with every edge ablated"
    elif lost > 0.005:
        gone = f"**{lost:.0%}** of it is lost"
    else:
        gone = "**nothing** of it is lost: the rest of the model runs beside them"
    return f"These {n_edges} edges alone {kept}; without them {gone}."


def of_random(table: pd.DataFrame, n_edges: int) -> str:
    """What random circuits of the drawn one's size do, read off the curve between the sizes measured."""
    measures = [table[f"random_{name}"] for name in ("faithfulness", "completeness")]
    alone, lost = (np.interp(np.log(n_edges), np.log(table["n_edges"]), values) for values in measures)
    back, gone = (f"{share:.0%}" if share > 0.005 else "nothing" for share in (alone, lost))
    return f"Random circuits of {n_edges} edges bring back {back}, and without them {gone} is lost."


def curve(study: Study, circuit: Circuit, drawn: Circuit, rule: Rule, ablation: str, measured: dict[str, float]) -> None:
    """Both measures over circuit size, next to random circuits."""
    st.markdown("**How much of the answer circuits of each size carry**")
    if circuit.index.real_edges.sum() > QUICK and not st.toggle("Measure the curve (80 runs)", key="curve", bind="query-params"):
        return
    with st.spinner("Running the model with edges ablated"):
        table = cached.size_curve(study, circuit, rule, ablation)
    st.plotly_chart(
        curve_plot.figure(table, drawn.n_edges, measured), theme=None, key="faithfulness_curve",
        alt="Faithfulness and completeness over circuit size",
    )
    st.markdown(of_random(table, drawn.n_edges))
    st.caption(READING)
