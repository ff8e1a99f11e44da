"""Which methods exist: one file is one method. File names are enough, so nothing here imports torch."""

from pathlib import Path

from pmrl.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ROOT / "baselines"
SKIPPED_PREFIXES = ("_", "template_")


def method_files() -> dict[str, Path]:
    """Every method's name and the file that defines it: PMRL first, then the baselines by name."""
    baselines = {
        path.stem: path for path in sorted(BASELINES.glob("*.py")) if not path.stem.startswith(SKIPPED_PREFIXES)
    }
    return {"pmrl": ROOT / "pmrl" / "objective.py", **baselines}


def method_file(name: str) -> Path:
    """The file that defines the method ``name``.

    Raises:
        UserError: no such method; the message lists the valid names.
    """
    files = method_files()
    if name not in files:
        raise UserError(f"Unknown method {name!r}. Valid methods: {', '.join(files)}.")
    return files[name]
