"""The commands `workspace show | check | repair | remove | prune`."""

from typing import Annotated

import typer

from analysis.command import bad_input_exits

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.command()
def show() -> None:
    """Where the workspace is, and what is in it: bytes and path of every item that can be removed."""
    with bad_input_exits():
        from analysis import workspace, workspace_items

        root = workspace.prepared()
        for item in sorted(workspace_items.items(root), key=lambda item: -item.n_bytes):
            what = f"{item.kind} of {item.title}" if item.title else item.kind
            problem = f"  CANNOT BE READ: {item.problem}" if item.problem else ""
            typer.echo(f"{workspace_items.in_words(item.n_bytes):>9}  {item.path}  ({' '.join(what.split())}){problem}")
        typer.echo(f"{workspace_items.in_words(workspace_items.size(root)):>9}  in all, in {root}")


@app.command()
def check() -> None:
    """Is everything whole: databases, checksums, files? Changes nothing. Exit code 1 if something is not."""
    with bad_input_exits():
        from analysis import place, workspace_check

        found = workspace_check.check(place.workspace())
        _say(found)
    if found:
        typer.echo(f"{len(found)} found; `workspace repair` puts right what it can")
        raise typer.Exit(1)
    typer.echo(f"{place.workspace()}: nothing is damaged")


@app.command()
def repair() -> None:
    """Put right what `check` finds: what is damaged is moved to damaged/, what a killed process left goes, the index is rebuilt."""
    with bad_input_exits():
        from analysis import place, workspace_check

        found = workspace_check.repair(place.workspace())
        _say(found)
        by_hand = sum(finding.cure == "by hand" for finding in found)
    typer.echo(f"{len(found) - by_hand} put right" + (f", {by_hand} left to be done by hand" if by_hand else ""))


@app.command()
def remove(path: Annotated[list[str], typer.Argument(help="as `workspace show` writes it; repeatable")]) -> None:
    """Remove items for good. Refused for what a job needs that has not ended."""
    with bad_input_exits():
        from analysis import workspace_items

        for each in path:
            typer.echo(f"{each}: {workspace_items.in_words(workspace_items.remove(each))} freed")


@app.command()
def prune(
    keep_gb: Annotated[float, typer.Option(min=0, max=1e6, help="what kept objects may take, in GB; 0 removes all of them")],
) -> None:
    """Remove what is kept only to spare computing it again, the longest unused first. No study, score or run is touched."""
    with bad_input_exits():
        from analysis import workspace_items

        n, freed = workspace_items.prune(int(keep_gb * 1e9))
    typer.echo(f"{n} objects removed, {workspace_items.in_words(freed)} freed")


def _say(found: list) -> None:
    for finding in found:
        typer.echo(f"{finding.path}: {' '.join(finding.what.split())} [{finding.cure}]")
