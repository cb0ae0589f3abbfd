# Stage 8, parse: train event parsers and score them.
#
# needs   annotations in LLP's layout, folders of features (a file a video), labels of stage teachers
# makes   work/parse/features/{features}/{split}.npz (a split's features packed once),
#         work/parse/features/{features}/{seed}/{split}.npz (where they are by the towers of a seed),
#         work/parse/{variant}/{seed}/model.pt, predictions.parquet, scores.json, metrics.jsonl
# costs   on LLP at the published sizes about 15 minutes a variant and seed on one core
#
# The seeds of a variant are one job: they share one process and one load of the features. What reads the
# towers of a pretraining run, for table 8, has a job a seed, since its features are those of that seed.
# Checkpoints stand beside the output, in work/parse/{variant}/{seed}/checkpoint.


rule pack_features:
    """Pack one split's features into one file."""
    input:
        annotations=annotations_of,
        features=feature_inputs,
    output:
        "work/parse/{data}features/{features}/{split}.npz",
    log:
        "logs/parse/{data}features-{features}-{split}.log",
    benchmark:
        "logs/parse/{data}features-{features}-{split}.tsv"
    wildcard_constraints:
        features=any_of([name for name in FEATURES if name not in TOWER_FEATURES]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=20000,
        runtime="2h",
    params:
        annotations=annotation_folder,
        map=lambda wildcards: [
            str(part)
            for part in (
                ["--audio-map", *FEATURES[wildcards.features]["audio_map"]]
                if FEATURES[wildcards.features].get("audio_map")
                else []
            )
        ],
        audio=lambda wildcards: feature_folders(wildcards, "audio"),
        visual_2d=lambda wildcards: feature_folders(wildcards, "visual_2d"),
        visual_3d=lambda wildcards: feature_folders(wildcards, "visual_3d"),
        recipe=recipe("parse.pack"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.parse.pack \
            --annotations {params.annotations:q} \
            {params.map:q} \
            --split {wildcards.split} \
            --audio {params.audio:q} \
            --visual-2d {params.visual_2d:q} \
            --visual-3d {params.visual_3d:q} \
            --out {output:q}
        """


rule pack_tower_features:
    """Pack one split's features of which some are by the towers of one seed."""
    input:
        annotations=annotations_of,
        features=feature_inputs,
    output:
        "work/parse/{data}features/{features}/{seed}/{split}.npz",
    log:
        "logs/parse/{data}features-{features}-{seed}-{split}.log",
    benchmark:
        "logs/parse/{data}features-{features}-{seed}-{split}.tsv"
    wildcard_constraints:
        features=any_of(TOWER_FEATURES),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=20000,
        runtime="2h",
    params:
        annotations=annotation_folder,
        map=lambda wildcards: [
            str(part)
            for part in (
                ["--audio-map", *FEATURES[wildcards.features]["audio_map"]]
                if FEATURES[wildcards.features].get("audio_map")
                else []
            )
        ],
        audio=lambda wildcards: feature_folders(wildcards, "audio"),
        visual_2d=lambda wildcards: feature_folders(wildcards, "visual_2d"),
        visual_3d=lambda wildcards: feature_folders(wildcards, "visual_3d"),
        recipe=recipe("parse.pack"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.parse.pack \
            --annotations {params.annotations:q} \
            {params.map:q} \
            --split {wildcards.split} \
            --audio {params.audio:q} \
            --visual-2d {params.visual_2d:q} \
            --visual-3d {params.visual_3d:q} \
            --out {output:q}
        """


rule train_parser:
    """Train one variant of the event parser with every seed."""
    input:
        annotations=annotations_of,
        features=lambda wildcards: expand(
            "work/parse/{data}features/{features}/{split}.npz",
            data=wildcards.data,
            features=VARIANTS[wildcards.variant].get("features", "standard"),
            split=["train", "val", "test"],
        ),
        labels=lambda wildcards: expand(
            "work/teachers/{data}labels/{labels}/train.npz",
            data=wildcards.data,
            labels=[name for name in [VARIANTS[wildcards.variant].get("labels")] if name],
        ),
    output:
        expand("work/parse/{{data}}{{variant}}/{seed}/scores.json", seed=PARSE_SEEDS),
        expand("work/parse/{{data}}{{variant}}/{seed}/predictions.parquet", seed=PARSE_SEEDS),
        expand("work/parse/{{data}}{{variant}}/{seed}/model.pt", seed=PARSE_SEEDS),
        expand("work/parse/{{data}}{{variant}}/{seed}/metrics.jsonl", seed=PARSE_SEEDS),
    log:
        "logs/parse/{data}{variant}.log",
    benchmark:
        "logs/parse/{data}{variant}.tsv"
    wildcard_constraints:
        variant=any_of([name for name in VARIANTS if name not in TOWER_VARIANTS]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=1000,
        runtime="24h",
    params:
        annotations=annotation_folder,
        folder=lambda wildcards, output: Path(output[0]).parent.parent.as_posix(),
        labels=lambda wildcards, input: [f"--labels={path}" for path in input.labels],
        seeds=PARSE_SEEDS,
        settings=variant_settings,
        recipe=recipe("parse.train"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.parse.train \
            --annotations {params.annotations:q} \
            {params.labels:q} \
            --features {input.features:q} \
            --variant {wildcards.variant:q} \
            --seeds {params.seeds} \
            --out-folder {params.folder:q} \
            --settings {params.settings:q}
        """


rule train_tower_parser:
    """Train one variant that reads the towers of a pretraining run with the seed of its towers."""
    input:
        annotations=annotations_of,
        features=lambda wildcards: expand(
            "work/parse/{data}features/{features}/{seed}/{split}.npz",
            data=wildcards.data,
            features=VARIANTS[wildcards.variant]["features"],
            seed=wildcards.seed,
            split=["train", "val", "test"],
        ),
        labels=lambda wildcards: expand(
            "work/teachers/{data}labels/{labels}/train.npz",
            data=wildcards.data,
            labels=[name for name in [VARIANTS[wildcards.variant].get("labels")] if name],
        ),
    output:
        "work/parse/{data}{variant}/{seed}/scores.json",
        "work/parse/{data}{variant}/{seed}/predictions.parquet",
        "work/parse/{data}{variant}/{seed}/model.pt",
        "work/parse/{data}{variant}/{seed}/metrics.jsonl",
    log:
        "logs/parse/{data}{variant}-{seed}.log",
    benchmark:
        "logs/parse/{data}{variant}-{seed}.tsv"
    wildcard_constraints:
        variant=any_of(TOWER_VARIANTS),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=1000,
        runtime="24h",
    params:
        annotations=annotation_folder,
        folder=lambda wildcards, output: Path(output[0]).parent.parent.as_posix(),
        labels=lambda wildcards, input: [f"--labels={path}" for path in input.labels],
        settings=variant_settings,
        recipe=recipe("parse.train"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.parse.train \
            --annotations {params.annotations:q} \
            {params.labels:q} \
            --features {input.features:q} \
            --variant {wildcards.variant:q} \
            --seeds {wildcards.seed} \
            --out-folder {params.folder:q} \
            --settings {params.settings:q}
        """
