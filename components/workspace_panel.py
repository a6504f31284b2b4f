"""What lies on the disk: every item with its size, whether all is whole, and how to make room."""

import pandas as pd
import streamlit as st

from analysis import place, workspace, workspace_check, workspace_items
from components import demo_mode, equivalent_command
from components.formats import escape
from components.notices import problem

CURES = {"set aside": "moved to damaged/", "rebuilt": "made again", "removed": "removed", "by hand": "left to you"}


def show() -> None:
    """Folded away; read off the disk only when it is open."""
    panel = st.expander("Workspace: what is on the disk", key="workspace", on_change="rerun", bind="query-params")
    if panel.open:
        with panel:
            _open()


def _open() -> None:
    try:
        root = workspace.prepared()
        items = sorted(workspace_items.items(root), key=lambda item: (item.problem is None, -item.n_bytes))
    except ValueError as error:
        problem("The workspace cannot be used.", str(error))
        if not demo_mode.on():
            _whole()  # repair may help
        return
    st.markdown(f"{workspace_items.in_words(workspace_items.size(root))} in {len(items)} items, in")
    st.code(str(root), language=None, wrap_lines=True)
    for item in items:
        if item.problem:
            problem(f"{escape(item.path)} cannot be read, so it is left out.", item.problem)
    chosen = _table(items)
    if demo_mode.closed("changing the workspace"):
        return
    _remove(chosen)
    _whole()


def _table(items: list[workspace_items.Item]) -> list[str]:
    """The items; returns the paths of those that were selected."""
    if not items:
        st.info("Nothing of your own yet: the embedded study lies with the program.")
        return []
    st.caption("What is made again when needed is only kept to spare time. All else exists nowhere but here. Select rows to remove.")
    rows = [(item.path, item.kind, item.title, item.n_bytes, "made again when needed" if item.again else "lost",
             "cannot be read" if item.problem else "") for item in items]
    frame = pd.DataFrame(rows, columns=["Item", "What it is", "Of", "Size", "If removed", "Problem"])
    frame = frame if frame["Problem"].any() else frame.drop(columns="Problem")
    key = f"workspace_items_{hash(tuple(frame['Item']))}"  # other rows are another table: no selection is carried over to them
    widths = {"Size": st.column_config.NumberColumn(format="bytes", width="small")}
    picked = st.dataframe(frame, hide_index=True, on_select="rerun", selection_mode="multi-row", key=key, column_config=widths)
    return [items[row].path for row in picked.selection.rows if row < len(items)]


def _remove(chosen: list[str]) -> None:
    if not chosen:
        return
    st.markdown("Remove for good: " + ", ".join(f"**{escape(path)}**" for path in chosen))
    if st.button(f"Remove {len(chosen)} for good", type="primary", key="workspace_remove"):
        try:
            freed = sum(workspace_items.remove(path) for path in chosen)
            st.toast(f"{workspace_items.in_words(freed)} freed")
            st.rerun()
        except (ValueError, OSError) as error:
            problem("Not removed.", str(error))
    equivalent_command.show(["workspace", "remove", *chosen])


def _whole() -> None:
    with st.container(horizontal=True):
        checks = st.button("Check", key="workspace_check", help="Reads every file and compares it with its checksum; changes nothing.")
        repairs = st.button("Repair", key="workspace_repair", help="What is damaged is moved to damaged/; nothing is deleted that "
                                                                   "cannot be made again.")
    try:
        if checks:
            _said(workspace_check.check(place.workspace()), "Nothing is damaged.", "Repair: it is")
        if repairs:
            _said(workspace_check.repair(place.workspace()), "There was nothing to repair.", "It was")
    except (ValueError, OSError) as error:
        problem("The workspace could not be checked.", str(error))
    equivalent_command.show(["workspace", "check"], ["workspace", "repair"])


def _said(found: list[workspace_check.Finding], nothing: str, cure: str) -> None:
    if not found:
        st.success(nothing)
        return
    rows = [(finding.path, CURES[finding.cure], finding.what) for finding in found]
    st.dataframe(pd.DataFrame(rows, columns=["Item", cure, "What is wrong"]), hide_index=True, key="workspace_findings",
                 column_config={"What is wrong": st.column_config.TextColumn(width="large")})
