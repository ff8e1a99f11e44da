"""Writing files so that a half-written one is never taken for a result: write beside, then rename."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from pmrl.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it becomes ``path`` on success and vanishes on error.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: could not be written ({getattr(error, 'strerror', None) or error}). "
            "Free some disk space or choose another folder, then run again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def sha256(*paths: Path) -> str:
    """Hexadecimal SHA-256 over the contents of ``paths``, in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
