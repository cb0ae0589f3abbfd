"""Which clips meet in a batch of many processes, at which cost, and what a damaged tar loses; nothing is decoded."""

import collections
import io
import itertools
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from soundstage.errors import UserError
from soundstage.pretrain import compose
from soundstage.pretrain.compose import Composer, shared_out
from soundstage.pretrain.tars import listing


def write(path, film, clips, form=tarfile.USTAR_FORMAT, name="{film}-{clip:06d}"):
    """Write a shard of windows of 3 s, 1.5 s apart, and return its path."""
    with tarfile.open(path, "w", format=form) as tar:
        for clip in clips:
            about = {"film": film, "clip": clip, "start_seconds": 1.5 * clip, "end_seconds": 1.5 * clip + 3}
            for member, data in (("en.flac", b"x" * 700), ("json", json.dumps(about).encode())):
                header = tarfile.TarInfo(f"{name.format(film=film, clip=clip)}.{member}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return str(path)


def films_of(folder, films, clips, parts=1):
    """Write films in parts as stage shards does; return {path: {film: clips}}."""
    made = {}
    for film, part in itertools.product(range(films), range(parts)):
        path = write(folder / f"film-{film}-{part}.tar", f"film-{film}", range(part, clips, parts))
        made[path] = {f"film-{film}": len(range(part, clips, parts))}
    return made


def numbers(keys):
    """Return {film: sorted numbers of its clips} of some keys."""
    result = collections.defaultdict(list)
    for key in sorted(keys):
        film, _, clip = key.rpartition("-")
        result[film].append(int(clip))
    return result


@pytest.mark.parametrize(("processes", "workers"), [(1, 1), (2, 1), (4, 1), (2, 3)])
def test_the_rules_on_a_films_clips_hold_over_the_batch_of_all_processes(tmp_path, processes, workers):
    shares = shared_out(films_of(tmp_path, 16, 40, parts=2), processes, seed=0)
    assert max(map(len, shares)) == min(map(len, shares)) and len(set().union(*shares)) == 32
    common = {"film_clips": 3, "open_shards": 8, "seed": 0, "readers": workers, "film_group": 8 // processes}
    readers = [
        [Composer(share, 16 // processes, reader=n, process=process, **common) for n in range(workers)]
        for process, share in enumerate(shares)
    ]
    seen = collections.Counter()
    for number in range(60):
        keys = [key for process in readers for key in process[number % workers].next_batch()]
        assert len(keys) == 16
        seen.update(keys)
        for clips in numbers(keys).values():
            assert len(clips) <= 3 and all(later - earlier > 1 for earlier, later in itertools.pairwise(clips))
    assert len(seen) > 0.75 * 640 and max(seen.values()) <= 3


def test_films_are_shared_out_evenly_and_none_is_in_two_processes():
    sizes = np.random.default_rng(0).integers(200, 4000, 300)
    films = {f"film-{n}-{part}.tar": {f"film-{n}": int(size)} for n, size in enumerate(sizes) for part in (0, 1)}
    shares = shared_out(films, 8, seed=1)
    names = [{film for path in share for film in films[path]} for share in shares]
    assert sum(map(len, names)) == 300 and sum(map(len, shares)) == 600
    loads = [sum(sum(films[path].values()) for path in share) for share in shares]
    assert max(loads) < 1.01 * min(loads)
    assert shares == shared_out(dict(reversed(films.items())), 8, seed=1) != shared_out(films, 8, seed=2)
    mixed = {"a": {"x": 1, "y": 1}, "b": {"y": 1, "z": 1}, "c": {"z": 1}, "d": {"w": 1}}
    assert sorted(shared_out(mixed, 2, seed=0)) == [["a", "b", "c"], ["d"]]


def test_composing_takes_time_in_proportion_to_the_batch(tmp_path, monkeypatch):
    """Before, every clip was compared with all others that waited."""
    looked_at, fits = [0], compose.fits

    def counted(clip, windows):
        looked_at[0] += 1
        return fits(clip, windows)

    monkeypatch.setattr(compose, "fits", counted)
    paths, looks = list(films_of(tmp_path, 40, 120)), {}
    for batch in (64, 512):
        reader = Composer(paths, batch, 20, 8, seed=0, film_group=8)
        before = looked_at[0]
        for _ in range(6):
            assert len(set(reader.next_batch())) == batch
        looks[batch] = (looked_at[0] - before) / batch / 6
    assert looks[512] < 3 and looks[64] < 3


def test_a_composer_goes_on_from_the_state_of_another_without_composing_again(tmp_path, monkeypatch):
    paths, rules = list(films_of(tmp_path, 6, 30)), {"film_clips": 4, "open_shards": 3, "seed": 5, "film_group": 2}

    def take(sample, about, epoch):
        if about["clip"] % 11 == 3:
            raise ValueError("broken")
        return sample.key, epoch

    reader, other = (Composer(paths, 9, reader=1, readers=2, **rules) for _ in range(2))
    for number in range(90):  # several epochs, with clips of one waiting in the next
        assert reader.next_batch(take) == other.next_batch(take)
        if number % 7 == 0:
            state = json.loads(json.dumps(other.state()))
            assert len(json.dumps({**state, "broken": {}})) < 400
            other = Composer(paths, 9, reader=1, readers=2, state=state, **rules)
            assert not other.report
    assert reader.epoch > 2 and reader.state() == other.state()


def spoil(path, how):
    """Damage a shard of ten clips behind the third; return what the listing is to say."""
    data = bytearray(Path(path).read_bytes())
    with tarfile.open(path) as tar:
        place = next(member.offset for member in tar if member.name.startswith("film-0-000003."))
    if how == "header":
        data[place + 148 : place + 156] = b"garbage!"
    elif how == "zeros":
        data = data[:place] + bytes(20 * tarfile.RECORDSIZE)
    elif how == "header cut":
        data = data[: place + 100]
    elif how == "between":
        data = data[:place]
    elif how == "content cut":
        data = data[: place + 512 + 30]
    Path(path).write_bytes(data)
    return {"header": "a damaged header", "zeros": "zeros at byte"}.get(how, "unexpected end of data")


@pytest.mark.parametrize("how", ["header", "zeros", "header cut", "between", "content cut"])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_shard_is_named_with_the_clips_that_it_loses(tmp_path, how, indexed):
    path = write(tmp_path / "film-0-0.tar", "film-0", range(10))
    if indexed:
        parts = [{"file": "film-0-0.tar", "clips": 10}]
        (tmp_path / "film-0.json").write_text(json.dumps({"parts": parts}))
    assert listing(path)[1] is None
    what = spoil(path, how)
    samples, loss = listing(path)
    assert len(samples) == 3 and what in str(loss)
    if indexed:
        assert loss.clips == 7 and "loses 7 of the 10 clips in its index" in str(loss)
    else:
        guessed = how in ("header", "zeros")
        assert loss.clips >= (7 if guessed else 1) and ("about" if guessed else "at least 1 clip") in str(loss)
    reader = Composer([path, write(tmp_path / "film-1-0.tar", "film-1", range(10))], 1, 9, 4, seed=0)
    for _ in range(40):
        reader.next_batch()
    assert reader.report == [(path, str(loss))] and reader.lost == {path: loss.clips}


def test_a_shard_that_ends_before_its_index_does_is_named(tmp_path):
    path = write(tmp_path / "film-0-0.tar", "film-0", range(8))
    (tmp_path / "film-0.json").write_text(json.dumps({"parts": [{"file": "film-0-0.tar", "clips": 10}]}))
    assert listing(path)[1].clips == 2 and "2 of the 10 clips" in str(listing(path)[1])


def test_a_shard_that_is_gone_is_named_and_the_training_goes_on(tmp_path):
    paths = list(films_of(tmp_path, 3, 10))
    (tmp_path / "film-1.json").write_text(json.dumps({"parts": [{"file": "film-1-0.tar", "clips": 10}]}))
    for gone in paths[1:]:
        Path(gone).unlink()
    reader = Composer(paths, 2, 9, 4, seed=0)
    for _ in range(9):
        reader.next_batch()
    assert reader.lost == {paths[1]: 10, paths[2]: 1}
    assert (
        "cannot be read (No such file or directory), which loses the 10 clips in its index"
        in dict(reader.report)[paths[1]]
    )


def test_a_batch_that_cannot_be_filled_names_what_was_left_out(tmp_path):
    def take(sample, about, epoch):
        raise ValueError("no picture")

    with pytest.raises(UserError, match=r"20 clips or shards were left out: film-\d-\d+: ValueError: no picture; film"):
        Composer(list(films_of(tmp_path, 2, 10)), 4, 9, 4, seed=0).next_batch(take)
    with pytest.raises(UserError, match="60 times a clip was passed over"):
        reader = Composer(list(films_of(tmp_path, 2, 10)), 4, 9, 4, seed=0, wanted=lambda about, sample: False)
        reader.next_batch()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_are_listed_as_tarfile_lists_them(tmp_path, form):
    long = "a" * 60 + "/" + "b" * 60 + "/{film}-ü-{clip:06d}"
    for name in ("{film}-{clip:06d}", long):
        path = write(tmp_path / "film-0-0.tar", "film-0", range(3), form, name)
        samples, loss = listing(path)
        found = {f"{one.key}.{member}": place for one in samples for member, place in one.members.items()}
        with tarfile.open(path) as tar:
            assert found == {member.name: (member.offset_data, member.size) for member in tar} and loss is None
