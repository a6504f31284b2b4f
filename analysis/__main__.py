"""The command line: `python -m analysis COMMAND --help`. Pages start these very commands.

Exit code 0 on success, 2 on bad input with one line on stderr; an output folder appears whole or not at all.
"""

import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis import (
    alone_command,
    atomic,
    config_file,
    conflicts_command,
    conversion,
    curricula_command,
    demo_command,
    evaluate_command,
    import_command,
    masks_command,
    report_command,
    runs,
    sensitivity_command,
    store,
    study_command,
    unlearn_command,
    workspace,
    workspace_command,
)
from analysis.command import (
    AblationName,
    ChatTemplate,
    Device,
    Dtype,
    File,
    Limit,
    Model,
    Output,
    PresetName,
    Seed,
    bad_input_exits,
    load,
    say,
)

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True, cls=config_file.Commands,
    context_settings={"token_normalize_func": config_file.flag},
)
app.add_typer(demo_command.app, name="demo", help="Build the embedded model, its data and its results.")
app.add_typer(unlearn_command.app)
app.add_typer(conversion.app)
app.add_typer(sensitivity_command.app)
app.add_typer(alone_command.app)
app.add_typer(curricula_command.app)
app.add_typer(masks_command.app)
app.add_typer(evaluate_command.app)
app.add_typer(conflicts_command.app)
app.add_typer(report_command.app)
app.add_typer(import_command.app)
app.add_typer(study_command.app, name="study", help="Studies of your own: a model with a forget and a retain set.")
app.add_typer(workspace_command.app, name="workspace", help="What is kept on disk: its size, its soundness, and how to make room.")

Attribution = Literal["EAP", "EAP-IG-inputs", "EAP-IG-activations", "exact"]
MetricName = Literal["log_prob", "probability", "released"]
QuadratureName = Literal["left", "right", "midpoint", "gauss-legendre"]
RuleName = Literal["greedy", "top_n", "cumulative_mass"]
FormatName = Literal["eap-ig", "graphml", "attribution-graph"]
Kind = Literal["cosine", "jaccard", "hamming"]
LabelName = Literal["loss", "increase"]
EstimatorName = Literal["antithetic", "monte_carlo", "hutchinson", "gradient_norm"]
ScopeName = Literal["answer", "sequence"]
Sigma = Annotated[float | None, typer.Option(help="MRD's perturbation; default: found by a short sweep")]
Pairs = Annotated[int | None, typer.Option(help="MRD's pairs of perturbations; default: until ranks and errors are settled")]
AnchorMethods = Annotated[list[str] | None, typer.Option(help="method whose runs choose the anchors; repeatable; default: all")]
Reuse = Annotated[bool, typer.Option(help="keep edge scores, anchor runs and MRD in the workspace, and reuse them")]


@app.command()
def circuits(
    ctx: config_file.Context, model: Model, data: File, output: Output, method: Attribution = "EAP-IG-inputs",
    ablation: AblationName = "zero", ig_steps: int = 20, n_edges: int | None = None, limit: Limit = None, seed: Seed = 0,
    device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True, select: RuleName = "greedy",
    mass: Annotated[float | None, typer.Option(help="share of |score|, for cumulative_mass")] = None,
    export: FormatName = "eap-ig", metric: MetricName = "log_prob", quadrature: QuadratureName = "midpoint",
    memory_gb: Annotated[float, typer.Option(min=0, max=1e5, help="memory that attribution may take beside the model, in GB")] = 2.0,
    reuse: Reuse = True,
) -> None:
    """Edge scores and a circuit per sample: circuits.safetensors, circuits.json, and one file each in another tool's format.
    Nothing is random: the seed is only recorded."""
    with bad_input_exits(), atomic.output_folder(output, "circuits.json") as folder:
        from analysis import provenance
        from analysis.attribution import AttributionConfig
        from analysis.circuit import default_n_edges, selected
        from analysis.dataset import load_samples
        from analysis.scoring import circuits_of

        config = AttributionConfig(method, ablation, ig_steps, metric, quadrature)
        if n_edges is not None and n_edges < 1:
            raise ValueError(f"n_edges must be at least 1, got {n_edges}")
        if (mass is None) == (select == "cumulative_mass") or (mass is not None and n_edges is not None):
            raise ValueError("expected --mass with --select cumulative_mass, and --n-edges with the other rules only")
        if mass is not None and not 0 < mass <= 1:
            raise ValueError(f"mass: the share of |score| must be above 0 and at most 1, got {mass}")
        samples = load_samples(data, limit=limit)
        reference = load_samples(data) if limit and ablation == "mean" else None
        handle = load(model, device, dtype, chat_template)
        n_edges, cache = n_edges or default_n_edges(handle.index), workspace.prepared() if reuse else None
        found, error = circuits_of(handle, samples, config, n_edges, reference, say, int(memory_gb * 1e9), cache)
        if select != "greedy":
            size = n_edges if mass is None else mass
            found = [replace(c, in_circuit=selected(c.scores, c.index, select, size)) for c in found]
        settings = asdict(config) | {"select": select, "seed": seed} | ({"n_edges": n_edges} if mass is None else {"mass": mass})
        store.write_circuits(folder, found, settings, provenance.of(handle, data=samples) | {"completeness_error": error})
        config_file.write(folder, ctx, model=handle.name, **({"n_edges": n_edges} if mass is None else {}))
        store.write_exports(folder / export, found, export, [sample.prompt for sample in samples])
    typer.echo(f"{len(found)} circuits in {output}")


@app.command()
def score(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output, preset: PresetName = "default",
    method: Attribution = "EAP-IG-inputs", ablation: AblationName = "zero", ig_steps: int = 20, n_edges: int | None = None,
    n_anchors: int = 12, learning_rate: Annotated[float | None, typer.Option(help="of the anchor runs; else the preset's")] = None,
    similarity: Kind = "jaccard", weighted: bool = True, label: LabelName = "loss", anchor_method: AnchorMethods = None,
    estimator: EstimatorName = "antithetic", sigma: Sigma = None, n_pairs: Pairs = None,
    max_pairs: Annotated[int, typer.Option(help="at most so many pairs where --n-pairs is not given")] = 100,
    mrd_scope: Annotated[ScopeName, typer.Option(help="tokens that MRD counts")] = "answer", seed: Seed = 0, reuse: Reuse = True,
    limit: Limit = None, device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """CUD and MRD of every forget sample: scores.csv and scores.json. Each half's anchors score the other half."""
    with bad_input_exits(), atomic.output_folder(output, "scores.json") as folder:
        from analysis import precision, provenance
        from analysis.attribution import AttributionConfig
        from analysis.circuit import default_n_edges
        from analysis.cross_fitting import CudConfig
        from analysis.dataset import load_samples
        from analysis.scoring import ScoringConfig
        from analysis.scoring import score as score_samples

        attribution = AttributionConfig(method, ablation, ig_steps)
        methods = tuple(dict.fromkeys(anchor_method or ()))
        cud = CudConfig(1 if n_edges is None else n_edges, n_anchors, similarity, weighted, label, methods)
        config = ScoringConfig(attribution, cud, preset, sigma, n_pairs, seed, estimator, max_pairs, mrd_scope, learning_rate)
        sets = {"forget": load_samples(forget, limit=limit), "retain": load_samples(retain)}
        handle = load(model, device, dtype, chat_template)
        config = replace(config, cud=replace(cud, n_edges=n_edges or default_n_edges(handle.index)))
        cache = workspace.prepared() if reuse else None
        result = score_samples(handle, sets["forget"], sets["retain"], config, cache, say)
        for name, left in result.details["anchor_forget_probability"].items():
            if left > runs.BARELY_FORGOTTEN:
                hint = "its anchors say little; give a larger --learning-rate, or a --preset that forgets"
                typer.echo(f"warning: the anchor run with {name} left a forget probability of {left}; {hint}", err=True)
        if text := precision.warning(result.table["mrd"].to_numpy(), result.table["mrd_stderr"].to_numpy()):
            typer.echo(f"warning: {text}", err=True)
        atomic.write_csv(folder / "scores.csv", result.table)
        atomic.write_json(folder / "scores.json", provenance.of(handle, **sets) | result.details)
        config_file.write(folder, ctx, model=handle.name, n_edges=config.cud.n_edges)
    typer.echo(f"{len(result.table)} samples scored in {output}")


@app.command()
def validity(
    scores: Annotated[Path, typer.Option(help="folder with scores.csv, as `score` writes it")],
    circuits: Annotated[Path, typer.Option(help="folder with circuits.json, as `circuits` writes it")],
    run: Annotated[list[Path], typer.Option(help="folder of an unlearning run; repeat for each")],
    output: Annotated[Path, typer.Option(help="CSV file to write")],
    alone: Annotated[list[Path] | None, typer.Option(help="folder with alone.csv, as `alone` writes it; repeatable")] = None,
) -> None:
    """Do CUD, MRD, circuit depth or plain baselines foretell what unlearning does? One row per predictor and setting in OUTPUT."""
    with bad_input_exits():
        from analysis.protocols import said_of_updates
        from analysis.stability import whole_table
        from analysis.validity import readable

        if output.suffix != ".csv":
            raise ValueError(f"{output}: expected a file ending in .csv")
        table = whole_table(scores, circuits, run, lambda phase: typer.echo(phase, err=True), alone)
        atomic.write_csv(output, table)
    typer.echo(readable(table[table["analysis"] == "main"]).to_string(index=False))
    typer.echo("\n".join(said_of_updates(table)))
    typer.echo(f"{len(table)} rows in {output}; p is Holm-corrected over the predictors, intervals are 95% over samples")


def main() -> None:
    """Run a command; a usage error is one line too, and SIGTERM ends it as an error would, so that nothing half-written stays."""
    from typer.exceptions import TyperException

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        message = error.format_message()  # the help, where no command was given
        typer.echo(message if message.startswith("Usage") else f"error: {' '.join(message.split())}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
