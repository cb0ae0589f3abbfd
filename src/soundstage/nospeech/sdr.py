"""How well a bed was recovered: the scale-invariant signal-to-distortion ratio."""

import numpy as np


def si_sdr_db(estimate, truth):
    """Return the SI-SDR of `estimate` against `truth` in dB; both (samples,), any scale.

    The truth scaled to fit the estimate best is signal, what is left is distortion. An estimate
    that is the scaled truth gives a large finite number, a silent truth gives NaN.
    """
    estimate = np.asarray(estimate, np.float64)
    truth = np.asarray(truth, np.float64)
    power = truth @ truth
    if power == 0:
        return float("nan")
    signal = (estimate @ truth / power) * truth
    distortion = estimate - signal
    floor = 1e-12 * max(estimate @ estimate, 1e-30)
    return float(10 * np.log10((signal @ signal + floor) / (distortion @ distortion + floor)))
