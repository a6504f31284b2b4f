"""The command `evaluate`: what a model still knows, in open-unlearning's files."""

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from analysis import atomic, config_file
from analysis.command import ChatTemplate, Device, Dtype, File, Limit, Model, Output, bad_input_exits, load, say

app = typer.Typer(rich_markup_mode=None)
N_RETAIN = 160  # retain samples measured unless asked for more, spread evenly over the set


@app.command()
def evaluate(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output,
    original: Annotated[str | None, typer.Option(help="model before unlearning, for the change of its weights")] = None,
    retain_model: Annotated[str | None, typer.Option(help="model that never saw the forget set: forget quality, PrivLeak")] = None,
    retain_logs_path: Annotated[Path | None, typer.Option(help="EVAL file of such a model, for forget quality without it")] = None,
    holdout: Annotated[Path | None, typer.Option(help="samples no model saw, for membership inference")] = None,
    relearn: Annotated[list[int] | None, typer.Option(help="steps of relearning; repeatable; default: 5, 10 and 20")] = None,
    relearn_rate: Annotated[float, typer.Option(help="learning rate of relearning; about 1e-5 for a model of 1B")] = 3e-4,
    durability: Annotated[bool, typer.Option(help="relearn and quantise, on copies")] = True,
    limit_retain: Annotated[int, typer.Option(min=1, help="retain samples that are measured, spread evenly")] = N_RETAIN,
    batch_size: Annotated[int | None, typer.Option(min=1, help="samples in a forward pass; default: 32 to 128")] = None,
    limit: Limit = None, device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """What a model still knows, how it got there and whether that lasts: LETHE_EVAL.json, LETHE_SUMMARY.json, evaluation.csv."""
    with bad_input_exits(), atomic.output_folder(output, "LETHE_SUMMARY.json") as folder:
        from analysis import eval_import, provenance
        from analysis.dataset import load_samples
        from analysis.durability import Durability
        from analysis.evaluate import evaluate as measure_all
        from analysis.evaluate import n_parts
        from analysis.open_unlearning import summary

        if relearn and not durability:
            raise ValueError("expected --relearn or --no-durability, not both: there are no steps to count without relearning")
        if retain_model and retain_logs_path:
            raise ValueError("expected --retain-model or --retain-logs-path, not both: each says what was never learnt")
        ratios = retain_logs_path and eval_import.truth_ratios(retain_logs_path)
        lasting = Durability(tuple(sorted(set(relearn or Durability.steps))), relearn_rate) if durability else None
        sets = {"forget": load_samples(forget, limit=limit), "retain": _spread(load_samples(retain), limit_retain)}
        if holdout is not None:
            sets["holdout"] = load_samples(holdout)
        loading = device, dtype, chat_template
        handle, before, never = (None if name is None else load(name, *loading) for name in (model, original, retain_model))
        done = count()
        result, table, moved = measure_all(handle, **sets, original=before, retain_model=never, lasting=lasting,
                                           report=lambda phase: say(phase, next(done), n_parts(lasting, never)), n_rows=batch_size,
                                           retain_ratios=ratios)
        atomic.write_json(folder / "LETHE_EVAL.json", result)
        figures = summary(result)
        atomic.write_json(folder / "LETHE_SUMMARY.json", figures)
        config_file.write(folder, ctx, model=handle.name)
        atomic.write_csv(folder / "evaluation.csv", table)
        if moved is not None:
            atomic.write_csv(folder / "parameter_change.csv", moved)
        others = {name: None if h is None else h.fingerprint for name, h in (("original", before), ("retain_model", never))}
        atomic.write_json(folder / "manifest.json", provenance.of(handle, **sets) | others)
    n_computed = sum(not isinstance(value, str) for value in figures.values())
    typer.echo(f"{n_computed} of {len(figures)} metrics computed, forget set of {len(table)}; the rest say what they need: {output}")


def _spread(samples: list, n: int) -> list:
    import numpy as np

    return [samples[i] for i in sorted({int(i) for i in np.linspace(0, len(samples) - 1, min(n, len(samples)))})]
