"""Make one part of the studio's LLP-like set of videos, or its annotation files.

    python -m soundstage.studio.llp --part 0 --parts 8 --out-folder work/studio/llp/videos-0
    python -m soundstage.studio.llp --annotations --out-folder work/studio/llp/annotations

Part n holds the videos n, n + parts, ... of train, val and test together, as <id>.mp4: 160 x 120
pixels, ten seconds, with sound. The annotations are in LLP's layout (AVVP_*.csv); what happens in a
video is planned from the seed alone, so that they need no video.
"""

import dataclasses
from pathlib import Path

from soundstage import cli
from soundstage.files import atomic, write_text
from soundstage.studio import clips, llp_plan, look, motion, sound, synth
from soundstage.studio.container import write_video
from soundstage.studio.names import GENRES
from soundstage.studio.settings import Settings
from soundstage.studio.videos import gain
from soundstage.units import VIDEO_FPS, rng_of

SIZE = (160, 120)  # pixels, width and height
FRAMES = llp_plan.SECONDS * VIDEO_FPS
ID_LETTERS = 11  # a video's file is named by so many letters of its name
PLACES = (-0.75, 0.75, 0.0)  # where the things in a picture stand, -1 left edge to 1 right edge


def main(arguments=None):
    """Read the command line and make a part, or the annotations."""
    make(__doc__, llp_plan.scenes, write_annotations, take, arguments)


def make(about, scenes, annotate, shown, arguments=None):
    """Read the command line and make a part of a set of videos, or its annotations.

    scenes(settings): every `llp_plan.Scene`; annotate(scenes, folder); shown(scene, seed): frames and
    sound.
    """
    parser = cli.parser(about)
    parser.add_argument("--annotations", action="store_true", help="write the annotation files instead")
    parser.add_argument("--part", type=int, default=0, help="number of the part, from 0")
    parser.add_argument("--parts", type=int, default=1, help="how many parts there are")
    parser.add_argument("--out-folder", required=True, type=Path, help="its folder")
    cli.add_settings(parser, Settings)
    options = parser.parse_args(arguments)
    planned = scenes(options.settings)
    if options.annotations:
        return annotate(planned, options.out_folder)
    mine = planned[options.part :: options.parts]
    options.out_folder.mkdir(parents=True, exist_ok=True)
    for scene in cli.progress(mine, len(mine), f"{options.out_folder.name}", "videos"):
        with atomic(options.out_folder / f"{scene.filename[:ID_LETTERS]}.mp4") as temporary:
            write_video(temporary, *shown(scene, options.settings.seed))


def write_annotations(planned, folder):
    """Write the weak labels of each split and the dense ones of val and test."""
    for split, name in (("train", "train"), ("val", "val_pd"), ("test", "test_pd")):
        rows = [f"{one.filename}\t{','.join(one.labels())}" for one in planned if one.split == split]
        write_text(folder / f"AVVP_{name}.csv", "\n".join(["filename\tevent_labels", *rows]) + "\n")
    for name, field in (("audio", "heard"), ("visual", "seen")):
        rows = ["filename\tonset\toffset\tevent_labels"]
        for one in planned:
            spans = [(getattr(event, field), event.name) for event in one.events if one.split != "train"]
            rows += [f"{one.filename}\t{span[0]}\t{span[1]}\t{label}" for span, label in spans if span]
        write_text(folder / f"AVVP_eval_{name}.csv", "\n".join(rows) + "\n")


class Classes:
    """What LLP's classes sound and look like; `ave_classes` says the same of AVE's."""

    event = staticmethod(sound.event)
    actor_of = staticmethod(look.actor_of)


def take(scene, seed, classes=Classes):
    """Return (iterator of frames (120, 160, 3) uint8 at 25 fps, float32 sound at 48 kHz) of a `Scene`.

    classes: has event(name, seconds, rng) and actor_of(name, envelope, fps, size, rng, x, scale).
    """
    rng = rng_of(seed, "llp-take", scene.filename)
    heard = sound.silence(llp_plan.SECONDS)
    actors = []
    for event, place in zip(scene.events, rng.permutation(PLACES), strict=False):
        track = _track(event, rng, classes)
        heard = heard + track * gain(rng, -4, 4)
        if event.seen:
            # Draws of its own, so that the place and the sounds are the same whatever is seen.
            own = rng_of(seed, "llp-actor", scene.filename, event.name)
            actors.append(_actor(event, track, float(place), own, classes))
    if rng.uniform() < 0.25:
        heard = heard + sound.music(str(rng.choice(GENRES)), llp_plan.SECONDS, rng) * gain(rng, -22, -12)
    heard = heard + sound.ambience(scene.location, llp_plan.SECONDS, rng) * gain(rng, -18, -6)
    return look.shot_of(scene.location, FRAMES, SIZE, rng, actors).frames(), clips.worn(heard, rng)


def _track(event, rng, classes):
    """Return ten seconds of float32 sound of one event; silence where it is not heard."""
    track = sound.silence(llp_plan.SECONDS)
    if event.heard:
        start, end = event.heard
        synth.place(track, classes.event(event.name, float(end - start), rng), synth.samples(start))
    return track


def _actor(event, track, place, rng, classes):
    """Return an Actor that is in the picture while its event is seen, and moves with its sound."""
    envelope = motion.envelope_of(track, FRAMES, VIDEO_FPS)
    scale = float(rng.uniform(0.7, 1.0))
    actor = classes.actor_of(event.name, envelope, VIDEO_FPS, SIZE, rng, x=place, scale=scale)
    start, end = (second * VIDEO_FPS for second in event.seen)
    cues = [cue if start <= frame < end else Hidden(**vars(cue)) for frame, cue in enumerate(actor.cues)]
    # What drives through the picture stays in it here, so that the annotation holds in every second.
    return dataclasses.replace(actor, cues=cues, draw=Shown(actor.draw), travel=0.0)


class Hidden(motion.Cue):
    """The cue of a frame in which an actor is not in the picture."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """A drawing that is left out at a `Hidden` cue."""

    draw: object

    def __call__(self, pen, style, cue):
        """Draw as the drawing does, or nothing."""
        if not isinstance(cue, Hidden):
            self.draw(pen, style, cue)


if __name__ == "__main__":
    cli.run(main)
