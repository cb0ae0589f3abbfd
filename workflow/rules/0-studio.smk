# Stage 0, studio: the embedded corpus, made from a seed.
#
# needs   nothing but espeak-ng and ffmpeg
# makes   work/studio/films/{film}/ (film, tracks, truth.json), work/studio/benchmarks/{benchmark}/,
#         and where event parsing is asked for, work/studio/llp/ and work/studio/ave/ (videos in
#         parts, annotations)
# costs   about 8 s and 12 MB a film, 20 s and 60 MB a benchmark, 0.5 s and 0.4 MB a video of the
#         LLP- and AVE-like sets, on one core


rule make_film:
    """Make one film of the embedded corpus with all its audio tracks."""
    output:
        directory("work/studio/films/{film}"),
    log:
        "logs/studio/{film}.log",
    benchmark:
        "logs/studio/{film}.tsv"
    wildcard_constraints:
        film=any_of(FILMS if IS_STUDIO else []),
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=100,
        runtime="15m",
    params:
        settings=settings("studio", leave_out=LLP_SIZES + AVE_SIZES + TABLE3_SIZES + CLIP_COUNTS),
        recipe=recipe("studio.film"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.film \
            --film {wildcards.film:q} \
            --out-folder {output:q} \
            --settings {params.settings:q}
        """


rule make_benchmark:
    """Make one benchmark of clips in its official layout."""
    output:
        directory("work/studio/benchmarks/{benchmark}"),
    log:
        "logs/studio/{benchmark}.log",
    benchmark:
        "logs/studio/{benchmark}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        disk_mb=500,
        runtime="30m",
    params:
        settings=studio_settings,
        recipe=recipe("studio.benchmark"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.benchmark \
            --name {wildcards.benchmark:q} \
            --out-folder {output:q} \
            --settings {params.settings:q}
        """


rule make_llp:
    """Make one part of the LLP-like set of videos."""
    output:
        directory("work/studio/llp/videos-{shard}"),
    log:
        "logs/studio/llp-{shard}.log",
    benchmark:
        "logs/studio/llp-{shard}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        disk_mb=1000,
        runtime="1h",
    params:
        parts=config["teachers"]["shards"],
        settings=settings("studio", only=("seed", *LLP_SIZES)),
        recipe=recipe("studio.llp"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.llp \
            --part {wildcards.shard} \
            --parts {params.parts} \
            --out-folder {output:q} \
            --settings {params.settings:q}
        """


rule annotate_llp:
    """Write the annotation files of the LLP-like set, which need no video."""
    output:
        expand("work/studio/llp/annotations/AVVP_{name}.csv", name=ANNOTATION_NAMES),
    log:
        "logs/studio/llp-annotations.log",
    benchmark:
        "logs/studio/llp-annotations.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        folder=lambda wildcards, output: Path(output[0]).parent.as_posix(),
        settings=settings("studio", only=("seed", *LLP_SIZES)),
        recipe=recipe("studio.llp"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.llp \
            --annotations \
            --out-folder {params.folder:q} \
            --settings {params.settings:q}
        """


rule make_ave:
    """Make one part of the AVE-like set of videos."""
    output:
        directory("work/studio/ave/videos-{shard}"),
    log:
        "logs/studio/ave-{shard}.log",
    benchmark:
        "logs/studio/ave-{shard}.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        disk_mb=1000,
        runtime="1h",
    params:
        parts=config["teachers"]["shards"],
        settings=settings("studio", only=("seed", *AVE_SIZES)),
        recipe=recipe("studio.ave"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.ave \
            --part {wildcards.shard} \
            --parts {params.parts} \
            --out-folder {output:q} \
            --settings {params.settings:q}
        """


rule annotate_ave:
    """Write the annotation files of the AVE-like set, which need no video."""
    output:
        expand("work/studio/ave/annotations/{name}", name=AVE_FILES),
    log:
        "logs/studio/ave-annotations.log",
    benchmark:
        "logs/studio/ave-annotations.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        folder=lambda wildcards, output: Path(output[0]).parent.as_posix(),
        settings=settings("studio", only=("seed", *AVE_SIZES)),
        recipe=recipe("studio.ave"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.ave \
            --annotations \
            --out-folder {params.folder:q} \
            --settings {params.settings:q}
        """


rule draw_sheet:
    """Draw one picture of what every class of the embedded corpus looks and sounds like."""
    output:
        report("results/studio.png", caption="../report/studio.rst", category="studio"),
    log:
        "logs/studio/sheet.log",
    benchmark:
        "logs/studio/sheet.tsv"
    conda:
        "../../envs/media.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=100,
        runtime="10m",
    params:
        settings=settings("studio", leave_out=LLP_SIZES + AVE_SIZES + TABLE3_SIZES),
        recipe=recipe("studio.sheet"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.studio.sheet \
            --out {output:q} \
            --settings {params.settings:q}
        """


rule train_separator:
    """Train the small speech separator anew on studio material of its own (an hour)."""
    output:
        directory("work/studio/models/separator"),
    log:
        "logs/studio/separator.log",
    benchmark:
        "logs/studio/separator.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=2000,
        runtime="3h",
    params:
        # with the checkpoint beside the output, from which a killed training goes on
        folder=lambda wildcards, output: Path(output[0]).parent.as_posix(),
        recipe=recipe("nospeech.train"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.nospeech.train \
            --out {params.folder:q}
        """


rule train_miniature:
    """Train the small feature networks of event parsing anew on scenes of their own (half an hour)."""
    output:
        directory("work/studio/models/miniature"),
    log:
        "logs/studio/miniature.log",
    benchmark:
        "logs/studio/miniature.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        disk_mb=1500,
        runtime="3h",
    params:
        scenes=lambda wildcards, output: f"{output[0]}-scenes",
        recipe=recipe("teachers.miniature_train"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.miniature_train \
            --out {output:q} \
            --scenes {params.scenes:q} \
            --workers {threads}
        """


rule train_teacher:
    """Train the small CLIP or CLAP anew on captioned pictures or sounds of its own (a quarter of an hour)."""
    output:
        directory("work/studio/models/{teacher}"),
    log:
        "logs/studio/{teacher}.log",
    benchmark:
        "logs/studio/{teacher}.tsv"
    wildcard_constraints:
        teacher="clip|clap",
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        disk_mb=100,
        runtime="3h",
    params:
        # with the checkpoint beside the output, from which a killed training goes on
        folder=lambda wildcards, output: Path(output[0]).parent.as_posix(),
        modality=lambda wildcards: {"clip": "visual", "clap": "audio"}[wildcards.teacher],
        recipe=recipe("teachers.learn"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.learn \
            --modality {params.modality} \
            --out {params.folder:q}
        """
