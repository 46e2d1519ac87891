"""The page in a real browser, used as people do: by mouse, by keyboard, on a phone, in the dark, on paper."""

import math
import shutil

import numpy as np
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.registry import result_page
from onnx_ood.reports.score.page import score_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to open the page in")
    with playwright.sync_playwright() as driver:
        # In containers there often is no user but root, for whom the sandbox doesn't start; the page is our own. A GPU
        # in software composes frames of an animated page all the time.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-software-rasterizer"]
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
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
    return onnx_ood.score(
        models.path("fashion_cnn"), [str(folder)], onnx_ood.ScoreSettings(copies=4), reference=[str(good)]
    )


@pytest.fixture(scope="module")
def address(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(score_page(result), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    images, _ = models.fashion_samples()
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, (images[[60, 20, 0], np.newaxis] / 255).astype(np.float32))
    return onnx_ood.plane(
        models.path("fashion_cnn"), [str(path)], onnx_ood.PlaneSettings(resolution=40, directions=2, units=40)
    )


@pytest.fixture(scope="module")
def pages(result, plane, tmp_path_factory):
    """The addresses of pages of other kinds, one of them of many models with long names."""
    folder, others = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("pictures")
    images, _ = models.fashion_samples()
    for i in range(12):
        Image.fromarray(images[5 * i]).save(others / f"{i}.png")
    pictures, cnn = [str(others)], models.path("fashion_cnn")
    sensitivity = onnx_ood.sensitivity(
        [cnn], pictures, onnx_ood.SensitivitySettings(directions=2, trajectories=1)
    )
    (model,) = sensitivity.models
    named = [
        model.model_copy(
            update={
                "model": model.model.model_copy(update={"path": f"m/a_network_of_some_long_name_{i}.onnx"})
            }
        )
        for i in range(9)
    ]
    kinds = {
        "plane": plane,
        "directions": onnx_ood.directions(cnn, pictures, {}, onnx_ood.DirectionsSettings(scales=(0.05,))),
        "preprocess": onnx_ood.preprocess(cnn, pictures),
        "sensitivity": sensitivity.model_copy(update={"models": tuple(named)}),
        "bench": onnx_ood.bench(
            cnn, pictures, {}, onnx_ood.BenchSettings(detectors=("msp", "energy"), scores=True)
        ),
        "inspect": onnx_ood.inspect(cnn),
    }
    found = {}
    for name, one in kinds.items():
        path = folder / f"{name}.html"
        path.write_text(result_page(one), encoding="utf-8")
        found[name] = path.as_uri()
    return found


KINDS = ["plane", "directions", "preprocess", "sensitivity", "bench", "inspect"]


@pytest.fixture
def opened(browser, address):
    """Opens a page in a window; in the end nothing may have been asked of a network, and nothing complained of."""
    contexts, asked, complaints, wanted = [], [], [], set()

    def open_page(fragment="", of=address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()

        def note(route):
            asked.append(route.request.url)
            route.continue_()

        page.route("**/*", note)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        wanted.add(of)
        page.goto(of + fragment)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints
    assert not [url for url in asked if not url.startswith((*wanted, "data:"))]


def names(page):
    """Of the cards that are shown, from first to last."""
    return page.locator("#gallery .gallery > li summary > b").all_text_contents()


def file_name(entry):
    return entry.id.rpartition("/")[2]


def test_sorting(opened, result):
    page = opened()
    assert names(page) == [file_name(one) for one in result.inputs]
    for key, value in (
        ("p", lambda one: one.p_value),
        ("deviation", lambda one: -one.deviation),
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
    assert count.inner_text() == "60 of 60 inputs listed"
    page.get_by_label("Name contains").fill("IN1")
    fitting = [one for one in result.inputs if file_name(one).startswith("in1")]
    assert count.inner_text() == f"{len(fitting)} of 60 inputs listed"
    page.get_by_label("Name contains").fill("")
    page.get_by_label("Flagged only").check()
    assert 0 < result.flagged < 60
    assert names(page) == [file_name(one) for one in result.inputs if one.flagged]
    page.get_by_label("Flagged only").uncheck()
    kind = result.inputs[0].prediction.label
    page.get_by_label("Largest output").select_option(kind)
    assert names(page) == [file_name(one) for one in result.inputs if one.prediction.label == kind]
    page.get_by_label("Name contains").fill("no such name")
    assert count.inner_text() == "0 of 60 inputs listed"
    assert page.get_by_text("No input fits the filter.").is_visible()


def test_an_input_is_opened_by_keyboard(opened, result):
    page = opened()
    page.get_by_role("link", name="Skip to the result").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name contains").focus()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#input-1') !== null"):
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


def test_groups_open_by_keyboard_and_fill_up_with_what_fits(opened, result):
    page = opened()
    second = page.locator(".group").nth(1)
    assert not page.locator("#input-25").is_visible()
    second.locator("> summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#input-25").is_visible()
    # Filtered inputs move up: the first group is full as long as there are enough.
    page.get_by_label("Name contains").fill("in1")
    fitting = [entry for entry in result.inputs if "in1" in entry.id.rpartition("/")[2]]
    assert page.locator(".group").first.locator("li").count() == min(24, len(fitting))
    flagged = sum(bool(entry.flagged) for entry in fitting[:24])
    name = f"Inputs 1 to {len(fitting[:24])} of {len(fitting)}"
    assert page.locator(".group > summary").first.inner_text() == (
        f"{name}, {flagged} flagged" if flagged else name
    )
    page.goto(page.url.partition("#")[0] + "#input-60")
    page.locator("#input-60 .body").wait_for()


def test_groups_open_without_scripts(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.locator(".group > summary").nth(1).click()
    assert page.locator("#input-25").is_visible()
    context.close()


def test_three_hundred_inputs_are_a_few_screens_on_a_phone(browser, result, tmp_path):
    inputs = [result.inputs[i % 60].model_copy(update={"id": f"{i}.png", "rank": i + 1}) for i in range(300)]
    many = result.model_copy(update={"inputs": tuple(inputs), "scored": 300})
    (tmp_path / "many.html").write_text(score_page(many, thumbnails=False), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((tmp_path / "many.html").as_uri())
    assert page.evaluate("document.documentElement.scrollHeight") < 12 * 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


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
    assert page.locator("#gallery .gallery > li").nth(3).bounding_box()["width"] > 130


CONTRASTS = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  // Mixed colours are given as color(srgb 0.8 0.9 1 / 0.5).
  const colour = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
  };
  const ground = (node) => {
    if (!node) return [255, 255, 255];
    const [r, g, b, a] = colour(getComputedStyle(node).backgroundColor);
    if (a === 1) return [r, g, b];
    const under = ground(node.parentElement);
    return [r, g, b].map((one, i) => a * one + (1 - a) * under[i]);
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


def test_inputs_are_opened_all_the_same_where_a_score_is_no_number(opened, result, tmp_path):
    inputs = list(result.inputs)
    inputs[3] = inputs[3].model_copy(update={"scores": (math.inf,)})
    odd = result.model_copy(update={"inputs": tuple(inputs)})
    (tmp_path / "odd.html").write_text(score_page(odd, thumbnails=False), encoding="utf-8")
    page = opened("#input-4", of=(tmp_path / "odd.html").as_uri())
    facts = page.locator("#input-4 .body dl").inner_text().split("\n")
    assert facts[facts.index(result.detector_summary.detectors[0].name) + 1] == "-"
    # What is unknown comes last, whichever way round.
    for _ in range(2):
        page.get_by_label("Sort by").select_option("score")
        assert names(page)[-1] == file_name(inputs[3])
        page.get_by_label("Reverse").check()


def test_areas_of_a_plane_are_where_the_answers_are(opened, pages, plane):
    page = opened(of=pages["plane"])
    chart = page.locator("#plane .chart").first
    chart.scroll_into_view_if_needed()
    boxes = [one.bounding_box() for one in chart.locator("circle").all()]
    drawn = np.array([(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes])
    across = np.polyfit([one.x for one in plane.points], drawn[:, 0], 1)
    up = np.polyfit([one.y for one in plane.points], drawn[:, 1], 1)
    labels = {one.index: one.label for one in plane.classes.found}
    rng, compared = np.random.default_rng(0), 0
    for _ in range(40):
        row, column = rng.integers(plane.grid.rows), rng.integers(plane.grid.columns)
        x = np.polyval(across, plane.grid.x + column * plane.grid.step)
        y = np.polyval(up, plane.grid.y + row * plane.grid.step)
        page.mouse.move(x, y)
        said = page.locator("#tip").inner_text()
        if said.startswith(("A: ", "B: ", "C: ")):
            continue
        assert said.startswith(f"{labels[plane.classes.answers[row][column]]}: ")
        box = page.locator("#tip").bounding_box()
        assert abs(box["x"] + box["width"] / 2 - x) < 150
        assert abs(box["y"] + box["height"] / 2 - y) < 60
        compared += 1
    assert compared > 30


def test_areas_of_a_plane_are_walked_through_by_keyboard(opened, pages, plane):
    page = opened(of=pages["plane"])
    page.locator("#plane .chart .point").first.focus()
    said = []
    for _ in range(len(plane.classes.found) + 3):
        said.append(page.locator("#tip").inner_text())
        page.keyboard.press("ArrowRight")
    assert [one.partition(":")[0] for one in said] == [*(one.label for one in plane.classes.found), *"ABC"]
    assert said[-3].startswith(f"A: {plane.points[0].id}; ")


def test_escape_hides_what_a_pointer_shows(opened, pages):
    page = opened(of=pages["directions"])
    page.locator(".shares .point").first.hover()
    assert page.locator("#tip").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_only_what_scrolls_is_a_stop_of_the_tab_key(opened, pages):
    stops = """[...document.querySelectorAll(".scroller, pre")].map(
        (one) => [one.tabIndex, one.scrollWidth > one.clientWidth]
    )"""
    wide = opened(of=pages["preprocess"]).evaluate(stops)
    narrow = opened(of=pages["preprocess"], viewport={"width": 360, "height": 800}).evaluate(stops)
    assert {tuple(one) for one in wide + narrow} == {(-1, False), (0, True)}
    assert sum(scrolls for _, scrolls in narrow) > sum(scrolls for _, scrolls in wide)


def test_links_lead_to_what_can_be_seen(opened, pages):
    page = opened(of=pages["sensitivity"], reduced_motion="reduce")
    head = page.locator("header").bounding_box()
    assert head["height"] > 70
    for link in page.locator("nav a").all()[1:-1]:
        link.click()
        heading = page.locator(f"{link.get_attribute('href')} h2").bounding_box()
        assert head["y"] + head["height"] <= heading["y"] < 300


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_every_kind_fit_every_screen_and_paper(opened, pages, kind):
    for width in (360, 768, 1440):
        page = opened(of=pages[kind], viewport={"width": width, "height": 800})
        for summary in page.locator("details.folded > summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("main h1").count() == 1
    paper = opened(of=pages[kind], viewport={"width": 690, "height": 1000})
    paper.emulate_media(media="print")
    paper.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not paper.locator("details.folded:not([open])").count()
    assert paper.evaluate("document.documentElement.scrollWidth") == 690
    assert len(paper.pdf(format="A4")) > 10_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_and_marks_of_every_kind_have_enough_contrast(opened, pages, kind, scheme):
    page = opened(of=pages[kind], color_scheme=scheme)
    for summary in page.locator("details.folded > summary").all():
        summary.click()
    worst = page.evaluate(CONTRASTS)
    assert worst[0][0] >= 4.5, worst
    # Bars are not text: they need 3 (WCAG 2.2, 1.4.11).
    marks = page.evaluate(MARKS)
    assert all(contrast >= 3 for contrast, _ in marks), marks


MARKS = """() => {
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ground = light(getComputedStyle(document.documentElement).backgroundColor);
  return [...document.querySelectorAll(".chart .point > rect")].map((one) => {
    const [a, b] = [light(getComputedStyle(one).fill), ground].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), one.getAttribute("class")];
  });
}"""


def test_a_card_without_layers_opens_to_its_scores(browser, tmp_path):
    images, _ = models.fashion_samples()
    result = onnx_ood.score(models.path("fashion_cnn"), images[:9], reference=images[20:60])
    (tmp_path / "page.html").write_text(score_page(result, thumbnails=False), encoding="utf-8")
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("#input-1 summary").click()
    numbers = page.locator("#input-1 details").inner_text()
    assert f"{result[0].terms[0].value:.1f}" in numbers or f"{result[0].scores[0]:.2f}" in numbers
    assert "cosine drop" not in numbers
    assert errors == []
    page.close()
