"""What follows from a module's weights alone, kept between calls that learn nothing.

An evaluation calls a tower thousands of times with the same weights. What each call would make of
them anew (a layout that the processor likes, tables of positions) is made once and thrown away when
a weight has changed.
"""

import weakref

import torch

_KEPT = weakref.WeakKeyDictionary()  # module -> {name: (sources, their versions, what was made)}


def kept(module, name, sources, make):
    """Return make(), or what it returned last time, as long as the weights `sources` are the same.

    module: whose it is; it is forgotten with it, and by `forget`. name: anything hashable that tells
    apart what one module keeps. sources: a tuple of tensors. A weight counts as changed when another
    tensor or storage has taken its place or torch has counted a change in it; what is written through
    `.data` is not counted. While gradients are recorded, a module is trained or a graph is
    compiled, nothing is kept.
    """
    if torch.compiler.is_compiling() or torch.is_grad_enabled() or module.training:
        return make()
    if any(source.is_inference() for source in sources):
        return make()
    found = _KEPT.setdefault(module, {}).get(name)
    if found is None or not _same(sources, *found[:2]):
        # a view of each source is held, so that its place in memory is not given to another meanwhile
        views, versions = tuple(source.detach() for source in sources), tuple(s._version for s in sources)
        found = _KEPT[module][name] = views, versions, make()
    return found[2]


def _same(sources, views, versions):
    places = all(one.data_ptr() == other.data_ptr() for one, other in zip(sources, views, strict=True))
    return places and versions == tuple(source._version for source in sources)


def forget(module):
    """Forget what was kept of a module and of all inside it."""
    for part in module.modules():
        _KEPT.pop(part, None)
