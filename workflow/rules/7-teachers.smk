# Stage 7, teachers: labels of what is heard and what is seen, harvested from pretrained models.
#
# needs   annotations in LLP's layout or AVE's, videos or labels that were harvested elsewhere
# makes   work/teachers/scores/{shard}.parquet (segment scores and embeddings of a shard of videos),
#         work/teachers/features/{shard}/{kind}/ (features of the same videos, where they are asked for),
#         work/teachers/towers/{shard}/{run}-{seed}/ (the same by the towers of pretraining runs, for table 8),
#         work/teachers/labels/{labels}/{split}.npz, work/teachers/fidelity/{labels}.json
# costs   with full-size teachers about a minute a video on one core, with the package's own
#         half a second; the rest seconds
#
# The wildcard `data` is empty for LLP and ave/ for AVE.


rule harvest_scores:
    """Score the segments of one shard of videos with both teachers."""
    input:
        annotations=annotations_of,
        videos=videos_of,
    output:
        scores="work/teachers/{data}scores/{shard}.parquet",
        said="work/teachers/{data}scores/{shard}.json",
    log:
        "logs/teachers/{data}scores-{shard}.log",
    benchmark:
        "logs/teachers/{data}scores-{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=1000,
        runtime="12h",
        gpu=0,
    params:
        annotations=annotation_folder,
        visual=config["teachers"]["visual"],
        audio=config["teachers"]["audio"],
        shards=config["teachers"]["shards"],
        prompts=lambda wildcards: [f"--prompts={path}" for path in prompts_of(wildcards.data)],
        weights=shipped_weights(),
        settings=settings("teachers", only=("precision", "batch_segments", "silence_db")),
        recipe=recipe("teachers.harvest"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
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
        annotations=annotations_of,
        scores=expand("work/teachers/{{data}}scores/{shard}.parquet", shard=HARVEST_SHARDS),
    output:
        "work/teachers/{data}thresholds.json",
    log:
        "logs/teachers/{data}thresholds.log",
    benchmark:
        "logs/teachers/{data}thresholds.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        disk_mb=10,
        runtime="1h",
    params:
        annotations=annotation_folder,
        prompts=lambda wildcards: [f"--thresholds={path}" for path in prompts_of(wildcards.data)],
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
        annotations=annotations_of,
        scores=expand("work/teachers/{{data}}scores/{shard}.parquet", shard=HARVEST_SHARDS),
        thresholds=thresholds_of,
    output:
        "work/teachers/{data}labels/{labels}/{split}.npz",
    log:
        "logs/teachers/{data}labels-{labels}-{split}.log",
    benchmark:
        "logs/teachers/{data}labels-{labels}-{split}.tsv"
    wildcard_constraints:
        labels=any_of(HARVESTED),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        disk_mb=100,
        runtime="1h",
    params:
        annotations=annotation_folder,
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
        annotations=annotations_of,
        audio=lambda wildcards: outside(LABELS[wildcards.labels]["audio"]),
        visual=lambda wildcards: outside(LABELS[wildcards.labels]["visual"]),
    output:
        "work/teachers/{data}labels/{labels}/{split}.npz",
    log:
        "logs/teachers/{data}labels-{labels}-{split}.log",
    benchmark:
        "logs/teachers/{data}labels-{labels}-{split}.tsv"
    wildcard_constraints:
        labels=any_of([name for name in LABELS if name not in HARVESTED]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        disk_mb=100,
        runtime="1h",
    params:
        annotations=annotation_folder,
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


rule extract_features:
    """Extract the configured features of one shard of videos, each video decoded once for all of them."""
    input:
        annotations=annotations_of,
        videos=videos_of,
    output:
        directory("work/teachers/{data}features/{shard}"),
    log:
        "logs/teachers/{data}features-{shard}.log",
    benchmark:
        "logs/teachers/{data}features-{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        disk_mb=20000,
        runtime="12h",
        gpu=0,
    params:
        annotations=annotation_folder,
        kinds=list(EXTRACTED),
        weights=list(EXTRACTED.values()),
        shards=config["teachers"]["shards"],
        shipped=shipped_features(),
        recipe=recipe("teachers.features"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
            python -m soundstage.teachers.features \
            --annotations {params.annotations:q} \
            --videos {input.videos:q} \
            --kind {params.kinds:q} \
            --weights {params.weights:q} \
            --shard {wildcards.shard} \
            --shards {params.shards} \
            --out-folder {output:q}
        """


rule extract_towers:
    """Extract what the towers of pretraining runs give for one shard of videos, each video decoded once."""
    input:
        annotations=annotations_of,
        videos=videos_of,
        models=tower_models,
    output:
        directory("work/teachers/{data}towers/{shard}"),
    log:
        "logs/teachers/{data}towers-{shard}.log",
    benchmark:
        "logs/teachers/{data}towers-{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        disk_mb=20000,
        runtime="12h",
        gpu=0,
    params:
        annotations=annotation_folder,
        shards=config["teachers"]["shards"],
        recipe=recipe("teachers.towers"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
            python -m soundstage.teachers.towers \
            --models {input.models:q} \
            --annotations {params.annotations:q} \
            --videos {input.videos:q} \
            --shard {wildcards.shard} \
            --shards {params.shards} \
            --out-folder {output:q}
        """


rule score_labels:
    """Score one set of labels against the dense annotations of the test videos."""
    input:
        annotations=llp_annotations,
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
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        annotations=lambda wildcards: ANNOTATIONS,
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
        llp_annotations,
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
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        annotations=lambda wildcards: ANNOTATIONS,
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
