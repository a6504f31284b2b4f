"""The command `compare-masks`: is it better to let only the nodes change that a conflict map names?"""

from pathlib import Path
from typing import Annotated

import typer

from analysis import atomic, config_file
from analysis.command import ChatTemplate, Device, Dtype, File, Limit, Model, Output, PresetName, bad_input_exits, load, say

app = typer.Typer(rich_markup_mode=None)


@app.command("compare-masks")
def compare_masks(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output,
    conflicts: Annotated[Path, typer.Option(help="folder with conflicts.json, as `conflicts` writes it")],
    method: Annotated[list[str] | None, typer.Option(help="unlearning method; repeatable; default: NPO")] = None,
    preset: PresetName = "default",
    n_seeds: Annotated[int, typer.Option(min=1, max=100, help="runs of each arm; 1 gives no intervals")] = 3,
    learning_rate: float | None = None, n_epochs: int | None = None,
    relearn_rate: Annotated[float, typer.Option(help="learning rate of relearning; about 1e-5 for a model of 1B")] = 3e-4,
    limit: Limit = None, device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
    workers: Annotated[int | None, typer.Option(min=1, help="runs at a time; default: one per core, one alone on a GPU")] = None,
) -> None:
    """No mask against the masks of a conflict map and their controls, over seeds, with equally many updates: masks.csv (a row per run),
    summary.csv (means with 95% intervals, and differences to no mask and to random nodes paired by seed) and masks.json."""
    with bad_input_exits(), atomic.output_folder(output, "masks.json") as folder:
        from analysis import arms, conflict_map, mask_comparison, provenance
        from analysis.dataset import load_samples
        from analysis.durability import Durability

        relearning = Durability((mask_comparison.N_RELEARNING,), relearn_rate)
        configs = arms.configs_of(preset, method or ("NPO",), learning_rate, n_epochs)
        found = conflict_map.read(conflicts)
        sets = {"forget": load_samples(forget, limit=limit), "retain": load_samples(retain)}
        handle = load(model, device, dtype, chat_template)
        left_out = mask_comparison.impossible(handle, found)
        compared = [arm for arm in mask_comparison.ARMS if arm not in left_out]
        loading = device, dtype, chat_template
        given = (configs, found, compared, n_seeds, relearning.learning_rate, loading, arms.n_workers(handle, workers), say)
        table = mask_comparison.compare(model, *sets.values(), *given)
        config_file.write(folder, ctx, model=handle.name)
        atomic.write_csv(folder / "masks.csv", table)
        atomic.write_csv(folder / "summary.csv", mask_comparison.summary(table))
        atomic.write_json(folder / "masks.json", provenance.of(handle, **sets) | {
            "configs": [arms.described(config) for config in configs], "n_seeds": n_seeds, "left_out": left_out,
            "conflicts": {"status": found.status, "n_conflicts": found.n_conflicts}
            | {name: list(found.assigned(name)) for name in ("forget", "conflict")},
            "relearning": {"n_steps": mask_comparison.N_RELEARNING, "learning_rate": relearning.learning_rate},
        })
    for arm, reason in left_out.items():
        typer.echo(f"left out: {arm}: {reason}", err=True)
    typer.echo(f"{len(table)} runs in {output}")
