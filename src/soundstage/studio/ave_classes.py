"""What AVE's 28 classes look and sound like in the studio: half are LLP's under another name, the others
are of their own.
"""

import numpy as np

from soundstage.parse.classes import AVE
from soundstage.studio import draw_ave, draw_people, look, sound, sounds_ave, speech
from soundstage.studio.look import Kind
from soundstage.studio.names import EVENTS, LANGUAGES

# AVE's name -> LLP's, where the same thing is meant.
SHARED = {
    "Bark": "Dog",
    "Helicopter": "Helicopter",
    "Violin, fiddle": "Violin_fiddle",
    "Frying (food)": "Frying_(food)",
    "Motorcycle": "Motorcycle",
    "Acoustic guitar": "Acoustic_guitar",
    "Banjo": "Banjo",
    "Baby cry, infant cry": "Baby_cry_infant_cry",
    "Chainsaw": "Chainsaw",
    "Cat": "Cat",
    "Accordion": "Accordion",
}
ADULTS = {"Male speech, man speaking": "man", "Female speech, woman speaking": "woman"}
OWN = {  # name -> (how it is shown, how it sounds)
    "Church bell": (Kind(draw_ave.church_bell, 0.7, 0.95, hues=(0.1, 0.14)), sounds_ave.church_bell),
    "Fixed-wing aircraft, airplane": (
        Kind(draw_ave.airplane, 0.3, 0.45, lift=0.32, half_width=1.1, passes=True, hues=(0.96, 1.06)),
        sounds_ave.airplane,
    ),
    "Race car, auto racing": (
        Kind(draw_ave.race_car, 0.3, 0.45, half_width=1.2, passes=True, hues=(0.3, 0.4)),
        sounds_ave.race_car,
    ),
    "Flute": (Kind(draw_ave.flute, 0.7, 0.95, half_width=0.95, portrait=True), sounds_ave.flute),
    "Ukulele": (
        Kind(draw_ave.ukulele, 0.7, 0.95, half_width=0.7, portrait=True, hues=(0.44, 0.56)),
        sounds_ave.ukulele,
    ),
    "Truck": (
        Kind(draw_ave.truck, 0.4, 0.6, half_width=1.2, passes=True, hues=(0.04, 0.12)),
        sounds_ave.truck,
    ),
    "Shofar": (Kind(draw_ave.shofar, 0.7, 0.95, half_width=0.75, portrait=True), sounds_ave.shofar),
    "Train horn": (Kind(draw_ave.train_horn, 0.6, 0.9, half_width=0.7, hues=(0.62, 0.72)), sounds_ave.train_horn),
    "Clock": (Kind(draw_ave.clock, 0.7, 0.95, half_width=0.3), sounds_ave.clock),
    "Goat": (Kind(draw_ave.goat, 0.45, 0.7, half_width=0.75), sounds_ave.goat),
    "Bus": (Kind(draw_ave.bus, 0.35, 0.55, half_width=1.2, passes=True, hues=(0.13, 0.18)), sounds_ave.bus),
    "Horse": (Kind(draw_ave.horse, 0.6, 0.85, half_width=0.7), sounds_ave.horse),
    "Toilet flush": (Kind(draw_ave.toilet_flush, 0.5, 0.75), sounds_ave.toilet_flush),
    "Rodents, rats, mice": (Kind(draw_ave.rodents, 0.35, 0.55, half_width=1.1), sounds_ave.rodents),
    "Mandolin": (Kind(draw_ave.mandolin, 0.7, 0.95, half_width=0.7, portrait=True), sounds_ave.mandolin),
}
FEMALE, MALE = ("f4", "Andrea", "anika", "grandma"), ("m4", "m6", "adam", "ed", "miguel", "max", "rob", "victor")
# How speech is shown; the person comes with the class.
TALKER = Kind(draw_people.speech, 0.8, 1.6, half_width=0.25)
EVERY = (*EVENTS, *OWN, *ADULTS)  # what the two data sets tell apart, each under one name
assert set(AVE) == {*SHARED, *ADULTS, *OWN}


def thing(name):
    """Return what both data sets call a thing: LLP's name, or AVE's where LLP has none for it."""
    return SHARED.get(name, name)


def actor_of(name, envelope, fps, size, rng, x=None, scale=1.0):
    """Return a `look.Actor` of a class of AVE, or of EVERY; arguments as in `look.actor_of`."""
    name = thing(name)
    if name in EVENTS:
        return look.actor_of(name, envelope, fps, size, rng, x, scale)
    kind = TALKER if name in ADULTS else OWN[name][0]
    return look.actor_of_kind(kind, envelope, fps, size, rng, x, scale, ADULTS.get(name))


def event(name, seconds, rng):
    """Return one sounding event of a class of AVE, or of EVERY: float32 at 48 kHz, RMS 0.1 where it is loud."""
    name = thing(name)
    if name in EVENTS:
        return sound.event(name, seconds, rng)
    if name in ADULTS:
        return _speech(ADULTS[name], seconds, rng)
    return sound.levelled(OWN[name][1](seconds, rng), seconds)


def _speech(adult, seconds, rng):
    """Return a man or a woman of the benchmarks' pool who speaks in a drawn language."""
    known = speech.variants("benchmarks")
    usual = FEMALE if adult == "woman" else MALE
    index = known.index(str(rng.choice(usual))) + len(known) * int(rng.integers(0, 1000))
    voice = speech.voice("benchmarks", index)
    language = str(rng.choice(np.array(LANGUAGES)))
    return speech.speak(language, voice, "neutral", seconds, rng, "benchmarks")[1]
