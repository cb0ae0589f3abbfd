# Stage 9, evaluate: frozen embeddings once per run and benchmark, then probes.
#
# needs   work/pretrain/{run}/{seed}/model.pt, benchmarks in their official layouts
# makes   work/evaluate/inputs/{benchmark}.npz (each benchmark decoded once for all runs; only its lists where
#         it has more than evaluate.keep_megabytes of windows, which each run then decodes for itself),
#         work/evaluate/{run}/{seed}/metrics.json and predictions.parquet, retrieval.json
# costs   at the embedded size about 12 s a run and seed on one core; HEAR's tasks of time stamps half a day a run and
#         seed, so give score_timestamps a GPU


rule prepare_benchmark:
    """Decode one benchmark once into what the towers read."""
    input:
        lambda wildcards: benchmark_folder(wildcards.benchmark),
    output:
        "work/evaluate/inputs/{benchmark}.npz",
    log:
        "logs/evaluate/inputs-{benchmark}.log",
    benchmark:
        "logs/evaluate/inputs-{benchmark}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000),
        disk_mb=5000,
        runtime="4h",
    params:
        group=lambda wildcards: BENCHMARK_OF[wildcards.benchmark]["group"],
        layout=lambda wildcards: layout_flag(wildcards.benchmark),
        model=settings("model", only=("inputs",)),
        settings=lambda wildcards: prepare_settings(wildcards.benchmark),
        recipe=recipe("evaluate.prepare"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.evaluate.prepare \
            --benchmark {wildcards.benchmark:q} \
            --folder={input:q} \
            --group {params.group:q} \
            {params.layout} \
            --out {output:q} \
            --workers {threads} \
            --model-settings {params.model:q} \
            --settings {params.settings:q}
        """


rule score_run:
    """Embed every benchmark with one run's frozen towers and probe the embeddings."""
    input:
        model="work/pretrain/{run}/{seed}/model.pt",
        inputs=expand("work/evaluate/inputs/{benchmark}.npz", benchmark=BENCHMARKS),
    output:
        metrics="work/evaluate/{run}/{seed}/metrics.json",
        predictions="work/evaluate/{run}/{seed}/predictions.parquet",
    log:
        "logs/evaluate/{run}-{seed}.log",
    benchmark:
        "logs/evaluate/{run}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=1000,
        runtime="4h",
        gpu=0,
    params:
        settings=settings(
            "evaluate",
            leave_out=(*BENCHMARK_KEYS, "keep_megabytes"),
            probes=PROBES,
        ),
        recipe=recipe("evaluate.run"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
            python -m soundstage.evaluate.run \
            --model {input.model:q} \
            --inputs {input.inputs:q} \
            --run {wildcards.run:q} \
            --seed {wildcards.seed:q} \
            --out {output.metrics:q} \
            --predictions {output.predictions:q} \
            --workers {threads} \
            --settings {params.settings:q}
        """


rule score_table3:
    """Embed and probe the benchmarks of table 3 alone, as score_run does those of table 1."""
    input:
        model="work/pretrain/{run}/{seed}/model.pt",
        inputs=expand("work/evaluate/inputs/{benchmark}.npz", benchmark=TABLE3),
    output:
        metrics="work/evaluate/{run}/{seed}/table3/metrics.json",
        predictions="work/evaluate/{run}/{seed}/table3/predictions.parquet",
    log:
        "logs/evaluate/{run}-{seed}-table3.log",
    benchmark:
        "logs/evaluate/{run}-{seed}-table3.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=1000,
        runtime="4h",
        gpu=0,
    params:
        settings=settings(
            "evaluate",
            leave_out=(*BENCHMARK_KEYS, "keep_megabytes"),
            probes=PROBES,
        ),
        recipe=recipe("evaluate.run"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
            python -m soundstage.evaluate.run \
            --model {input.model:q} \
            --inputs {input.inputs:q} \
            --run {wildcards.run:q} \
            --seed {wildcards.seed:q} \
            --out {output.metrics:q} \
            --predictions {output.predictions:q} \
            --workers {threads} \
            --settings {params.settings:q}
        """


rule embed_folder:
    """Embed every media file of a folder with one run's frozen towers, without any probe."""
    input:
        model="work/pretrain/{run}/{seed}/model.pt",
        folder=lambda wildcards: outside(FOLDERS[wildcards.folder]),
    output:
        "work/evaluate/{run}/{seed}/{folder}.parquet",
    log:
        "logs/evaluate/{run}-{seed}-{folder}.log",
    benchmark:
        "logs/evaluate/{run}-{seed}-{folder}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=1000,
        runtime="4h",
    params:
        settings=settings("evaluate", leave_out=(*BENCHMARK_KEYS, "keep_megabytes")),
        recipe=recipe("evaluate.embed"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.evaluate.embed \
            --model {input.model:q} \
            --folder={input.folder:q} \
            --out {output:q} \
            --workers {threads} \
            --settings {params.settings:q}
        """


rule measure_retrieval:
    """Let one run's frozen towers find picture by sound and back on held-out films, in every language."""
    input:
        model="work/pretrain/{run}/{seed}/model.pt",
        inputs=expand("work/pretrain/inputs/{film}.npz", film=HELD_OUT),
    output:
        "work/evaluate/{run}/{seed}/retrieval.json",
    log:
        "logs/evaluate/{run}-{seed}-retrieval.log",
    benchmark:
        "logs/evaluate/{run}-{seed}-retrieval.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=100,
        runtime="1h",
    params:
        recipe=recipe("evaluate.retrieval"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.evaluate.retrieval \
            --model {input.model:q} \
            --inputs @<(printf '%s\n' {input.inputs:q}) \
            --out {output:q}
        """


rule score_timestamps:
    """Score one run's audio tower on HEAR's tasks of time stamps, which ask for more than its windows are made for."""
    input:
        model="work/pretrain/{run}/{seed}/model.pt",
        folders=lambda wildcards: outside(TIMESTAMPS.values()),
    output:
        "work/evaluate/{run}/{seed}/timestamps.json",
    log:
        "logs/evaluate/{run}-{seed}-timestamps.log",
    benchmark:
        "logs/evaluate/{run}-{seed}-timestamps.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        disk_mb=2500,
        # on one core an S tower takes 10 to 20 hours with both tasks; a second attempt has the embeddings, 6 hours of
        # it and more, and so needs no longer one
        runtime="24h",
        gpu=0,
    params:
        tasks=[f"{name}={folder}" for name, folder in TIMESTAMPS.items()],
        hop_ms=config["evaluate"]["timestamps_hop_ms"],
        recipe=recipe("evaluate.timestamps"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.devices --gpus {resources.gpu} -- \
            python -m soundstage.evaluate.timestamps \
            --model {input.model:q} \
            --tasks {params.tasks:q} \
            --hop-ms {params.hop_ms} \
            --out {output:q}
        """
