"""The site of the finished smoke study: its links and weight, and what a reader does with it, from a folder."""

import base64
import json
import re
import shutil
import time
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from browsing import browser
from running import RESULTS

from pmrl.data.playback import wav
from pmrl.reporting.site.write import PAGES

RESULT_PAGES = ["index", *PAGES[1:]]
OTHERS = ["documentation/index", "documentation/docs/writing_it_up", "documentation/reference/pmrl.method"]
MEGABYTE = 10**6


@pytest.fixture(scope="module")
def site(finished):
    return finished / RESULTS / "site"


@pytest.fixture(scope="module")
def driver():
    with browser() as opened:
        yield opened


def wait(driver, condition, seconds=20):
    """What a script gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := driver.execute_script(f"return {condition}")):
        assert time.monotonic() < end, condition
        time.sleep(0.05)
    return found


def visit(driver, site, page, width=1200):
    """Open a page; the rest of its address follows a #."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    name, _, rest = page.partition("#")
    driver.get("about:blank")
    driver.get((site / f"{name}.html").as_uri() + (f"#{rest}" if rest else ""))
    wait(driver, "document.readyState === 'complete'")
    wait(driver, "[...document.querySelectorAll('.chart[data-script]')].every(place => place.querySelector('svg'))")


def shown_rows(driver, table=0):
    script = """
        const table = document.querySelectorAll("table.numbers")[arguments[0]];
        return [...table.tBodies[0].rows].filter((row) => row.offsetHeight)
          .map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
    """
    return driver.execute_script(script, table)


def choose(driver, key, value):
    """Choose as a reader does: by an event of the first such choice."""
    script = """
        const select = document.querySelector(`select[data-key="${arguments[0]}"]`);
        select.value = arguments[1];
        select.dispatchEvent(new Event("change", { bubbles: true }));
    """
    driver.execute_script(script, key, value)


def html_pages(site):
    return {path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html"))}


def test_every_page_of_results_and_every_guide_is_there(site):
    for name in (*RESULT_PAGES, *OTHERS):
        assert (site / f"{name}.html").stat().st_size > 1000, name


def test_every_link_leads_somewhere(site):
    texts = {path: text for path, text in html_pages(site).items() if "downloads" not in path.parts}
    anchors = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in texts.items()}
    for path, text in texts.items():
        for target in map(unescape, re.findall(r'(?:href|src|data-script)="([^"]*)"', text)):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert file.is_file(), f"{path.relative_to(site)} links to {target}"
            if parts.fragment and file in anchors and "=" not in parts.fragment and "__" not in parts.fragment:
                assert unquote(parts.fragment) in anchors[file], f"{path.relative_to(site)} links to {target}"


def test_nothing_is_fetched_from_the_network(site):
    loaded = r'<(?:script|img|link|source|video|audio|iframe)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"'
    for path, text in html_pages(site).items():
        assert not re.findall(loaded, text), path
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not any(re.search(r"url\(['\"]?(https?:)?//|@import", style) for style in styles)


def test_pages_are_light(site):
    assert all(len(text) < MEGABYTE for text in html_pages(site).values())
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 30 * MEGABYTE


def test_every_table_and_figure_can_be_taken_along(site, finished):
    for folder, endings in (("tables", ("csv", "tex")), ("figures", ("pdf",))):
        for ending in endings:
            files = list((finished / RESULTS / folder).glob(f"*.{ending}"))
            assert files
            for path in files:
                assert (site / "downloads" / path.name).read_bytes() == path.read_bytes()


def test_pages_open_without_an_error_and_fit_every_width(site, driver):
    for page in (*RESULT_PAGES, *OTHERS):
        for width in (380, 1300) if page in RESULT_PAGES else (380,):
            visit(driver, site, page, width)
            assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth"), (
                page,
                width,
            )
        assert [entry["message"] for entry in driver.get_log("browser")] == [], page


def test_a_claim_is_found_by_a_choice_of_data_set_and_rival(site, driver, finished):
    visit(driver, site, "index")
    everything = shown_rows(driver)
    choose(driver, "dataset", "digits")
    choose(driver, "about", "gram")
    chosen = shown_rows(driver)
    claims = pd.read_csv(finished / RESULTS / "tables" / "claims.csv")
    claims = claims[claims["dataset"].eq("digits") & claims["second"].str.split(" by ").str[0].eq("gram")]
    assert [row[0] for row in chosen] == claims["claim"].tolist() != [row[0] for row in everything]


def test_a_link_leads_to_chosen_rows(site, driver):
    visit(driver, site, "leaderboard#dataset=digits&regime=fine_tuned&task=any")
    found = shown_rows(driver, 1)
    assert found and {(row[1], row[2], row[3]) for row in found} == {("digits", "fine-tuned", "any modality")}


def test_a_click_on_a_header_sorts_up_then_down_with_the_missing_last(site, driver):
    visit(driver, site, "index")
    header = "document.querySelectorAll('table.numbers thead button')[2].click()"
    orders = []
    for _ in range(2):
        driver.execute_script(header)
        effects = [row[2].replace("−", "-") for row in shown_rows(driver)]
        measured = [float(effect) for effect in effects if effect != "–"]
        assert effects[len(measured) :] == ["–"] * (len(effects) - len(measured))
        orders.append(measured)
    assert orders[0] == sorted(orders[0]) != orders[1] == sorted(orders[1], reverse=True)


def test_a_cell_of_the_grid_opens_its_numbers_examples_and_commands(site, driver, finished):
    visit(driver, site, "any_modality#dataset=digits&regime=zero_shot&method=pmrl:main&rival=gram:main")
    wait(driver, "document.querySelectorAll('table.pairs button').length === 30")
    records = pd.read_parquet(finished / RESULTS / "records.parquet")
    chosen = records.query(
        "metric == 'recall@1' and score == 'cosine' and corruption == 'none' and regime == 'zero_shot' "
        "and query == 'pix' and gallery == 'fac' and variant == 'main' and split == 'test'"
    )
    means = chosen[chosen["method"].isin(["pmrl", "gram"])].astype({"method": str}).groupby("method")["value"].mean()
    difference = f"{means['pmrl'] - means['gram']:+.1f}".replace("-", "−")
    button = "[...document.querySelectorAll('table.pairs button')].find(one => one.title === 'pix → fac')"
    assert driver.execute_script(f"return {button}.textContent").lstrip("+") == difference.lstrip("+")
    driver.execute_script(f"{button}.click()")
    text = wait(driver, "document.querySelector('dialog[open]')?.innerText")
    assert "seed 0" in text and "seed 1" in text and f"{means['pmrl']:.1f}" in text
    assert "pmrl train --method pmrl --dataset digits --seeds 0 1" in text
    assert wait(driver, "document.querySelectorAll('dialog .answers').length") >= 3


def test_a_run_opens_its_settings_curves_and_digests(site, driver, finished):
    about = json.loads((finished / RESULTS / "runs/digits/gram/main/seed_1/run.json").read_text())
    visit(driver, site, "runs")
    driver.execute_script("document.querySelector('button[data-run=\"digits/gram/main/seed_1\"]').click()")
    wait(driver, "document.querySelector('dialog[open] .chart svg .mark-line path')")
    text = driver.execute_script("return document.querySelector('dialog').innerText")
    assert about["origin"]["code"] in text and about["origin"]["data"] in text
    assert "training.continued_steps" in text and f"torch {about['versions']['torch']}" in text


def test_a_chart_follows_the_choice_and_the_colour_of_the_text(site, driver):
    visit(driver, site, "convergence")
    paths = "document.querySelectorAll('.chart[data-name=chart_training] .mark-line path')"
    lines = f"[...{paths}].map(one => one.getAttribute('d')).join()"
    before = driver.execute_script(f"return {lines}")
    choose(driver, "quantity", "uniformity")
    wait(driver, f"{lines} !== {json.dumps(before)}")
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        visit(driver, site, "convergence")
        colors = driver.execute_script(
            "const of = (one) => getComputedStyle(document.querySelector(one));"
            "return [of('.chart .role-axis-label text').fill, of('.chart').color, of('body').backgroundColor]"
        )
        assert colors[0] == colors[1], scheme
        assert contrast(*colors[1:]) > 4.5, scheme
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(first, second):
    """The contrast of two CSS colours by WCAG 2, a transparent first one over the second."""

    def parts(color):
        numbers = [float(number) for number in re.findall(r"[\d.]+", color)]
        return np.array(numbers[:3]) / 255, numbers[3] if len(numbers) > 3 else 1.0

    def luminance(rgb):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    (ink, opacity), (paper, _) = parts(first), parts(second)
    bright, dark = sorted([luminance(opacity * ink + (1 - opacity) * paper), luminance(paper)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_the_keyboard_alone_reaches_sorts_and_opens_with_a_visible_focus(site, driver):
    from selenium.webdriver.common.keys import Keys

    visit(driver, site, "any_modality")
    wait(driver, "document.querySelectorAll('table.pairs button').length")
    driver.find_element("css selector", "h1").click()  # from here on, by keyboard
    seen = []
    for _ in range(20):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        style = driver.execute_script(
            "const one = document.activeElement; const style = getComputedStyle(one);"
            "const kind = one.closest('table.pairs') ? 'cell' : one.tagName;"
            "return [kind, style.outlineStyle, parseFloat(style.outlineWidth)]"
        )
        seen.append(style[0])
        if style[0] in ("SELECT", "cell"):
            assert style[1] != "none" and style[2] >= 2, style
        if style[0] == "cell":
            break
    assert seen.count("SELECT") == 4 and seen[-1] == "cell", seen
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait(driver, "document.querySelector('dialog[open]')")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(driver, "!document.querySelector('dialog')")
    assert driver.execute_script("return document.activeElement.closest('table.pairs') !== null"), "focus returns"


def test_the_search_works_from_a_folder(site, driver):
    visit(driver, site, "index")
    driver.execute_script("document.querySelector('label[for=__search]').click()")
    driver.find_element("css selector", "input.md-search__input").send_keys("changelog")
    wait(driver, "document.querySelector('.md-search-result__item a')?.innerText.length")


RECORD_A_CLIP = """
    const done = arguments[0];
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    const pen = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
    recorder.ondataavailable = async ({ data }) => {
      const bytes = new Uint8Array(await data.arrayBuffer());
      done(btoa(String.fromCharCode(...bytes)));
    };
    recorder.start();
    let frame = 0;
    const timer = setInterval(() => {
      pen.fillStyle = `hsl(${20 * frame++} 80% 50%)`;
      pen.fillRect(0, 0, 64, 48);
    }, 40);
    setTimeout(() => { clearInterval(timer); recorder.stop(); }, 700);
"""


def test_a_clip_and_a_sound_play(site, driver, tmp_path):
    """As the page of a study with clips and sounds would have them: a clip that the browser records, and a tone."""
    own = Path(shutil.copytree(site, tmp_path / "site", ignore=shutil.ignore_patterns("downloads", "documentation")))
    visit(driver, own, "examples")
    (own / "clip.webm").write_bytes(base64.b64decode(driver.execute_async_script(RECORD_A_CLIP)))
    (own / "tone.wav").write_bytes(wav(0.3 * np.sin(np.arange(11025) / 4), 11025))
    item = {"video": {"clip": "clip.webm"}, "sound": {"sound": "tone.wav"}}
    answered = [{"item": "a", "methods": {"PMRL": [["a", True]]}}]
    content = {"pairs": {"video → sound": answered}, "best": "video → sound", "items": {"a": item}}
    (own / "data" / "examples_digits.js").write_text(f'pmrl.receive("examples_digits",{json.dumps(content)});')
    visit(driver, own, "examples")
    for tag in ("video", "audio"):
        wait(driver, f"document.querySelector('{tag}')")
        driver.execute_script(f"document.querySelector('{tag}').play()")
        wait(driver, f"document.querySelector('{tag}').currentTime > 0.05")
