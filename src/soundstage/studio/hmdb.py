"""The studio's second action set, in HMDB51's layout: what is done is seen, not heard.

<class>/<name>.avi and <class>_test_splitN.txt with 1 = train, 2 = test, 0 = unused, three splits. The
names are as wild as HMDB51's: brackets, spaces, plus signs; clips cut from one source share the start
of their name and never lie on both sides of a split. There is no sound stream.
"""

import numpy as np

from soundstage import cli
from soundstage.files import write_text
from soundstage.studio import look, motion
from soundstage.studio.container import write_video
from soundstage.studio.names import EVENTS, LOCATIONS
from soundstage.units import VIDEO_FPS, rng_of, seconds_to_frames

SECONDS = 3.0
SIZE = (160, 120)  # pixels, width and height
SPLITS = 3
TAKES = 3  # clips cut from one source
TEST_SHARE, TRAIN_SHARE = 0.3, 0.6  # of a class's sources; the rest is unused
# HMDB51-style class -> what is seen; none of them is a class of studio-ucf101
ACTIONS = {
    "answer_phone": "Telephone_bell_ringing",
    "crow": "Chicken_rooster",
    "cry": "Baby_cry_infant_cry",
    "drive_car": "Car",
    "fly": "Helicopter",
    "laugh": "Baby_laughter",
    "meow": "Cat",
    "ring_alarm": "Fire_alarm",
    "talk": "Speech",
}
SOURCES = (
    "Old_Tapes!_[part {}]",
    "street (home video {})",
    "{}_hours_of_TV",
    "#{} my best moments",
    "A+Day&Night_{}",
)


def write(folder, settings):
    """Write the set into `folder`; return how many clips it has."""
    count, names = settings.hmdb51_clips, list(ACTIONS)
    listed = {name: [] for name in names}
    for number in cli.progress(range(count), count, "studio-hmdb51", "clips"):
        action, turn = names[number % len(names)], number // len(names)
        source, take = divmod(turn, TAKES)
        title = SOURCES[source % len(SOURCES)].format(source)
        file = f"{title}_{action}_f_cm_np{1 + take % 2}_le_med_{take}.avi"
        path = folder / action / file
        path.parent.mkdir(parents=True, exist_ok=True)
        place = str(rng_of(settings.seed, "hmdb51", action, source).choice(LOCATIONS))
        write_video(path, clip(ACTIONS[action], place, rng_of(settings.seed, "hmdb51", number)))
        listed[action].append((file, source))
    for action, files in listed.items():
        for split in range(SPLITS):
            marks = marks_of(len({source for _, source in files}), split, rng_of(settings.seed, "hmdb51", action))
            lines = [f"{file} {marks[source]} \n" for file, source in sorted(files)]
            write_text(folder / "testTrainMulti_7030_splits" / f"{action}_test_split{split + 1}.txt", "".join(lines))
    return count


def marks_of(sources, split, rng):
    """Return a list of marks, one a source: 2 = test, 1 = train, 0 = unused; splits test different sources."""
    order = np.roll(rng.permutation(sources), -round(split * TEST_SHARE * sources))
    tests, trains = max(1, round(TEST_SHARE * sources)), max(1, round(TRAIN_SHARE * sources))
    marks = np.zeros(sources, int)
    marks[order[:tests]] = 2
    marks[order[tests : tests + trains]] = 1
    return marks.tolist()


def clip(event, location, rng):
    """Return an iterator of frames (120, 160, 3) uint8: `event` in action, often another thing at rest."""
    count = seconds_to_frames(SECONDS)
    actors = []
    if rng.uniform() < 0.6:
        other = str(rng.choice([name for name in EVENTS[1:] if name != event]))
        actors.append(look.actor_of(other, np.zeros(count), VIDEO_FPS, SIZE, rng, scale=float(rng.uniform(0.5, 0.8))))
    rhythm = motion.rhythm(event, count, VIDEO_FPS, rng)
    actors.append(look.actor_of(event, rhythm, VIDEO_FPS, SIZE, rng, scale=float(rng.uniform(0.7, 1.1))))
    return look.shot_of(location, count, SIZE, rng, actors).frames()
