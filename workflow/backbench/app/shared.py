"""What all sessions share, made once: the sweeps that are offered, and the runs that are open."""

import threading

import streamlit as st

from backbench.app import choices, opened
from backbench.app.choices import Offer
from backbench.app.opened import Opened
from backbench.engine.plan.frozen import Plan

# Open runs: the results of each are mapped into memory, its network and classifier are held in it.
MOST_RUNS = 12


@st.cache_resource(max_entries=MOST_RUNS, show_spinner=False)
def run(hash_: str) -> Opened:
    """An open run, by its config hash. What takes long to open is opened meanwhile."""
    run = opened.open_run(hash_)
    if run.pictured:
        threading.Thread(target=run.warm, daemon=True).start()
    return run


@st.cache_resource(max_entries=2, show_spinner="Reading the results")
def plans(asked: str | None, stamp: tuple[tuple[str, int], ...]) -> list[Plan]:
    """The newest sweeps, that of the run `asked` first; `stamp` says when to look again."""
    return choices.plans(asked)


@st.cache_resource(max_entries=choices.MOST_SWEEPS, show_spinner="Reading the answers")
def offer(_plan: Plan, sweep: str, stamp: tuple[tuple[str, int], ...]) -> Offer:
    """The runs of a sweep; `stamp` says when to look again."""
    return choices.offer(_plan)
