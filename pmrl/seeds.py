"""Seeds for all random draws, derived from the purpose of the draw."""

import hashlib


def derived_seed(*purpose: object) -> int:
    """A seed that depends on its purpose only, such as ``("batches", "digits", 0)``."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
