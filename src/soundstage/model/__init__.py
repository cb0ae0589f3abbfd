"""Audio and video towers and the inputs they read.

`soundstage.model.lssd_towers` and `soundstage.model.load_official` are loaded when they are asked
for; modules of this package name `soundstage.model.lssd` instead, so that `soundstage.recipe` sees it.
"""

import importlib

_FROM = {"lssd_towers": "lssd", "load_official": "lssd"}


def __getattr__(name):
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
