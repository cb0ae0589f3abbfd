"""Draw one labelled picture of what every class of the embedded corpus looks and sounds like.

    python -m soundstage.studio.sheet --out results/studio.png

For each event class: a moving picture at three instants and the log-mel spectrogram of its sound,
from 40 Hz (bottom) to 16 kHz (top); then the locations, the labels of the audio benchmarks, and one
film with its bed, its original track and a dub. The same settings give the same picture.
"""

import cv2
import numpy as np
from scipy import signal

from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.studio import clips, film, look, motion, sound, soundtrack
from soundstage.studio.draw_places import background
from soundstage.studio.names import EVENTS, LOCATIONS
from soundstage.studio.plan import dub_languages, film_row
from soundstage.studio.settings import Settings
from soundstage.studio.story import story_of
from soundstage.units import AUDIO_HZ, VIDEO_FPS, rng_of

TILE = (192, 108)  # width and height of a picture, pixels
COLUMNS = 8
GAP = 6
PAPER, INK, RED = (255, 255, 255), (25, 25, 30), (205, 40, 40)
CLIP_SECONDS = 3.0
RANGE_DB = 65.0
MEL_BANDS = 72
FILM_TAKES = 8


def mel_bands(sample_rate_hz, bins, bands=MEL_BANDS, low_hz=40.0, high_hz=16000.0):
    """Return float64 (bands, bins): triangular filters, even on the mel scale, each of sum 1.

    bins: number of frequencies of a spectrum from 0 to half the sample rate.
    """
    edges_mel = np.linspace(*(1127 * np.log1p(np.array([low_hz, high_hz]) / 700)), bands + 2)
    edges_hz = 700 * np.expm1(edges_mel / 1127)
    hz = np.linspace(0, sample_rate_hz / 2, bins)
    rise = (hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    fall = (edges_hz[2:, None] - hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    filters = np.clip(np.minimum(rise, fall), 0, None)
    nearest = np.abs(hz - edges_hz[1:-1, None]).argmin(1)
    empty = filters.sum(1) == 0
    filters[empty, nearest[empty]] = 1.0
    return filters / filters.sum(1, keepdims=True)


def log_mel_picture(samples, size):
    """Return the log-mel spectrogram of float (samples,) at 48 kHz as uint8 (height, width, 3).

    Time runs to the right, pitch upwards; the colours span 65 dB below the loudest point. size:
    (width, height) pixels.
    """
    hop = max(len(samples) // (2 * size[0]), 64)
    window = signal.ShortTimeFFT(np.hanning(2048), hop, AUDIO_HZ)
    columns = max(len(samples) // hop, 1)
    power = np.abs(window.stft(np.asarray(samples, np.float64), p0=0, p1=columns)) ** 2
    mel_db = 10 * np.log10(mel_bands(AUDIO_HZ, power.shape[0]) @ power + 1e-12)
    level = np.clip((mel_db - mel_db.max()) / RANGE_DB + 1, 0, 1)[::-1]
    gray = cv2.resize(np.round(level * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    return cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO)[..., ::-1]


def event_tiles(name, number, settings):
    """Return four uint8 tiles of a class: three instants of a clip, then its spectrogram."""
    rng = rng_of(settings.seed, "sheet", name)
    heard = sound.event(name, CLIP_SECONDS, rng)
    frames = round(CLIP_SECONDS * VIDEO_FPS)
    level = motion.envelope_of(heard, frames, VIDEO_FPS)
    start = -0.8 if look.KINDS[name].passes else 0.0
    actor = look.actor_of(name, level, VIDEO_FPS, TILE, rng, x=start)
    shot = look.shot_of(LOCATIONS[number % len(LOCATIONS)], frames, TILE, rng, [actor])
    instants = [round(share * (frames - 1)) for share in (0.05, 0.23, 0.42)]
    return [*(shot.frame(index) for index in instants), log_mel_picture(heard, TILE)]


def place_tiles(name, settings):
    """Return two uint8 tiles of a location: what it looks like and its ambience's spectrogram."""
    rng = rng_of(settings.seed, "sheet", name)
    back = background(name, TILE[1], TILE[0], rng)
    return [back, log_mel_picture(sound.ambience(name, CLIP_SECONDS, rng), TILE)]


def task_tiles(name, settings):
    """Return [(label, uint8 tile), ...]: a spectrogram for up to eight labels of a benchmark."""
    labels = clips.TASKS[name].labels
    chosen = np.linspace(0, len(labels) - 1, min(len(labels), COLUMNS)).round().astype(int)
    tiles, all_labels = [], len(labels) * clips.FOLDS
    for number in chosen:
        _, _, heard = clips.clip(clips.TASKS[name], int(number), all_labels, settings.seed, name)
        tiles.append((labels[number], log_mel_picture(heard, (TILE[0], TILE[1] * 2 // 3))))
    return tiles


def film_rows(settings, name):
    """Return [(label, uint8 strip), ...] of a film's first takes: pictures and three spectrograms.

    The strips share one time axis: a picture of each take's middle, the bed, the original track and
    the first dub, in picture time. Red bars say when somebody speaks.
    """
    story = story_of(settings, name)
    original = film_row(settings, name)["original_language"]
    events = soundtrack.event_sounds(settings, story)
    takes = story.takes[:FILM_TAKES]
    end = takes[-1].end_frame / story.fps
    width = COLUMNS * (TILE[0] + GAP) - GAP
    bed = soundtrack.bed_in_reference(settings, story, events)
    rows = []
    for language in [original, *dub_languages(settings, name)[:1]]:
        lines = soundtrack.line_sounds(settings, story, language)
        if language == original:
            rows.append(("pictures", _strip(settings, story, events, lines, width, end)))
            rows.append(("bed: music, effects, ambience", _spectrum(bed, width, end, [])))
        talk = soundtrack.talk_in_reference(settings, story, lines)
        spoken = soundtrack.intervals(story, lines)
        label = f"{'original' if language == original else 'dub'} ({language}), speech in red"
        rows.append((label, _spectrum(talk + bed, width, end, spoken)))
    return rows


def _strip(settings, story, events, lines, width, end):
    """Return the middle picture of each take, each as wide as the take is long."""
    frames = film.picture(settings, story, TILE, events, lines)
    middles = [(take.start_frame + take.end_frame) // 2 for take in story.takes[:FILM_TAKES]]
    kept = {}
    for index, frame in enumerate(frames):
        if index in middles:
            kept[index] = frame
        if index == middles[-1]:
            break
    strip = np.full((TILE[1], width, 3), 255, np.uint8)
    for take, middle in zip(story.takes, middles, strict=False):
        left = round(take.start_frame / story.fps / end * width)
        room = round(take.end_frame / story.fps / end * width) - left - 2
        part = kept[middle][:, max(0, (TILE[0] - room) // 2) :][:, :room]
        strip[:, left : left + part.shape[1]] = part
    return strip


def _spectrum(samples, width, end, spoken):
    picture = log_mel_picture(samples[: round(end * AUDIO_HZ)], (width, TILE[1])).copy()
    for start, stop in spoken:
        left, right = round(start / end * width), round(stop / end * width)
        picture[:7, left:right] = RED
    return picture


def write_on(page, text, x, y, scale=0.5):
    """Write text on a page, its lower left corner at pixel (x, y)."""
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, INK, 1, cv2.LINE_AA)


def stacked(rows):
    """Return one page of [(heading, [(label, tile), ...]), ...], uint8 (height, width, 3).

    Tiles of a row stand side by side under their labels; tiles of one row are equally high.
    """
    width = COLUMNS * (TILE[0] + GAP) + GAP
    bands = []
    for heading, tiles in rows:
        if heading:
            bands.append(np.full((40, width, 3), 255, np.uint8))
            write_on(bands[-1], heading, GAP, 30, 0.75)
        band = np.full((tiles[0][1].shape[0] + 20 + GAP, width, 3), 255, np.uint8)
        x = GAP
        for label, tile in tiles:
            write_on(band, label, x, 14, 0.46)
            band[20 : 20 + tile.shape[0], x : x + tile.shape[1]] = tile
            x += tile.shape[1] + GAP
        bands.append(band)
    return np.concatenate(bands)


def sheet(settings):
    """Return the whole contact sheet, uint8 (height, width, 3) RGB."""
    rows = []
    cells = [
        list(
            zip(
                [name.replace("_", " "), "", "", "sound"],
                event_tiles(name, n, settings),
                strict=True,
            )
        )
        for n, name in enumerate(EVENTS)
    ]
    for first in range(0, len(cells), 2):
        heading = "The 25 event classes: three instants and the sound" if first == 0 else ""
        rows.append((heading, [tile for cell in cells[first : first + 2] for tile in cell]))
    places = [list(zip([x, "ambience"], place_tiles(x, settings), strict=True)) for x in LOCATIONS]
    for first in range(0, len(places), 4):
        heading = "The locations" if first == 0 else ""
        rows.append((heading, [tile for cell in places[first : first + 4] for tile in cell]))
    rows += [(f"Benchmark {name}", task_tiles(name, settings)) for name in clips.TASKS]
    name = "film-000"
    for number, row in enumerate(film_rows(settings, name)):
        rows.append((f"The first takes of {name}" if number == 0 else "", [row]))
    return stacked(rows)


def main():
    """Run the command line."""
    arguments = cli.parser(__doc__)
    arguments.add_argument("--out", required=True, help="PNG file to write")
    cli.add_settings(arguments, Settings)
    given = arguments.parse_args()
    if not given.out.endswith(".png"):
        raise UserError(f"expected a file name that ends in .png, found {given.out}", "--out")
    page = sheet(given.settings)
    with atomic(given.out) as path:
        if not cv2.imwrite(str(path), page[..., ::-1]):
            raise UserError("cannot write the picture", given.out)


if __name__ == "__main__":
    cli.run(main)
