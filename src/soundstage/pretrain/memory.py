"""Keep memory that has been freed for the next step instead of giving it back to the kernel."""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_freed_memory():
    """Tell glibc to reuse large blocks; without effect under another C library.

    A training step frees and takes tens of large blocks. By default each is mapped anew and every
    page of it faulted in, which costs as much as half of the arithmetic of the small towers.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_TOP_PAD, 2**26)
