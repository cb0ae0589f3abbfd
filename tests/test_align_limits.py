"""Where the aligner's answers end: short files, offsets beyond the limit, and what a refusal says."""

from dataclasses import replace

import numpy as np
import pytest
from test_align import HZ, SETTINGS, aligned, pair, voice

from soundstage.align import coarse, estimate


@pytest.mark.parametrize(("seconds", "offset"), [(20.5, -0.3), (22, 3.0), (24, -3.0)])
def test_a_pair_a_little_longer_than_a_shot_is_found(seconds, offset):
    reference, track = pair(3, seconds, offset=offset)
    found = aligned(reference, track[: len(reference)])
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(offset, abs=1e-3), found["reason"]


def test_a_short_track_is_found_in_a_longer_film():
    reference, track = pair(4, 90, offset=0.0)
    found = aligned(reference, track[33 * HZ : 54 * HZ])
    assert found["accepted"] and found["offset_seconds"] == pytest.approx(-33.0, abs=1e-3), found["reason"]


def test_chunks_stay_as_they_are_from_a_minute_on():
    assert coarse.fitted(SETTINGS, 60.0) is SETTINGS
    short = coarse.fitted(SETTINGS, 30.0)
    assert (short.chunk_seconds, short.chunk_hop_seconds) == (10.0, 2.5)


def test_a_track_that_falls_silent_is_not_called_dialogue_only():
    reference, track = pair(5, 90, offset=0.0)
    track[30 * HZ :] = 0
    found = aligned(reference, track)
    assert any(segment["accepted"] for segment in found["segments"])
    assert not found["accepted"] and "too little shared sound" in found["reason"]


def test_dialogue_alone_over_room_tone_is_not_said_to_be_another_film():
    reference, _ = pair(6, 50)
    words = voice(50, 60, 0.1) + 0.003 * np.random.default_rng(1).standard_normal(50 * HZ)
    found = aligned(reference, words)
    assert not found["accepted"] and "dialogue alone" in found["reason"], found["reason"]


def test_an_offset_beyond_the_limit_is_refused_and_edits_may_go_beyond_it():
    limited = replace(SETTINGS, max_offset_seconds=5.0)
    found = estimate.estimate([pair(7, 60, offset=20.0)], limited)
    assert not found["accepted"] and "+20.00 s was found, at most 5 s" in found["reason"]
    edited = pair(7, 90, offset=4.0, edits=[("insert", 40.0, 6.0)])
    found = estimate.estimate([edited], limited)
    offsets = [part["offset_seconds"] for part in found["segments"]]
    assert found["accepted"] and max(offsets) == pytest.approx(10, abs=1e-3)
