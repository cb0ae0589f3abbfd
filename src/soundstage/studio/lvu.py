"""The studio's LVU-like set: scenes of movies made for it alone, and nine questions about each.

lvu_1.0/<task>/{train,val,test}.csv in LVU's form, and videos/<youtube id>.mp4 of six seconds, 160 x
120 pixels, with sound. What is asked is decided in `lvu_plan`; here it is shown: the director by the
camera and the framing, the writer by who speaks when, the genre by music and things that happen,
the year by colour, grain and the band of the sound.
"""

from itertools import chain

import cv2
import numpy as np
from scipy import signal

from soundstage import cli
from soundstage.files import write_text
from soundstage.studio import clips, figure, look, lvu_plan, motion, sound, speech, synth
from soundstage.studio.container import write_video
from soundstage.studio.names import LANGUAGES
from soundstage.studio.soundtrack import kind_of_voice
from soundstage.studio.videos import gain
from soundstage.units import AUDIO_HZ, VIDEO_FPS, rng_of

SECONDS = 6
SIZE = (160, 120)  # pixels, width and height
FRAMES = SECONDS * VIDEO_FPS
POOL = "benchmarks"
MOST_TAKES = 3
# genre -> music, things that happen
GENRE_SHOWS = {
    "action": (("techno", "rock"), ("Car", "Motorcycle", "Helicopter", "Chainsaw")),
    "comedy": (("march", "bossa"), ("Dog", "Chicken_rooster", "Baby_laughter", "Cheering")),
    "romance": (("waltz", "classical"), ("Violin_fiddle", "Cello", "Acoustic_guitar", "Singing")),
    "thriller": (("ambient", "blues"), ("Fire_alarm", "Telephone_bell_ringing", "Cat", "Baby_cry_infant_cry")),
}
# director -> camera move, how near things are shown, colour cast (red, green, blue)
DIRECTOR_SHOWS = {
    "a-still": ("still", 1.0, (1.0, 1.0, 1.0)),
    "b-pan": ("pan", 1.0, (1.08, 1.0, 0.86)),
    "c-zoom": ("zoom", 1.0, (0.88, 1.0, 1.1)),
    "d-close": ("still", 1.45, (1.05, 0.95, 1.02)),
    "e-far": ("pan", 0.65, (0.92, 1.06, 0.92)),
}
# writer -> lines as (who, start, end) in seconds
WRITER_LINES = {
    "chatter": ((0, 0.1, 1.2), (1, 1.3, 2.3), (0, 2.4, 3.4), (1, 3.5, 4.6), (0, 4.7, 5.8)),
    "monologue": ((0, 0.2, 5.8),),
    "pauses": ((0, 0.6, 1.9), (1, 4.2, 5.6)),
    "crosstalk": ((0, 0.2, 3.2), (1, 1.6, 4.6), (0, 3.6, 5.8)),
}
# relationship -> kinds of the two people, one of these
PAIRS = {
    "couple": (("man", "woman"),),
    "friend": (("man", "man"), ("woman", "woman")),
    "parent child": (("man", "child"), ("woman", "child")),
    "siblings": (("child", "child"),),
}


def write(folder, settings):
    """Write the set into `folder`; return how many videos it has."""
    planned = lvu_plan.clips(settings)
    for task, splits in lvu_plan.listed(planned).items():
        for split, lines in splits.items():
            write_text(folder / "lvu_1.0" / task / f"{split}.csv", "\n".join(lines) + "\n")
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    for clip in cli.progress(planned, len(planned), "studio-lvu", "videos"):
        frames, heard = scene(clip, settings.seed)
        write_video(folder / "videos" / f"{clip.youtube}.mp4", frames, heard)
    return len(planned)


def scene(clip, seed):
    """Return (iterator of frames (120, 160, 3) uint8 at 25 fps, float32 sound at 48 kHz) of a `Clip`."""
    rng = rng_of(seed, "lvu scene", clip.youtube)
    pair = PAIRS[lvu_plan.RELATIONSHIPS[clip.relationship]]
    kinds = [str(kind) for kind in rng.permutation(pair[rng.integers(len(pair))])]
    voices = [voice_of(kind, rng) for kind in kinds]
    talk = spoken(clip, voices, rng)
    events = happening(clip, rng)
    heard = mixed(clip, [track for _, track in talk], [track for _, track in events], rng)
    people = [figure.person_of(rng, kind) for kind in kinds]
    return aged_pictures(pictures(clip, people, talk, events, rng), clip, rng), aged_sound(heard, clip, rng)


def voice_of(kind, rng):
    """Return a voice of the benchmarks' pool of a man, a woman or a child."""
    while True:
        voice = speech.voice(POOL, int(rng.integers(0, 10**6)))
        if kind_of_voice(voice) == kind:
            return voice


def spoken(clip, voices, rng):
    """Return [(who, (samples,) float32 track)] of the clip's lines, by its writer, in its way of speaking."""
    name = lvu_plan.WRITERS[clip.movie.writer]
    styles = list(WRITER_LINES)
    lines = WRITER_LINES[name] if name in WRITER_LINES else WRITER_LINES[styles[rng.integers(len(styles))]]
    language, manner = str(rng.choice(LANGUAGES)), lvu_plan.WAYS[clip.way_speaking]
    tracks = [sound.silence(SECONDS) for _ in voices]
    for who, start, end in lines:
        _, piece = speech.speak(language, voices[who], manner, end - start, rng, POOL)
        synth.place(tracks[who], piece, synth.samples(start))
    return list(enumerate(tracks))


def happening(clip, rng):
    """Return [(class, (samples,) float32 track)] of what is seen and heard: none to three things, by charm."""
    _, names = GENRE_SHOWS[lvu_plan.GENRES[clip.movie.genre]]
    count = min(int(4 * clip.charm), 3)
    tracks = []
    for name in rng.choice(names, count, replace=False):
        seconds = float(rng.uniform(2.0, SECONDS))
        track = sound.silence(SECONDS)
        synth.place(track, sound.event(str(name), seconds, rng), synth.samples(rng.uniform(0, SECONDS - seconds)))
        tracks.append((str(name), track))
    return tracks


def mixed(clip, talk, events, rng):
    """Return the clip's sound: talk, effects (louder with spectacle), music of the genre, the place."""
    music, _ = GENRE_SHOWS[lvu_plan.GENRES[clip.movie.genre]]
    heard = sum(talk) + sound.music(str(rng.choice(music)), SECONDS, rng) * gain(rng, -14, -8)
    effects_db = -8 + 12 * clip.spectacle
    for track in events:
        heard = heard + track * gain(rng, effects_db - 1, effects_db + 1)
    place = lvu_plan.SCENES[clip.scene]
    return heard + sound.ambience(place, SECONDS, rng) * gain(rng, -14, -8)


def pictures(clip, people, talk, events, rng):
    """Return an iterator of frames: one to three takes of the same people and things, cut fast with spectacle."""
    takes = 1 + min(int(MOST_TAKES * clip.spectacle), MOST_TAKES - 1)
    edges = np.linspace(0, FRAMES, takes + 1).astype(int)
    mouths = [np.pad(speech.mouth(track), (0, FRAMES))[:FRAMES] for _, track in talk]
    moves = [(name, motion.envelope_of(track, FRAMES, VIDEO_FPS)) for name, track in events]
    spans = zip(edges, edges[1:], strict=False)
    return chain.from_iterable(_take(clip, people, mouths, moves, span, rng).frames() for span in spans)


def _take(clip, people, mouths, moves, span, rng):
    """Return the look.Shot of one take: the people side by side, things behind them."""
    move, closeness, _ = DIRECTOR_SHOWS[lvu_plan.DIRECTORS[clip.movie.director]]
    start, end = span
    scale = closeness * float(rng.uniform(0.9, 1.1))
    actors = [
        look.actor_of(name, envelope[start:end], VIDEO_FPS, SIZE, rng, scale=0.8 * scale) for name, envelope in moves
    ]
    for person, mouth, place in zip(people, mouths, rng.permutation((-0.5, 0.5)), strict=True):
        actors.append(look.talker_of(person, mouth[start:end], VIDEO_FPS, SIZE, rng, float(place), 0.9 * scale))
    return look.shot_of(lvu_plan.SCENES[clip.scene], end - start, SIZE, rng, actors, camera(move, rng))


def camera(move, rng):
    """Return a look.Camera that stands still, pans or zooms."""
    start = (float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.4, 0.7)), float(rng.uniform(1.0, 1.1)))
    ends = {"still": start, "pan": (1 - start[0], *start[1:]), "zoom": (*start[:2], start[2] + 0.4)}
    return look.Camera(start, ends[move])


def age(clip):
    """Return 0 for the 2010s to 1 for the 1930s."""
    return 1 - clip.movie.year / (len(lvu_plan.DECADES) - 1)


def aged_pictures(frames, clip, rng):
    """Yield frames with the director's colour cast and less colour and more grain the older the movie is."""
    old = age(clip)
    _, _, cast = DIRECTOR_SHOWS[lvu_plan.DIRECTORS[clip.movie.director]]
    keep = min(1.0, 1.25 * (1 - old))  # of the colour: none in the 1930s, all from the 1990s on
    grey = np.array([0.3, 0.59, 0.11])
    matrix = keep * np.diag(cast) + (1 - keep) * np.outer((1.05, 1.0, 0.88), grey)
    grain = rng.normal(0, 1 + 14 * old, (8, SIZE[1], SIZE[0], 1)).astype(np.float32)
    for frame in frames:
        toned = cv2.transform(frame.astype(np.float32), matrix.astype(np.float32))
        yield np.clip(toned + grain[rng.integers(len(grain))], 0, 255).astype(np.uint8)


def aged_sound(heard, clip, rng):
    """Return the sound in the band and with the hiss of its year, at a drawn level."""
    old = age(clip)
    highest_hz = 16000 * (3500 / 16000) ** old
    sections = signal.butter(6, highest_hz, fs=AUDIO_HZ, output="sos")
    heard = signal.sosfilt(sections, heard).astype(np.float32)
    hiss = rng.normal(0, 10 ** ((-62 + 24 * old) / 20), len(heard)).astype(np.float32)
    return clips.worn(heard + hiss, rng)
