"""The view of maps: all images as points, two representations side by side, and the images that a lasso takes."""

from typing import Any

import streamlit as st

from backbench.app import maps, shared
from backbench.app.browsing import Listed
from backbench.app.choices import Choice, Offer
from backbench.app.opened import Opened
from backbench.app.views import charts, parts

FIRST, SECOND = "map_first", "map_second"
SIDES = (FIRST, SECOND)


def draw(opened: Opened, offer: Offer) -> None:
    """One map or two, and below them the images that were chosen."""
    others = alike(opened, offer)
    columns = st.columns([2, 2, 1], vertical_alignment="bottom")
    way = columns[0].selectbox("Colour", maps.ways(opened), key="colour")
    both = columns[2].toggle("Two maps", key="both", disabled=not others)
    second = None
    if both and others:
        labels = {choice.run: f"{choice.name} ({choice.short})" for choice in others}
        run = columns[1].selectbox("Second representation", list(labels), format_func=labels.get, key="second")
        second = shared.run(run) if run else None
    shown = {FIRST: opened} | ({SECOND: second} if second else {})
    parts.helper({key: each.run for key, each in shown.items()})
    selections = {key: maps.chosen(st.session_state.get(key)) for key in shown}
    for column, (key, each) in zip(st.columns(len(shown)), shown.items(), strict=True):
        elsewhere = next((rows for other, rows in selections.items() if other != key and rows), None)
        with column:
            _map(each, key, str(way), elsewhere if not selections[key] else None)
    rows = next((rows for rows in selections.values() if rows), [])
    if rows:
        st.markdown(f"**{len(rows):,} images chosen**")
    else:
        st.caption("Draw around points to see their images; hover over one to see it; scroll to zoom.")
    parts.gallery(opened, [Listed(row) for row in rows], "lasso", "")


def alike(opened: Opened, offer: Offer) -> list[Choice]:
    """The runs on the same collection with other features, one for each name of a representation."""
    mine = opened.source.row
    names = {_representation(mine.name): None}
    others = []
    for choice in offer.choices:
        name = _representation(choice.name)
        if choice.collection == mine.collection and name not in names:
            names[name] = None
            others.append(choice)
    return others


def _representation(name: str) -> str:
    """The part of the name of a run before its clusterer: a run is told from others by its first word."""
    return name.split(" ")[0]


def _map(opened: Opened, key: str, way: str, elsewhere: list[int] | None) -> None:
    """One map with the choice of its layout."""
    possible = maps.methods(opened)
    if not possible:
        st.caption("This run has no features in the store to draw.")
        return
    method = st.segmented_control(
        opened.source.row.name,
        possible,
        format_func=lambda name: maps.TITLES[name] + ("" if maps.ready(opened, name) else " …"),
        default=next((each for each in possible if maps.ready(opened, each)), possible[0]),
        key=f"{key}_{opened.run[:12]}_method",
    )
    method = str(method or possible[0])
    if not maps.ready(opened, method):
        label = f"Compute {maps.TITLES[method]} of {opened.count:,} images (once; it is kept)"
        if not st.button(label, key=f"{key}_{method}_compute"):
            return
        with st.spinner(f"Computing {maps.TITLES[method]}"):
            maps.layout(opened, method)
    points = maps.layout(opened, method)
    groups = maps.colouring(opened, way, points.rows, opened.cluster_names())
    config: dict[str, Any] = charts.CONFIG
    st.plotly_chart(
        maps.figure(points, groups, elsewhere),
        key=key,
        on_select="rerun",
        selection_mode=("points", "box", "lasso"),
        config=config,
        alt=f"{maps.TITLES[method]} of {opened.count} images",
    )
    if len(points.rows) < opened.count:
        st.caption(f"A sample of {len(points.rows):,} of {opened.count:,} images.")
