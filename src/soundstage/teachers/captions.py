"""Captions of the embedded corpus: what is seen, or what is heard, in words. The words are a data file."""

import dataclasses
from pathlib import Path

from soundstage.files import read_json

WORDS = Path(__file__).with_name("captions.json")
OPENINGS = {
    "seen": ("A photo of {}.", "A photo of {}.", "A picture of {}.", "{}."),
    "heard": ("This is a sound of {}", "This is a sound of {}", "The sound of {}.", "{}."),
}
JOINED = {"seen": (" and ", " next to ", " with "), "heard": (" and ", " with ", " over ")}
PLACE_SHARE = 0.2  # of the captions that say where it is
LEFT_OUT_SHARE = 0.3  # of the things that a caption of several does not mention, as people do
USUAL_SHARE = 0.5  # of the phrases that are those of the published prompts
MUSIC = "music"


@dataclasses.dataclass(frozen=True)
class Caption:
    """text: a str; names: the classes and the place that it mentions, a frozenset."""

    text: str
    names: frozenset


def words(path=WORDS):
    """Return {"classes" | "places": {name: {"seen" | "heard": [phrases]}}} of a JSON file."""
    return read_json(path)


def caption(names, place, sense, rng, known):
    """Return a `Caption` of what is there.

    names: classes, and `MUSIC` where there is some; place: a location; sense: seen or heard, of which
    alone the caption speaks; rng: a numpy Generator; known: what `words` returns.
    """
    mentioned = [str(name) for name in names if rng.uniform() >= LEFT_OUT_SHARE] or [str(name) for name in names[:1]]
    placed = not mentioned or rng.uniform() < PLACE_SHARE
    phrases = [_phrase(known, name, sense, rng) for name in rng.permutation(mentioned)]
    about = known["places"][place]
    if placed and phrases and sense == "seen":
        phrases[-1] += f" {about['where']}"
    elif placed:
        phrases.append(str(rng.choice(about[sense])))
    text = str(rng.choice(JOINED[sense])).join(phrases)
    return Caption(str(rng.choice(OPENINGS[sense])).format(text), frozenset([*mentioned, *[place] * placed]))


def each_class(sense, rng, known):
    """Return a `Caption` of each class alone, so that an example can be told from all that it does not show."""
    made = [(name, _phrase(known, name, sense, rng)) for name in known["classes"]]
    return [Caption(str(rng.choice(OPENINGS[sense])).format(text), frozenset([name])) for name, text in made]


def _phrase(known, name, sense, rng):
    """Return one of the phrases of a class, often the first, which is that of the published prompts."""
    if name == MUSIC:
        return MUSIC
    phrases = known["classes"][name][sense]
    return phrases[0] if rng.uniform() < USUAL_SHARE else str(rng.choice(phrases))


def holds(captions, there):
    """Return [[bool]]: whether each caption (columns) holds of each example (rows).

    there: the classes and the place of each example, as sets; a caption holds where all that it mentions is.
    """
    return [[caption.names <= what for caption in captions] for what in there]
