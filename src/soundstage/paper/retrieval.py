"""Build the table of retrieval: sound finds picture and back in every language, and the language gap.

python -m soundstage.paper.retrieval --found work/evaluate/*/*/retrieval.json --out results/retrieval.csv

Beside retrieval.csv it writes retrieval.tidy.csv (a line per recall and seed with its source and
hash), .md, .tex and .png, and prints the table at its end. Nothing is written unless every run has
every seed.
"""


from soundstage import cli
from soundstage.errors import UserError
from soundstage.files import atomic, read_json, sha256, write_text
from soundstage.paper import dots, flags, formats
from soundstage.paper.statistics import mean_sd, t_interval

TITLE = "Retrieval on held-out films, in every language"
ROLES = ("original", "dub")
WAYS = ("audio_to_video", "video_to_audio")
RANK = "recall_at_10_percent"


def main():
    """Read the flags, build the table, print it."""
    options = flags.of_runs(__doc__, "retrieval.json").parse_args()
    tidy = read(options.found, options.runs, options.seeds, options.settings.corpus)
    print(formats.text(build(tidy, options.runs, options.out, options.settings)))


def read(paths, runs, seeds, corpus):
    """Return one dict per entry of the retrieval.json files, in order; UserError names what is missing."""
    found = {}
    for path in map(str, paths):
        one = read_json(path)
        about = {"corpus": corpus, "pretraining": one["run"], "seed": one["seed"]}
        source = {"source": path, "sha256": sha256(path)}
        found[one["run"], one["seed"]] = [{**about, **entry, **source} for entry in one["entries"]]
    wanted = [(run, seed) for run in runs for seed in seeds]
    if missing := [f"{run}, seed {seed}" for run, seed in wanted if (run, seed) not in found]:
        raise UserError(f"retrieval is missing: {'; '.join(missing[:10])}", fix="train and evaluate these runs first")
    names = [[_cell_of(entry) for entry in found[key]] for key in wanted]
    if any(other != names[0] for other in names):
        raise UserError("runs were measured on different clips or languages", fix="evaluate all of them again")
    return [entry for key in wanted for entry in found[key]]


def _cell_of(entry):
    """Return the start of an entry's columns in the wide table."""
    return f"{entry['tracks']}_{entry['direction']}_{entry['metric']}"


def build(tidy, runs, out, settings):
    """Write every form of the table and return its blocks for reading; tidy: what `read` returned."""
    wide = [wide_row(tidy, run, settings) for run in runs]
    blocks = reading(wide, tidy, settings)
    write_text(out, formats.csv_text(wide))
    write_text(out.with_suffix(".tidy.csv"), formats.csv_text(tidy))
    write_text(out.with_suffix(".md"), formats.markdown(TITLE, blocks))
    write_text(out.with_suffix(".tex"), formats.latex(blocks))
    with atomic(out.with_suffix(".png")) as temporary:
        panels, levels, units = _panels(tidy, runs)
        title = f"Corpus {settings.corpus}: held-out films; dots are seeds, dashes chance"
        dots.draw(temporary, panels, title, units, levels)
    return blocks


def values(tidy, run, cell):
    """Return the values of one run over its seeds for one start of columns."""
    return [entry["value"] for entry in tidy if entry["pretraining"] == run and _cell_of(entry) == cell]


def wide_row(tidy, run, settings):
    """Return one run's row: mean, sd, n and chance of every recall and gap, and what a dub loses.

    dub_minus_original_<way>_difference, _low and _high: the t-interval over seeds of recall@10 by dubs
    minus by the originals of the same clips.
    """
    mine = [entry for entry in tidy if entry["pretraining"] == run]
    row = {"corpus": settings.corpus, "pretraining": run}
    for cell, first in {_cell_of(entry): entry for entry in reversed(mine)}.items():
        found = values(tidy, run, cell)
        mean, spread = mean_sd(found)
        row |= {f"{cell}_mean": mean, f"{cell}_sd": spread, f"{cell}_n": len(found)}
        row |= {f"{cell}_chance": first["chance"], f"{cell}_items": first["n"]}
    for way in WAYS:
        cells = [values(tidy, run, f"{role}_{way}_{RANK}") for role in ("dub", "original")]
        if all(cells):
            gains = [dub - original for dub, original in zip(*cells, strict=True)]
            ends = dict(zip(("difference", "low", "high"), t_interval(gains, settings.confidence_percent), strict=True))
            row |= {f"dub_minus_original_{way}_{key}": value for key, value in ends.items()}
    return row


def reading(wide, tidy, settings):
    """Return the blocks for reading: originals against dubs, every language, and the language gap."""
    seeds = len({entry["seed"] for entry in tidy})
    note = f"Recall@10 in percent, mean ± standard deviation over {seeds} seeds."
    blocks = []
    by_role = {
        "original → picture": f"original_audio_to_video_{RANK}",
        "dub → picture": f"dub_audio_to_video_{RANK}",
        "picture → original": f"original_video_to_audio_{RANK}",
        "picture → dub": f"dub_video_to_audio_{RANK}",
        "dub → original": f"dub_dub_to_original_{RANK}",
    }
    more = " Originals and dubs of the same clips; every dub of a clip in its turn."
    blocks += _block(wide, by_role, f"Originals and dubs, corpus {settings.corpus}", note + more)
    languages = sorted({entry["tracks"] for entry in tidy} - {*ROLES, "all"})
    for way, words in zip(WAYS, ("Sound finds picture", "Picture finds sound"), strict=True):
        cells = {language: f"{language}_{way}_{RANK}" for language in languages}
        blocks += _block(wide, cells, f"{words}, by language, corpus {settings.corpus}", note)
    gaps = {space: f"all_{space}_language_gap" for space in ("embedding", "projection")}
    meant = (
        "Distance of the tracks of one clip over the distance of clips of one film: 0 = the language leaves no "
        f"mark, 1 = another language is as far away as another clip. Mean ± standard deviation over {seeds} seeds."
    )
    return blocks + _block(wide, gaps, f"Language gap, corpus {settings.corpus}", meant, digits=3, chance=False)


def _block(wide, cells, title, note, digits=1, chance=True):
    """Return [a block] with a column per cell that the table has, or [] when it has none."""
    cells = {name: cell for name, cell in cells.items() if f"{cell}_mean" in wide[0]}
    if not cells:
        return []
    rows = [(row["pretraining"], *(_spread(row, cell, digits) for cell in cells.values())) for row in wide]
    if chance:
        rows.append(("chance", *(formats.number(wide[0][f"{cell}_chance"], digits) for cell in cells.values())))
        rows.append(("clips", *(str(wide[0][f"{cell}_items"]) for cell in cells.values())))
    return [formats.Block(title, ("pretraining", *cells), tuple(rows), note)]


def _spread(row, cell, digits):
    mean, spread = (formats.number(row[f"{cell}_{key}"], digits) for key in ("mean", "sd"))
    return f"{mean} ± {spread}" if spread else mean


def _panels(tidy, runs):
    """Return (panels, levels, units) for the figure: originals, dubs, across languages, and the gap."""
    cells = {
        "original finds picture": f"original_audio_to_video_{RANK}",
        "dub finds picture": f"dub_audio_to_video_{RANK}",
        "picture finds dub": f"dub_video_to_audio_{RANK}",
        "dub finds original": f"dub_dub_to_original_{RANK}",
        "language gap": "all_embedding_language_gap",
    }
    known = {_cell_of(entry): entry["chance"] for entry in tidy}
    cells = {name: cell for name, cell in cells.items() if cell in known}
    panels = {name: {run: values(tidy, run, cell) for run in runs} for name, cell in cells.items()}
    units = {name: "ratio" if "gap" in name else "recall@10, percent" for name in cells}
    return panels, {name: known[cell] for name, cell in cells.items() if "gap" not in name}, units


if __name__ == "__main__":
    cli.run(main)
