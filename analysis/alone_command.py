"""The command `alone`: how many updates does it take to unlearn each memory by itself?"""

import os
from dataclasses import replace
from typing import Annotated

import typer

from analysis import atomic, config_file
from analysis.command import ChatTemplate, Device, Dtype, File, Model, Output, Seed, bad_input_exits, load, say

app = typer.Typer(rich_markup_mode=None)


@app.command()
def alone(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output,
    method: Annotated[list[str] | None, typer.Option(help="unlearning method; repeatable; default: NPO")] = None,
    preset: Annotated[str, typer.Option(help="default or embedded")] = "default",
    learning_rate: Annotated[float | None, typer.Option(help="default: a fifth of the preset's, to tell samples apart")] = None,
    max_updates: Annotated[int, typer.Option(help="cap; a sample that is not forgotten by then is said to be so")] = 60,
    chunk: Annotated[int, typer.Option(help="samples that are unlearned together")] = 1,
    threshold: Annotated[float | None, typer.Option(help="forgotten below this answer probability; default: 0.3")] = None,
    relative_drop: Annotated[float | None, typer.Option(help="forgotten when this share of its own probability is gone")] = None,
    seed: Seed = 0, limit: Annotated[int | None, typer.Option(help="only the first forget samples")] = None,
    device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
    workers: Annotated[int | None, typer.Option(min=1, help="chunks at a time; default: one per core, one alone on a GPU")] = None,
) -> None:
    """Unlearn each forget sample alone from the original model and count the optimiser updates until it is forgotten: alone.csv (a row
    per sample and method) and alone.json."""
    with bad_input_exits(), atomic.output_folder(output, "alone.json") as folder:
        import pandas as pd

        from analysis import provenance
        from analysis.alone import RATE, AloneConfig
        from analysis.alone import alone as unlearn_alone
        from analysis.dataset import load_samples
        from analysis.presets import preset as preset_config

        if threshold is not None and relative_drop is not None:
            raise ValueError("expected --threshold or --relative-drop, not both")
        options = {"max_updates": max_updates, "chunk": chunk, "relative_drop": relative_drop}
        options |= {} if threshold is None else {"threshold": threshold}
        shipped = [preset_config(preset, name) for name in dict.fromkeys(method or ("NPO",))]
        rates = [float(f"{config.learning_rate * RATE:.6g}") if learning_rate is None else learning_rate for config in shipped]
        trained = [replace(config, learning_rate=rate, seed=seed) for config, rate in zip(shipped, rates, strict=True)]
        configs = [AloneConfig(config, **options) for config in trained]
        sets = {"forget": load_samples(forget, limit=limit), "retain": load_samples(retain)}
        handle = load(model, device, dtype, chat_template)
        n_workers = workers or (os.cpu_count() or 1 if handle.device.type == "cpu" else 1)
        table = pd.concat([unlearn_alone(handle, *sets.values(), config, n_workers, say) for config in configs], ignore_index=True)
        config_file.write(folder, ctx, model=handle.name)
        atomic.write_csv(folder / "alone.csv", table)
        atomic.write_json(folder / "alone.json", provenance.of(handle, **sets) | {"configs": [_described(c) for c in configs]})
    for name, part in table.groupby("method", sort=False):
        median = part["updates"].median()
        typer.echo(f"{name}: {part['forgotten'].sum()} of {len(part)} forgotten within {max_updates} updates, median {median:g}")
    typer.echo(f"{len(table)} rows in {output}")


def _described(config) -> dict:
    """What decided the numbers, as plain data."""
    from analysis.record import describe

    unused = ("n_epochs", "n_accumulation", "sampling", "sampling_args", "evaluate_every")
    training = {name: value for name, value in describe(config.unlearning).items() if name not in unused}
    rule = {"relative_drop": config.relative_drop} if config.relative_drop is not None else {"threshold": config.threshold}
    return training | {"max_updates": config.max_updates, "chunk": config.chunk} | rule
