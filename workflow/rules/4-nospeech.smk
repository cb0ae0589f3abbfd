# Stage 4, nospeech: an audio track with its speech removed (the strong baseline of paper A).
#
# needs   work/films/{film}/audio, a separator in the format of `demucs --repo` (its files, where they are the user's)
# makes   work/nospeech/{film}/{language}.flac, as many samples as the track has
# costs   with the shipped separator about a tenth of real time on one core; htdemucs takes half


rule remove_speech:
    """Write one audio track without its speech."""
    input:
        probe="work/films/{film}/probe.json",
        audio="work/films/{film}/audio",
        separator=separator_files,
    output:
        "work/nospeech/{film}/{language}.flac",
    log:
        "logs/nospeech/{film}-{language}.log",
    benchmark:
        "logs/nospeech/{film}-{language}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        disk_mb=2000,
        runtime="8h",
    params:
        settings=settings("nospeech"),
        recipe=recipe("nospeech.separate"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.nospeech.separate \
            --audio {input.audio:q}/{wildcards.language:q}.flac \
            --out {output:q} \
            --settings {params.settings:q}
        """
