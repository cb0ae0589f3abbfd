"""How a film's sound is put together: the bed, the speech, and each track's dress and timing.

The bed (music, effects, ambience) is shared by all tracks of a film; a dub changes the speech.
All signals are float32 mono (samples,) at 48 kHz.
"""

import numpy as np
from scipy import fft, signal

from soundstage.studio import sound, speech, synth
from soundstage.studio.names import EVENTS, GENRES, LANGUAGES, LOCATIONS, MANNERS
from soundstage.studio.plan import EQUALISER_HZ
from soundstage.units import AUDIO_HZ, half_up, seconds_to_samples

PEAK = 0.9
EQUALISER_TAPS = 511
# Level in dB of each layer of the bed, lowest and highest; every source has RMS 0.1 before.
LAYERS_DB = {"ambience": (-16.0, -8.0), "music": (-14.0, -4.0), "event": (-6.0, 4.0)}


def layer_db(kind, rng):
    """Return a level in dB for a layer of the bed: kind ambience, music or event."""
    return float(rng.uniform(*LAYERS_DB[kind]))


def layered(count, pieces):
    """Return (count,) float32 sum of pieces, each (start_sample, sound, gain_db), cut to fit."""
    target = np.zeros(count, dtype=np.float32)
    for start, piece, gain_db in pieces:
        synth.place(target, piece, int(start), 10 ** (gain_db / 20))
    return target


def balanced(speech_track, bed, speech_to_bed_db):
    """Return `speech_track` scaled so that its power over that of `bed` is speech_to_bed_db.

    As the two are unrelated, the SI-SDR of their sum against the bed is close to the negative of
    that. Silence comes back as it is.
    """
    speech_power = np.mean(speech_track**2, dtype=np.float64)
    bed_power = np.mean(bed**2, dtype=np.float64)
    if not speech_power or not bed_power:
        return speech_track
    gain = np.sqrt(bed_power / speech_power * 10 ** (speech_to_bed_db / 10))
    return (speech_track * gain).astype(np.float32)


def speech_to_bed_db(settings, rng):
    """Return a film's speech level in dB against its bed, within 2 spreads of the mean."""
    spread = float(np.clip(rng.standard_normal(), -2, 2))
    return settings.speech_to_bed_mean_db + settings.speech_to_bed_sd_db * spread


def dressed(track, plan):
    """Return a track in the level and equalisation of its plan (plan.dub_plan), peak at most 1.

    The equaliser is linear-phase and centred: it moves nothing in time. Peaks above 0.9 are bent.
    """
    shaped = equalised(track, plan["equaliser_db"]) * np.float32(10 ** (plan["gain_db"] / 20))
    return limited(shaped)


def equalised(track, gains_db):
    """Return `track` with gains in dB at EQUALISER_HZ, straight lines between over log frequency."""
    grid_hz = np.linspace(0, AUDIO_HZ / 2, EQUALISER_TAPS // 2 + 1)
    wanted_db = np.interp(np.log(grid_hz.clip(1)), np.log(EQUALISER_HZ), gains_db)
    impulse = fft.fftshift(fft.irfft(10 ** (wanted_db / 20), EQUALISER_TAPS))
    impulse = (impulse * np.hanning(EQUALISER_TAPS + 2)[1:-1]).astype(np.float32)
    return signal.oaconvolve(track, impulse, "same").astype(np.float32)


def limited(track):
    """Return `track` with what lies above 0.9 bent smoothly towards 1."""
    over = np.abs(track) - np.float32(PEAK)
    if over.max(initial=-1) <= 0:
        return track
    bent = PEAK + (1 - PEAK) * np.tanh(over.clip(0) / (1 - PEAK))
    return np.where(over > 0, np.sign(track) * bent, track).astype(np.float32)


def normal_gain(track, rms=0.06, peak=0.6):
    """Return the gain (float) that brings a mix to an RMS of 0.06, its peak below 0.6."""
    power = np.sqrt(np.mean(track**2, dtype=np.float64))
    return float(min(rms / max(power, 1e-9), peak / max(np.abs(track).max(), 1e-9)))


def retimed(track, plan):
    """Return a track in reference time as the plan's dub has it: edits, then rate, then offset.

    Sample k of the result is track time k / 48000. What would come before time 0 is dropped.
    """
    parts, at = [], 0
    for edit in sorted(plan["edits"], key=lambda edit: edit["at_seconds"]):
        start, length = seconds_to_samples(edit["at_seconds"]), seconds_to_samples(edit["seconds"])
        parts.append(track[at:start])
        at = start + length if edit["kind"] == "cut" else start
        if edit["kind"] == "insert":
            parts.append(np.zeros(length, dtype=np.float32))
    edited = np.concatenate([*parts, track[at:]])
    if plan["rate"] != 1.0:
        edited = signal.resample_poly(edited, half_up(plan["rate"] * 25), 25).astype(np.float32)
    offset = seconds_to_samples(plan["offset_seconds"])
    return np.pad(edited, (offset, 0)) if offset > 0 else edited[-offset:]


def looped(bed, start_seconds, loop_seconds=4.0):
    """Return a bed that is one piece of `bed` over and over: it fits the original at many lags."""
    start, length = seconds_to_samples(start_seconds), seconds_to_samples(loop_seconds)
    piece = bed[start : start + length]
    return np.tile(piece, -(-len(bed) // len(piece)))[: len(bed)]


def example(seconds, rng, pool, speech_to_bed_mean_db=1.5, speech_to_bed_sd_db=2.0):
    """Return (speech, bed) of a film-like scene, for training a separator or for tests.

    One or two characters of `pool` take turns with pauses over ambience, mostly music, and events;
    mixed like a film's track and brought to its level.
    """
    count = synth.samples(seconds)
    bed = layered(count, _bed_pieces(seconds, rng))
    talk = layered(count, _speech_pieces(seconds, rng, pool))
    talk = balanced(talk, bed, rng.normal(speech_to_bed_mean_db, speech_to_bed_sd_db))
    gain = normal_gain(talk + bed)
    return (talk * np.float32(gain)).astype(np.float32), (bed * np.float32(gain)).astype(np.float32)


def _bed_pieces(seconds, rng):
    """Return pieces for layered(): ambience, often music, an event every few seconds."""
    place, genre = str(rng.choice(LOCATIONS)), str(rng.choice(GENRES))
    pieces = [(0, sound.ambience(place, seconds, rng), layer_db("ambience", rng))]
    if rng.uniform() < 0.7:
        pieces.append((0, sound.music(genre, seconds, rng), layer_db("music", rng)))
    for _ in range(rng.poisson(seconds / 4)):
        length = float(rng.uniform(1.0, 5.0))
        event = sound.event(str(rng.choice(EVENTS[1:])), length, rng)
        start = synth.samples(rng.uniform(0, seconds))
        pieces.append((start, event, layer_db("event", rng)))
    return pieces


def _speech_pieces(seconds, rng, pool):
    """Return pieces for layered(): lines of 1 to 4 s, one speaker after another, with pauses."""
    language = str(rng.choice(LANGUAGES))
    cast = [speech.voice(pool, int(rng.integers(0, 10**6))) for _ in range(2)]
    pieces, start = [], rng.uniform(0, 2)
    while start < seconds:
        length, manner = float(rng.uniform(1.0, 4.0)), str(rng.choice(MANNERS))
        voice = cast[int(rng.integers(2))]
        line = speech.speak(language, voice, manner, length, rng, pool)[1]
        pieces.append((synth.samples(start), line, rng.uniform(-2, 2)))
        start += length + rng.exponential(0.8)
    return pieces
