"""The language of documents: selections, templates, tables, and prose that is shown while it is true."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmrl.errors import UserError
from pmrl.reporting.documents import blocks, copies
from pmrl.reporting.documents.evidence import Evidence, NotRun, fill, place
from pmrl.reporting.documents.marks import Document

quick = settings(deadline=None, max_examples=25)
GENERATOR = np.random.default_rng(0)
FRAME = pd.DataFrame(
    [
        {"dataset": dataset, "task": task, "method": method, "mean": mean, "low": mean - 1, "high": mean + 2}
        for dataset in ("digits", "emoji")
        for task in ("any", "anchor")
        for method, mean in zip(("pmrl", "vast", "gram"), GENERATOR.permutation(90)[:3] / 7, strict=True)
    ]
)
METHODS = pd.DataFrame({"method": ["pmrl", "vast"], "variant": "main", "label": ["PMRL", "VAST"]})


def csv(frame):
    return frame.to_csv(index=False).encode()


@pytest.fixture
def evidence():
    return Evidence(
        {place("table", "s", "t"): csv(FRAME), place("table", "s", "methods"): csv(METHODS)}, ["s", "other"]
    )


def document(text, evidence, names=""):
    return Document(Path("docs/page.md"), f"{text}\n<!-- names\n{names}\n-->\n", evidence)


# Selections


@quick
@given(
    st.sets(st.sampled_from(["digits", "emoji"]), min_size=1),
    st.sampled_from([None, "any", "anchor"]),
    st.sampled_from(["max", "min", None]),
    st.sampled_from(["", "-"]),
)
def test_a_selection_is_the_rows_that_pandas_finds(datasets, task, extreme, sign):
    evidence = Evidence({place("table", "s", "t"): csv(FRAME)}, ["s"])
    filters = ["dataset=" + "|".join(sorted(datasets))]
    expected = FRAME[FRAME["dataset"].isin(datasets)]
    if extreme:
        filters.insert(0, f"mean={extreme}")  # after the others, wherever it stands
    if task:
        filters.append(f"task={task}")
        expected = expected[expected["task"] == task]
    if extreme:
        expected = expected[expected["mean"] == getattr(expected["mean"], extreme)()]
    expected = expected.sort_values("mean", ascending=sign == "", kind="stable")
    found = evidence.rows(f"s/t[{', '.join(filters)}] by {sign}mean")
    assert found.index.tolist() == expected.index.tolist()


def test_a_value_may_have_commas_and_brackets():
    table = pd.DataFrame({"kernel": ["a, b [c]", "a"], "reference": ["x", ""]})
    evidence = Evidence({place("table", "s", "t"): csv(table)}, ["s"])
    assert evidence.rows("s/t[kernel=a, b [c], reference=x]").index.tolist() == [0]
    assert evidence.rows("s/t[reference=]").index.tolist() == [1]


def test_half_of_the_interval_and_the_title_of_a_method_can_be_shown(evidence):
    row = evidence.rows("s/t[dataset=digits, task=any, method=pmrl]").to_dict("records")[0]
    assert fill("{label} {half:2}", row) == "PMRL 1.50"
    assert evidence.rows("s/t[method=gram]")["label"].unique().tolist() == ["gram"]


# Templates


@quick
@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_number_is_within_half_a_digit_and_has_no_negative_zero(value, digits):
    text = fill(f"{{x:{digits}}}", {"x": repr(value)})
    shown = float(text.replace("−", "-"))
    assert abs(shown - value) <= 0.5 * 10**-digits * (1 + 1e-9) + 1e-9
    assert "-" not in text and not re.fullmatch(r"−0(\.0*)?", text)
    signed = fill(f"{{x:+{digits}}}", {"x": repr(value)})
    assert signed.startswith(("+", "−")) and signed.lstrip("+−") == text.lstrip("−")


def test_texts_are_words_and_nothing_is_a_dash():
    row = {"regime": "zero_shot", "variant": "paper_values", "mean": "", "p": "0.0002"}
    assert fill("{regime}, {variant}, {mean:1} ± {mean:1}, {p:p}", row) == "zero-shot, paper values, – ± –, < 0.001"
    assert fill("{variant}", row, {"paper_values": "the paper's"}) == "the paper's"


# Phrases


def test_phrases_count_list_and_show_the_only_row(evidence):
    assert blocks.phrase("count of s/t[task=any]", evidence) == "6"
    order = FRAME[FRAME["dataset"].eq("emoji") & FRAME["task"].eq("any")].sort_values("mean")["method"]
    assert blocks.phrase("each {method} of s/t[dataset=emoji, task=any] by mean", evidence) == "; ".join(order)
    assert blocks.phrase("each {dataset} of s/t", evidence) == "digits; emoji"
    assert blocks.phrase("each {method} of s/t[dataset=kanji]", evidence) == "none"
    mean = FRAME["mean"].iloc[0]
    assert (
        blocks.phrase("{mean:1} % of all of s/t[dataset=digits, task=any, method=pmrl]", evidence)
        == f"{mean:.1f} % of all"
    )
    assert blocks.phrase("{mean:1} of s/t[dataset=kanji]", evidence) == "not measured"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{mean} of s/t", "12 rows fit, expected one; they differ in dataset, task, method"),
        ("{mean} s/t", "expected count, each TEMPLATE"),
        ("{maen} of s/t[dataset=digits, task=any, method=pmrl]", "no column 'maen'; found dataset"),
        ("{method:1} of s/t[dataset=digits, task=any, method=pmrl]", "found 'pmrl', expected a number"),
        ("count of s/t[datset=digits]", "no column 'datset'"),
        ("count of s/t by men", "no column 'men'"),
        ("count of s/t[digits]", "expected column=value"),
        ("count of unknown/t", "'unknown' is not declared for this document, only s, other"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(evidence, text, message):
    with pytest.raises(UserError, match=re.escape("docs/page.md, line 2: ")) as raised:
        document("one\n<!-- value x --><!-- end -->", evidence, f"x = {text}").rendered()
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "<!-- value x -->",
        "<!-- value x -->1<!-- value x -->2<!-- end -->",
        "1<!-- end -->",
        "<!-- if x > 1 -->y",
        "<!-- table s/t",
    ],
)
def test_a_mark_without_its_partner_is_refused(evidence, text):
    with pytest.raises(UserError, match=r"docs/page\.md.*(partner|no <!-- end -->)"):
        document(text, evidence, "x = count of s/t").rendered()


def test_an_unknown_name_is_refused_with_the_known_ones(evidence):
    with pytest.raises(UserError, match="'y' is not defined; defined are x"):
        document("<!-- value y --><!-- end -->", evidence, "x = count of s/t").rendered()


# Tables


def cells(markdown):
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    return lines[0], lines[2:]


def test_a_spread_table_has_each_number_in_its_cell(evidence):
    layout = "m = {method}\ncolumns = {dataset}: {task}\ncell = {mean:3}\nbest = mean"
    head, lines = cells(blocks.table("s/t by -mean", layout, evidence))
    wide = FRAME.assign(column=FRAME["dataset"] + ": " + FRAME["task"]).pivot(
        index="method", columns="column", values="mean"
    )
    assert head == ["m", "digits: any", "digits: anchor", "emoji: any", "emoji: anchor"]
    assert [line[0] for line in lines] == wide["digits: any"].sort_values(ascending=False).index.tolist()
    for method, *values in lines:
        for column, value in zip(head[1:], values, strict=True):
            assert float(value.strip("*")) == pytest.approx(wide.loc[method, column], abs=1e-3)
            assert value.startswith("**") == (wide.loc[method, column] == wide[column].max())


def test_a_missing_cell_is_a_dash_and_two_values_for_one_are_refused():
    table = FRAME[FRAME["task"].eq("any")].iloc[1:]
    layout = "m = {method}\ncolumns = {dataset}\ncell = {mean:1}"
    evidence = Evidence({place("table", "s", "t"): csv(table)}, ["s"])
    missing = [line for line in cells(blocks.table("s/t", layout, evidence))[1] if "–" in line]
    assert [line[0] for line in missing] == ["pmrl"] and missing[0][1] == "–"
    twice = Evidence({place("table", "s", "t"): csv(pd.concat([table, table]))}, ["s"])
    with pytest.raises(UserError, match="two rows for one cell"):
        blocks.table("s/t", layout, twice)


def test_a_plain_table_keeps_bars_within_cells():
    evidence = Evidence({place("table", "s", "t"): csv(pd.DataFrame({"a": ["x|y"], "b": ["1.25"]}))}, ["s"])
    assert blocks.table("s/t", "", evidence) == "| a | b |\n| --- | --- |\n| x\\|y | 1.25 |"
    assert blocks.table("s/t[a=z]", "", evidence) == "*Not measured.*"


# Documents

PLAIN = """\
Text <!-- value x -->old<!-- end -->, and <!-- an ordinary comment --> stays.

<!-- table s/t[task=any]
m = {method}
columns = {dataset}
cell = {mean:1}
-->old<!-- end -->

<!-- figure s/f: What it
shows -->
<!-- end -->
"""


def test_rendering_changes_only_what_stands_between_marks_and_is_its_own_fixed_point(evidence):
    once = document(PLAIN, evidence, "x = count of s/t").rendered()
    assert "Text <!-- value x -->12<!-- end -->, and <!-- an ordinary comment --> stays." in once
    assert "*Not yet run: the figure `f` of the study `s`.*" in once and "old" not in once
    assert Document(Path("docs/page.md"), once, evidence).rendered() == once


@pytest.mark.parametrize(("page", "link"), [("README.md", "docs/figures/s/f.png"), ("docs/page.md", "figures/s/f.png")])
def test_a_figure_is_linked_from_the_folder_of_its_page(page, link):
    evidence = Evidence({place("figure", "s", "f"): b"png"}, ["s"])
    text = "<!-- figure s/f: What it\nshows -->\n<!-- end -->"
    assert f"![What it shows]({link})" in Document(Path(page), text, evidence).rendered()


def test_what_has_not_been_run_is_said(evidence):
    text = document("<!-- value x -->5<!-- end -->", evidence, "x = count of other/t").rendered()
    assert "<!-- value x -->not yet run<!-- end -->" in text
    with pytest.raises(NotRun, match="table `t` of the study `other`"):
        evidence.rows("other/t")
    assert ("table", "other", "t") in evidence.asked


PROSE = """Before.
<!-- if n {sign} {limit} -->
Many: <!-- value n -->?<!-- end -->.
<!-- end if -->
<!-- unless n {sign} {limit} -->
Few: <!-- value n -->?<!-- end -->.
<!-- end unless -->
"""


def visible(text):
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


SIGNS = {"==": np.equal, "!=": np.not_equal, "<": np.less, ">": np.greater, "<=": np.less_equal, ">=": np.greater_equal}


@quick
@given(st.sampled_from([*SIGNS]), st.integers(1, 8), st.integers(1, 8), st.integers(1, 8))
def test_exactly_one_of_two_contrary_sentences_is_visible_and_both_come_back(sign, limit, first, second):
    def rendered(text, count):
        table = pd.DataFrame({"row": range(count)})
        return Document(Path("p"), text, Evidence({place("table", "s", "t"): csv(table)}, ["s"])).rendered()

    text = PROSE.format(sign=sign, limit=limit) + "<!-- names\nn = count of s/t\n-->"
    shown = rendered(text, first)
    truth = bool(SIGNS[sign](first, limit))
    assert (f"Many: {first}." in visible(shown), f"Few: {first}." in visible(shown)) == (truth, not truth)
    # whatever other data say in between, the old data bring the old text back
    assert rendered(rendered(shown, second), first) == shown


def test_prose_on_nothing_is_hidden_whichever_it_is(evidence):
    page = document(PROSE.format(sign="<", limit=3), evidence, "n = count of other/t")
    assert "Many" not in visible(page.rendered()) and "Few" not in visible(page.rendered())
    assert page.hidden() == ["if n < 3", "unless n < 3"]


def test_numbers_are_compared_as_they_are_printed():
    table = pd.DataFrame({"method": ["a", "b"], "mean": [14.94, 14.91]})
    evidence = Evidence({place("table", "s", "t"): csv(table)}, ["s"])
    names = "a = {mean:1} of s/t[method=a]\nb = {mean:1} of s/t[method=b]"
    shown = visible(document("<!-- if a > b -->above<!-- end if -->", evidence, names).rendered())
    assert "above" not in shown
    finer = names.replace(":1", ":2")
    assert "above" in visible(document("<!-- if a > b -->above<!-- end if -->", evidence, finer).rendered())


def test_negative_numbers_texts_and_conjunctions_are_compared():
    table = pd.DataFrame({"claim": ["a"], "effect": ["-1.5"], "verdict": ["not reproduced"]})
    evidence = Evidence({place("table", "s", "t"): csv(table)}, ["s"])
    names = "effect = {effect:+1} of s/t\nword = {verdict} of s/t"
    page = document("", evidence, names)
    assert page.holds("effect < -1 and word == not reproduced") is True
    assert page.holds("effect < -1 and word != not reproduced") is False
    with pytest.raises(UserError, match="expected numbers"):
        page.holds("word < 3")
    with pytest.raises(UserError, match="expected NAME == VALUE"):
        page.holds("word")


# Copies


def test_writing_copies_leaves_exactly_them(tmp_path):
    first = copies.with_digests("s", {place("table", "s", "t"): b"a\n1\n", place("figure", "s", "f"): b"png"})
    copies.write(first, tmp_path)
    assert copies.stored(tmp_path) == first
    second = copies.with_digests("s", {place("table", "s", "t"): b"a\n2\n"})
    copies.write(second, tmp_path)
    assert copies.stored(tmp_path) == second
