"""The wheel alone, with the packages that it declares and no other, is enough for people's own training loops."""

import importlib.metadata
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from pmrl.discovery import ROOT

EXAMPLES = """
import doctest, importlib, pkgutil, sys
import torch
import pmrl, pmrl.losses

assert not pmrl.__file__.startswith(sys.argv[1]), "the wheel is tested, not the checkout"
names = [module.name for module in pkgutil.iter_modules(pmrl.losses.__path__)]
results = [doctest.testmod(importlib.import_module(f"pmrl.losses.{name}")) for name in names]
assert sum(result.attempted for result in results) > 50 and not any(result.failed for result in results)
z = torch.nn.functional.normalize(torch.randn(8, 3, 16), dim=-1).requires_grad_()
pmrl.losses.pmrl_loss(z).backward()
for name in ("pandas", "scipy", "yaml", "sklearn"):
    assert importlib.util.find_spec(name) is None, name
"""


def with_dependencies(names):
    """The distributions of the names, and all that they need without extras."""
    found = {}
    while names:
        name = re.match(r"[\w.-]+", names.pop()).group().lower()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed elsewhere only, for instance with a GPU
        found[name] = distribution
        names += [line for line in distribution.requires or [] if "extra ==" not in line]
    return found.values()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment that holds the built wheel, and links to what its metadata declares."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    source = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "pmrl", "baselines"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in ["pyproject.toml", "README.md", "LICENSE", *files.stdout.splitlines()]:
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-c", build, str(folder)], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env")
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    (about,) = packages.glob("pmrl_benchmark-*.dist-info/METADATA")
    declared = re.findall(r"^Requires-Dist: (?!.*extra ==)(.*)$", about.read_text(), flags=re.MULTILINE)
    assert sorted(re.match(r"\w+", line).group() for line in declared) == ["numpy", "torch"]
    assert all("==" not in line for line in declared), "ranges, no exact versions"
    for distribution in with_dependencies(list(declared)):
        tops = {Path(file).parts[0] for file in distribution.files or [] if not str(file).startswith("..")}
        for top in tops - {"__pycache__"}:
            origin = Path(str(distribution.locate_file(top)))
            if origin.exists() and not (packages / top).exists():
                (packages / top).symlink_to(origin)
    return folder / "env" / "bin"


def test_losses_need_no_more_than_what_the_wheel_declares(environment, tmp_path):
    run = subprocess.run(
        [environment / "python", "-c", EXAMPLES, str(ROOT)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_command_says_what_is_missing(environment, tmp_path):
    code = "import sys; from pmrl.command import main; sys.exit(main())"
    run = subprocess.run([environment / "python", "-c", code, "list"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert re.search(r"the package \w+ is missing.*pip install -e", run.stderr)
