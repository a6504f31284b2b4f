"""The computing half of Lethe; never imports streamlit, plotly or pyvis, so that it works in a notebook too.

From file to circuit in five calls: `dataset.load_samples` > `tokens.tokenize` > `attribution.edge_scores` > `circuit.select` >
`components.circuit_network.show`.

data        dataset (files -> samples), tokens (samples -> tensors), templates and corruption (of questions), world and memorisation
            and demo (the embedded world and models)
model       model (loading), blocks (where architectures keep their parts), graph (names <-> indices)
scores      attribution (the entry), interpolation (methods as runs), taps (gradients) and writes (outputs), exact, ablation, memory
circuits    circuit (selection, tables), depth, faithfulness and curves (really run), comparison and edge_frequency (of cohorts),
            circuits_after (unlearning), exchange (formats)
difficulty  similarity, anchors, anchor_runs and cross_fitting (CUD), mrd, difficulty (ranks), scoring (both for a whole set), cohorts
validity    predictors, statistics, validity (do they predict?), stability (does CUD under other settings?)
unlearning  losses, methods, presets, unlearning (one run), evaluation, record (a run on disk), runs (reading runs)
results     store (what is on disk), provenance, jobs and worker (long work), __main__ with command and conversion (the
            command line)
"""
