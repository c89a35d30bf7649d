"""The frame of the page: which run, which view."""

import os
from collections.abc import Sequence

import streamlit as st

from backbench.app import choices, opened, shared
from backbench.app.choices import METRICS, Choice, Offer
from backbench.app.opened import Opened
from backbench.app.views import attempt, browse, parts, plane
from backbench.engine.plan.frozen import Plan
from backbench.schema import ConfigError
from backbench.store import StoreError

RUN, SWEEP = "run", "sweep"


def draw() -> None:
    """The whole page."""
    st.set_page_config("backbench", ICON, layout="wide", menu_items={"About": "backbench"})
    st.markdown(STYLE, unsafe_allow_html=True)
    try:
        offer, run = _chosen()
        with st.spinner("Opening the run"):
            shown = shared.run(run)
        _view(shown, offer)
    except (ConfigError, StoreError) as error:
        st.error(str(error))


def _chosen() -> tuple[Offer, str]:
    """The sweep and the run that are shown; the first time, those of the address or of the command line."""
    asked = st.query_params.get(RUN) or os.environ.get(choices.ASKED) or None
    stamp = choices.stamp()
    st.session_state.setdefault("asked", asked)
    plans = shared.plans(st.session_state["asked"], stamp)
    with st.sidebar:
        st.title("backbench", anchor=False)
        offers = _offer(plans, stamp)
        run = _run(offers, st.session_state["asked"])
    st.query_params[RUN] = run[:12]
    return offers, run


def _offer(plans: Sequence[Plan], stamp: tuple[tuple[str, int], ...]) -> Offer:
    """The sweep that is chosen."""
    by_hash = {plan.sweep: plan for plan in plans}
    sweep = next(iter(by_hash))
    if len(by_hash) > 1:
        titles = {each: choices.title(plan) for each, plan in by_hash.items()}
        sweep = st.selectbox("Sweep", list(by_hash), format_func=titles.__getitem__, key=SWEEP) or sweep
    else:
        st.caption(choices.title(by_hash[sweep]))
    return shared.offer(by_hash[sweep], sweep, stamp)


def _run(offer: Offer, asked: str | None) -> str:
    """The run that is chosen, by a list or by a click on a row of the table."""
    by_hash = {choice.run: choice for choice in offer.choices}
    if not by_hash:
        raise ConfigError("this sweep has no finished runs.")
    first = next((run for run in by_hash if asked and run.startswith(asked)), next(iter(by_hash)))
    if st.session_state.get(RUN) not in by_hash:
        st.session_state[RUN] = first
    run = st.selectbox("Run", list(by_hash), format_func=lambda run: by_hash[run].title, key=RUN, on_change=_another)
    _metrics(by_hash[run])
    with st.expander("All runs"):
        _table(list(by_hash.values()))
    return run


def _another() -> None:
    """Another run may be of another collection: the image of it that was open is none of this one."""
    st.session_state.pop(parts.CLUSTER, None)


def _metrics(choice: Choice) -> None:
    values = [f"{title} {choice.metrics[name]:.1%}" for name, title in METRICS.items() if name in choice.metrics]
    best = [f"best for {' and '.join(choice.recommended)}"] if choice.recommended else []
    st.caption(" · ".join([*best, *values, choice.short]))


def _table(listed: Sequence[Choice]) -> None:
    """All runs with their metrics; a click on a row opens it."""
    columns = {"run": [choice.name for choice in listed]}
    values = {title: [choice.metrics.get(name) for choice in listed] for name, title in METRICS.items()}
    hashes = {"hash": [choice.short for choice in listed]}

    def choose() -> None:
        """Open the run of the row that was clicked."""
        rows = st.session_state["runs"]["selection"]["rows"]
        if rows:
            st.session_state[RUN] = listed[rows[0]].run
            _another()

    st.dataframe(
        {**columns, **values, **hashes},
        key="runs",
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        column_config={title: st.column_config.NumberColumn(format="%.3f") for title in METRICS.values()},
    )


def _view(shown: Opened, offer: Offer) -> None:
    """One of the views of a run."""
    st.session_state.setdefault(parts.VIEW, parts.TRY)
    view = st.segmented_control("View", parts.VIEWS, key=parts.VIEW, label_visibility="collapsed", required=True)
    if view != parts.MAP:
        parts.helper({})
    if view == parts.BROWSE:
        browse.draw(shown)
    elif view == parts.MAP:
        plane.draw(shown, offer)
    elif view == parts.COMMANDS:
        _commands(shown)
    else:
        attempt.draw(shown)


def _commands(shown: Opened) -> None:
    for what, line in opened.commands(shown).items():
        st.caption(f"To {what}:")
        st.code(line, language=None)


# Drawn here: a symbol by its name would be fetched from elsewhere.
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="#4269d0">
<circle cx="7" cy="8" r="4"/><circle cx="17" cy="7" r="3"/><circle cx="14" cy="17" r="5"/></svg>"""
STYLE = """<style>
[data-testid="stSidebarHeader"] { height: 2.2rem; padding-bottom: 0; }
.block-container { padding-top: 4.6rem; padding-bottom: 3rem; }
/* The outline of a lasso would keep the pointer from the points in it. */
.js-plotly-plot :is(.selectionlayer, .outline-controllers) * { pointer-events: none !important; }
[data-testid="stElementContainer"]:has(style) { display: none; }
</style>"""
