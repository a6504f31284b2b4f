"""What a page says when something cannot be shown."""

import streamlit as st


def problem(headline: str, detail: str) -> None:
    """An error: a headline of ours, and what data or a person wrote as plain text, where Markdown could load an image."""
    st.error(headline)
    st.text(detail)
