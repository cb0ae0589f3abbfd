"""Fixtures that all tests share."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared():
    """The folder of real media and reference outputs, which is not part of the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the folder of real media beside the project: {folder.name} is absent")
    return folder


def mel_tolerance_db(reference):
    """Return how far each value of a log-mel spectrogram may lie from a reference (bands, frames), in dB.

    A thousandth, and what a float32 transform rounds: processors differ by the last digit of the loudest
    amplitude of a frame, which is much of a band that lies 90 dB below it.
    """
    loudest = reference.max(axis=0, keepdims=True)
    rounded = np.finfo(np.float32).eps * 10 ** ((loudest - reference) / 20)
    return 1e-3 + 20 * np.log10(1 + rounded)
