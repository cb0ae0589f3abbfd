"""What the embedded corpus's CLIP and CLAP learn from: captioned pictures and sounds made for that alone.

Pictures show none to three things in one of the places; sounds are none to three sources over an
ambience, sometimes with music. All draws are named by a seed of their own, so that nothing of it occurs in
a film, a benchmark or a video of the corpus; voices and lines are of the pool `separator`, which those
do not use either. A pool is rendered once and kept in memory; captions, and what is mixed with what,
are drawn anew for each example. A caption of a picture says what can be seen, one of a sound what can be heard.
"""

import numpy as np
import torch

from soundstage.cli import progress
from soundstage.studio import ave_classes, look, motion, sound, speech, synth
from soundstage.studio.names import GENRES, LANGUAGES, LOCATIONS
from soundstage.studio.plan import EQUALISER_HZ
from soundstage.teachers import captions, sizes
from soundstage.teachers.clip import squeezed
from soundstage.teachers.mels import Mels, decibels
from soundstage.teachers.segments import repeat_padded
from soundstage.teachers.weights import PICTURE_DEVIATION, PICTURE_MEAN
from soundstage.units import VIDEO_FPS, rng_of

POOL = "separator"
# Voices of that pool that are plainly a man's or a woman's, for the classes that say which.
VOICES = {"man": ("croak", "Storm", "Michael", "norbert", "grandpa"), "woman": ("f5", "shelby")}
SIZE = (160, 120)  # pixels, width and height of a picture before it is squeezed to a square
COUNTS = (0.05, 0.55, 0.3, 0.1)  # shares of examples with no thing, one, two, three
PLACES = (-0.75, 0.75, 0.0)
MOMENTS = 13  # pictures of a take, of which the last is kept
LENGTHS = (1, 3, 10, 1, 1)  # seconds of sounds, as often as they stand here; repeated to fill ten
RENDERED_SECONDS = 3  # a shorter sound is cut out of so much
BACKGROUND_SHARE = 0.1  # ambiences, and pieces of music, for each event in the pool
MUSIC_SHARE = 0.25
EVENT_DB, AMBIENCE_DB, MUSIC_DB, LEVEL_DB = (-8, 4), (-20, -4), (-20, -8), (-16, 2)
EQUALISER_DB = 3.0


class Pictures:
    """Pictures and what is in them; `batch` gives a CLIP's inputs with captions."""

    sense = "seen"

    def __init__(self, count, seed, known):
        """count: pictures rendered; seed: any; known: `captions.words`."""
        self.known = known
        self.pixels = np.zeros((count, sizes.PICTURE_PIXELS, sizes.PICTURE_PIXELS, 3), np.uint8)
        self.shown = []
        for number in progress(range(count), count, "pictures", "pictures"):
            frame, names, place = picture(rng_of("teachers picture", seed, number), list(known["classes"]))
            self.pixels[number] = squeezed(torch.from_numpy(frame), sizes.PICTURE_PIXELS).permute(1, 2, 0).mul(255)
            self.shown.append((names, place))

    def batch(self, size, rng):
        """Return ({"pixel_values": (size, 3, 48, 48) float32}, `Caption`s, what is in each), half of them mirrored."""
        chosen = rng.integers(len(self.pixels), size=size)
        mirrored = torch.from_numpy(rng.uniform(size=size) < 0.5)
        pixels = torch.from_numpy(self.pixels[chosen]).permute(0, 3, 1, 2).float() / 255
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
        shown = [self.shown[one] for one in chosen]
        said = [captions.caption(*what, self.sense, rng, self.known) for what in shown]
        return {"pixel_values": normalised(pixels)}, said, [{*names, place} for names, place in shown]


def normalised(pixels):
    """Return (n, 3, height, width) pixels in 0 to 1 as CLIP reads them."""
    mean, deviation = (torch.tensor(x).view(1, 3, 1, 1) for x in (PICTURE_MEAN, PICTURE_DEVIATION))
    return (pixels - mean) / deviation


def picture(rng, classes):
    """Return (frame (120, 160, 3) uint8, names of the classes in it, place)."""
    place = str(rng.choice(LOCATIONS))
    names = chosen_classes(rng, classes)
    actors = []
    for name, x in zip(names, rng.permutation(PLACES), strict=False):
        moving = rng.uniform() < 0.7
        envelope = motion.rhythm(name, MOMENTS, VIDEO_FPS, rng) if moving else np.zeros(MOMENTS)
        where = float(np.clip(x + rng.normal(0, 0.2), -1, 1))
        actors.append(actor_of(name, envelope, VIDEO_FPS, SIZE, rng, where, float(rng.uniform(0.6, 1.1))))
    return look.shot_of(place, MOMENTS, SIZE, rng, actors).frame(MOMENTS - 1), names, place


def actor_of(name, *more):
    """Return an Actor of a class of LLP or AVE; arguments as in `look.actor_of`."""
    return look.actor_of(name, *more) if name in look.KINDS else ave_classes.actor_of(name, *more)


def event(name, seconds, rng):
    """Return one sounding event of a class of LLP or AVE, spoken by voices of the pool where it is speech."""
    if name in look.KINDS:
        return sound.event(name, seconds, rng, POOL)
    if name not in ave_classes.ADULTS:
        return ave_classes.event(name, seconds, rng)
    known = speech.variants(POOL)
    variant = known.index(str(rng.choice(VOICES[ave_classes.ADULTS[name]])))
    voice = speech.voice(POOL, variant + len(known) * int(rng.integers(0, 1000)))
    return speech.speak(str(rng.choice(LANGUAGES)), voice, "neutral", seconds, rng, POOL)[1]


def chosen_classes(rng, classes):
    """Return none to three different class names."""
    count = int(rng.choice(len(COUNTS), p=COUNTS))
    return [str(name) for name in rng.choice(classes, count, replace=False)]


class Sounds:
    """Mels of single sources; `batch` mixes them into a CLAP's inputs with captions.

    Powers are added, which for sources that know nothing of each other is what adding their waves does.
    """

    sense = "heard"

    def __init__(self, count, seed, known):
        """count: sounds of events rendered; seed: any; known: `captions.words`."""
        self.known, self.classes = known, list(known["classes"])
        self.mels = Mels(sizes.extractor())
        self.curves = band_curves(self.mels)
        rest = round(count * BACKGROUND_SHARE)
        self.events = self._pool(self.classes, count, seed, event)
        self.ambiences = self._pool(LOCATIONS, rest, seed, sound.ambience)
        self.music = self._pool(GENRES, rest, seed, sound.music)

    def _pool(self, names, count, seed, make):
        """Return {length: {name: [(frames, mels) float16 dB]}} of `count` sounds, or what gives each every length."""
        found = {length: {name: [] for name in names} for length in LENGTHS}
        count = max(count, len(LENGTHS) * len(names))
        for number in progress(range(count), count, "sounds", "sounds"):
            name = names[number % len(names)]
            length = LENGTHS[number // len(names) % len(LENGTHS)]
            rng = rng_of("teachers sound", seed, name, number)
            wave = excerpt(make, name, length, rng)
            filled = torch.from_numpy(repeat_padded(wave, self.mels.samples))
            found[length][name].append(self.mels(filled[None])[0].half())
        return found

    def batch(self, size, rng):
        """Return ({"input_features": (size, 1, frames, mels), "is_longer"}, `Caption`s, what is in each)."""
        made = [self.example(rng) for _ in range(size)]
        features = torch.stack([mel for mel, _ in made])[:, None]
        said = [captions.caption(*what, self.sense, rng, self.known) for _, what in made]
        inputs = {"input_features": features, "is_longer": torch.zeros(size, 1, dtype=torch.bool)}
        return inputs, said, [{*names, place} for _, (names, place) in made]

    def example(self, rng):
        """Return ((frames, mels) float32 dB, (names that are heard, place)) of a new mixture."""
        length = int(rng.choice(LENGTHS))
        place = str(rng.choice(LOCATIONS))
        names = chosen_classes(rng, self.classes)
        power = self._drawn(self.ambiences[length][place], AMBIENCE_DB, rng)
        for name in names:
            power = power + self._drawn(self.events[length][name], EVENT_DB, rng)
        if rng.uniform() < MUSIC_SHARE:
            power = power + self._drawn(self.music[length][str(rng.choice(GENRES))], MUSIC_DB, rng)
            names = [*names, captions.MUSIC]
        colour = torch.from_numpy(self.curves @ rng.normal(0, EQUALISER_DB, len(EQUALISER_HZ))).float()
        shift = float(rng.uniform(*LEVEL_DB))
        return decibels(power * 10 ** ((colour + shift) / 10)), (names, place)

    def _drawn(self, sounds, range_db, rng):
        """Return the power of one of several sounds at a drawn level."""
        return 10 ** ((sounds[int(rng.integers(len(sounds)))].float() + float(rng.uniform(*range_db))) / 10)


def excerpt(make, name, seconds, rng):
    """Return float32 (samples,) of so many seconds, cut out of a sound of at least three."""
    rendered = max(seconds, RENDERED_SECONDS)
    wave = make(name, float(rendered), rng)
    start = int(rng.integers(0, synth.samples(rendered) - synth.samples(seconds) + 1))
    return wave[start : start + synth.samples(seconds)]


def band_curves(mels):
    """Return (bands, points): how much each point of the equaliser, in dB, moves each mel band."""
    bins = np.linspace(0, mels.sample_rate_hz / 2, len(mels.filters))
    filters = mels.filters.numpy()
    centres = (bins[:, None] * filters).sum(0) / filters.sum(0)
    unit = np.eye(len(EQUALISER_HZ))
    return np.stack([np.interp(np.log(centres), np.log(EQUALISER_HZ), row) for row in unit], axis=1)


SIDES = {"visual": Pictures, "audio": Sounds}
