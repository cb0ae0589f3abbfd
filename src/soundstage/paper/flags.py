"""Flags that the command lines of several tables share."""

from pathlib import Path

from soundstage import cli
from soundstage.paper import compare
from soundstage.paper.settings import Settings


def of_runs(description, file):
    """Return the parser of a table whose rows are pretraining runs; file: what each run and seed gives."""
    parser = cli.parser(description)
    parser.add_argument("--found", nargs="+", required=True, help=f"{file} files")
    parser.add_argument("--runs", nargs="+", default=list(compare.RUNS), help="rows, in order")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    return _ended(parser)


def of_parsers(description, seeds):
    """Return the parser of a table whose rows are event parsers; seeds: the usual ones of every row."""
    parser = cli.parser(description)
    parser.add_argument("--scores", nargs="+", required=True, help="scores.json files of trainings")
    parser.add_argument("--rows", nargs="+", required=True, help="names of the variants, in order")
    parser.add_argument("--seeds", nargs="+", type=int, default=seeds, help="seeds of every row")
    parser.add_argument("--rule", default="shared", choices=["shared", "per_modality"], help="decision")
    return _ended(parser)


def _ended(parser):
    parser.add_argument("--out", required=True, type=Path, help="the wide table, ending in .csv")
    cli.add_settings(parser, Settings)
    return parser
