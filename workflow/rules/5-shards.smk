# Stage 5, shards: every film's clips as WebDataset tars, the same bytes each time.
#
# needs   the film's picture, its clips and tracks, its track without speech where a run uses it
# makes   work/shards/{film}-{part}.tar and work/shards/{film}.json (counts, sizes, hashes, drops)
#         work/shards/remix/{film}.flac where a run hears the original in another mix and codec
# costs   one decoding pass; about 0.3 MB a clip at the embedded size


rule write_shards:
    """Cut one film's clips, with every language, into tars."""
    input:
        media=lambda wildcards: media_of(wildcards.film),
        clips="work/clips/{film}/clips.parquet",
        audio="work/films/{film}/audio",
        nospeech=lambda wildcards: [
            f"work/nospeech/{wildcards.film}/{language}.flac"
            for language in NOSPEECH_OF[wildcards.film]
        ],
    output:
        index="work/shards/{film}.json",
        tars=expand("work/shards/{{film}}-{part}.tar", part=PARTS),
    log:
        "logs/shards/{film}.log",
    benchmark:
        "logs/shards/{film}.tsv"
    # on a cluster one job makes the shards of a film and decodes them
    group:
        "shards"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=8000,
        runtime="4h",
    params:
        film=lambda wildcards: FILM_OF[wildcards.film]["path"],
        split=lambda wildcards: FILM_OF[wildcards.film]["split"],
        original=original,
        prefix=lambda wildcards: f"work/shards/{wildcards.film}",
        audio=lambda wildcards: [
            f"{language}=work/films/{wildcards.film}/audio/{language}.flac"
            for language in sorted(TRACKS_OF[wildcards.film])
        ],
        nospeech=lambda wildcards: [
            f"{language}=work/nospeech/{wildcards.film}/{language}.flac"
            for language in NOSPEECH_OF[wildcards.film]
        ],
        settings=settings("shards", leave_out=REMIX_SETTINGS),
        recipe=recipe("shards.write"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.shards.write \
            --film {wildcards.film:q} \
            --picture={params.film:q} \
            --clips {input.clips:q} \
            --original {params.original:q} \
            --audio {params.audio:q} \
            --nospeech {params.nospeech:q} \
            --split {params.split:q} \
            --out-prefix {params.prefix:q} \
            --index {output.index:q} \
            --settings {params.settings:q}
        """


rule remix_track:
    """Mix one film's original anew and send it through another codec: the same words, another sound."""
    input:
        audio="work/films/{film}/audio",
        nospeech=lambda wildcards: f"work/nospeech/{wildcards.film}/{original(wildcards)}.flac",
    output:
        "work/shards/remix/{film}.flac",
    log:
        "logs/shards/remix-{film}.log",
    benchmark:
        "logs/shards/remix-{film}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=4000,
        runtime="1h",
    params:
        original=original,
        settings=settings("shards", only=REMIX_SETTINGS),
        recipe=recipe("shards.remix"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.shards.remix \
            --film {wildcards.film:q} \
            --original {input.audio:q}/{params.original:q}.flac \
            --nospeech {input.nospeech:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """
