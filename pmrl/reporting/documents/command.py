"""``pmrl documents``: take what documents show from the results folders, then write every document anew."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.files import read_yaml, replacing
from pmrl.reporting.documents import copies
from pmrl.reporting.documents.evidence import Evidence
from pmrl.reporting.documents.marks import DOCS, Document

DECLARED = DOCS / "documents.yaml"


def write_documents(studies: Collection[str] | None = None, root: Path = ROOT) -> list[Path]:
    """Copy the tables and figures of some studies and write all documents; on an error nothing is written.

    Args:
        studies: names from ``docs/documents.yaml``; all by default. Without any, documents are written from the copies
            that are there.
        root: the project's folder.

    Returns:
        The documents.

    Raises:
        UserError: an unknown study, one that has not been run, or a mistake in a mark.
    """
    declared = read_yaml(root / DECLARED)
    chosen = [*declared["studies"]] if studies is None else studies
    unknown = {*chosen} - {*declared["studies"]}
    if unknown:
        valid = ", ".join(declared["studies"])
        raise UserError(f"{DECLARED}: no study {', '.join(sorted(unknown))}. Valid studies: {valid}.")
    files = _renewed(declared, chosen, root)
    documents = opened(declared, files, root)
    texts = {document.page: document.rendered() for document in documents}
    copies.write(files, root / DOCS)
    for page, text in texts.items():
        with replacing(root / page) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for document in documents:
        for condition in document.hidden():
            print(f"pmrl: {document.page} hides the prose of: {condition}", file=sys.stderr)
    return [*texts]


def opened(declared: Mapping[str, Any], files: copies.Copies, root: Path = ROOT) -> list[Document]:
    """Every declared document with those of the copies that it may use."""
    return [
        Document(Path(page), (root / page).read_text(encoding="utf-8"), Evidence(files, studies))
        for page, studies in declared["documents"].items()
    ]


def asked(declared: Mapping[str, Any], root: Path = ROOT) -> set[tuple[str, str, str]]:
    """("table" or "figure", study, name) of all that documents show.

    Raises:
        UserError: a mistake in a mark.
    """
    found: set[tuple[str, str, str]] = set()
    for document in opened(declared, {}, root):
        document.rendered()
        found |= document.evidence.asked
    return found


def _renewed(declared: Mapping[str, Any], studies: Collection[str], root: Path) -> copies.Copies:
    """The stored copies, with those of ``studies`` taken anew."""
    files = dict(copies.stored(root / DOCS))
    wanted = asked(declared, root)
    for study in studies:
        source = declared["studies"][study]
        own = {(kind, name) for kind, other, name in wanted if other == study}
        if "config" in source:
            new = copies.of_study(study, root / source["config"], own)
        elif Path(source["folder"]).is_dir():
            new = copies.of_folder(study, Path(source["folder"]), own)
        else:
            print(
                f"pmrl: {source['folder']} not found: {study} stays. `{source['command']}` writes it.", file=sys.stderr
            )
            continue
        files = {path: content for path, content in files.items() if path.parts[1] != study} | dict(new)
    return files
