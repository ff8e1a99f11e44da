"""Memory that tensors have freed stays with the process."""

import ctypes

# Parameters of mallopt(3) and the largest values that it takes.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_LARGEST_BLOCK, _LARGEST_REST = 1 << 30, (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Let the C library keep what tensors free, where it would give it back to the system after every operation.

    A training step makes and frees some hundred tensors. Asking the system for each of them costs a page fault per
    4 KiB, which can take longer than the operation itself. The largest amount in use stays what it is.

    Returns:
        Whether the C library has this setting; only glibc does.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)) and bool(mallopt(_TRIM_THRESHOLD, _LARGEST_REST))
