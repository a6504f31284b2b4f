"""The computing half of Lethe; never imports streamlit, plotly or pyvis, so that it works in a notebook too.

From file to circuit in five calls: `dataset.load_samples` > `tokens.tokenize` > `attribution.edge_scores` > `circuit.select` >
`components.circuit_network.show`.

data        dataset (files -> samples), tokens (samples -> tensors), world and memorisation and demo (the embedded world and models)
model       model (loading), blocks (where architectures keep their parts), graph (names <-> indices)
circuits    ablation, attribution, circuit, depth, faithfulness, comparison, exchange
difficulty  anchors and difficulty (CUD, MRD), scoring (both for a whole set), cohorts
validity    predictors, statistics, validity (do they predict?), stability (does CUD under other settings?)
unlearning  losses, methods, unlearning (one run), evaluation, record (a run on disk), runs (reading runs)
results     store (what is on disk), provenance, jobs and worker (long work), __main__ (the command line)
"""
