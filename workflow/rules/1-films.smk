# Stage 1, films: read every film once and write what later stages hear.
#
# needs   the films' media files (films.tsv, tracks.tsv) or the embedded corpus
# makes   work/films/films.txt (the ids of the films), work/films/{film}/probe.json and
#         work/films/{film}/audio/{language}.flac (48 kHz mono, sample 0 = picture time 0)
# costs   about 5 MB a minute and track; a 2-hour film with 6 tracks takes a few minutes


rule list_films:
    """Write the ids of the films, from which the commands of later stages read long lists."""
    input:
        lambda wildcards: film_tables(wildcards)[:1],
    output:
        "work/films/films.txt",
    log:
        "logs/films/list.log",
    benchmark:
        "logs/films/list.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        disk_mb=10,
        runtime="10m",
    params:
        films=config["corpus"]["films"],
        settings=settings("studio", only=("films_train", "films_valid", "films_test")),
        recipe=recipe("films.list"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.films.list \
            --films={params.films:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """


rule extract_tracks:
    """Probe one film and write each of its audio tracks as FLAC on picture time."""
    input:
        lambda wildcards: media_of(wildcards.film),
    output:
        probe="work/films/{film}/probe.json",
        audio=directory("work/films/{film}/audio"),
    log:
        "logs/films/{film}.log",
    benchmark:
        "logs/films/{film}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=8000,
        runtime="2h",
    params:
        film=lambda wildcards: FILM_OF[wildcards.film]["path"],
        tracks=lambda wildcards: dumps(
            [
                {key: row[key] for key in ("language", "path", "stream")}
                for row in TRACKS_OF[wildcards.film].values()
            ]
        ),
        settings=settings("films"),
        recipe=recipe("films.extract"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.films.extract \
            --film {wildcards.film:q} \
            --path={params.film:q} \
            --tracks {params.tracks:q} \
            --out {output.probe:q} \
            --audio-folder {output.audio:q} \
            --settings {params.settings:q}
        """
