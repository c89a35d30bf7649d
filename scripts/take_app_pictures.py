"""Take the pictures of docs/app.md: the page over a finished sweep of photographs, in a headless Chromium.

python scripts/take_app_pictures.py IMAGE...             of results/, into docs/images; the images are tried
python scripts/take_app_pictures.py IMAGE --to FOLDER

Needs `chromium` on the PATH, and the extras `app` and `dev`.
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import paths

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = {"width": 1200, "height": 860}
PHONE = {"width": 390, "height": 844}
WAIT = 120_000
SETTLE = 1500
QUALITY = 80
# Half the side of a lasso, in pixels.
NEAR = 36
IDLE = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
POINT = """() => {
  const plot = document.querySelector(".st-key-map_first .js-plotly-plot");
  const [layout, trace] = [plot._fullLayout, plot._fullData[0]];
  const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
  return [box.x + layout.xaxis.d2p(trace.x[1]), box.y + layout.yaxis.d2p(trace.y[1])];
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=Path, help="images to try")
    parser.add_argument("--to", type=Path, default=paths.CHECKOUT / "docs" / "images", help="default: docs/images")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    with _server() as address:
        for name, take in {"map": _map, "try": _try, "browse": _browse, "phone": _phone}.items():
            with _page(address, dark=name == "phone", size=PHONE if name == "phone" else SIZE) as page:
                target = args.to / f"app-{name}.webp"
                target.write_bytes(_small(take(page, args.images)))
                print(target)
    return 0


def _try(page: "Page", images: Sequence[Path]) -> bytes:
    page.locator('input[type="file"]').set_input_files([images[0]])
    page.get_by_text("Nearest images").wait_for()
    return _taken(page)


def _browse(page: "Page", images: Sequence[Path]) -> bytes:
    _view(page, "Browse")
    return _taken(page)


def _map(page: "Page", images: Sequence[Path]) -> bytes:
    """Two maps: a lasso in the first one, and the thumbnail of a point of it."""
    _view(page, "Map")
    _settled(page)
    page.get_by_text("Two maps").click()
    page.locator(".st-key-map_second .nsewdrag").first.wait_for()
    _settled(page)
    x, y = page.evaluate(POINT)
    page.mouse.move(x - NEAR, y - NEAR)
    page.mouse.down()
    for right, down in ((NEAR, -NEAR), (NEAR, NEAR), (-NEAR, NEAR), (-NEAR, -NEAR)):
        page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()
    page.get_by_text("images chosen").wait_for()
    _settled(page)
    page.mouse.move(x - 20, y - 20)
    page.mouse.move(x, y, steps=5)
    page.locator("#backbench-hover img").wait_for()
    return _taken(page)


def _phone(page: "Page", images: Sequence[Path]) -> bytes:
    return _try(page, images[-1:])


def _view(page: "Page", name: str) -> None:
    chosen = page.get_by_role("radio", name=name, exact=True)
    chosen.or_(page.get_by_role("button", name=name, exact=True)).first.click()


def _settled(page: "Page") -> None:
    page.wait_for_timeout(SETTLE)
    page.wait_for_function(IDLE)


def _taken(page: "Page") -> bytes:
    _settled(page)
    return page.screenshot()


@contextmanager
def _server() -> Iterator[str]:
    """The page on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from backbench.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "app", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit("the page did not start")
        urllib.request.urlopen(f"http://127.0.0.1:{port}").close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _page(address: str, dark: bool, size: dict[str, int]) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no chromium on the PATH; on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page(viewport=size, color_scheme="dark" if dark else "light")
        page.set_default_timeout(WAIT)
        page.goto(address)
        page.locator(".tile img").first.wait_for()
        yield page
        opened.close()


def _small(picture: bytes) -> bytes:
    """The picture as WebP."""
    from PIL import Image

    target = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(target, "WEBP", quality=QUALITY, method=6)
    return target.getvalue()


if __name__ == "__main__":
    sys.exit(main())
