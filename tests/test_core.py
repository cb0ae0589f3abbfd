"""Units, files, settings, recipe and configuration: the ground that the stages stand on."""

import json
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from soundstage import config as configuration
from soundstage import recipe as recipes
from soundstage import units
from soundstage.cli import parser
from soundstage.errors import UserError
from soundstage.files import atomic, read_json, sha256, write_json
from soundstage.films import list as film_list
from soundstage.memo import fingerprint, remembered
from soundstage.settings import dumps, load


@pytest.mark.parametrize(("value", "expected"), [(0.5, 1), (1.5, 2), (-0.5, 0), (2.4999, 2), (-1.2, -1)])
def test_rounding_is_half_up(value, expected):
    assert units.half_up(Fraction(value)) == expected


def test_seconds_samples_and_frames_agree():
    assert units.seconds_to_samples(3) == 144000
    assert units.seconds_to_frames(3) == 75
    assert units.seconds_to_samples(units.samples_to_seconds(123457)) == 123457
    assert units.frames_to_seconds(75) == 3.0


def test_seeds_depend_on_every_part_and_its_type():
    assert units.seed_of("a", 1) == units.seed_of("a", 1)
    assert len({units.seed_of(*p) for p in [("a", 1), ("a", "1"), ("a1",), ("a", 2), (1, "a")]}) == 5
    assert np.array_equal(units.rng_of("x").random(4), units.rng_of("x").random(4))


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    with atomic(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_full_disk_is_named(tmp_path):
    with pytest.raises(UserError, match="no space left"), atomic(tmp_path / "x"):
        raise OSError(28, "No space left on device")


def test_json_refuses_what_is_not_a_number(tmp_path):
    with pytest.raises(UserError, match="not finite"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()
    write_json(tmp_path / "x.json", {"b": 1, "a": [1.5, "ü"]})
    assert read_json(tmp_path / "x.json") == {"a": [1.5, "ü"], "b": 1}
    assert len(sha256(tmp_path / "x.json")) == 64


def test_reading_what_is_not_json_names_the_file(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match="expected JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(UserError, match="found nothing"):
        read_json(tmp_path / "missing.json")


@dataclass(frozen=True)
class Inner:
    size: int = 3


@dataclass(frozen=True)
class Outer:
    gain_db: float = 1.0
    name: str = "x"
    sizes: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()
    limit: float | None = None


def test_settings_come_from_json_and_know_their_types(tmp_path):
    made = load(Outer, '{"gain_db": 2, "sizes": [4], "inner": {"size": 5}, "limit": 0.5}')
    assert made == Outer(2.0, "x", (4,), Inner(5), 0.5)
    (tmp_path / "s.json").write_text(dumps(made))
    assert load(Outer, tmp_path / "s.json") == made
    assert load(Outer) == Outer()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"gain": 1}', "did you mean 'gain_db'"),
        ('{"name": 3}', "expected str"),
        ('{"sizes": 3}', "expected a list"),
        ('{"sizes": [1.5]}', "expected int"),
        ('{"inner": {"sise": 1}}', "settings.inner"),
        ('{"gain_db": true}', "expected float"),
        ("{", "expected settings as JSON"),
        ("missing.json", "cannot read the settings"),
    ],
)
def test_wrong_settings_are_named(text, message):
    with pytest.raises(UserError) as caught:
        load(Outer, text)
    assert message in str(caught.value)


@pytest.fixture
def tiny_package(tmp_path, monkeypatch):
    """A package of three modules: a imports b, c stands alone."""
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "__init__.py").write_text('"""Doc."""\n')
    (tmp_path / "stage" / "a.py").write_text('"""A."""\nfrom tiny.b import one\n\n\ndef f():\n    return one()\n')
    (tmp_path / "b.py").write_text("def one():\n    return 1\n")
    (tmp_path / "c.py").write_text("x = 1\n")
    monkeypatch.setattr(recipes, "ROOT", tmp_path)
    monkeypatch.setattr(recipes, "NAME", "tiny")

    def edit(name, text):
        (tmp_path / name).write_text(text)
        recipes._code.cache_clear()

    yield edit
    recipes._code.cache_clear()


def test_a_comment_or_docstring_does_not_change_the_recipe(tiny_package):
    before = recipes.recipe("stage.a")
    tiny_package("b.py", '"""New."""\n# why\n\n\ndef one():\n    """One."""\n    return 1\n')
    assert recipes.recipe("stage.a") == before


def test_code_changes_the_recipe_of_what_imports_it_and_of_nothing_else(tiny_package):
    a, c = recipes.recipe("stage.a"), recipes.recipe("c")
    tiny_package("b.py", "def one():\n    return 2\n")
    assert recipes.recipe("stage.a") != a
    assert recipes.recipe("c") == c


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "clips": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"window_seconds": {"type": "number", "exclusiveMinimum": 0}, "mode": {"enum": ["a", "b"]}},
        }
    },
}


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"clips": {"windw_seconds": 3}}, ["clips.windw_seconds", "unknown key", "Did you mean 'window_seconds'?"]),
        ({"clips": {"window_seconds": "3"}}, ["clips.window_seconds", 'found "3"', "type number"]),
        ({"clips": {"window_seconds": 0}}, ["clips.window_seconds", "found 0", "more than 0"]),
        ({"clips": {"mode": "c"}}, ["clips.mode", "one of a, b"]),
        ({"clip": {}}, ["clip: unknown key", "Did you mean 'clips'?"]),
    ],
)
def test_every_config_error_is_one_screen_with_the_key(config, parts):
    with pytest.raises(UserError) as caught:
        configuration.check(config, SCHEMA)
    text = str(caught.value)
    assert all(part in text for part in parts), text
    assert len(text.splitlines()) < 20


def table(tmp_path, name, text):
    (tmp_path / name).write_text(text.replace(" | ", "\t"))
    return str(tmp_path / name)


def config_of(films, tracks="studio"):
    return {"corpus": {"films": films, "tracks": tracks}}


def test_tables_are_read_with_paths_relative_to_them(tmp_path):
    films = table(tmp_path, "films.tsv", "film | path | original_language\na-1 | media/a b.mkv | en\n")
    tracks = table(
        tmp_path,
        "tracks.tsv",
        "film | language | path | stream\na-1 | en | media/a b.mkv | 0\na-1 | fr | /x/f.m4a | 0\n",
    )
    rows = configuration.read_films(config_of(films))
    assert rows[0]["path"] == str(tmp_path / "media/a b.mkv")
    assert rows[0]["split"] == "train"
    found = configuration.read_tracks(config_of(films, tracks), rows)
    assert [(row["language"], row["stream"], row["path"]) for row in found][1] == ("fr", 0, "/x/f.m4a")


@pytest.mark.parametrize(
    ("films", "message"),
    [
        ("film | path\na | x\n", "missing columns: original_language"),
        ("film | path | original_language\nA B | x | en\n", "line 2: film is 'A B'"),
        ("film | path | original_language\n-a | x | en\n", "line 2: film is '-a'"),
        ("film | path | original_language\na | x | en\na | y | en\n", "line 3: a stands already in line 2"),
        ("film | path | original_language | split\na | x | en | tset\n", "split is 'tset'"),
        ("film | path | original_language\na | x\n", "expected 3 cells"),
    ],
)
def test_faults_of_the_film_table_name_the_line(tmp_path, films, message):
    with pytest.raises(UserError) as caught:
        configuration.read_films(config_of(table(tmp_path, "films.tsv", films)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ("film | language | path | stream\nb | en | x | 0\n", "film 'b' is not in the table"),
        ("film | language | path | stream\na | fr | x | 0\n", "no row for its original language 'en'"),
        ("film | language | path | stream\na | en | x | first\n", "stream is 'first'"),
        ("film | language | path | stream\na | EN; rm | x | 0\n", "language is 'EN; rm'"),
    ],
)
def test_faults_of_the_track_table_name_the_line(tmp_path, tracks, message):
    films = [{"film": "a", "original_language": "en"}]
    with pytest.raises(UserError) as caught:
        configuration.read_tracks(config_of("x", table(tmp_path, "tracks.tsv", tracks)), films)
    assert message in str(caught.value)


def test_errors_survive_the_trip_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(UserError("what", "where", "fix")))
    assert json.dumps([error.what, error.where, error.fix]) == '["what", "where", "fix"]'
    assert "what to do: fix" in str(error)


def test_what_is_remembered_is_made_again_when_a_cause_changes(tmp_path):
    cause, made = tmp_path / "films.tsv", []
    cause.write_text("one")

    def make():
        made.append(cause.read_text())
        return {"rows": made[-1]}

    for expected in ("one", "one", "two"):
        cause.write_text(expected)
        key = fingerprint([cause, tmp_path / "absent"], "settings")
        assert remembered(tmp_path / "memo.json", key, make) == {"rows": expected}
    assert made == ["one", "two"]
    (tmp_path / "memo.json").write_text('{"key": ')
    assert remembered(tmp_path / "memo.json", key, make) == {"rows": "two"}
    assert made == ["one", "two", "two"]


def test_an_error_is_not_remembered(tmp_path):
    with pytest.raises(UserError):
        remembered(tmp_path / "memo.json", "key", lambda: load(Outer, "{"))
    assert not (tmp_path / "memo.json").exists()


def test_every_recipe_of_the_package_is_the_one_of_its_module(tiny_package):
    assert recipes.recipes() == {name: recipes.recipe(name) for name in ("stage.a", "b", "c")}


def test_the_lines_of_a_file_stand_for_arguments(tmp_path):
    (tmp_path / "list.txt").write_text("a b\nc\n")
    arguments = parser("Doc.")
    arguments.add_argument("--inputs", nargs="+")
    arguments.add_argument("--out")
    found = arguments.parse_args(["--inputs", f"@{tmp_path / 'list.txt'}", "--out", "x"])
    assert found.inputs == ["a b", "c"] and found.out == "x"


def test_the_list_of_films_is_the_tables(tmp_path, monkeypatch):
    (tmp_path / "films.tsv").write_text("film\tpath\toriginal_language\nb\tb.mkv\ten\na\ta.mkv\tfr\n")
    for films, expected in ((str(tmp_path / "films.tsv"), "b\na\n"), ("studio", "film-000\nfilm-001\n")):
        settings = '{"films_train": 2, "films_valid": 0, "films_test": 0}'
        words = ["--films", films, "--out", str(tmp_path / "films.txt"), "--settings", settings]
        monkeypatch.setattr("sys.argv", ["list", *words])
        film_list.main()
        assert (tmp_path / "films.txt").read_text() == expected
