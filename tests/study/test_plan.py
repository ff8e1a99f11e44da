"""The config: what is filled in, and what is refused with which words."""

import dataclasses
import re

import pytest
import yaml

from pmrl.discovery import ROOT, method_files
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.method.base import load_method
from pmrl.study import manual
from pmrl.study.config import DEFAULT_CONFIG, SCHEMA, check_config, load_config
from pmrl.study.hyperparameters import hyperparameter_names
from pmrl.study.plan import run_settings, runs


def test_an_empty_config_is_a_whole_study():
    config = check_config({}, "config")
    assert config["training"]["batch_size"] == 64
    assert config["methods"] == ["pmrl", "pairwise", "vast", "gram"]


# What video.yaml names are the user's own data sets: tests/study/test_video.py.
OTHERS = ("claims", "tuned", "video")
STUDIES = [path for path in sorted((ROOT / "config").glob("*.yaml")) if not path.stem.startswith(OTHERS)]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_committed_configs_are_valid_and_write_to_folders_of_their_own(path):
    assert load_config(path)["datasets"]
    folders = [load_config(other)["results"] for other in STUDIES]
    assert folders.count(load_config(path)["results"]) == 1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sedes": 3}, r"\(top level\).*'sedes'"),
        ({"training": {"batchsize": 3}}, r"training.*'batchsize'"),
        ({"seeds": 0}, r"seeds: 0 is less than the minimum"),
        ({"seeds": True}, r"seeds: True is not of type 'integer'"),
        ({"regimes": ["zeroshot"]}, r"regimes.0: 'zeroshot' is not one of"),
        ({"datasets": []}, r"datasets"),
        ({"variants": {"pmrl": {"main": {}}}}, r"variants.pmrl"),
        ({"methods": ["grams"]}, r"unknown method 'grams'. Valid methods: pmrl, .*gram"),
        ({"foundation_method": "vaast"}, r"unknown method 'vaast'"),
        ({"datasets": ["digit"]}, r"unknown data set 'digit'. Valid data sets: .*digits"),
        ({"methods": ["gram; rm -rf x"]}, r"methods.0"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_path(config, message):
    with pytest.raises(UserError, match=message):
        check_config(config, "config")


def test_a_key_of_an_earlier_version_names_its_successors():
    with pytest.raises(UserError, match=r"corruption\.mismatched: .*mismatched_anchor.*mismatched_modality"):
        check_config({"corruption": {"mismatched": [25]}}, "config")


def test_all_mistakes_are_listed_at_once():
    with pytest.raises(UserError) as caught:
        check_config({"seeds": -1, "training": {"batch_size": 1}}, "config")
    assert "seeds" in str(caught.value) and "training.batch_size" in str(caught.value)


def test_unknown_variant_lists_the_valid_ones():
    config = check_config({"variants": {"pmrl": {"without_matching": {"matching_weight": 0}}}}, "config")
    with pytest.raises(UserError, match=r"no variant 'witout'. Valid variants: main, without_matching"):
        run_settings(config, "digits", "pmrl", "witout")


def test_a_variant_overrides_tuned_values(tmp_path):
    tuned = tmp_path / "tuned.yaml"
    tuned.write_text(yaml.safe_dump({"digits": {"pmrl": {"matching_weight": 0.3, "learning_rate": 0.01}}}))
    variants = {"pmrl": {"without_matching": {"matching_weight": 0.0}}}
    config = check_config({"tuned": str(tuned), "variants": variants}, "config")
    main = run_settings(config, "digits", "pmrl", "main")["hyperparameters"]
    ablated = run_settings(config, "digits", "pmrl", "without_matching")["hyperparameters"]
    assert main == {"matching_weight": 0.3, "learning_rate": 0.01}
    assert ablated == {"matching_weight": 0.0, "learning_rate": 0.01}
    assert run_settings(config, "emoji", "pmrl", "main")["hyperparameters"] == {}


def test_one_methods_settings_do_not_mention_another():
    config = check_config({"variants": {"pmrl": {"x": {"matching_weight": 0}}}}, "config")
    more = check_config({"variants": {}, "methods": ["gram"]}, "config")
    assert run_settings(config, "digits", "gram", "main") == run_settings(more, "digits", "gram", "main")


def test_runs_are_every_combination_with_the_main_form_first():
    config = check_config(
        {"datasets": ["digits"], "methods": ["pmrl", "gram"], "variants": {"pmrl": {"a": {}, "b": {}}}}, "config"
    )
    assert runs(config) == [("digits", "pmrl", v) for v in ("main", "a", "b")] + [("digits", "gram", "main")]


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.yaml: cannot be read"):
        read_yaml(tmp_path / "nothing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("seeds: [1")
    with pytest.raises(UserError, match=r"broken\.yaml: not valid YAML"):
        read_yaml(broken)


def test_the_manual_is_what_the_schema_says():
    assert manual.text() == (ROOT / "config" / "README.md").read_text(encoding="utf-8"), "run `make manual`"


def test_the_manual_has_every_key_with_its_default():
    page = manual.text()
    for key, part in read_yaml(SCHEMA)["properties"].items():
        assert f"| `{key}` |" in page
        for inner in part.get("properties", {}):
            assert f"| `{key}.{inner}` |" in page
    assert "| `training.continued_steps` | `300` |" in page and "| `cost` | none |" in page


def test_the_schema_is_the_only_layer_of_defaults(tmp_path):
    """What a config leaves out has the schema's default, whatever the default study says."""
    path = tmp_path / "mine.yaml"
    path.write_text("{seeds: 7, training: {continued_steps: 11}, methods: [gram]}")
    mine, empty = load_config(path), check_config({}, "config")
    assert mine == {
        **empty,
        "seeds": 7,
        "methods": ["gram"],
        "training": {**empty["training"], "continued_steps": 11},
    }
    assert load_config(DEFAULT_CONFIG)["variants"] and not mine["variants"]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_no_study_has_to_switch_anything_off(path):
    def values(part):
        return [value for inner in part.values() for value in (values(inner) if isinstance(inner, dict) else [inner])]

    assert not [value for value in values(read_yaml(path)) if value in (None, "", [])]


def test_a_search_of_an_unknown_variant_is_refused():
    with pytest.raises(UserError, match=r"'pmrl' has no variant 'misspelt'\. Valid variants: main"):
        check_config({"tuning": {"variants": ["pmrl/misspelt"]}}, "config")


def test_a_variants_own_search_goes_before_that_of_its_method(tmp_path):
    tuned = tmp_path / "tuned.yaml"
    chosen = {"pmrl": {"learning_rate": 0.01}, "pmrl/a": {"learning_rate": 0.02, "matching_weight": 0.3}}
    tuned.write_text(yaml.safe_dump({"digits": chosen}))
    config = check_config({"tuned": str(tuned), "variants": {"pmrl": {"a": {"matching_weight": 0}, "b": {}}}}, "config")
    found = {v: run_settings(config, "digits", "pmrl", v)["hyperparameters"] for v in ("main", "a", "b")}
    assert found["main"] == found["b"] == {"learning_rate": 0.01}
    assert found["a"] == {"learning_rate": 0.02, "matching_weight": 0}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"classification": {"digitz": "zero_shot"}}, "unknown data set 'digitz'. Valid data sets: "),
        ({"sensitivity": {"datasets": ["digitz"]}}, "unknown data set 'digitz'"),
        ({"cost": "digitz"}, "unknown data set 'digitz'"),
        (
            {"variants": {"pmrl": {"x": {"matching_wieght": 0}}}},
            "variants.pmrl.x: unknown hyper-parameter 'matching_wieght'. Valid hyper-parameters: learning_rate, ",
        ),
        ({"network": {"width": 10, "attention_heads": 4}}, "network.attention_heads: 4 does not divide network.width"),
        (
            {"seeds": 2, "sensitivity": {"datasets": ["digits"], "seeds": 3}},
            "config: sensitivity.seeds: 3 is more than seeds, 2, ",
        ),
        ({"tuned": "config/no_such_file.yaml"}, "tuned: there is no file 'config/no_such_file.yaml'"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_runs(config, message):
    with pytest.raises(UserError, match=re.escape(message)):
        check_config(config, "config")


@pytest.mark.parametrize("entry", ["pmrl", "pmrl/warm"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alignment_temperature": -1.0}, "hyper-parameter 'alignment_temperature' is -1.0; expected a float above 0"),
        ({"learning_rat": 0.1}, "unknown hyper-parameter 'learning_rat'. Valid hyper-parameters: learning_rate, "),
    ],
)
def test_tuned_values_that_cannot_run_are_refused_before_anything_runs(tmp_path, entry, values, message):
    tuned = tmp_path / "tuned.yaml"
    tuned.write_text(yaml.safe_dump({"digits": {entry: values}}))
    config = {"tuned": str(tuned), "variants": {"pmrl": {"warm": {}}}}
    with pytest.raises(UserError, match=re.escape(f"{tuned}: digits.{entry}: {message}")):
        check_config(config, "config")


@pytest.mark.parametrize("sensitivity", [{"datasets": ["digits"], "seeds": 2}, {"datasets": [], "seeds": 3}])
def test_a_sweep_may_have_every_seed_of_the_study_and_its_seeds_do_not_matter_without_data_sets(sensitivity):
    assert check_config({"seeds": 2, "sensitivity": sensitivity}, "config")["seeds"] == 2


def test_every_hyper_parameter_of_every_method_may_be_set_by_a_variant():
    for method in method_files():
        fields = [field.name for field in dataclasses.fields(load_method(method).Hyperparameters)]
        assert set(fields) <= set(hyperparameter_names(method))


def test_hyper_parameters_that_a_baseline_inherits_from_another_may_be_set(tmp_path, monkeypatch):
    (tmp_path / "first.py").write_text("class FirstHyperparameters(Hyperparameters):\n    sharpness: float = 1.0\n")
    (tmp_path / "second.py").write_text(
        "from baselines.first import FirstHyperparameters\n"
        "class Second(Method):\n"
        "    class Hyperparameters(FirstHyperparameters):\n        depth: int = 2\n"
    )
    baselines = tmp_path / "baselines"
    baselines.mkdir()
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").rename(baselines / f"{name}.py")
    for module in ("discovery", "provenance"):
        monkeypatch.setattr(f"pmrl.{module}.ROOT", tmp_path)
    monkeypatch.setattr("pmrl.discovery.BASELINES", baselines)
    assert set(hyperparameter_names("second")) == {"sharpness", "depth"}


@pytest.mark.parametrize(
    ("config", "key"), [({"seeds": 3.0}, "seeds"), ({"training": {"batch_size": 32.0}}, "training")]
)
def test_a_whole_number_may_be_written_as_a_float(config, key):
    value = check_config(config, "config")[key]
    number = value["batch_size"] if isinstance(value, dict) else value
    assert isinstance(number, int)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants: {pmrl: {no: {matching_weight: 0.0}}}", "variants.pmrl: found the key False (bool)"),
        ("variants: {pmrl: {1: {matching_weight: 0.0}}}", "variants.pmrl: found the key 1 (int)"),
        ("on: 3", "the config: found the key True (bool)"),
        ("classification: {off: zero_shot}", "classification: found the key False"),
    ],
)
def test_a_key_that_yaml_does_not_read_as_a_text_is_refused(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        check_config(yaml.safe_load(text), "config")


def test_null_and_empty_stand_for_nothing():
    """As configs of earlier versions wrote them."""
    config = check_config(
        {
            "variants": {"pmrl": {"a": {}, "b": None}},
            "classification": {"digits": None, "emoji": "zero_shot"},
            "cost": "",
            "tuned": "",
        },
        "config",
    )
    assert config["variants"] == {"pmrl": {"a": {}}} and config["classification"] == {"emoji": "zero_shot"}
    assert config["cost"] is None and config["tuned"] is None


@pytest.mark.parametrize("name", ["alignment_temperatures", "instance_temperatures", "matching_weights"])
@pytest.mark.parametrize("values", [[0.5, 0.5], [1, 1.0], []])
def test_a_sweep_of_repeated_or_no_values_is_refused_at_once(name, values):
    with pytest.raises(UserError, match=f"sensitivity.{name}"):
        check_config({"sensitivity": {"datasets": ["digits"], name: values}}, "config")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits:\n", {}),
        ("digits: {gram: }\n", {}),
        ("", {}),
        ("digits: {gram: {temperature: 0.1}}", {"temperature": 0.1}),
    ],
)
def test_empty_entries_of_the_tuned_values_mean_the_defaults(tmp_path, text, expected):
    path = tmp_path / "tuned.yaml"
    path.write_text(text)
    config = check_config({"tuned": str(path)}, "config")
    assert run_settings(config, "digits", "gram", "main")["hyperparameters"] == expected


@pytest.mark.parametrize("text", ["[1, 2]", "digits: [gram]", "digits: {gram: 3}", "digits: text"])
def test_tuned_values_of_another_form_are_refused(tmp_path, text):
    path = tmp_path / "tuned.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"tuned\.yaml: tuned values.*expected keys and values"):
        run_settings(check_config({"tuned": str(path)}, "config"), "digits", "gram", "main")


def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = check_config({"results": "~/results", "data": "~/data", "folders": {"abide": "~/abide"}}, "config")
    assert (config["results"], config["data"]) == (f"{tmp_path}/results", f"{tmp_path}/data")
    assert config["folders"] == {"abide": f"{tmp_path}/abide"}
