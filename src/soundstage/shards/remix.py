"""Mix a film's original track anew and send it through another codec: the same words, another sound.

    python -m soundstage.shards.remix --film film-003 --original work/films/film-003/audio/en.flac \\
        --nospeech work/nospeech/film-003/en.flac --out work/shards/remix/film-003.flac

It is the control of paper A's dubs: whatever a dub changes besides the words, it changes too. Speech
(the original minus the track without it) gets another level against the rest, the whole another
level and equaliser, and a lossy codec is passed. All of it is drawn from the film's name.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from soundstage import cli, media
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.shards.settings import Settings
from soundstage.units import AUDIO_HZ, rng_of

BLOCK_SAMPLES = 1 << 20
EQUALISER_HZ = (0, 60, 250, 1000, 4000, 12000, AUDIO_HZ / 2)
TAPS = 511
PEAK = 0.9  # what lies above is bent, not cut
CODECS = {
    "opus": (".opus", {"c": "libopus", "compression_level": 3}, (64, 96, 128)),
    "aac": (".m4a", {"c": "aac", "aac_coder": "fast"}, (96, 128, 192)),
}


def main():
    """Read the command line and write one film's remix."""
    parser = cli.parser(__doc__)
    parser.add_argument("--film", required=True, help="the film's id, which names the draws")
    parser.add_argument("--original", required=True, help="FLAC of the original track")
    parser.add_argument("--nospeech", required=True, help="FLAC of the same track without speech")
    parser.add_argument("--out", required=True, help="FLAC to be written, as long as the original")
    cli.add_settings(parser, Settings)
    options = parser.parse_args()
    plan = drawn(options.film, options.settings)
    cli.say(f"{options.film}: {plan['codec']} at {plan['kbps']} kbit/s, speech {plan['speech_db']:+.1f} dB")
    remix(options.original, options.nospeech, plan, options.out)


def drawn(film, settings):
    """Return what is done to a film's track: speech_db, gain_db, equaliser_db (7,), codec, kbps."""
    rng = rng_of("remix", film)
    codec = str(rng.choice(list(CODECS)))
    shape = rng.normal(0, settings.remix_equaliser_db, len(EQUALISER_HZ) - 2)
    return {
        "codec": codec,
        "kbps": int(rng.choice(CODECS[codec][2])),
        "speech_db": float(rng.uniform(-1, 1) * settings.remix_speech_db),
        "gain_db": float(rng.uniform(-1, 1) * settings.remix_gain_db),
        "equaliser_db": np.array([shape[0], *shape, shape[-1]]),
    }


def remix(original, nospeech, plan, out):
    """Write the remix of two FLAC files (the track, and the same without speech) to the FLAC `out`.

    The result has the original's length and timing. UserError when the two are not equally long.
    """
    total = media.flac_samples(original)
    if media.flac_samples(nospeech) != total:
        found = media.flac_samples(nospeech)
        raise UserError(f"expected {total} samples as in the original, found {found}", nospeech)
    if not total:
        return media.write_empty_flac(out)
    suffix, options, _ = CODECS[plan["codec"]]
    with tempfile.TemporaryDirectory(prefix="remix-") as folder:
        mixed, coded = Path(folder, "mixed.wav"), Path(folder, f"coded{suffix}")
        with soundfile.SoundFile(mixed, "w", AUDIO_HZ, 1, "PCM_16", format="RF64") as file:
            for block in blocks(original, nospeech, total, plan):
                file.write(block)
        media.encode_audio(coded, mixed, {**options, "b": f"{plan['kbps']}k", "ac": 1, "ar": AUDIO_HZ})
        with (
            atomic(out) as temporary,
            soundfile.SoundFile(temporary, "w", AUDIO_HZ, 1, "PCM_16", format="FLAC") as file,
        ):
            for block in exactly(media.stream_audio(coded), total):
                file.write(block)


def blocks(original, nospeech, total, plan, size=BLOCK_SAMPLES):
    """Yield the mix before its codec in float32 blocks, so that a film never lies in memory whole."""
    filtered = impulse(plan["equaliser_db"])
    reach = len(filtered) // 2
    for start in range(0, total, size):
        low, high = max(0, start - reach), min(total, start + size + reach)
        track, rest = (media.read_flac(path, low, high - low)[0] for path in (original, nospeech))
        mixed = rest + (track - rest) * np.float32(10 ** (plan["speech_db"] / 20))
        mixed = np.pad(mixed, (low - (start - reach), max(0, start + size + reach - high)))
        shaped = signal.oaconvolve(mixed, filtered, "valid")[: total - start]
        yield bent(shaped * np.float32(10 ** (plan["gain_db"] / 20)))


def impulse(gains_db):
    """Return (TAPS,) float32: a linear-phase filter with gains in dB at EQUALISER_HZ; it moves nothing."""
    gains = 10 ** (np.asarray(gains_db) / 20)
    return signal.firwin2(TAPS, EQUALISER_HZ, gains, fs=AUDIO_HZ).astype(np.float32)


def bent(samples):
    """Return samples with what lies above PEAK bent smoothly towards 1."""
    over = np.maximum(np.abs(samples) - PEAK, 0)
    inside = np.clip(samples, -PEAK, PEAK)
    return (inside + np.sign(samples) * (1 - PEAK) * np.tanh(over / (1 - PEAK))).astype(np.float32)


def exactly(parts, total):
    """Yield blocks of samples, `total` in all: cut, or followed by silence, where a codec changed the length."""
    left = total
    for part in parts:
        yield part[:left]
        left -= len(part[:left])
    if left:
        yield np.zeros(left, np.float32)


if __name__ == "__main__":
    cli.run(main)
