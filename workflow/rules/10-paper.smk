# Stage 10, paper: tables and figures from metrics.json files alone.
#
# needs   work/evaluate/{run}/{seed}/metrics.json of every run and seed
# makes   results/table1.{csv,tidy.csv,md,tex,png}, results/corpus.{md,tracks.csv,clips.csv}
# costs   seconds


rule make_table1:
    """Make table 1: pretraining arms against groups of benchmarks, with intervals over seeds."""
    input:
        metrics=expand("work/evaluate/{run}/{seed}/metrics.json", run=RUNS, seed=SEEDS),
        predictions=expand("work/evaluate/{run}/{seed}/predictions.parquet", run=RUNS, seed=SEEDS),
    output:
        csv=report("results/table1.csv", caption="../report/table1.rst", category="tables"),
        tidy="results/table1.tidy.csv",
        differences="results/table1.differences.csv",
        md="results/table1.md",
        tex="results/table1.tex",
        figure=report("results/table1.png", caption="../report/table1.rst", category="tables"),
    log:
        "logs/paper/table1.log",
    benchmark:
        "logs/paper/table1.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        runs=RUNS,
        seeds=SEEDS,
        benchmarks=BENCHMARKS,
        settings=settings("paper", corpus=config["corpus"]["name"]),
        recipe=recipe("paper.table1"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table1 \
            --metrics {input.metrics:q} \
            --runs {params.runs:q} \
            --seeds {params.seeds} \
            --benchmarks {params.benchmarks:q} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule describe_corpus:
    """Count tracks accepted and refused, clips kept and dropped, and the shards' sizes."""
    input:
        films="work/films/films.txt",
        alignments=[f"work/align/{film}/{language}.json" for film, language in DUBS],
        clips=expand("work/clips/{film}/clips.parquet", film=FILMS),
        indexes=expand("work/shards/{film}.json", film=FILMS),
    output:
        md=report("results/corpus.md", caption="../report/corpus.rst", category="corpus"),
        tracks="results/corpus.tracks.csv",
        clips="results/corpus.clips.csv",
    log:
        "logs/paper/corpus.log",
    benchmark:
        "logs/paper/corpus.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        recipe=recipe("paper.corpus"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.corpus \
            --films @{input.films:q} \
            --align work/align \
            --clips work/clips \
            --shards work/shards \
            --out {output.md:q}
        """
