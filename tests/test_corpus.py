"""What became of the films: the summary of tracks, clips and shards, and of the run's cost."""

import pandas
import pytest

from soundstage.errors import UserError
from soundstage.files import write_json
from soundstage.paper import corpus, cost

ACCEPTED = {"accepted": True, "offset_seconds": 0.0250249, "rate": 0.96, "confidence": 0.98, "segments": [1, 2]}
REFUSED = {"accepted": False, "offset_seconds": None, "rate": None, "confidence": 0.1, "segments": []}


@pytest.fixture
def folder(tmp_path):
    """Two films: one with an accepted dub, one with a refused dub and a dropped window."""
    write_json(tmp_path / "align/a/fr.json", ACCEPTED)
    write_json(tmp_path / "align/b/fr.json", {**REFUSED, "reason": "silence: the loudest sample is | -90 dB"})
    rows = {"kept": [True, True, False], "reason": ["", "", "black picture"], "has_dub": [True, False, False]}
    for film, count in (("a", 2), ("b", 3)):
        path = tmp_path / "clips" / film / "clips.parquet"
        path.parent.mkdir(parents=True)
        pandas.DataFrame(rows).head(count).to_parquet(path)
        write_json(tmp_path / "shards" / f"{film}.json", {"bytes": 1_500_000})
    return tmp_path


def made(folder):
    return corpus.tables(["a", "b"], folder / "align", folder / "clips", folder / "shards")


def test_every_dub_and_every_dropped_window_is_counted(folder):
    tracks, films = made(folder)
    assert tracks["offset_ms"].tolist()[0] == 25.02
    assert tracks["accepted"].tolist() == [True, False]
    assert films["kept"].tolist() == [2, 2] and films["kept_with_dub"].tolist() == [1, 1]
    assert films["dropped: black picture"].tolist() == [0, 1]


def test_the_summary_says_how_many_and_why(folder):
    text = corpus.markdown(*made(folder))
    assert "1 of 2 dubs accepted. Refused: 1 x silence." in text
    assert "4 of 5 windows kept, 2 of them with a dub, in 3.0 MB of shards. Dropped: 1 x black picture." in text
    assert "loudest sample is \\| -90 dB" in text


def test_cost_is_summed_per_stage(tmp_path):
    for job, seconds in (("film-1", 2.0), ("film-2", 4.0)):
        path = tmp_path / "films" / f"{job}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\tcpu_time\tmax_rss\n{seconds}\t1.0\t100\n")
    row = cost.summary(cost.read(tmp_path)).iloc[0]
    assert (row["jobs"], row["seconds_sum"], row["seconds_max"], row["peak_megabytes"]) == (2, 6.0, 4.0, 100)
    with pytest.raises(UserError, match="found none"):
        cost.read(tmp_path / "nothing")
