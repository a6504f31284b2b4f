"""The command that measures how MRD depends on its own settings."""

import typer

from analysis import atomic, config_file
from analysis.command import ChatTemplate, Device, Dtype, File, Limit, Model, Output, Seed, bad_input_exits, load, say

app = typer.Typer(rich_markup_mode=None)


@app.command()
def sensitivity(
    ctx: config_file.Context, model: Model, forget: File, output: Output, limit: Limit = None, seed: Seed = 0,
    device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """MRD over a grid of sigma, number of pairs and estimator: sensitivity.csv and sensitivity.json (about 600 forward passes)."""
    with bad_input_exits(), atomic.output_folder(output, "sensitivity.json") as folder:
        from analysis import provenance
        from analysis.dataset import load_samples
        from analysis.sensitivity import sensitivity as measure
        from analysis.tokens import tokenize

        samples = load_samples(forget, limit=limit)
        handle = load(model, device, dtype, chat_template)
        batch = tokenize(samples, handle.tokenizer, max_length=handle.max_length)
        table = measure(handle.model, batch, seed=seed, report=say)
        atomic.write_csv(folder / "sensitivity.csv", table)
        config_file.write(folder, ctx, model=handle.name)
        atomic.write_json(folder / "sensitivity.json", provenance.of(handle, forget=samples) | {"seed": seed})
    chosen = table.loc[table["part"] == "reference", "sigma"].iloc[0]
    typer.echo(f"sigma {chosen:g} is chosen; {len(table)} rows in {output / 'sensitivity.csv'}")
