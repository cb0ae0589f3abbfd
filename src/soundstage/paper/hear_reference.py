"""What HEAR's official leaderboard prints of other models, as a block of its own beside ours."""

from pathlib import Path

from soundstage.files import read_json
from soundstage.paper import formats

PUBLISHED = Path(__file__).with_name("published_hear.json")
SHORT = {
    "esc50": "ESC-50",
    "fsd50k": "FSD50K (mAP)",
    "crema_d": "CREMA-D",
    "libricount": "LibriCount",
    "voxlingua107": "VoxLingua",
    "speech_commands_5h": "Speech Commands 5h",
    "speech_commands": "Speech Commands",
    "vocal_imitation": "Vocal Imitations (mAP)",
    "gtzan": "GTZAN",
    "nsynth_5h": "NSynth 5h",
    "nsynth_50h": "NSynth 50h",
}
NOTE = (
    "Published: single tasks of HEAR 2021 by HEAR's own protocol, in percent, accuracy unless mAP is said, as the "
    "official leaderboard prints them. "
)
OTHERS = "Ours above are group means on corpus {}: the two are not comparable."
SINGLE = "Ours above are group means; their single tasks stand in table 1."


def rows():
    """Return a dict per published model: corpus, name, source, then the tasks in percent, "" where unknown."""
    found = read_json(PUBLISHED)
    about = {"corpus": found["corpus"], "source": found["source"]}
    return [
        {"name": one["name"], **about, **{key: one["percent"].get(key, "") for key in SHORT}} for one in found["rows"]
    ]


def block(corpus, embedded):
    """Return the `formats.Block` of the published rows; corpus: ours; embedded: it has none of HEAR's tasks."""
    published = rows()
    header = ("published", *SHORT.values(), "source")
    lines = tuple(
        (one["name"], *(formats.number(one[key], 1) if one[key] != "" else "" for key in SHORT), one["source"])
        for one in published
    )
    note = NOTE + (OTHERS.format(corpus) if embedded else SINGLE)
    return formats.Block(f"Published, corpus {published[0]['corpus']}", header, lines, note)
