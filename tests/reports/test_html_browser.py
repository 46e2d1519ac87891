"""The page in a real browser, used as people do: by mouse, by keyboard, on a phone, in the dark, on paper."""

import math
import shutil

import numpy as np
import pytest
from PIL import Image

from onnx_ood import audits, models
from onnx_ood.reports.html import score_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to open the page in")
    with playwright.sync_playwright() as driver:
        # In containers there often is no user but root, for whom the sandbox doesn't start; the page is our own.
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("garments")
    images, _ = models.fashion_samples()
    rng = np.random.default_rng(0)
    for i in range(60):
        pixels = images[3 * i] + rng.normal(0, 40 if i < 20 else 0, (28, 28))
        name = f"in{i}.png" if i % 10 else f"in{i} <b onload=alert(1)>.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
    good = tmp_path_factory.mktemp("references")
    for i in range(40):
        Image.fromarray(images[3 * i + 1]).save(good / f"{i}.png")
    return audits.score(
        models.path("fashion_cnn"), [str(folder)], audits.ScoreSettings(), reference=[str(good)]
    )


@pytest.fixture(scope="module")
def address(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(score_page(result), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page in a window; in the end nothing may have been asked of a network, and nothing complained of."""
    contexts, asked, complaints = [], [], []

    def open_page(fragment="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()

        def note(route):
            asked.append(route.request.url)
            route.continue_()

        page.route("**/*", note)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
    assert not [url for url in asked if not url.startswith((address, "data:"))]


def names(page):
    """Of the cards that are shown, from first to last."""
    return page.locator("#gallery > li:not([hidden]) summary > b").all_text_contents()


def file_name(entry):
    return entry.id.rpartition("/")[2]


def test_sorting(opened, result):
    page = opened()
    assert names(page) == [file_name(one) for one in result.inputs]
    for key, value in (
        ("p", lambda one: one.p_value),
        ("strange", lambda one: -one.strangeness),
        ("score", lambda one: -one.scores[0]),
    ):
        page.get_by_label("Sort by").select_option(key)
        assert names(page) == [file_name(one) for one in sorted(result.inputs, key=value)]
    page.get_by_label("Sort by").select_option("name")
    assert names(page)[:3] == ["in0 <b onload=alert(1)>.png", "in1.png", "in2.png"]
    page.get_by_label("Reverse").check()
    assert names(page)[0] == "in59.png"


def test_filtering_says_how_many_are_left(opened, result):
    page = opened()
    count = page.get_by_role("status")
    assert count.inner_text() == "60 of 60 inputs shown"
    page.get_by_label("Name contains").fill("IN1")
    fitting = [one for one in result.inputs if file_name(one).startswith("in1")]
    assert count.inner_text() == f"{len(fitting)} of 60 inputs shown"
    page.get_by_label("Name contains").fill("")
    page.get_by_label("Flagged only").check()
    assert 0 < result.flagged < 60
    assert names(page) == [file_name(one) for one in result.inputs if one.flagged]
    page.get_by_label("Flagged only").uncheck()
    kind = result.inputs[0].prediction.label
    page.get_by_label("Largest output").select_option(kind)
    assert names(page) == [file_name(one) for one in result.inputs if one.prediction.label == kind]
    page.get_by_label("Name contains").fill("no such name")
    assert count.inner_text() == "0 of 60 inputs shown"
    assert page.get_by_text("No input fits the filter.").is_visible()


def test_an_input_is_opened_by_keyboard(opened, result):
    page = opened()
    page.get_by_role("link", name="Skip to the result").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name contains").focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "SUMMARY":
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    card, entry = page.locator("#input-1"), result.inputs[0]
    card.locator(".body").wait_for()
    words = card.locator(".body dl").inner_text().split()
    assert f"{entry.scores[0]:.2f}" in words
    assert f"{entry.p_value:.3f}" in words
    assert entry.id in card.locator(".body dl").inner_text()
    rows = card.locator(".body tbody tr")
    assert rows.count() == len(result.probes)
    assert result.probes[2].name in rows.nth(2).inner_text()
    page.keyboard.press("Enter")
    assert not card.locator(".body").is_visible()


def test_an_inputs_profile_is_drawn_on_the_scale_of_all(opened, result):
    page = opened("#input-7")
    entry = result.inputs[6]
    usual = [float(one.get_attribute("cy")) for one in page.locator(".charts .profile circle").all()]
    own = [float(one.get_attribute("cy")) for one in page.locator("#input-7 .own-point circle").all()]
    medians = [probe.drop_median for probe in result.probes]
    slope = (usual[-1] - usual[0]) / math.log(medians[-1] / medians[0])
    for height, drop in zip(own, entry.drop, strict=True):
        assert height == pytest.approx(usual[0] + slope * math.log(drop / medians[0]), abs=0.2)


def test_a_link_opens_its_input_whatever_the_filter(opened):
    page = opened("#input-30", reduced_motion="reduce")
    card = page.locator("#input-30")
    assert card.locator(".body").is_visible()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert 0 <= card.bounding_box()["y"] < 300
    page.get_by_label("Name contains").fill("no such name")
    page.evaluate("location.hash = '#input-31'")
    page.locator("#input-31 .body").wait_for()
    assert len(names(page)) == 60


def test_points_of_charts_say_their_numbers(opened, result):
    page = opened()
    tip, points = page.locator("#tip"), page.locator(".charts .profile .point")
    points.nth(1).hover()
    assert tip.inner_text().startswith(f"[2] {result.probes[1].name}: median ")
    points.first.focus()
    assert tip.inner_text().startswith("[1] ")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("[2] ")
    page.keyboard.press("End")
    assert tip.inner_text().startswith(f"[{len(result.probes)}] ")
    page.keyboard.press("Escape")
    assert not tip.is_visible()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_no_width_scrolls_sideways(opened, width):
    page = opened("#input-1", viewport={"width": width, "height": 800})
    page.locator("details.folded summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("#gallery > li").nth(3).bounding_box()["width"] > 130


CONTRASTS = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const found = colour(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
  };
  const worst = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || ["SCRIPT", "OPTION"].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const text = colour(node.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(text), light(ground(node))].sort((x, y) => y - x);
    worst.push([(a + 0.05) / (b + 0.05), node.className.baseVal ?? node.className, node.textContent.slice(0, 30)]);
  }
  return worst.sort((x, y) => x[0] - y[0]).slice(0, 3);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(opened, scheme):
    page = opened("#input-1", color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    brightness = sum(map(int, ground[4:-1].split(","))) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60
    worst = page.evaluate(CONTRASTS)
    assert worst[0][0] >= 4.5, worst


def test_less_motion_is_respected(opened):
    asked = opened(reduced_motion="reduce")
    assert asked.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    assert not asked.evaluate("document.getAnimations().length")


def test_on_paper_all_is_unfolded_light_and_within_the_page(opened):
    page = opened(color_scheme="dark", viewport={"width": 690, "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.folded table").first.is_visible()
    assert not page.locator(".controls").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("document.documentElement.scrollWidth") == 690
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.locator("details.folded table").first.is_visible()
    assert len(page.pdf(format="A4")) > 10_000
