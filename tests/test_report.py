"""Report pages: what they hold, what they measure, and how they behave in a browser."""

from __future__ import annotations

import base64
import html.parser
import io
import itertools
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import soundfile
from typer.testing import CliRunner

import vqcodec
import vqcodec.audio
from vqcodec import metrics
from vqcodec.cli import app
from vqcodec.errors import CancelledError, ParameterError
from vqcodec.media import load_image, save_image
from vqcodec.report import charts, pictures, report, rivals, sounds, tables
from vqcodec.report.subject import codebook_planes

VOID = {"meta", "link", "img", "input", "br", "path", "circle", "rect", "image"}
SMALL = {"block": 4, "codewords": 16, "color": "rgb", "fixed_rate": True}


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).integers(0, 30, (height, width))
    return np.stack([3 * x + noise, 4 * y, (x * y) // 16 + noise], 2).clip(0, 255).astype(np.uint8)


def sound(seconds: float = 1.0, rate: int = 16000, channels: int = 2) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    tones = [0.3 * np.sin(2 * np.pi * 440 * (n + 1) * time) for n in range(channels)]
    return np.stack(tones, 1).astype(np.float32)


class Page(html.parser.HTMLParser):
    """Checks that elements nest and that nothing is loaded from anywhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes.append((tag, values))
        self.ids.update([str(values["id"])] if "id" in values else [])
        for name in ("src", "href"):
            address = values.get(name) or ""
            assert address.startswith(("data:", "#")) or not address, address
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def checked(text: str) -> Page:
    """Check what holds for every page: it nests, names its pictures, needs nothing else."""
    page = Page(text)
    assert max(page.ids.values()) == 1
    for tag, values in page.attributes:
        if tag == "img":
            assert values["alt"]
        if tag == "svg" and values.get("role") == "img":
            assert set(str(values["aria-labelledby"]).split()) <= set(page.ids)
        if tag == "a":
            assert str(values["href"])[1:] in page.ids
    assert not re.search(r"https?://", text)
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower().replace("nance", "")
    return page


# --- pictures ---------------------------------------------------------------------


def test_the_error_map_is_the_error() -> None:
    a = picture()
    b = a.copy()
    b[10:20, 30:40] = np.where(b[10:20, 30:40] < 128, b[10:20, 30:40] + 60, b[10:20, 30:40] - 60)
    errors = pictures.error_map(a, b)
    assert np.square(errors.values).mean() == pytest.approx(metrics.mse(a, b))
    assert errors.values[5, 5] == 0
    assert errors.values[15, 35] == pytest.approx(60)
    assert errors.top == 60
    assert errors.levels()[15, 35] == 255
    assert pictures.worst_place(errors.values, 10) == (10, 30)
    assert pictures.worst_place(errors.values, 999) == (0, 0)
    assert pictures.error_map(a, a).top == pictures.LEAST_RANGE
    wide = pictures.error_map(a.astype(np.uint16) * 257, b.astype(np.uint16) * 257)
    assert np.allclose(wide.values, errors.values, atol=1e-4)


def test_errors_under_transparency_do_not_show() -> None:
    a = np.dstack([picture(), np.full((48, 64), 255, np.uint8)])
    a[:, :32, 3] = 0
    b = a.copy()
    b[:, :32, :3] = 0
    assert pictures.error_map(a, b).values.max() == 0


def test_the_mosaic_shows_every_codeword() -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (7, 2, 4, 3)).astype(np.uint8)
    tiles = pictures.mosaic(blocks, columns=3, scale=2, gap=1)
    assert tiles.shape == (3 * 5 - 1, 3 * 9 - 1, 4)
    assert np.array_equal(tiles[5:9:2, 9:17:2, :3], blocks[4])
    assert tiles[4, 0, 3] == 0
    assert tiles[10:, 9:, 3].max() == 0
    plane = pictures.Plane("gray", blocks, np.array([1, 9, 3, 0, 0, 9, 2]))
    assert np.array_equal(pictures.by_usage(plane)[:3], blocks[[1, 5, 2]])
    assert pictures.codebook_image([plane, plane]).shape[2] == 4


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("bits", [8, 16])
def test_codewords_as_they_look(channels: int, bits: int) -> None:
    peak = (1 << bits) - 1
    words = np.array([[0] * 4 * channels, [peak] * 4 * channels])
    looks = pictures.looks_of(words, (2, 2), channels, bits)
    assert looks.shape == (2, 2, 2, 3)
    if channels != 2:
        assert looks[0].max() == 0
        assert looks[1].min() == 255
    gray = pictures.looks_of(np.array([[-peak // 2, 0, 0, 0]]), (2, 2), 1, bits)
    assert gray[0, 1, 1].tolist() == [128] * 3


def test_reduction_and_data_addresses() -> None:
    samples = picture()
    assert pictures.reduced(samples, 10**6)[1] == 1
    small, side = pictures.reduced(samples, 64 * 48 // 4)
    assert (small.shape, side) == ((24, 32, 3), 2)
    assert small[0, 0].tolist() == pytest.approx(samples[:2, :2].mean((0, 1)).tolist(), abs=1)
    data = pictures.data_uri(samples)
    inside = PIL.Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2])))
    assert np.array_equal(np.asarray(inside), samples)


# --- charts and tables ------------------------------------------------------------


def test_axes_place_and_tick() -> None:
    axis = charts.Axis("x", 0.1, 10, logarithmic=True)
    assert axis.place(1.0) == pytest.approx(0.5)
    assert axis.ticks() == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10])
    for low, high in ((23.1, 41.7), (0, 6), (-1, 1), (0.001, 0.0032), (-90, 12000)):
        ticks = charts.Axis("x", low, high).ticks()
        assert 3 <= len(ticks) <= 9
        assert all(low <= tick <= high for tick in ticks)
        assert len(set(np.diff(ticks).round(9))) == 1
    for low, high in ((0.02, 3.1), (5, 8), (10, 100_000)):
        ticks = charts.Axis("x", low, high, logarithmic=True).ticks()
        assert 1 <= len(ticks) <= 8
        assert all(low <= tick <= high for tick in ticks)
    one = charts.Axis.over("x", [5.0])
    assert one.low < 5 < one.high


def test_charts_escape_and_describe() -> None:
    series = [
        charts.Series("a<b", [(1, 2, "p&q"), (2, 3, "")], 0),
        charts.Series("c", [(1, 1, "")], 4, line=False),
    ]
    axis = charts.Axis.over("x", [1, 2, 3])
    text = charts.lines(series, axis, axis, "title", "what it shows")
    Page(text)
    assert "a&lt;b, p&amp;q" in text
    assert "what it shows" in text
    assert text.count('<path class="line') == 1
    Page(charts.area([3.0, 2.0, 1.0], "x", "y", "use", "of codewords"))


def test_sizes_at_equal_quality() -> None:
    points = [
        rivals.Point("JPEG", "", size, {"psnr": psnr})
        for size, psnr in ((4000, 32.0), (1000, 28.0), (2000, 30.0))
    ]
    assert rivals.size_at(points, "psnr", 30.0) == pytest.approx(2000)
    assert rivals.size_at(points, "psnr", 29.0) == pytest.approx(math.sqrt(1000 * 2000))
    assert rivals.size_at(points, "psnr", 33.0) is None
    found = rivals.Rivals(points, [])
    text = tables.equal_quality(["f"], [{"bytes": 1000, "psnr": 30.0}], found, "psnr")
    assert "2.00 kB <small>+100 %</small>" in text
    assert tables.equal_quality(["f"], [{"bytes": 9, "psnr": math.inf}], found, "psnr") == ""


# --- pages ------------------------------------------------------------------------


def test_a_page_on_images(tmp_path: Path) -> None:
    save_image(vqcodec.Image(picture()), tmp_path / "a.png")
    vqcodec.encode(tmp_path / "a.png", tmp_path / "a.vqi", **SMALL)
    PIL.Image.open(tmp_path / "a.png").save(tmp_path / "a.jpg")
    steps: list[float] = []
    text = report(
        tmp_path / "a.png",
        [tmp_path / "a.vqi", tmp_path / "a.jpg"],
        tmp_path / "r.html",
        progress=lambda fraction, message: steps.append(fraction),
    )
    assert (tmp_path / "r.html").read_text("utf-8") == text
    assert steps == sorted(steps)
    checked(text)
    scores = vqcodec.compare(tmp_path / "a.png", tmp_path / "a.vqi")
    assert f"{scores['psnr']:.2f} dB" in text
    assert f"{scores['perplexity']:.1f}" in text
    assert "16 codewords of 4 × 4" in text
    for name in ("JPEG", "WebP", "a.jpg", "quality 50", "PSNR, dB against rate"):
        assert name in text
    again = report(tmp_path / "a.png", [tmp_path / "a.vqi", tmp_path / "a.jpg"])
    assert again == text


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pages_on_all_kinds_of_images(channels: int, dtype: type) -> None:
    samples = np.resize(picture(), (48, 64, channels)).astype(dtype)
    data = vqcodec.encode(samples, **{**SMALL, "color": None})
    checked(report(samples, [data], rivals=channels == 2))


def test_a_lossless_file_is_said_to_be_identical() -> None:
    text = report(picture(), [picture()])
    checked(text)
    assert "identical" in text


def test_a_page_on_palettes() -> None:
    file = io.BytesIO()
    vqcodec.quantize(picture(), 5, dither="none").save(file, "PNG")
    text = report(picture(), [file.getvalue()], rivals=False)
    checked(text)
    assert "After, in the picture in memory: 5 colours" in text
    before = len(np.unique(picture().reshape(-1, 3), axis=0))
    assert f"Before: {before:,} colours".replace(",", " ") in text
    for color in np.unique(load_image(file.getvalue()).samples.reshape(-1, 3), axis=0):
        assert "#" + bytes(color.tolist()).hex() in text


def test_names_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "<b>&.png"
    save_image(vqcodec.Image(picture()), path)
    text = report(path, [path], rivals=False)
    checked(text)
    assert "&lt;b&gt;&amp;.png" in text
    assert "<b>&.png" not in text


def test_a_page_on_sounds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(), 16000)
    coarse = (sound() * 32).round() / 32
    soundfile.write(tmp_path / "b.wav", coarse, 16000)
    text = report(tmp_path / "a.wav", [tmp_path / "b.wav"])
    page = checked(text)
    assert sum(tag == "audio" for tag, _ in page.attributes) == 3
    assert sum(tag == "image" for tag, _ in page.attributes) == 3
    scores = vqcodec.compare(tmp_path / "a.wav", tmp_path / "b.wav")
    assert f"{scores['segmental_snr']:.2f} dB" in text
    for name in ("MP3", "Vorbis", "Opus"):
        assert name in text


def test_a_page_on_a_coded_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(), 16000)
    data = vqcodec.audio.write(None, sound(), 16000, kind="frames")
    text = report(tmp_path / "a.wav", [data], rivals=False)
    checked(text)
    assert "frames codec" in text
    with pytest.raises(ParameterError, match="coded sound"):
        report(data, [data])


def test_the_spectrogram_finds_the_tone() -> None:
    levels, top = sounds.spectrogram(sound(channels=1), 16000)
    assert top == 8000
    loudest = levels.mean(axis=1).argmax() * top / len(levels)
    assert loudest == pytest.approx(440, abs=60)
    assert levels.max() == pytest.approx(20 * math.log10(0.3), abs=1.5)
    assert sounds.spectrogram(sound(0.01), 16000)[0].shape[1] == 1


def test_what_is_refused() -> None:
    with pytest.raises(ParameterError, match="pixels"):
        report(picture(), [picture(32, 32)])
    with pytest.raises(CancelledError):
        report(picture(), [picture()], progress=lambda *_: False)


def test_sounds_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(), 16000)
    soundfile.write(tmp_path / "b.wav", sound(), 8000)
    with pytest.raises(ParameterError, match="Hz"):
        report(tmp_path / "a.wav", [tmp_path / "b.wav"])


# --- the command line -------------------------------------------------------------


def run(*arguments: object, status: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_image(vqcodec.Image(picture()), "a.png")
    vqcodec.encode("a.png", "a.vqi", **SMALL)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_command() -> None:
    result = run("report", "a.png", "a.vqi", "--no-others")
    assert "a.png -> a.html: a page of" in result.stderr
    checked(Path("a.html").read_text("utf-8"))
    run("report", "a.png", "a.vqi", "--no-others", status=1)
    run("report", "a.png", "a.vqi", "--no-others", "--force", "-q")
    result = run("report", "a.png", "a.vqi", "--no-others", "-o", "-", "-q")
    assert result.stdout.startswith("<!DOCTYPE html>")
    run("report", "a.png", "no.vqi", "-o", "x.html", status=1)
    assert not Path("x.html").exists()


@pytest.mark.usefixtures("folder")
def test_pictures_beside_the_work() -> None:
    run(
        "compare", "a.png", "a.vqi", "--save-error-image", "e.png", "--save-codebook-image", "c.png"
    )
    errors = pictures.error_map(picture(), vqcodec.decode("a.vqi").samples)
    assert np.array_equal(load_image("e.png").samples, errors.samples())
    assert load_image("c.png").width > 100
    run("compare", "a.png", "a.vqi", "--save-error-image", "e.png", status=1)
    run("compare", "a.png", "a.png", "--save-codebook-image", "d.png", status=1)
    options = ("--codewords", "16", "--fixed-rate", "-o", "b.vqi")
    run("encode", "a.png", *options, "--save-error-image", "f.png")
    assert load_image("f.png").samples.shape == (48, 64, 3)


@pytest.mark.usefixtures("folder")
def test_training_draws_its_codebook() -> None:
    options = ("--codewords", "8", "--block", "4", "--color", "rgb")
    run("train", "a.png", "-o", "m.vqcb", "--plot", "m.png", *options)
    planes = codebook_planes(vqcodec.Codebook.load("m.vqcb"))
    assert [plane.blocks.shape for plane in planes] == [(8, 4, 4, 3)]
    history: list[list[float]] = []
    wishes: Any = {"codewords": 8, "block": 4, "color": "rgb", "history": history}
    vqcodec.train(["a.png"], **wishes)
    (errors,) = history
    assert len(errors) > 1
    assert all(before >= after > 0 for before, after in itertools.pairwise(errors))
    words = pictures.codebook_image(planes)
    drawn = load_image("m.png").samples
    assert np.array_equal(drawn, pictures.training_image(planes, {"colour": errors}))
    assert np.array_equal(drawn[-len(words) :, : words.shape[1]], words)
    assert drawn.shape[0] > len(words) + 200, "the chart is above"
    without = pictures.training_image(planes, {"colour": []})
    assert np.array_equal(without, words)
    run("train", "a.png", "-o", "p.vqcb", "--kind", "photo", "--plot", "p.png", status=1)


# --- in a browser -----------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; where there is none, the tests say so and are skipped."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield window
    window.quit()


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Any:
    data = [vqcodec.encode(picture(200, 150), **SMALL), vqcodec.encode(picture(200, 150))]
    report(picture(200, 150), data, tmp_path / "r.html")
    browser.get((tmp_path / "r.html").as_uri())
    return browser


def test_the_page_in_a_browser(page: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    def find(selector: str) -> Any:
        return page.find_element(By.CSS_SELECTOR, selector)

    def visible() -> list[str]:
        images = page.find_elements(By.CSS_SELECTOR, ".stage img")
        return [image.get_attribute("class") for image in images if image.is_displayed()]

    def place() -> float:
        return page.execute_script("return document.querySelector('.divider').offsetLeft")

    assert visible() == ["original", "coded"]
    slider, start = find(".cut input"), place()
    slider.send_keys(Keys.ARROW_RIGHT * 10)
    assert place() > start
    assert slider.get_attribute("aria-valuetext") == "55 % original"
    slider.send_keys(Keys.HOME)
    assert place() < start / 2
    chains = page.execute_script
    handle = find(".divider")
    slider.send_keys(Keys.END)
    ActionChains(page).drag_and_drop_by_offset(handle, -100, 0).perform()
    assert float(slider.get_attribute("value")) == pytest.approx(50, abs=6)

    radio = find("input[value=both]")
    radio.send_keys(Keys.ARROW_RIGHT)
    assert visible() == ["original"]
    find("input[value=original]").send_keys(Keys.ARROW_RIGHT)
    assert visible() == ["coded"]
    find("input[value=coded]").send_keys(Keys.ARROW_RIGHT)
    assert visible() == ["error"]
    assert find(".scale[data-version='0']").is_displayed()
    first = find(".stage img.error:not([hidden])").get_attribute("src")
    Select(find(".controls select")).select_by_index(1)
    assert find(".stage img.error:not([hidden])").get_attribute("src") != first
    assert find(".scale[data-version='1']").is_displayed()

    pane, width = find(".pane"), chains("return document.querySelector('.stage').offsetWidth")
    pane.send_keys("+")
    assert chains("return document.querySelector('.stage').offsetWidth") == 2 * width
    assert find("output").text == "200 %"
    find("[data-zoom='-1']").send_keys(Keys.ENTER)
    assert find("output").text == "100 %"
    pane.send_keys("+" * 9)
    assert find("output").text == "1600 %"
    pane.send_keys("0")
    assert find("output").text == "100 %"

    assert page.get_log("browser") == []
    names = "return [...document.querySelectorAll('img')].every((i) => i.naturalWidth > 0)"
    assert chains(names)


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen_by_day_and_by_night(page: Any, width: int, scheme: str) -> None:
    metrics_override = {
        "width": width,
        "height": 800,
        "deviceScaleFactor": 1,
        "mobile": width < 500,
    }
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics_override)
    scheme_feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme_feature)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    colors = page.execute_script(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
    )
    ink, paper = ([int(v) for v in re.findall(r"\d+", color)[:3]] for color in colors)
    assert (sum(ink) > sum(paper)) == (scheme == "dark")
    assert abs(sum(ink) - sum(paper)) > 500
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
