"""Work on several files ahead of the one that is wanted, in threads, with bounded memory and in order."""

import collections
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

BLOCKS = 2  # blocks of one item that may wait
ITEMS = 2  # items begun per thread; small ones are done before they are asked for
END = object()


def ahead(items, work, workers=1):
    """Yield (item, iterator of the blocks that the generator work(item) yields), in the order of the items.

    An exception of work(item) is raised where its blocks are taken. With one worker nothing is done
    ahead; with more, threads work on the next items, at most BLOCKS blocks of each waiting, so that neither
    many items nor a long one fill the memory. What is left of an item's blocks is thrown away.
    """
    if workers < 2:
        yield from ((item, work(item)) for item in items)
        return
    stop, waiting, source = threading.Event(), collections.deque(), iter(items)
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                while len(waiting) < workers * ITEMS and (item := next(source, END)) is not END:
                    blocks = queue.Queue(BLOCKS)
                    pool.submit(_fill, blocks, work, item, stop)
                    waiting.append((item, blocks))
                if not waiting:
                    return
                item, blocks = waiting.popleft()
                taken = _taken(blocks)
                yield item, taken
                _throw_away(taken)
        finally:
            stop.set()


def _fill(blocks, work, item, stop):
    """Put what work(item) yields into a queue as ("block", it), then END or the exception."""
    end = END
    try:
        for block in work(item):
            if not _put(blocks, ("block", block), stop):
                return
    except BaseException as error:  # to be raised again by who takes the blocks
        end = error
    _put(blocks, ("end", end), stop)


def _put(blocks, entry, stop):
    """Return whether an entry found room before all was stopped."""
    while not stop.is_set():
        try:
            blocks.put(entry, timeout=0.2)
            return True
        except queue.Full:
            continue
    return False


def _taken(blocks):
    """Yield the blocks of one item; raise what its work raised."""
    while True:
        kind, entry = blocks.get()
        if kind == "block":
            yield entry
        elif entry is END:
            return
        else:
            raise entry


def _throw_away(taken):
    """Take the rest of an item's blocks, so that its thread ends; nobody wants its error any more."""
    try:
        collections.deque(taken, maxlen=0)
    except Exception:
        return
