"""The command `report`: everything known of a study as files that need no app."""

from typing import Annotated

import typer

from analysis import studies
from analysis.command import Output, bad_input_exits

app = typer.Typer(rich_markup_mode=None)


@app.command()
def report(
    output: Output, study: Annotated[str, typer.Option(help="name of the study: embedded, or one of the workspace's")] = "embedded",
) -> None:
    """A study as report.html (one file, no network, no scripts), tables.zip, open-unlearning.zip, rerun.sh, config.json, SHA256SUMS."""
    with bad_input_exits():
        from analysis.report import write

        names = write(studies.named(study), output)
    typer.echo(f"{', '.join(names)} in {output}")
