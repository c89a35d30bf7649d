"""What views share: galleries, the choice of an image, and what runs in the browser beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from backbench.app import serving
from backbench.app.browsing import Listed
from backbench.app.opened import Opened

FOLDER = Path(__file__).parent
# Images of a page of a gallery.
PAGE = 48
TRY, BROWSE, MAP, COMMANDS = "Try an image", "Browse", "Map", "Other tools"
VIEWS = (TRY, BROWSE, MAP, COMMANDS)
IMAGE, VIEW = "image", "view"


@st.cache_resource(show_spinner=False)
def _component(name: str) -> Callable[..., Any]:
    """A component of the page by its name, registered once."""
    styles = FOLDER / f"{name}.css"
    return st.components.v2.component(
        f"backbench_{name}",
        html=f'<div class="{name}"></div>',
        css=styles.read_text() if styles.exists() else None,
        js=(FOLDER / f"{name}.js").read_text(),
    )


def helper(maps: dict[str, str]) -> None:
    """What listens in the browser: `maps` are the runs whose images the maps show, by the keys of the maps."""
    _component("helper")(key="helper", data={"runs": maps})


def gallery(opened: Opened, listed: Sequence[Listed], key: str, empty: str = "no images") -> None:
    """Images, page by page; a click opens one in the view that tries it."""
    if not listed:
        st.caption(empty)
        return
    pages = -(-len(listed) // PAGE)
    number = 1
    if pages > 1:
        number = min(st.pagination(pages, key=f"{key}_page"), pages)
        st.caption(f"{len(listed):,} images, page {number} of {pages}")
    shown = listed[(number - 1) * PAGE : number * PAGE]

    def pick() -> None:
        """Open the image that was clicked."""
        picked = st.session_state[key].get("picked")
        if picked is not None:
            st.session_state[IMAGE], st.session_state[VIEW] = int(picked), TRY

    tiles = [_tile(opened, each) for each in shown]
    _component("gallery")(key=key, data={"tiles": tiles}, on_picked_change=pick)


def _tile(opened: Opened, listed: Listed) -> dict[str, Any]:
    label = opened.label(listed.row)
    head = label or opened.names[listed.row]
    mark = ""
    if opened.predictions is not None and (predicted := int(opened.predictions[listed.row])) >= 0:
        mark = "right" if predicted == int(opened.source.truth[listed.row]) else "wrong"
    source = serving.thumbnail_url(opened.run, listed.row) if opened.pictured else ""
    title = " · ".join(filter(None, (opened.names[listed.row], label)))
    return {"row": listed.row, "src": source, "title": title, "head": head, "note": listed.note, "mark": mark}
