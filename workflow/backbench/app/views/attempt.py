"""The view that tries an image: what the run says of it."""

import streamlit as st

from backbench.app import trying
from backbench.app.browsing import Listed
from backbench.app.opened import LETTERS, Opened
from backbench.app.trying import PROBABILITIES, Tried
from backbench.app.views import parts
from backbench.schema import ConfigError
from backbench.wording import shorten


def draw(opened: Opened) -> None:
    """Uploads, else an image of the collection."""
    files = st.file_uploader(
        "Drop, choose or paste images",
        accept_multiple_files=True,
        max_upload_size=trying.MEGABYTES,
        key="uploads",
        on_change=_forget,
        help=f"At most {trying.FILES} at once, {trying.MEGABYTES} MB each. They stay on this machine.",
    )
    _pick(opened)
    if too_many := trying.checked(files):
        st.warning(too_many)
    row = st.session_state.get(parts.IMAGE)
    if files and row is None:
        for number, file in enumerate(files[: trying.FILES]):
            _show(opened, _tried(opened, file.name, file.file_id, file.getvalue()), f"near_{number}")
    elif row is not None and row < opened.count:
        _show(opened, trying.stored(row, opened), "near")
    else:
        st.caption("No image yet: drop one above, or click one of these.")
        step = max(1, opened.count // 24)
        parts.gallery(opened, [Listed(row) for row in range(0, opened.count, step)][:24], "some")


def _forget() -> None:
    """New uploads take the place of an image of the collection."""
    st.session_state.pop(parts.IMAGE, None)
    st.session_state["number"] = None


def _pick(opened: Opened) -> None:
    """Choose an image of the collection by its name or number."""

    def choose() -> None:
        """Take the image that was chosen."""
        st.session_state[parts.IMAGE] = st.session_state["number"]

    st.session_state.setdefault("number", None)
    if (row := st.session_state.get(parts.IMAGE)) is not None and row < opened.count:
        st.session_state["number"] = row
    if opened.count <= MOST_LISTED:
        st.selectbox(
            "or an image of the collection",
            range(opened.count),
            index=None,
            format_func=lambda row: opened.names[row],
            key="number",
            on_change=choose,
            placeholder="type a part of its name",
        )
    else:
        label = f"or the number of an image of the collection, 0 to {opened.count - 1:,}"
        st.number_input(label, 0, opened.count - 1, None, key="number", on_change=choose)


# A list of more names would take long to send.
MOST_LISTED = 5_000


def _tried(opened: Opened, name: str, file: str, data: bytes) -> Tried:
    """What the run says of an upload; asked again, it is known."""
    kept = st.session_state.setdefault("tried", {})
    if (opened.run, file) not in kept:
        try:
            with st.spinner(f"Looking at {_plain(name)}; the first image of a run takes longest"):
                kept[opened.run, file] = trying.upload(name, data, opened)
        except ConfigError as error:
            st.error(str(error))
            st.stop()
    tried: Tried = kept[opened.run, file]
    return tried


def _show(opened: Opened, tried: Tried, key: str) -> None:
    """An image, its class, its cluster and its nearest images."""
    prediction = tried.prediction
    with st.container(border=True):
        if prediction.reason:
            st.error(f"{_plain(tried.name)}: {_plain(prediction.reason)}")
            return
        left, right = st.columns([1, 2])
        with left:
            if tried.picture is not None:
                st.image(tried.picture.content, alt=tried.name)
            st.caption(_plain(tried.name))
        with right:
            if prediction.label is not None:
                st.subheader(_plain(shorten(prediction.label, LETTERS)), anchor=False)
            if prediction.unlike:
                st.warning(trying.unlike(opened))
            _bars(tried)
            for line in trying.notes(prediction, opened, opened.cluster_names()):
                st.write(_plain(line))
        st.markdown("**Nearest images**")
        if opened.model.does("neighbours"):
            parts.gallery(opened, trying.nearest(prediction, opened), key)


def _bars(tried: Tried) -> None:
    """The scores of the classes as bars."""
    probable = tried.prediction.kind == PROBABILITIES
    for score in trying.scores(tried.prediction):
        value = f"{score.value:.1%}" if probable else f"score {score.value:.3g}"
        st.progress(score.share, text=f"{_plain(shorten(score.label, LETTERS))} – {value}")


def _plain(text: str) -> str:
    """Text that markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in MARKUP else letter for letter in text)


MARKUP = "\\`*_{}[]()#+-.!|~$:<>&"
