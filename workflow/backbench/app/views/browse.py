"""The view that browses: clusters, the confusion matrix, mistakes, labels that are likely wrong, and the audit."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from backbench.app import browsing, findings
from backbench.app.opened import NOISE, Opened, cluster_title
from backbench.app.views import charts, parts
from backbench.organising import folders, naming
from backbench.schema import ConfigError

CLUSTERS, CONFUSION, MISTAKES, LABELS, AUDIT = "Clusters", "Confusion", "Mistakes", "Likely wrong labels", "Audit"


def draw(opened: Opened) -> None:
    """One of the ways to browse a run."""
    ways: dict[str, Callable[[Opened], None]] = {}
    if opened.labels is not None:
        ways[CLUSTERS] = _clusters
    if opened.predictions is not None:
        ways |= {CONFUSION: _confusion, MISTAKES: _mistakes, LABELS: _labels}
    ways[AUDIT] = _audit
    first = next(iter(ways))
    way = st.segmented_control("Browse", list(ways), key="browse", default=first, label_visibility="collapsed")
    ways.get(str(way), next(iter(ways.values())))(opened)


def _clusters(opened: Opened) -> None:
    assert opened.labels is not None
    names, listed = opened.cluster_names(), browsing.clusters(opened.labels)
    left, right = st.columns(2)
    cluster = left.selectbox(
        "Cluster",
        listed.numbers,
        format_func=lambda number: f"{cluster_title(number, names)} ({listed.sizes[number]:,} images)",
        key="cluster",
    )
    order = right.selectbox("Order", browsing.ORDERS, key="order")
    if cluster is None:
        return
    if cluster != NOISE and not folders.apart(opened.source):
        _rename(opened, cluster, names.get(cluster, ""))
    parts.gallery(opened, browsing.members(opened, cluster, order), f"cluster_{opened.run[:12]}_{cluster}")


def _rename(opened: Opened, cluster: int, name: str) -> None:
    """A field for the name of a cluster, which is saved."""
    with st.form(f"rename_{opened.run[:12]}_{cluster}", border=False):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        typed = left.text_input("Name of this cluster", name, key=f"name_{opened.run[:12]}_{cluster}", max_chars=80)
        if not right.form_submit_button("Save name", width="stretch"):
            return
    try:
        naming.save_names(opened.run, {cluster: typed.strip()})
    except (ConfigError, OSError) as error:
        st.error(str(error))
        return
    st.toast("The name is saved.")
    st.rerun()


def _confusion(opened: Opened) -> None:
    matrix, names = browsing.confusion(opened), opened.source.names
    st.caption(f"{int(matrix.sum()):,} test images by true and predicted class. Click a cell to see its images.")
    state: Any = st.plotly_chart(
        charts.confusion(matrix, names),
        key="confusion",
        on_select="rerun",
        selection_mode="points",
        config=charts.CONFIG,
        alt="confusion matrix",
    )
    asked = charts.cell(state)
    if asked is not None:
        true, predicted = asked
        st.markdown(
            f"**{matrix[true, predicted]:,} of class {true_name(names, true)}**, "
            f"predicted {true_name(names, predicted)}"
        )
        parts.gallery(opened, browsing.cell(opened, true, predicted), f"cell_{true}_{predicted}")


def true_name(names: list[str], number: int) -> str:
    """The name of a class for markdown."""
    return f"`{names[number].replace('`', chr(39))}`"


def _mistakes(opened: Opened) -> None:
    listed = browsing.mistakes(opened)
    st.caption(f"{len(listed):,} validation and test images are classified wrongly; the surest come first.")
    parts.gallery(opened, listed, "mistakes", "none is classified wrongly")


def _labels(opened: Opened) -> None:
    st.caption("Validation and test images that the classifier gives another class than their label, and surely so.")
    parts.gallery(opened, browsing.mislabelled(opened), "mislabelled", "none, or the classifier has no probabilities")


def _audit(opened: Opened) -> None:
    audit = findings.of_run(opened.source)
    if audit is None:
        st.caption("This collection was not audited; `backbench audit` with its path does it.")
        return
    st.write(audit.verdict)
    for check in audit.checks:
        if check.wrong:
            with st.expander(f"{check.title}: {check.shown}", expanded=bool(check.images)):
                st.write(check.meaning)
                parts.gallery(opened, check.images, f"audit_{check.key}", "The page of the audit lists them.")
    if fine := [check.title.lower() for check in audit.checks if not check.wrong]:
        st.caption(f"Nothing to report: {', '.join(fine)}.")
