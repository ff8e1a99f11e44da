"""The number of threads that PyTorch computes with, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads.

    One thread where a result must be the same bit for bit, since sums depend on their number, and where operations are
    so short that a second thread costs more than it saves, most of all beside other processes.
    """
    import torch  # loaded for this only by what otherwise does without it

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
