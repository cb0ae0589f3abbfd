# Stage 6, pretrain: train the towers, one run and seed a job.
#
# needs   work/shards/*.tar
# makes   work/pretrain/inputs/{film}.npz (each film decoded once for all runs),
#         work/pretrain/remix/{film}.npz where a run hears a remix,
#         work/pretrain/{run}/{seed}/model.pt, metrics.jsonl, speed.jsonl and TensorBoard files
#         (with pretrain.loader.stream the training reads the tars, and inputs are not made)
# costs   at the embedded size about half a minute a run and seed on one core
#
# Checkpoints stand beside the output, in work/pretrain/{run}/{seed}/checkpoint, because Snakemake
# removes outputs before it reruns a job. They carry a fingerprint, so that a stale one is refused.


rule prepare_inputs:
    """Decode one film's shards once into what the towers read."""
    input:
        index="work/shards/{film}.json",
        tars=expand("work/shards/{{film}}-{part}.tar", part=PARTS),
    output:
        "work/pretrain/inputs/{film}.npz",
    log:
        "logs/pretrain/inputs-{film}.log",
    benchmark:
        "logs/pretrain/inputs-{film}.tsv"
    # on a cluster one job makes the shards of a film and decodes them
    group:
        "shards"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=5000,
        runtime="2h",
    params:
        settings=settings("model", only=("inputs",)),
        recipe=recipe("pretrain.prepare"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.pretrain.prepare \
            --shards {input.tars:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """


rule prepare_remix:
    """Cut one film's clips out of its remix, for the runs that hear one."""
    input:
        track="work/shards/remix/{film}.flac",
        clips="work/clips/{film}/clips.parquet",
    output:
        "work/pretrain/remix/{film}.npz",
    log:
        "logs/pretrain/remix-{film}.log",
    benchmark:
        "logs/pretrain/remix-{film}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=1000,
        runtime="2h",
    params:
        settings=settings("model", only=("inputs",)),
        recipe=recipe("pretrain.remixed"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.pretrain.remixed \
            --film {wildcards.film:q} \
            --track {input.track:q} \
            --clips {input.clips:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """


rule train_towers:
    """Train the audio and the video tower of one run with one seed."""
    input:
        films="work/films/films.txt",
        clips=TRAINED_ON,
        remix=remixes_of,
        start=lambda wildcards: expand(
            "work/pretrain/{run}/{seed}/model.pt", run=STARTS[wildcards.run], seed=wildcards.seed
        ),
    output:
        "work/pretrain/{run}/{seed}/model.pt",
    log:
        "logs/pretrain/{run}-{seed}.log",
    benchmark:
        "logs/pretrain/{run}-{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["pretrain"]["engine"]["threads"]
    resources:
        mem_mb=megabytes(3000),
        disk_mb=1000,
        runtime="12h",
        # GPUs of the whole job, a process for each; tasks of SLURM, one on a node (see the profile slurm)
        gpu=0,
        tasks=1,
        tasks_per_gpu=0,
        # two minutes before the limit, to save a checkpoint; the next attempt goes on from it
        slurm_extra="--signal=TERM@120",
    params:
        settings=lambda wildcards: settings(
            "pretrain",
            leave_out=("runs", "seeds", "ablation", "ablation_seeds", "table2"),
            model=config["model"],
            run=RUN_OF[wildcards.run],
        )(wildcards),
        recipe=recipe("pretrain.train"),
        source="--shards" if IS_STREAM else "--inputs",
        # what becomes of a film's id in the list of films: its files among `clips`, a line each
        named="s|.*|{}|".format(r"\n".join(path.format(film="&") for path in TRAINED_ON_OF_FILM)),
        remix=lambda wildcards, input: (
            ["--remix", "work/pretrain/remix"] if wildcards.run in REMIXED else []
        ),
        start=lambda wildcards, input: ["--start-from", *input.start] if input.start else [],
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.launch \
            --gpus {resources.gpu} \
            --tasks {resources.tasks} \
            --threads {threads} \
            -- soundstage.pretrain.train \
            {params.source} @<(sed {params.named:q} {input.films:q}) \
            {params.remix:q} \
            {params.start:q} \
            --run {wildcards.run:q} \
            --seed {wildcards.seed:q} \
            --out {output:q} \
            --settings {params.settings:q}
        """
