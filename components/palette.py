"""What charts and circuit graphs share: colours (Okabe-Ito, safe for colour-blind readers), house style, labels from data."""

import streamlit as st

LIGHT = {
    "early": "#0072b2", "late": "#c2500a", "easy": "#0072b2", "hard": "#c2500a", "middle": "#7d8a98", "random": "#9c2f6b",
    "retain": "#2c8a64", "text": "#1b2733", "muted": "#5b6875", "grid": "#dfe5eb", "background": "#ffffff", "panel": "#f2f5f8",
    "shared": "#5b6875",
}
DARK = {
    "early": "#56b4e9", "late": "#f0954a", "easy": "#56b4e9", "hard": "#f0954a", "middle": "#8b98a6", "random": "#cc79a7",
    "retain": "#4fc295", "text": "#e6edf3", "muted": "#9fb0c0", "grid": "#2b3641", "background": "#12181f", "panel": "#1b242e",
    "shared": "#a9b6c3",
}


def colours() -> dict[str, str]:
    """The palette of the theme that the browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def style(figure, *, height: int = 320):
    """Give a plotly figure the house style: the page's font, transparent, thin grid, room for axis titles, legend above."""
    c = colours()
    figure.update_layout(
        height=height, margin={"l": 8, "r": 8, "t": 36, "b": 8}, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": c["text"], "size": 13, "family": st.get_option("theme.font")}, hoverlabel={"font_size": 13},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "title_text": ""},
    )
    axis = {"gridcolor": c["grid"], "zerolinecolor": c["grid"], "linecolor": c["grid"], "automargin": True, "title_font_size": 13}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def plain(text: str) -> str:
    """Text for a plotly label, where < and & would be markup."""
    short = text if len(text) <= 90 else text[:89] + "…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
