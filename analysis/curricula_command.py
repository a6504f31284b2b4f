"""The command `compare-curricula`: is it better to unlearn easy memories first, or hard ones, or as CGA draws them?"""

from pathlib import Path
from typing import Annotated

import typer

from analysis import atomic, config_file, store
from analysis.command import ChatTemplate, Device, Dtype, File, Limit, Model, Output, bad_input_exits, load, say

app = typer.Typer(rich_markup_mode=None)


@app.command("compare-curricula")
def compare_curricula(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output,
    scores: Annotated[Path, typer.Option(help="folder with scores.csv: CUD orders the curricula")],
    method: Annotated[list[str] | None, typer.Option(help="unlearning method; repeatable; default: NPO")] = None,
    preset: Annotated[str, typer.Option(help="default or embedded")] = "default",
    n_seeds: Annotated[int, typer.Option(min=1, max=100, help="runs of each arm; 1 gives no intervals")] = 5,
    learning_rate: float | None = None, n_epochs: int | None = None, limit: Limit = None,
    device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
    workers: Annotated[int | None, typer.Option(min=1, help="runs at a time; default: one per core, one alone on a GPU")] = None,
) -> None:
    """Uniform sampling against CGA, CGA as released, easy first and hard first, over seeds, with equally many updates: curricula.csv
    (a row per run) and summary.csv (means with 95% intervals, and differences to uniform paired by seed)."""
    with bad_input_exits(), atomic.output_folder(output, "curricula.json") as folder:
        from analysis import arms, difficulty, provenance
        from analysis.curricula import compare, summary
        from analysis.dataset import load_samples

        configs = arms.configs_of(preset, method or ("NPO",), learning_rate, n_epochs)
        sets = {"forget": load_samples(forget, limit=limit), "retain": load_samples(retain)}
        ranked = store.read_scores(scores)
        hardness = difficulty.hardness(ranked[0] if ranked else None, [sample.id for sample in sets["forget"]])
        handle = load(model, device, dtype, chat_template)
        loading = device, dtype, chat_template
        table = compare(model, *sets.values(), configs, hardness, n_seeds, loading, arms.n_workers(handle, workers), say)
        config_file.write(folder, ctx, model=handle.name)
        atomic.write_csv(folder / "curricula.csv", table)
        atomic.write_csv(folder / "summary.csv", summary(table))
        settings = {"configs": [arms.described(config) for config in configs], "n_seeds": n_seeds}
        atomic.write_json(folder / "curricula.json", provenance.of(handle, **sets) | settings)
    typer.echo(f"{len(table)} runs in {output}")
