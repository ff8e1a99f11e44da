"""The documents and the copies that they rest on, as they are committed."""

from pmrl.discovery import ROOT
from pmrl.files import read_yaml
from pmrl.reporting.documents import copies
from pmrl.reporting.documents.command import DECLARED, opened

DECLARATION = read_yaml(ROOT / DECLARED)
COPIES = copies.stored(ROOT / "docs")
PAGES = {document.page.as_posix(): document for document in opened(DECLARATION, COPIES)}
