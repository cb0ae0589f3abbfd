"""Write the ids of all films, one a line: later stages read long lists from it.

    python -m soundstage.films.list --films films.tsv --out work/films/films.txt

With `--films studio` they are those of the embedded corpus of `--settings`.
"""

from soundstage.cli import add_settings, parser, run, say
from soundstage.config import read_films
from soundstage.files import write_text
from soundstage.studio.settings import Settings


def main():
    """Read the command line, check the table and write the list."""
    arguments = parser(__doc__)
    arguments.add_argument("--films", required=True, help="films.tsv, or studio")
    arguments.add_argument("--out", required=True, help="text file to write")
    add_settings(arguments, Settings)
    options = arguments.parse_args()
    films = read_films({"corpus": {"films": options.films}, "studio": options.settings})
    write_text(options.out, "".join(f"{row['film']}\n" for row in films))
    say(f"{len(films)} films")


if __name__ == "__main__":
    run(main)
