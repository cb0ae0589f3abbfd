"""Measure a separator on films of the studio, against what they sound like without speech.

    python -m soundstage.nospeech.measure --audio-folder work/films --films film-031 film-032
        [--nospeech-folder work/nospeech] [--studio JSON_OR_FILE] [--settings JSON_OR_FILE]
        [--out FILE.json]

For each film the extracted original track (so through its codec, full band) is separated, or the
track that stage 4 made is taken. Printed: SI-SDR in dB of the mixture and of the no-speech track
against the true bed, the gain, and by how many dB below its own power the track was changed where
nobody speaks.
"""

import tempfile
from pathlib import Path

import numpy as np

from soundstage.cli import add_settings, parser, run
from soundstage.files import write_json
from soundstage.media import read_flac
from soundstage.nospeech.load import open_separator
from soundstage.nospeech.sdr import si_sdr_db
from soundstage.nospeech.separate import separate_file
from soundstage.nospeech.settings import Settings
from soundstage.settings import load
from soundstage.studio import soundtrack
from soundstage.studio.plan import film_row
from soundstage.studio.settings import Settings as StudioSettings
from soundstage.units import seconds_to_samples

MARGIN_SECONDS = 0.1  # kept away from speech on either side of a speech-free passage
SHORTEST_SECONDS = 0.5  # a passage shorter than this, margins taken off, is not counted


def main():
    """Measure the films that the command line names and print one line for each."""
    arguments = parser(__doc__)
    arguments.add_argument("--audio-folder", required=True, help="work folder of stage 1")
    arguments.add_argument("--films", required=True, nargs="+", help="ids of studio films")
    arguments.add_argument("--nospeech-folder", help="work folder of stage 4; else separate here")
    arguments.add_argument("--studio", type=lambda text: load(StudioSettings, text))
    arguments.add_argument("--out", help="JSON file for all numbers")
    add_settings(arguments, Settings)
    values = arguments.parse_args()
    separator = None if values.nospeech_folder else open_separator(values.settings)
    rows = []
    for film in values.films:
        studio = values.studio or StudioSettings()
        track = Path(film, film_row(studio, film)["original_language"]).with_suffix(".flac")
        audio = Path(values.audio_folder) / film / "audio" / track.name
        if separator is None:
            row = measured(film, audio, Path(values.nospeech_folder) / track, studio)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                out = Path(scratch) / track.name
                separate_file(audio, out, values.settings, separator)
                row = measured(film, audio, out, studio)
        print("  ".join(f"{key} {_text(value)}" for key, value in row.items()), flush=True)
        rows.append(row)
    summary = summarised(rows)
    for key, value in summary.items():
        print(f"{key} {_text(value)}")
    if values.out:
        write_json(values.out, {"films": rows, "summary": summary})


def measured(film, audio, nospeech, studio):
    """Return a dict of one film's numbers: see `compared`, plus film and language.

    audio, nospeech: FLAC files of the original track with and without speech, sample 0 = picture
    time 0; what they have beyond the film's length is left out.
    """
    language = film_row(studio, film)["original_language"]
    bed = soundtrack.bed_of(film, studio, language)
    spoken = soundtrack.speech_intervals(film, studio, language)
    mixture, result = read_flac(audio)[0], read_flac(nospeech)[0]
    return {"film": film, "language": language, **compared(mixture, result, bed, spoken)}


def compared(mixture, result, bed, spoken):
    """Return {mixture_db, result_db, gain_db, speech_free_change_db}, floats in dB.

    mixture, result, bed: (samples,) at 48 kHz, cut to the shortest. spoken: [[start, end], ...]
    seconds. The change is the power of result - mixture over that of mixture, over all
    speech-free passages together; None without any.
    """
    count = min(map(len, (mixture, result, bed)))
    mixture, result, bed = mixture[:count], result[:count], bed[:count]
    before, after = si_sdr_db(mixture, bed), si_sdr_db(result, bed)
    free = speech_free(spoken, count)
    power = np.sum(mixture[free] ** 2, dtype=np.float64)
    error = np.sum((result - mixture)[free] ** 2, dtype=np.float64)
    change = float(10 * np.log10(max(error / power, 1e-12))) if power else None
    return {
        "mixture_db": before,
        "result_db": after,
        "gain_db": after - before,
        "speech_free_change_db": change,
    }


def speech_free(spoken, samples):
    """Return (samples,) bool: where nobody speaks, in passages long enough, away from speech."""
    free = np.ones(samples, bool)
    for start, end in spoken:
        first = max(0, seconds_to_samples(start - MARGIN_SECONDS))
        free[first : max(0, seconds_to_samples(end + MARGIN_SECONDS))] = False
    edges = np.flatnonzero(np.diff(free.astype(np.int8), prepend=0, append=0))
    for first, last in edges.reshape(-1, 2):
        if last - first < seconds_to_samples(SHORTEST_SECONDS):
            free[first:last] = False
    return free


def summarised(rows):
    """Return the mean, lowest and highest of each number over films, and the count of films."""
    result = {"films": len(rows)}
    for key in ("mixture_db", "result_db", "gain_db", "speech_free_change_db"):
        values = [row[key] for row in rows if row[key] is not None]
        for name, function in (("mean", np.mean), ("lowest", np.min), ("highest", np.max)):
            result[f"{key}_{name}"] = float(function(values)) if values else None
    return result


def _text(value):
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
