"""Thumbnails of collections over HTTP, and what is said of an image: for galleries and the map of the page.

They are answered beside streamlit by the same server, so that a browser keeps them and fetches those in sight alone.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from backbench.app.opened import Opened, cluster_title
from backbench.schema import ConfigError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

PREFIX = "/backbench"
HASH = re.compile(r"[0-9a-f]{12,64}")
# The images of a run never change; other sites may not show them.
HEADERS = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def thumbnail_url(run: str, row: int) -> str:
    """The address of the thumbnail of an image, on the page's own server."""
    return f"{PREFIX}/thumbnail/{run}/{row}"


def routes(opened: Callable[[str], Opened]) -> "list[BaseRoute]":
    """The routes for thumbnails and for words; `opened` opens a run by its hash."""
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def of_request(request: "Request") -> tuple[Opened, int] | None:
        """The run and the image of a request; None where there is no such image."""
        run, row = request.path_params["run"], request.path_params["row"]
        if not HASH.fullmatch(run):
            return None
        try:
            shown = opened(run)
        except ConfigError:
            return None
        return (shown, row) if row < shown.count else None

    def thumbnail(request: "Request") -> Response:
        asked = of_request(request)
        made = asked[0].source.thumbnails.thumbnail(asked[1]) if asked and asked[0].pictured else None
        if made is None:
            return Response("no such image", 404, {**HEADERS, "Cache-Control": "no-store"})
        return Response(made.content, media_type=f"image/{made.format}", headers=HEADERS)

    def words(request: "Request") -> Response:
        asked = of_request(request)
        if asked is None:
            return JSONResponse({}, 404)
        return JSONResponse(describe(*asked), headers={**HEADERS, "Cache-Control": "no-store"})

    return [
        Route(f"{PREFIX}/thumbnail/{{run}}/{{row:int}}", thumbnail),
        Route(f"{PREFIX}/about/{{run}}/{{row:int}}", words),
    ]


def describe(opened: Opened, row: int) -> dict[str, str]:
    """The name of an image, and a line of its class, its prediction and its cluster."""
    parts = [opened.label(row)]
    if opened.predictions is not None and (predicted := int(opened.predictions[row])) >= 0:
        right = predicted == int(opened.source.truth[row])
        parts.append("predicted right" if right else f"taken for {opened.source.names[predicted]}")
    if opened.labels is not None:
        parts.append(cluster_title(int(opened.labels[row]), opened.cluster_names()))
    return {"name": opened.names[row], "line": ", ".join(filter(None, parts))}
