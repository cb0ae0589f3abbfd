"""A track that was sped up or slowed with its pitch kept, put back on the reference's timeline.

Resampling would move the pitch, so such a track is stretched in time, by ffmpeg's rubberband.
"""

import numpy as np

from soundstage.align.timeline import cut, track_seconds
from soundstage.media import stretched
from soundstage.units import AUDIO_HZ

PAD_SECONDS = 0.5


def cut_kept(track, start_seconds, seconds, offset_seconds, rate):
    """Return the reference window [start, start + seconds) of a pitch-kept track, float32 at 48 kHz.

    As soundstage.align.timeline.cut, exactly as many samples, but the pitch stays what it is: what
    is needed of the track, and half a second round it, is stretched to 1 / rate of its length. The
    stretcher moves single sounds by a few milliseconds. Silence outside the track.
    """
    first = int(np.floor((track_seconds(start_seconds, offset_seconds, rate) - PAD_SECONDS) * AUDIO_HZ))
    count = int(np.ceil((rate * seconds + 2 * PAD_SECONDS) * AUDIO_HZ))
    low, high = max(0, first), min(len(track), first + count)
    if high <= low:
        return cut(np.zeros(0, np.float32), start_seconds, seconds)
    # sample k of the stretched piece belongs to reference time (low / hz - offset) / rate + k / hz
    begins = (low / AUDIO_HZ - offset_seconds) / rate
    return cut(stretched(track[low:high], rate), start_seconds, seconds, -begins, 1.0)
