"""Reading and writing files: errors name the damaged file, and a half-written file never counts as a result."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError

from pmrl.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it becomes ``path`` on success and is deleted on error.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # some libraries write files that only their owner may read
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: could not be written ({getattr(error, 'strerror', None) or error}). "
            "Free some disk space or choose another folder, then run again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """What the user takes from the permissions of new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(*paths: Path) -> str:
    """Hexadecimal SHA-256 over the contents of ``paths``, in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


class _Loader(yaml.SafeLoader):
    """Reads YAML without running code, and refuses equal keys, of which the last would silently win."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line, found = key.start_mark.line + 1, (key.tag, key.value)
                if found in lines:
                    raise yaml.YAMLError(
                        f"line {line}: the key {key.value!r} is already in line {lines[found]}, and a key can have "
                        "only one value; remove or rename one of them"
                    )
                lines[found] = line
        return node


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: the file is missing, is not YAML, or has a key twice in one place.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 ({error}); save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {error}.") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file that the project wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Run the step that writes it again.") from error
    except ValueError as error:
        raise UserError(
            f"{path}: damaged, expected JSON ({error}). Delete it and run again to write a new one."
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
