# Stage 2, align: where in a dub each moment of the film is heard, or why nobody can say.
#
# needs   work/films/{film}/
# makes   work/align/{film}/{language}.json; `--plot` of the command draws the evidence
# costs   about 2 s a track of 90 s


rule align_track:
    """Find rate, offset and shared segments of one dub against the original, or refuse it."""
    input:
        probe="work/films/{film}/probe.json",
        audio="work/films/{film}/audio",
    output:
        "work/align/{film}/{language}.json",
    log:
        "logs/align/{film}-{language}.log",
    benchmark:
        "logs/align/{film}-{language}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="1h",
    params:
        original=original,
        settings=settings("align"),
        recipe=recipe("align.estimate"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.align.estimate \
            --reference {input.audio:q}/{params.original:q}.flac \
            --track {input.audio:q}/{wildcards.language:q}.flac \
            --out {output:q} \
            --settings {params.settings:q}
        """
