"""The page of a sweep in headless Chromium: it sorts, filters, copies and enlarges, offline, on any screen."""

import io
import itertools
import json
import re
from pathlib import Path

import pytest
from browsing import browser, needs_chromium
from PIL import Image
from playwright.sync_api import expect
from sharing import once
from sweeping import ARABIC, GRID, LONG, SCRIPT, answer_of, collection, computed

from backbench.files import write_bytes, write_text
from backbench.pictures import drawing, index
from backbench.reports import sweep

pytestmark = needs_chromium

BOARD, RUNS = ".grid:not([data-source])", ".grid[data-source]"
TITLE = 'What <b>it</b> shows & "why"'
PICTURES = 4


def png(width=720, height=480) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(target, "PNG")
    return target.getvalue()


def drawn(folder, name, category, order=50, content=None, **more):
    """A picture with its entry in the index of a folder, as drawing leaves it."""
    write_bytes(folder / f"{name}.png", content or png())
    write_text(folder / f"{name}.csv", "a\n1\n")
    caption = f"The caption of {name}: {SCRIPT}"
    entry = {"title": TITLE, "category": category, "caption": caption, "order": order, "key": "0", "kind": name}
    index.update(folder, {name: {**entry, "png": f"{name}.png", "csv": f"{name}.csv", **more}})


def make(folder):
    """A page with hostile class names and painted pictures; returns its path."""
    before = pytest.MonkeyPatch()
    with before.context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        plan = computed(*GRID, *collection(folder / "data"))
        drawn(drawing.published(plan), "leaderboard_intervals", "Sweep", 10)
        run = drawing.run_folder(min(plan.runs))
        for name, category in (("confusion", "Classification"), ("map_pca", "Maps"), ("silhouette", "Clustering")):
            drawn(run, name, category)
        return str(sweep.write(answer_of(plan)))


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The path of a written page."""
    return once(tmp_path_factory, "report", make)[1]


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture
def opened(chromium, report):
    """A function that opens the page; whatever the browser complains of or asks the network for fails the test."""
    contexts, wrong = [], []

    def open_(width=1200, path=report, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: wrong.append(request.url) if not own(request.url) else None)
        page.goto(f"file://{path}")
        return page

    def own(url):
        return (url.startswith("file:///") and url.endswith(".html")) or url.startswith("data:image/")

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def column(page, grid, at):
    """The numbers of a column, as they are shown."""
    cells = page.locator(grid).first.locator(f"tbody td:nth-child({at})").all_inner_texts()
    return [float(text.split()[0]) for text in cells]


def header(page, grid, name):
    return page.locator(grid).first.locator("thead th", has=page.get_by_role("button", name=name, exact=True))


def place(page, grid, name):
    names = page.locator(grid).first.locator("thead th").all_inner_texts()
    return next(at for at, text in enumerate(names, 1) if text.strip().replace("\n", " ") == name)


def said(page, grid):
    return page.locator(grid).first.locator(".shown").inner_text()


def test_a_click_sorts_and_another_one_turns_it_round(opened):
    page = opened()
    head = header(page, BOARD, "test accuracy")
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    values = column(page, BOARD, place(page, BOARD, "test accuracy"))
    assert head.get_attribute("aria-sort") == "descending"
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, BOARD, place(page, BOARD, "test accuracy")) == sorted(values)
    assert said(page, BOARD).endswith(", test accuracy ascending")


def test_the_keyboard_sorts_numbers_as_numbers(opened):
    page = opened()
    head = header(page, RUNS, "k")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    ks = column(page, RUNS, place(page, RUNS, "k"))
    assert ks == sorted(ks)
    page.keyboard.press("Space")
    assert column(page, RUNS, place(page, RUNS, "k")) == sorted(ks, reverse=True)
    assert page.evaluate("document.activeElement.textContent") == "k"


def test_search_and_filter_narrow_the_rows_and_the_live_region_says_so(opened):
    page = opened()
    grid = page.locator(RUNS).first
    rows = grid.locator("tbody tr")
    total = rows.count()
    assert total == 24
    grid.get_by_label("clusterer").select_option("kmeans")
    assert rows.count() == 12
    assert said(page, RUNS) == "12 of 24 rows match"
    grid.get_by_label("search").fill("SVM")
    expect(rows).to_have_count(3)
    assert said(page, RUNS) == "3 of 24 rows match"
    assert all("kmeans" in text and "svm" in text for text in rows.all_inner_texts())
    grid.get_by_label("search").fill("no such thing")
    expect(rows).to_have_count(0)
    assert said(page, RUNS) == "0 of 24 rows match"
    grid.get_by_role("button", name="Clear").click()
    assert rows.count() == total
    assert said(page, RUNS) == "24 rows"
    assert page.locator(f"{RUNS} [role=status]").count() == 1


def test_rows_keep_their_command_and_it_copies(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    row = page.locator(f"{BOARD} tbody tr").first
    text = row.locator("code").inner_text()
    assert re.fullmatch(r"backbench reproduce [0-9a-f]{12}", text)
    row.get_by_role("button", name=f"Copy {text}").click()
    expect(page.locator("#said")).to_have_text(f"Copied: {text}")
    assert page.evaluate("navigator.clipboard.readText()") == text


def test_without_the_clipboard_it_copies_by_selection_else_selects_the_command(opened):
    page = opened()
    page.evaluate("delete Navigator.prototype.clipboard; document.execCommand = () => (window.asked = true)")
    page.locator(f"{BOARD} .copy").first.click()
    expect(page.locator("#said")).to_contain_text("Copied: backbench reproduce")
    assert page.evaluate("window.asked")
    page.evaluate("document.execCommand = () => false")
    page.locator(f"{BOARD} .copy").nth(1).click()
    expect(page.locator("#said")).to_contain_text("press Ctrl+C")
    assert page.evaluate("getSelection().toString()") == page.locator(f"{BOARD} code").nth(1).inner_text()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_a_picture_enlarges_by_key_and_closes_to_where_one_was(opened, key):
    page = opened()
    button = page.locator(".enlarge").first
    button.focus()
    page.keyboard.press(key)
    viewer = page.get_by_role("dialog")
    assert viewer.is_visible()
    assert viewer.get_by_role("heading").inner_text() == TITLE
    assert viewer.locator("img").get_attribute("alt") == button.locator("img").get_attribute("alt")
    page.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert page.evaluate("document.activeElement.classList.contains('enlarge')")


def test_all_pictures_are_there_with_words(opened):
    page = opened()
    images = page.locator(".drawn img")
    assert images.count() == PICTURES
    assert all(images.nth(at).get_attribute("alt").startswith("The caption of ") for at in range(PICTURES))
    assert page.locator(".drawn figcaption").count() == PICTURES
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    images.evaluate_all("(all) => Promise.all(all.map((one) => ((one.loading = 'eager'), one.decode())))")
    assert set(images.evaluate_all("(all) => all.map((one) => one.naturalWidth)")) == {720}


def test_hostile_names_are_words_and_no_more(opened):
    page = opened()
    assert page.evaluate("document.scripts.length") == 2  # the page's own, and the numbers of its runs
    names = page.locator("[id^=classes] tbody th").all_inner_texts()
    assert SCRIPT in names
    assert LONG.strip() in [name.strip() for name in names]
    assert ARABIC in names
    assert page.locator("img[onerror]").count() == 0
    assert page.locator("[id^=classes] tbody tr").first.bounding_box()["height"] < 120


def test_dark_mode_has_other_colours_and_charts_are_dark(opened):
    """Charts are inverted, but for their colours; images of the collection look the same."""
    looks = ("document.body", "document.querySelector('h1')", "document.querySelector('.chart img')")
    asked = f"[{', '.join(looks)}, document.querySelector('.tile img')].map((node) => getComputedStyle(node))"
    light, dark = (
        opened(color_scheme=scheme).evaluate(f"{asked}.map((look) => [look.backgroundColor, look.color, look.filter])")
        for scheme in ("light", "dark")
    )
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert light[2][0] == "rgb(255, 255, 255)" and light[2][2] == "none"
    assert dark[2][0] == "rgba(0, 0, 0, 0)" and dark[2][2].startswith("invert(")
    assert light[3][2] == dark[3][2] == "none"


def test_images_of_the_answer_are_large_enough_and_keep_their_proportions(opened):
    images = opened().locator(".tile img")
    sides = images.evaluate_all(
        "(all) => all.map((img) => [img.width, img.height, img.naturalWidth, img.naturalHeight])"
    )
    assert len(sides) > 20
    for width, height, *natural in sides:
        assert max(width, height) >= 128
        assert width / height == pytest.approx(natural[0] / natural[1], rel=0.02)
    assert set(images.evaluate_all("(all) => all.map((img) => getComputedStyle(img).imageRendering)")) == {"pixelated"}


def test_no_table_is_cut_on_a_screen_and_more_columns_come_when_asked_for(opened):
    page = opened(1400)
    wide = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth).length"
    assert page.evaluate(wide) == 0
    runs = page.locator(RUNS).first
    hidden = runs.locator("th.minor")
    assert hidden.count() > 0 and not hidden.first.is_visible()
    runs.get_by_role("button", name="All columns").click()
    assert all(head.is_visible() for head in hidden.all())
    assert runs.get_by_role("button", name="All columns").get_attribute("aria-pressed") == "true"
    runs.get_by_label("clusterer").select_option("kmeans")
    assert said(page, RUNS) == "12 of 24 rows match"


def test_on_a_phone_the_score_stands_beside_the_name(opened):
    page = opened(390)
    row = page.locator(f"{BOARD} tbody tr").first
    name, score = row.locator("td.name"), row.locator("td.score")
    assert name.inner_text().split() == ["pixels", row.locator("td.param").nth(2).text_content().strip()]
    left, right = name.bounding_box(), score.bounding_box()
    assert right["x"] == pytest.approx(left["x"] + left["width"], abs=1)
    assert right["x"] + right["width"] <= 390
    assert not row.locator("td.param").first.is_visible()


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_no_width_scrolls_the_page_sideways(opened, width):
    page = opened(width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if width == 360:
        box = page.locator(f"{BOARD} .scroll").first
        assert box.evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_anyone_can_use_it(opened):
    """A smoke test of accessibility: words for everything, and headings in their order."""
    page = opened()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    headings = page.locator("main").locator("h1, h2, h3, h4")
    levels = [int(name[1]) for name in headings.evaluate_all("(found) => found.map((one) => one.tagName)")]
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    buttons = page.locator("button:not([hidden])")
    assert "" not in buttons.evaluate_all("(found) => found.map((one) => (one.ariaLabel || one.textContent).trim())")
    assert page.locator("figure img:not([alt]), figure img[alt='']").count() == 0
    assert set(page.locator("input, select").evaluate_all("(found) => found.map((one) => one.labels.length)")) == {1}
    ids = page.locator("[id]").evaluate_all("(found) => found.map((one) => one.id)")
    assert len(ids) == len(set(ids))
    within = page.locator(f"a:not([href='{sweep.APP}'])")
    links = within.evaluate_all("(found) => found.map((one) => one.hash.slice(1))")
    assert links
    assert set(links) <= set(ids)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id").startswith("answer")


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const one of document.querySelectorAll("main *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !one.checkVisibility() || one.closest(".unseen, script, noscript")) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${one.tagName}.${one.className} ${ratio.toFixed(2)} ${one.textContent.slice(0, 30)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(opened, scheme):
    """Contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3)."""
    page = opened(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert page.evaluate(CONTRAST) == []


def test_without_scripts_it_still_reads(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(f"{BOARD} >> nth=0 >> tbody tr").count() == 4
    assert not page.locator(".tools").first.is_visible()
    assert not page.locator(".copy").first.is_visible()
    assert page.locator("noscript p").is_visible()


def test_paper_has_no_controls(opened):
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    for control in (".tools", ".copy", ".contents", ".skip"):
        assert not page.locator(control).first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_two_thousand_runs_are_quick(opened, report, tmp_path):
    """Two thousand rows: the page stands, sorts and searches before a person has to wait."""
    text = Path(report).read_text(encoding="utf-8")
    found = re.search(r'(<script type="application/json" id="[^"]+">)(.+?)(</script>)', text)
    data = json.loads(found[2])
    data["rows"] = [data["rows"][at % len(data["rows"])] for at in range(2_000)]
    (tmp_path / "large.html").write_text(
        text.replace(found[0], found[1] + json.dumps(data) + found[3]), encoding="utf-8"
    )
    page = opened(path=tmp_path / "large.html")
    assert said(page, RUNS) == "2,000 rows; showing the first 50"
    started = "const started = performance.now(); const grid = document.querySelector('.grid[data-source]');"
    took = "document.body.offsetHeight; return performance.now() - started"
    assert page.evaluate(f"(() => {{ {started} grid.querySelector('th button').click(); {took} }})()") < 1_000
    shown = page.locator(f"{RUNS} tbody tr")
    assert shown.count() == 50
    page.get_by_role("button", name="Show 100 more of 1,950 rows").click()
    assert shown.count() == 150
