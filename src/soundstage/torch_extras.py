"""Import torchaudio and torchvision beside a CPU-only torch: import this module before them.

Their wheels on the package index are linked to CUDA and fail to load beside a CPU build of torch,
although what Soundstage uses of them is pure torch. Two things make the pure parts importable:
torchaudio is made to see no compiled extension, and the two operators that torchvision registers
shapes for are declared. Where the compiled parts load, nothing is changed.
"""

import importlib.util
import sys
from pathlib import Path

import torch

_DETECTION = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared = None


def _loads(package, library_glob):
    """Return whether the compiled part of an installed package loads beside this torch."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return True
    libraries = sorted(Path(spec.origin).parent.glob(library_glob))
    try:
        for library in libraries:
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return bool(libraries)


def _patch_torchaudio():
    """Point torchaudio's search for its compiled extension at a folder that does not exist."""
    name = "torchaudio._extension.utils"
    if name in sys.modules or importlib.util.find_spec("torchaudio") is None:
        return
    origin = Path(importlib.util.find_spec("torchaudio").origin).parent
    path = origin / "_extension" / "utils.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    module._LIB_DIR = Path("/nonexistent")


def _patch_torchvision():
    """Declare the operators that torchvision attaches shape functions to when it is imported."""
    global _declared
    _declared = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            _declared.define(operator + _DETECTION)


def prepare():
    """Make `import torchaudio` and `import torchvision` work; does nothing the second time."""
    if _declared is not None:
        return
    if not _loads("torchaudio", "lib/*torchaudio*.so"):
        _patch_torchaudio()
    if not _loads("torchvision", "_C*.so"):
        _patch_torchvision()


prepare()
