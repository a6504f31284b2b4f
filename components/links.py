"""The pages, by the names that the sidebar and other pages call them."""

from analysis.store import PROJECT

PAGES = {
    "Overview": "app.py",
    "Forget set": "pages/forget_set.py",
    "Difficulty": "pages/difficulty.py",
    "Circuit explorer": "pages/circuits.py",
    "Easy vs hard": "pages/easy_vs_hard.py",
    "Conflict map": "pages/conflicts.py",
    "Unlearn": "pages/unlearn.py",
    "Outcomes": "pages/outcomes.py",
}
if (PROJECT / "pages" / "report.py").is_file():
    PAGES["Report"] = "pages/report.py"
