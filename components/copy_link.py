"""A button that copies the page's exact address: the address holds all that the page shows. It also has the page drawn again when the
browser's theme changes."""

from functools import cache
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent


def show(*, key: str) -> None:
    """`key` tells the page's button from that of a dialog above it."""
    _component()(key=key, on_theme_change=lambda: None)


@cache
def _component():
    html, css, js = ((HERE / f"copy_link.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("lethe_copy_link", html=html, css=css, js=js)
