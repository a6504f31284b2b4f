"""Commands that turn other people's files into what the analysis reads: EAP-IG's circuits, data without corrupted questions."""

from pathlib import Path
from typing import Annotated

import typer

from analysis import atomic, store
from analysis.command import AblationName, ChatTemplate, Device, Dtype, File, Model, Output, Seed, bad_input_exits, load

app = typer.Typer(rich_markup_mode=None)


@app.command("import-eap-ig")
def import_eap_ig(
    model: Model, data: File, folder: Annotated[Path, typer.Option(help="EAP-IG graphs, SAMPLE_ID.json each")], output: Output,
    ablation: AblationName = "zero", device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """Read circuits that EAP-IG's Graph.to_json wrote, of this model and these samples: a folder as `circuits` writes it."""
    with bad_input_exits(), atomic.output_folder(output, "circuits.json") as target:
        from analysis import provenance
        from analysis.dataset import load_samples
        from analysis.exchange import read_folder

        samples = load_samples(data)
        handle = load(model, device, dtype, chat_template)
        found = read_folder(folder, handle.fingerprint, handle.index)
        if unknown := sorted({circuit.sample_id for circuit in found} - {sample.id for sample in samples}):
            raise ValueError(f"{folder / unknown[0]}.json: no sample of {data} has this id")
        settings = {"method": "imported from EAP-IG", "ablation": ablation, "n_edges": max(c.n_edges for c in found)}
        store.write_circuits(target, found, settings, provenance.of(handle, data=samples))
    typer.echo(f"{len(found)} circuits in {output}")


@app.command()
def corrupt(
    model: Model, data: File, output: Annotated[Path, typer.Option(help="JSONL file to write")], seed: Seed = 0
) -> None:
    """Give every question a corrupted one for patching, about another subject in as many tokens, and every answer false ones of
    equal length for the truth ratio. Says which rows got none; what the data bring is kept."""
    with bad_input_exits():
        from analysis.corruption import corrupt, perturb
        from analysis.dataset import as_jsonl, load_samples

        if output.suffix != ".jsonl":
            raise ValueError(f"{output}: expected a file ending in .jsonl")
        if output.resolve() == data.resolve():
            raise ValueError(f"{output}: expected another file than the data; they stay as they are")
        tokenizer = load(model, "cpu").tokenizer
        samples, errors = corrupt(load_samples(data), tokenizer, seed)
        samples, without_false = perturb(samples, tokenizer, seed)
        for error in errors + without_false:
            typer.echo(f"{data}: {error}", err=True)
        if len(errors) == len(samples):
            raise ValueError(f"{data}: no row got a corrupted question; the reasons stand above")
        atomic.write_bytes(output, as_jsonl(samples))
    n_samples, n_corrupted, n_perturbed = len(samples), len(samples) - len(errors), len(samples) - len(without_false)
    typer.echo(f"{n_corrupted} of {n_samples} rows of {output} have a corrupted question, {n_perturbed} have false answers")
