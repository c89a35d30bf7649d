"""The application that ``streamlit run`` starts: the page, with thumbnails beside it. ``backbench app`` runs it."""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit.starlette import App

from backbench.app import serving, shared

# A page elsewhere that points its own name to this machine gets no answer.
HOSTS = ["localhost", "127.0.0.1", "[::1]"]

app = App(
    Path(__file__).with_name("script.py"),
    routes=serving.routes(shared.run),
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
)
