"""The page in headless Chromium: try an image, browse, draw on maps, change the run; offline, on any screen."""

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from browsing import browser, needs_chromium
from pages import swept
from PIL import Image
from playwright.sync_api import expect
from sharing import once

pytest.importorskip("streamlit", reason="the extra app is not installed")
pytestmark = needs_chromium

PROGRAM = "import sys; from backbench.cli import main; sys.exit(main())"
SECONDS = 60
USERS = 10
# Where a point of a map is on the screen: the first of the first layer.
POINT = """(key) => {
  const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const [layout, trace] = [plot._fullLayout, plot._fullData[0]];
  const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
  return [box.x + layout.xaxis.d2p(trace.x[0]), box.y + layout.yaxis.d2p(trace.y[0]), trace.customdata[0]];
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a page, the folder of its results, and the process of the command."""
    folder, results = once(tmp_path_factory, "pages", swept)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-c", PROGRAM, "app", "--no-browser", "--port", str(port)]
    environment = {**os.environ, "BACKBENCH_RESULTS": results}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert f"http://127.0.0.1:{port}" in line
    yield f"http://127.0.0.1:{port}", folder, process
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server outlives the command"


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture
def opened(chromium, served):
    """A function that opens the page; what the browser complains of or asks another host for fails the test."""
    contexts, wrong = [], []
    address = served[0]

    def open_(width=1280, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: wrong.append(request.url) if not own(request.url) else None)
        page.goto(address)
        page.locator(".tile img").first.wait_for()
        return page

    def own(url):
        return url.startswith((f"{address}/", f"{address.replace('http', 'ws')}/", "data:", f"blob:{address}"))

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def view(page, name):
    chosen = page.get_by_role("radio", name=name, exact=True)
    chosen.or_(page.get_by_role("button", name=name, exact=True)).first.click()


def uploaded(page, *files):
    chosen = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    page.locator('input[type="file"]').set_input_files(chosen)


def png(colour="red"):
    target = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(target, "PNG")
    return target.getvalue()


def drawn(page, key="map_first"):
    page.wait_for_function(f"document.querySelector('.st-key-{key} .js-plotly-plot')?._fullData?.length > 1")


def lasso(page, key):
    """Draw around the whole map."""
    box = page.locator(f".st-key-{key} .nsewdrag").first.bounding_box()
    left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def test_an_upload_gets_its_nearest_images_and_a_click_opens_one(opened, served):
    page = opened()
    known = (served[1] / "photos" / "5.png").read_bytes()
    uploaded(page, ("new.png", png()), ("known.png", known), ("<b>bad</b>.png", b"<script>alert(1)</script>"))
    expect(page.get_by_text("Nearest images")).to_have_count(2)
    expect(page.get_by_text("<b>bad</b>.png: no image of a known format")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Image 5\.png of the collection, in the \w+ split"))).to_be_visible()
    tiles = page.locator(".tile")
    expect(tiles.first.locator(".note")).to_have_text(re.compile(r"similarity 0\.\d+|distance \d"))
    assert tiles.count() == 48
    title = tiles.first.get_attribute("title").split(" · ")[0]
    tiles.first.click()
    expect(page.get_by_text(re.compile(rf"^Image {re.escape(title)} of the collection"))).to_be_visible()
    expect(page.get_by_text("Nearest images")).to_have_count(1)


def test_a_pasted_image_is_an_upload(opened):
    page = opened()
    page.evaluate(
        """async () => {
          const blob = await (await fetch(document.querySelector("link[rel~=icon]").href)).blob();
          const carried = new DataTransfer();
          carried.items.add(new File([blob], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: carried, bubbles: true }));
        }"""
    )
    expect(page.get_by_text("pasted.png").first).to_be_visible()


def test_clusters_are_browsed_and_named_for_everyone(opened, served):
    page = opened()
    view(page, "Browse")
    expect(page.locator(".tile .note").first).to_have_text(re.compile(r"from the centre"))
    page.get_by_label("Name of this cluster").fill("boots <i>& more</i>")
    page.get_by_role("button", name="Save name").click()
    cluster = page.get_by_role("combobox", name="Cluster", exact=True)
    expect(cluster).to_have_value(re.compile(r"boots <i>& more</i> \(\d+ images\)"))
    (table,) = (served[1] / "results" / "labels").glob("*.csv")
    assert "boots <i>& more</i>" in table.read_text()
    view(page, "Mistakes")
    expect(page.get_by_text(re.compile(r"validation and test images are classified wrongly"))).to_be_visible()
    view(page, "Audit")
    expect(page.get_by_text("Exact duplicates: 1")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(2)


def test_a_cell_of_the_matrix_shows_its_images(opened):
    page = opened()
    view(page, "Browse")
    view(page, "Confusion")
    plot = page.locator(".st-key-confusion .nsewdrag").first
    plot.wait_for()
    page.wait_for_timeout(300)
    at = page.evaluate(
        """() => {
          const plot = document.querySelector(".st-key-confusion .js-plotly-plot"), layout = plot._fullLayout;
          const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
          const place = plot._fullData[1].text.findIndex((text) => text !== "");
          const cell = plot._fullData[1];
          return [box.x + layout.xaxis.d2p(cell.x[place]), box.y + layout.yaxis.d2p(cell.y[place]), cell.text[place]];
        }"""
    )
    page.mouse.click(at[0], at[1])
    expect(page.locator(".tile")).to_have_count(int(at[2]))


def test_a_lasso_shows_images_a_point_its_thumbnail_and_the_second_map_the_same_images(opened):
    page = opened()
    view(page, "Map")
    drawn(page)
    page.wait_for_timeout(600)
    x, y, row = page.evaluate(POINT, "map_first")
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=5)
    card = page.locator("#backbench-hover")
    expect(card).to_be_visible()
    expect(card.locator("img")).to_have_attribute("src", re.compile(rf"/backbench/thumbnail/[0-9a-f]{{64}}/{row}$"))
    expect(card).to_contain_text(".png")
    lasso(page, "map_first")
    expect(page.get_by_text("60 images chosen")).to_be_visible()
    page.mouse.move(x - 30, y - 30)
    page.mouse.move(x, y, steps=5)
    expect(card).to_contain_text(".png")
    expect(page.locator(".tile")).to_have_count(48)
    page.get_by_text("Two maps").click()
    drawn(page, "map_second")
    page.wait_for_function(
        "document.querySelector('.st-key-map_second .js-plotly-plot')._fullData.every((t) => t.selectedpoints.length)"
    )


def test_another_run_is_opened_and_kept_in_the_address(opened):
    page = opened()
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{12}$"))
    before = page.url
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option").nth(2).click()
    expect(page).not_to_have_url(before)
    address = page.url
    view(page, "Other tools")
    expect(page.get_by_text(f"backbench predict {address[-12:]} FOLDER")).to_be_visible()
    page.goto(address)
    page.locator(".tile img").first.wait_for()
    assert page.url == address


def test_a_phone_in_the_dark_has_room_for_everything(opened):
    page = opened(390, color_scheme="dark")
    for name in ("Browse", "Map", "Other tools", "Try an image"):
        view(page, name)
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 60
    assert page.locator(".tile").nth(1).bounding_box()["x"] > 150
    text = page.locator(".tile .head").first.evaluate("(node) => getComputedStyle(node).color")
    assert min(map(int, re.findall(r"\d+", text)[:3])) > 180


def test_ten_people_at_once(served):
    """Ten sessions over streamlit's own protocol: each runs the whole script to its end, without an error."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.asyncio.client import connect

    async def session():
        asked = BackMsg()
        asked.rerun_script.query_string = ""
        seen = []
        async with connect(f"{served[0].replace('http', 'ws')}/_stcore/stream", max_size=None) as channel:
            await channel.send(asked.SerializeToString())
            while True:
                message = ForwardMsg.FromString(await asyncio.wait_for(channel.recv(), SECONDS))
                seen.append(message.delta.new_element.WhichOneof("type"))
                if message.WhichOneof("type") == "script_finished":
                    return message.script_finished, seen

    async def all_of_them():
        return await asyncio.gather(*(session() for _ in range(USERS)))

    # playwright has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as thread:
        finished = thread.submit(lambda: asyncio.run(all_of_them())).result()
    for status, seen in finished:
        assert status == ForwardMsg.FINISHED_SUCCESSFULLY
        assert "exception" not in seen and "alert" not in seen
        assert "file_uploader" in seen


def test_what_is_served_is_for_this_page_alone(served):
    address, folder, _ = served
    run = next((folder / "results" / "labels").glob("*.csv"), None)

    def status(path, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", headers=headers)) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    assert status("/_stcore/health") == 200
    assert status("/_stcore/health", Host="elsewhere.example") == 400
    for path in ("ffffffffffff/0", "..%2f..%2fetc/0", "zz/0"):
        assert status(f"/backbench/thumbnail/{path}") in (400, 404)
    if run is not None:
        assert status(f"/backbench/thumbnail/{run.stem}/0") == 200
        assert status(f"/backbench/thumbnail/{run.stem}/60") == 404
