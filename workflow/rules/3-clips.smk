# Stage 3, clips: windows inside shots in which picture and tracks agree.
#
# needs   the film's picture, work/films/{film}/, work/align/{film}/*.json
# makes   work/clips/{film}/clips.parquet: every window, kept or dropped with its reason
# costs   one decoding pass of the picture, about 100 times faster than real time at 360p


rule select_clips:
    """Choose one film's clips and count every dropped window by its reason."""
    input:
        media=lambda wildcards: media_of(wildcards.film),
        probe="work/films/{film}/probe.json",
        audio="work/films/{film}/audio",
        alignments=lambda wildcards: [
            f"work/align/{wildcards.film}/{language}.json" for language in DUBS_OF[wildcards.film]
        ],
    output:
        "work/clips/{film}/clips.parquet",
    log:
        "logs/clips/{film}.log",
    benchmark:
        "logs/clips/{film}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="2h",
    params:
        film=lambda wildcards: FILM_OF[wildcards.film]["path"],
        original=original,
        alignments=lambda wildcards: [
            f"{language}=work/align/{wildcards.film}/{language}.json"
            for language in DUBS_OF[wildcards.film]
        ],
        audio=lambda wildcards: [
            f"{language}=work/films/{wildcards.film}/audio/{language}.flac"
            for language in sorted(TRACKS_OF[wildcards.film])
        ],
        settings=settings("clips"),
        recipe=recipe("clips.select"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.clips.select \
            --film {wildcards.film:q} \
            --picture={params.film:q} \
            --probe {input.probe:q} \
            --original {params.original:q} \
            --alignment {params.alignments:q} \
            --audio {params.audio:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """
