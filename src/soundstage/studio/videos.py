"""The audiovisual benchmarks: short videos of something that is seen and heard.

In each clip one thing both moves and sounds: the answer. Often another thing stands by in silence,
or is heard from outside the picture, so that neither eye nor ear alone is sure.
"""

import base64
import hashlib
from pathlib import Path

import numpy as np

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import write_text
from soundstage.studio import clips, look, motion, sound, synth
from soundstage.studio.container import write_video
from soundstage.studio.names import EVENTS, GENRES, LOCATIONS
from soundstage.units import VIDEO_FPS, rng_of, seconds_to_frames

SECONDS = 3.0
SIZE = (160, 120)  # pixels, width and height
GROUPS = 25  # UCF101's number of groups per class
TEST_GROUPS = ((1, 7), (8, 14), (15, 21))  # first and last test group of UCF101's three splits
ACTIONS = (
    "Cheering",
    "Dog",
    "Frying_(food)",
    "Basketball_bounce",
    "Chainsaw",
    "Cello",
    "Banjo",
    "Singing",
    "Violin_fiddle",
    "Vacuum_cleaner",
    "Accordion",
    "Lawn_mower",
    "Motorcycle",
    "Acoustic_guitar",
    "Blender",
    "Clapping",
)


def write(name, folder, settings):
    """Write audiovisual benchmark `name` into `folder`; return its layout, metric, clip count."""
    makers = {"studio-ucf101": _ucf101, "studio-vggsound": _vggsound}
    if name not in makers:
        raise UserError(f"expected one of {', '.join(makers)}, found {name!r}")
    makers[name](name, Path(folder), settings)
    return name.removeprefix("studio-"), "accuracy_percent", settings.benchmark_video_clips


def _ucf101(name, folder, settings):
    """UCF-101/<Class>/v_<Class>_gXX_cYY.avi and ucfTrainTestlist/ with three splits by group."""
    count, listed = settings.benchmark_video_clips, []
    events = ACTIONS[: max(2, min(len(ACTIONS), count // len(TEST_GROUPS)))]
    for number in cli.progress(range(count), count, name, "clips"):
        event = events[number % len(events)]
        group, take = group_and_take(number // len(events), -(-count // len(events)))
        title = camel(event)
        file = f"{title}/v_{title}_g{group:02d}_c{take:02d}.avi"
        location = str(rng_of(settings.seed, name, event, group).choice(LOCATIONS))
        rng = rng_of(settings.seed, name, number)
        frames, heard = _take(event, location, rng, off_screen=0.25)
        _save(folder / "UCF-101" / file, frames, heard)
        listed.append((file, group))
    _ucf101_lists(folder / "ucfTrainTestlist", listed)


def group_and_take(turn, turns):
    """Return (group, take) from 1 of a class's clip number `turn` of `turns`.

    The turns are spread evenly over all groups, so that each split tests about as many.
    """
    group = turn * GROUPS // turns
    first = -(-group * turns // GROUPS)
    return group + 1, turn - first + 1


def _ucf101_lists(folder, listed):
    """Write classInd.txt and the train and test list of each split; listed: (file, group)."""
    numbers = {title: i for i, title in enumerate(sorted(camel(x) for x in ACTIONS), start=1)}
    lines = [f"{number} {title}\n" for title, number in numbers.items()]
    write_text(folder / "classInd.txt", "".join(lines))
    for split, (first, last) in enumerate(TEST_GROUPS, start=1):
        test = [f"{file}\n" for file, group in sorted(listed) if first <= group <= last]
        train = [
            f"{file} {numbers[file.split('/')[0]]}\n" for file, group in sorted(listed) if not first <= group <= last
        ]
        write_text(folder / f"testlist{split:02d}.txt", "".join(test))
        write_text(folder / f"trainlist{split:02d}.txt", "".join(train))


def _vggsound(name, folder, settings):
    """data/vggsound.csv (id, start second, label, split; no header) and video/<id>_<start>.mp4."""
    count, rows = settings.benchmark_video_clips, []
    events = EVENTS[1 : max(3, min(len(EVENTS), count // 3 + 1))]
    for number in cli.progress(range(count), count, name, "clips"):
        event, turn = events[number % len(events)], number // len(events)
        rng = rng_of(settings.seed, name, number)
        frames, heard = _take(event, str(rng.choice(LOCATIONS)), rng, off_screen=0.7)
        video, start = _video_id(settings.seed, name, number), int(rng.integers(0, 300))
        _save(folder / "video" / f"{video}_{start:06d}.mp4", frames, heard)
        split = "test" if turn % 3 == 2 else "train"
        rows.append(f"{video},{start},{plain(event)},{split}\n")
    write_text(folder / "data" / "vggsound.csv", "".join(sorted(rows)))


def camel(event):
    """Return an event class as UCF101 writes its classes: Frying_(food) -> FryingFood."""
    words = event.replace("(", "").replace(")", "").split("_")
    return "".join(word[0].upper() + word[1:] for word in words)


def plain(event):
    """Return an event class as VGGSound writes its labels: Frying_(food) -> frying food."""
    return event.replace("(", "").replace(")", "").replace("_", " ").lower()


def _video_id(*parts):
    """Return eleven characters like those that name a video on a platform."""
    text = "\x1f".join(str(part) for part in parts)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:11].decode()


def _take(event, location, rng, off_screen):
    """Return (iterator of frames, float32 sound) of one clip in which `event` is seen and heard.

    off_screen: the chance that another event is heard from outside the picture.
    """
    source = sound.event(event, SECONDS, rng)
    heard = source * gain(rng, -3, 3)
    others = [name for name in EVENTS[1:] if name != event]
    if rng.uniform() < off_screen:
        length = float(rng.uniform(1.5, SECONDS))
        other = sound.event(str(rng.choice(others)), length, rng)
        start = int(rng.integers(0, len(heard) - len(other) + 1))
        synth.place(heard, other, start, gain(rng, -8, 0))
    if rng.uniform() < 0.3:
        heard = heard + sound.music(str(rng.choice(GENRES)), SECONDS, rng) * gain(rng, -14, -4)
    heard = clips.worn(_under(heard, location, rng), rng)
    return _picture(event, others, location, source, rng), heard


def _under(heard, location, rng):
    return heard + sound.ambience(location, SECONDS, rng) * gain(rng, -14, -2)


def gain(rng, low_db, high_db):
    """Return a float32 factor for a level drawn between two limits in dB."""
    return np.float32(10 ** (rng.uniform(low_db, high_db) / 20))


def _picture(event, others, location, source, rng):
    """Return an iterator of frames: the event moves with its sound, others stand still."""
    count = seconds_to_frames(SECONDS)
    envelope = motion.envelope_of(source, count, VIDEO_FPS)
    scale = float(rng.uniform(0.7, 1.1))
    actors = [look.actor_of(event, envelope, VIDEO_FPS, SIZE, rng, scale=scale)]
    for _ in range(int(rng.choice((0, 1, 1, 2)))):
        still = str(rng.choice(others))
        size = float(rng.uniform(0.5, 0.9))
        actors.insert(0, look.actor_of(still, 0 * envelope, VIDEO_FPS, SIZE, rng, scale=size))
    return look.shot_of(location, count, SIZE, rng, actors).frames()


def _save(path, frames, heard):
    """Write one clip into a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, heard)
