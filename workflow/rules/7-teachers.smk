# Stage 7, teachers: labels of what is heard and what is seen, harvested from pretrained models.
#
# needs   annotations in LLP's layout, videos or labels that were harvested elsewhere
# makes   work/teachers/scores/{shard}.parquet (segment scores and embeddings of a shard of videos),
#         work/teachers/labels/{labels}/{split}.npz, work/teachers/fidelity/{labels}.json
# costs   with full-size teachers about 10 s a video on one core; the rest seconds


rule harvest_scores:
    """Score the segments of one shard of videos with both teachers."""
    input:
        annotations=ANNOTATION_FILES,
        videos=videos_of,
    output:
        scores="work/teachers/scores/{shard}.parquet",
        said="work/teachers/scores/{shard}.json",
    log:
        "logs/teachers/scores-{shard}.log",
    benchmark:
        "logs/teachers/scores-{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime="12h",
    params:
        annotations=ANNOTATIONS,
        visual=config["teachers"]["visual"],
        audio=config["teachers"]["audio"],
        shards=config["teachers"]["shards"],
        prompts=lambda wildcards: (
            f"--prompts={config['teachers']['prompts']}" if config["teachers"]["prompts"] else []
        ),
        settings=settings("teachers", only=("precision", "batch_segments", "silence_db")),
        recipe=recipe("teachers.harvest"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.harvest \
            --annotations {params.annotations:q} \
            {params.prompts:q} \
            --videos {input.videos:q} \
            --visual={params.visual:q} \
            --audio={params.audio:q} \
            --shard {wildcards.shard} \
            --shards {params.shards} \
            --out {output.scores:q} \
            --settings {params.settings:q}
        """


rule calibrate_thresholds:
    """Find the thresholds of the best F1 on the validation videos."""
    input:
        annotations=ANNOTATION_FILES,
        scores=expand("work/teachers/scores/{shard}.parquet", shard=HARVEST_SHARDS),
    output:
        "work/teachers/thresholds.json",
    log:
        "logs/teachers/thresholds.log",
    benchmark:
        "logs/teachers/thresholds.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        annotations=ANNOTATIONS,
        prompts=lambda wildcards: (
            f"--thresholds={config['teachers']['prompts']}"
            if config["teachers"]["prompts"]
            else []
        ),
        recipe=recipe("teachers.label"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.label \
            --scores {input.scores:q} \
            {params.prompts:q} \
            --annotations {params.annotations:q} \
            --split val \
            --calibrate {output:q}
        """


rule make_labels:
    """Make the labels of one split from the teachers' scores."""
    input:
        annotations=ANNOTATION_FILES,
        scores=expand("work/teachers/scores/{shard}.parquet", shard=HARVEST_SHARDS),
        thresholds=lambda wildcards: thresholds_of(wildcards.labels),
    output:
        "work/teachers/labels/{labels}/{split}.npz",
    log:
        "logs/teachers/labels-{labels}-{split}.log",
    benchmark:
        "logs/teachers/labels-{labels}-{split}.tsv"
    wildcard_constraints:
        labels=any_of(HARVESTED),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        annotations=ANNOTATIONS,
        how=lambda wildcards: {
            "binary": [],
            "soft": ["--soft"],
            "and": ["--fuse=and"],
            "or": ["--fuse=or"],
            "mean": ["--fuse=mean"],
        }[LABELS[wildcards.labels]["rule"]],
        thresholds=lambda wildcards, input: [f"--thresholds={path}" for path in input.thresholds],
        settings=settings("teachers", only=("soft_temperature",)),
        recipe=recipe("teachers.label"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.label \
            --scores {input.scores:q} \
            {params.how:q} {params.thresholds:q} \
            --annotations {params.annotations:q} \
            --split {wildcards.split} \
            --out {output:q} \
            --settings {params.settings:q}
        """


rule gather_labels:
    """Take labels of one split that were harvested elsewhere."""
    input:
        annotations=ANNOTATION_FILES,
        audio=lambda wildcards: LABELS[wildcards.labels]["audio"],
        visual=lambda wildcards: LABELS[wildcards.labels]["visual"],
    output:
        "work/teachers/labels/{labels}/{split}.npz",
    log:
        "logs/teachers/labels-{labels}-{split}.log",
    benchmark:
        "logs/teachers/labels-{labels}-{split}.tsv"
    wildcard_constraints:
        labels=any_of([name for name in LABELS if name not in HARVESTED]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime="1h",
    params:
        annotations=ANNOTATIONS,
        recipe=recipe("teachers.provided"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.provided \
            --annotations {params.annotations:q} \
            --split {wildcards.split} \
            --audio {input.audio:q} \
            --visual {input.visual:q} \
            --out {output:q}
        """


rule score_labels:
    """Score one set of labels against the dense annotations of the test videos."""
    input:
        annotations=ANNOTATION_FILES,
        labels="work/teachers/labels/{labels}/test.npz",
    output:
        "work/teachers/fidelity/{labels}.json",
    log:
        "logs/teachers/fidelity-{labels}.log",
    benchmark:
        "logs/teachers/fidelity-{labels}.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        annotations=ANNOTATIONS,
        recipe=recipe("teachers.fidelity"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.fidelity \
            --annotations {params.annotations:q} \
            --split test \
            --name {wildcards.labels:q} \
            --labels {input.labels:q} \
            --out {output:q}
        """


rule score_weak_label:
    """Score the weak label, broadcast to every segment of both modalities."""
    input:
        ANNOTATION_FILES,
    output:
        "work/teachers/fidelity/weak_broadcast.json",
    log:
        "logs/teachers/fidelity-weak_broadcast.log",
    benchmark:
        "logs/teachers/fidelity-weak_broadcast.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="10m",
    params:
        annotations=ANNOTATIONS,
        recipe=recipe("teachers.fidelity"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.teachers.fidelity \
            --annotations {params.annotations:q} \
            --split test \
            --name weak_broadcast \
            --out {output:q}
        """
