"""Seeds for every random draw, named by what they are for."""

import hashlib


def derived_seed(*purpose: object) -> int:
    """A seed that depends on what it is for and on nothing else, such as ``("batches", "digits", 0)``."""
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big")
