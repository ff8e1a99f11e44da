"""Which plug-ins exist: each file is one method, data set, table, figure or page. Nothing is imported."""

import ast
from pathlib import Path

from pmrl.errors import UserError
from pmrl.records import ALL_MODALITIES, FOUNDATION, MAIN, OTHERS, PROPOSED, RAW_FEATURES

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ROOT / "baselines"
OWN_DATA = Path("datasets")
SKIPPED_PREFIXES = ("_", "template_")
# Names that stand for something else in the folders of runs and in the columns of the records.
RESERVED_NAMES = (PROPOSED, FOUNDATION, MAIN, RAW_FEATURES, ALL_MODALITIES, OTHERS)


def method_files() -> dict[str, Path]:
    """Every method's name and the file that defines it: PMRL first, then the baselines by name.

    Raises:
        UserError: a baseline has a name that stands for something else in the results.
    """
    baselines = {name: BASELINES / f"{name}.py" for name in plug_ins(BASELINES)}
    for name, path in baselines.items():
        if name.lower() in RESERVED_NAMES:
            raise UserError(
                f"{path}: the name {name!r} stands for something else in the results. Rename the file; no method may "
                f"be called {', '.join(RESERVED_NAMES)}."
            )
    return {PROPOSED: ROOT / "pmrl" / "objective.py", **baselines}


def method_file(name: str) -> Path:
    """The file that defines the method ``name``.

    Raises:
        UserError: no such method; the message lists the valid names.
    """
    files = method_files()
    if name not in files:
        raise UserError(f"Unknown method {name!r}. Valid methods: {', '.join(files)}.")
    return files[name]


def built_in_data_sets() -> list[str]:
    """Names of the data sets that come with the project."""
    return plug_ins(ROOT / "pmrl" / "data" / "sources")


def data_sets() -> list[str]:
    """Names of the data sets that can be prepared: the built-in ones, then the user's own in ``datasets/``."""
    return [*built_in_data_sets(), *(path.parent.name for path in sorted(OWN_DATA.glob("*/card.yaml")))]


def tables() -> list[str]:
    """Names of all tables."""
    return plug_ins(ROOT / "pmrl" / "tables")


def figures() -> list[str]:
    """Names of all figures."""
    return plug_ins(ROOT / "pmrl" / "figures")


def pages() -> list[str]:
    """Names of all pages of the site."""
    return plug_ins(ROOT / "pmrl" / "reporting" / "site" / "pages")


def reads(kind: str, name: str) -> list[str]:
    """What a "table" or "figure" reads, from READS in its module.

    READS holds names from ``pmrl.records.TABLES``, "methods" for the description of the methods, "stores" for the
    feature stores, and paths of files of the project.

    Raises:
        UserError: the module has no READS.
    """
    path = ROOT / "pmrl" / f"{kind}s" / f"{name}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "READS":
            return list(ast.literal_eval(node.value))
    raise UserError(f'{path}: READS is missing; name what the {kind} reads, for instance `READS = ("records",)`.')


def plug_ins(folder: Path) -> list[str]:
    """The stems of the Python files in a folder, sorted, without those that start with ``SKIPPED_PREFIXES``."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith(SKIPPED_PREFIXES))
