"""What is true of each clip of the studio's LVU-like set: pure functions of the seed, no media.

A movie has a director, a writer, a genre and a year; each of its clips has a place, two people and
how they stand to one another, a way of speaking, and how it was received. All of it can be seen or
heard (`soundstage.studio.lvu`), and none of it is in the films that towers are trained on. As in
LVU, movies are disjoint between the splits for what belongs to a movie, and shared for the rest.
"""

import base64
import dataclasses
import hashlib
import math

import numpy as np

from soundstage.units import rng_of

SPLITS = ("train", "val", "test")
MOVIE_SHARES = (0.6, 0.15, 0.25)  # of the movies in the three splits
CLIPS_PER_MOVIE = 6
CLIP_SPLITS = ("train", "train", "train", "val", "test", "test")  # of a movie's clips, in drawn order

# class number -> name. Names may hold spaces, and numbers may be left out, as in LVU.
SCENES = {0: "street", 1: "forest", 2: "office", 3: "kitchen", 4: "beach", 5: "station"}
RELATIONSHIPS = {0: "couple", 1: "friend", 2: "parent child", 3: "siblings"}
WAYS = {0: "neutral", 1: "whisper", 2: "excited", 3: "sad", 4: "angry"}
GENRES = {0: "action", 1: "comedy", 2: "romance", 3: "thriller"}
DIRECTORS = {0: "a-still", 1: "b-pan", 4: "c-zoom", 5: "d-close", 7: "e-far"}
WRITERS = {0: "\\N", 1: "chatter", 3: "monologue", 6: "pauses", 8: "crosstalk"}  # 0: not known
DECADES = {number: str(1930 + 10 * number) for number in range(9)}
# Shares of the classes that are not alike frequent.
DIRECTOR_SHARES = (0.3, 0.2, 0.2, 0.15, 0.15)
RELATIONSHIP_SHARES = (0.25, 0.4, 0.2, 0.15)

MOVIE_TASKS = ("director", "genre", "writer", "year")
CLIP_TASKS = ("relationship", "way_speaking", "scene", "like_ratio", "view_count")
NAMES = {
    "relationship": RELATIONSHIPS,
    "way_speaking": WAYS,
    "scene": SCENES,
    "director": DIRECTORS,
    "genre": GENRES,
    "writer": WRITERS,
    "year": DECADES,
}


@dataclasses.dataclass(frozen=True)
class Movie:
    """A movie: its id as on IMDb, its split, and the class numbers of what belongs to it."""

    imdb: str
    split: str
    director: int
    writer: int
    genre: int
    year: int


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip: its id as on YouTube, its movie, its split among the movie's clips, its class numbers.

    charm, spectacle: 0 to 1, what is liked (things that are seen and heard) and what is viewed (fast
    cutting, loud effects); likes, dislikes, views: counts that follow from them, with noise.
    """

    youtube: str
    movie: Movie
    split: str
    scene: int
    relationship: int
    way_speaking: int
    charm: float
    spectacle: float
    likes: int
    dislikes: int
    views: int


def clips(settings):
    """Return every `Clip` of the set, movie by movie, from a `settings.Settings` of the studio."""
    found = movies(settings.seed, settings.lvu_movies)
    return [clip for number, movie in enumerate(found) for clip in _clips_of(settings.seed, number, movie)]


def movies(seed, count):
    """Return `count` `Movie`s; in every split the classes have their shares, as nearly as they can."""
    first, second = (round(count * share) for share in np.cumsum(MOVIE_SHARES)[:2])
    result = []
    for split, size in zip(SPLITS, (first, second - first, count - second), strict=True):
        rng = rng_of(seed, "lvu", split)
        columns = [
            dealt(list(DIRECTORS), DIRECTOR_SHARES, size, rng),
            dealt(list(WRITERS), None, size, rng),
            dealt(list(GENRES), None, size, rng),
            dealt(list(DECADES), None, size, rng),
        ]
        for traits in zip(*columns, strict=True):
            result.append(Movie(f"tt{7000000 + len(result)}", split, *traits))
    return result


def dealt(values, shares, count, rng):
    """Return `count` values in random order, each as often as its share (None: alike) allows, half-up."""
    shares = np.full(len(values), 1 / len(values)) if shares is None else np.asarray(shares)
    edges = np.floor(np.cumsum(shares) / np.sum(shares) * count + rng.uniform()).astype(int).clip(0, count)
    edges[-1] = count
    deck = np.repeat(values, np.diff(edges, prepend=0))
    return [int(value) for value in rng.permutation(deck)]


def _clips_of(seed, number, movie):
    rng = rng_of(seed, "lvu movie", number)
    splits = rng.permutation(CLIP_SPLITS)
    scenes = rng.permutation(list(SCENES))[:CLIPS_PER_MOVIE]
    ways = rng.permutation([*WAYS, int(rng.choice(list(WAYS)))])
    for take in range(CLIPS_PER_MOVIE):
        relationship = int(rng.choice(list(RELATIONSHIPS), p=RELATIONSHIP_SHARES))
        charm, spectacle = float(rng.uniform()), float(rng.uniform())
        yield Clip(
            _youtube(seed, number, take),
            movie,
            str(splits[take]),
            int(scenes[take]),
            relationship,
            int(ways[take]),
            charm,
            spectacle,
            *received(charm, spectacle, rng),
        )


def received(charm, spectacle, rng):
    """Return (likes, dislikes, views): more views with spectacle, a larger share of likes with charm."""
    views = int(math.exp(9.0 + 5.0 * spectacle + rng.normal(0, 0.5)))
    share = min(max(0.80 + 0.18 * charm + rng.normal(0, 0.015), 0.5), 0.995)
    votes = max(views // 50, 20)
    likes = round(votes * share)
    return likes, votes - likes, views


def _youtube(seed, number, take):
    """Return eleven characters like those that name a video on a platform; some begin with a hyphen."""
    digest = hashlib.sha256(f"{seed} lvu {number} {take}".encode()).digest()
    return base64.urlsafe_b64encode(digest)[:11].decode()


def listed(planned):
    """Return {task: {split: lines}}: the text of every list in LVU's form, header first."""
    result = {}
    for task in (*CLIP_TASKS, *MOVIE_TASKS):
        result[task] = {split: [_header(task)] for split in SPLITS}
        for clip in planned:
            split = clip.movie.split if task in MOVIE_TASKS else clip.split
            result[task][split].append(f"{_answer(task, clip)} {clip.youtube} {clip.movie.imdb}")
    return result


def _header(task):
    columns = {"like_ratio": "like dislike", "view_count": "view"}.get(task, "class_id class_name")
    return f"{columns} youtube_id imdb_id"


def _answer(task, clip):
    if task == "like_ratio":
        return f"{clip.likes} {clip.dislikes}"
    if task == "view_count":
        return str(clip.views)
    number = getattr(clip.movie if task in MOVIE_TASKS else clip, task)
    return f"{number} {NAMES[task][number]}"
