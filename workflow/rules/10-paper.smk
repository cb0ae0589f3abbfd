# Stage 10, paper: tables and figures from metrics.json files alone.
#
# needs   work/evaluate/{run}/{seed}/metrics.json of every run and seed,
#         work/parse/{variant}/{seed}/scores.json and work/teachers/fidelity/{labels}.json for tables 4 to 7
# makes   results/table1.{csv,tidy.csv,md,tex,png}, table2.*, table3.*, retrieval.* alike,
#         results/corpus.{md,tracks.csv,clips.csv}, results/timeline-{number}.png
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
        settings=table_settings(config["corpus"]["name"]),
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


rule make_table2:
    """Make table 2: pretraining with dubs, one factor at a time, as group means."""
    input:
        metrics=expand("work/evaluate/{run}/{seed}/metrics.json", run=TABLE2, seed=TABLE2_SEEDS),
        predictions=expand(
            "work/evaluate/{run}/{seed}/predictions.parquet", run=TABLE2, seed=TABLE2_SEEDS
        ),
    output:
        csv=report("results/table2.csv", caption="../report/table2.rst", category="tables"),
        tidy="results/table2.tidy.csv",
        published="results/table2.published.csv",
        md="results/table2.md",
        tex="results/table2.tex",
        figure=report("results/table2.png", caption="../report/table2.rst", category="tables"),
    log:
        "logs/paper/table2.log",
    benchmark:
        "logs/paper/table2.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        disk_mb=10,
        runtime="10m",
    params:
        rows=TABLE2,
        factors=as_json({name: RUN_OF[name] for name in TABLE2}),
        seeds=TABLE2_SEEDS,
        benchmarks=BENCHMARKS,
        settings=table_settings(config["corpus"]["name"]),
        recipe=recipe("paper.table2"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table2 \
            --metrics {input.metrics:q} \
            --rows {params.rows:q} \
            --factors {params.factors:q} \
            --seeds {params.seeds} \
            --benchmarks {params.benchmarks:q} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_table3:
    """Make table 3: the pretraining rows on LVU's tasks and on sets of actions."""
    input:
        metrics=expand("work/evaluate/{run}/{seed}/table3/metrics.json", run=RUNS, seed=SEEDS),
        shared=expand(
            "work/evaluate/{run}/{seed}/metrics.json",
            run=RUNS if TABLE3_SHARED else [],
            seed=SEEDS,
        ),
    output:
        csv=report("results/table3.csv", caption="../report/table3.rst", category="tables"),
        tidy="results/table3.tidy.csv",
        md="results/table3.md",
        tex="results/table3.tex",
        figure=report("results/table3.png", caption="../report/table3.rst", category="tables"),
    log:
        "logs/paper/table3.log",
    benchmark:
        "logs/paper/table3.tsv"
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
        leave_out=[name for name in BENCHMARKS if name not in TABLE3_SHARED],
        settings=table_settings(config["corpus"]["name"]),
        recipe=recipe("paper.table3"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table3 \
            --metrics {input.metrics:q} {input.shared:q} \
            --runs {params.runs:q} \
            --seeds {params.seeds} \
            --leave-out {params.leave_out:q} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_retrieval:
    """Make the table of retrieval on held-out films: every language, dubs against originals, the gap."""
    input:
        expand("work/evaluate/{run}/{seed}/retrieval.json", run=RUNS, seed=SEEDS),
    output:
        csv=report("results/retrieval.csv", caption="../report/retrieval.rst", category="tables"),
        tidy="results/retrieval.tidy.csv",
        md="results/retrieval.md",
        tex="results/retrieval.tex",
        figure=report("results/retrieval.png", caption="../report/retrieval.rst", category="tables"),
    log:
        "logs/paper/retrieval.log",
    benchmark:
        "logs/paper/retrieval.tsv"
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
        settings=table_settings(config["corpus"]["name"]),
        recipe=recipe("paper.retrieval"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.retrieval \
            --found {input:q} \
            --runs {params.runs:q} \
            --seeds {params.seeds} \
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


rule make_table4:
    """Make table 4: event parsers by method, with published rows beside."""
    input:
        [
            path
            for variant in config["parse"]["table4"]
            if ANNOTATIONS
            for path in scores_of(variant)
        ]
        or unannotated,
    output:
        csv=report("results/table4.csv", caption="../report/table4.rst", category="tables"),
        tidy="results/table4.tidy.csv",
        differences="results/table4.differences.csv",
        md="results/table4.md",
        tex="results/table4.tex",
        figure=report("results/table4.png", caption="../report/table4.rst", category="tables"),
    log:
        "logs/paper/table4.log",
    benchmark:
        "logs/paper/table4.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        rows=config["parse"]["table4"],
        seeds=PARSE_SEEDS,
        rule=config["parse"]["rule"],
        settings=table_settings(config["parse"]["corpus"]),
        recipe=recipe("paper.table45"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table45 \
            --table 4 \
            --scores {input:q} \
            --rows {params.rows:q} \
            --seeds {params.seeds} \
            --rule {params.rule} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_table5:
    """Make table 5: one parser that learns from different teachers."""
    input:
        [
            path
            for variant in config["parse"]["table5"]
            if ANNOTATIONS
            for path in scores_of(variant)
        ]
        or unannotated,
    output:
        csv=report("results/table5.csv", caption="../report/table5.rst", category="tables"),
        tidy="results/table5.tidy.csv",
        differences="results/table5.differences.csv",
        md="results/table5.md",
        tex="results/table5.tex",
        figure=report("results/table5.png", caption="../report/table5.rst", category="tables"),
    log:
        "logs/paper/table5.log",
    benchmark:
        "logs/paper/table5.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        rows=config["parse"]["table5"],
        seeds=PARSE_SEEDS,
        rule=config["parse"]["rule"],
        settings=table_settings(config["parse"]["corpus"]),
        recipe=recipe("paper.table45"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table45 \
            --table 5 \
            --scores {input:q} \
            --rows {params.rows:q} \
            --seeds {params.seeds} \
            --rule {params.rule} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_table6:
    """Make table 6: labels themselves, against dense annotations."""
    input:
        FIDELITY or unannotated,
    output:
        csv=report("results/table6.csv", caption="../report/table6.rst", category="tables"),
        tidy="results/table6.tidy.csv",
        classes="results/table6.classes.csv",
        md="results/table6.md",
        tex="results/table6.tex",
        figure=report("results/table6.png", caption="../report/table6.rst", category="tables"),
    log:
        "logs/paper/table6.log",
    benchmark:
        "logs/paper/table6.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        settings=table_settings(config["parse"]["corpus"]),
        recipe=recipe("paper.table6"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table6 \
            --scores {input:q} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_table7:
    """Make table 7: event parsers on AVE, weakly supervised, with published rows beside."""
    input:
        [
            path
            for variant in config["parse"]["table7"]
            if AVE_ANNOTATIONS
            for path in scores_of(variant)
        ]
        or unannotated,
    output:
        csv=report("results/table7.csv", caption="../report/table7.rst", category="tables"),
        tidy="results/table7.tidy.csv",
        classes="results/table7.classes.csv",
        md="results/table7.md",
        tex="results/table7.tex",
        figure=report("results/table7.png", caption="../report/table7.rst", category="tables"),
    log:
        "logs/paper/table7.log",
    benchmark:
        "logs/paper/table7.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        rows=config["parse"]["table7"],
        seeds=PARSE_SEEDS,
        settings=table_settings(AVE["corpus"]),
        recipe=recipe("paper.table7"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table7 \
            --scores {input:q} \
            --rows {params.rows:q} \
            --seeds {params.seeds} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule draw_timelines:
    """Draw a few test videos second by second: what is there, what labels and what parsers say."""
    input:
        annotations=llp_annotations,
        labels=expand("work/teachers/labels/{labels}/test.npz", labels=TIMELINE_LABELS),
        predictions=[path for variant in TIMELINE_PARSERS for path in predictions_of(variant)],
    output:
        report(TIMELINES, caption="../report/timeline.rst", category="timelines")
        if TIMELINES
        else "results/timeline-none.png",
    log:
        "logs/paper/timeline.log",
    benchmark:
        "logs/paper/timeline.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        annotations=lambda wildcards: ANNOTATIONS,
        labels=lambda wildcards, input: [
            f"{name}={path}" for name, path in zip(TIMELINE_LABELS, input.labels, strict=True)
        ],
        predictions=lambda wildcards, input: [
            f"{name}={path}"
            for name, path in zip(TIMELINE_PARSERS, input.predictions, strict=True)
        ],
        rule=config["parse"]["rule"],
        recipe=recipe("paper.timeline"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.timeline \
            --annotations {params.annotations:q} \
            --split test \
            --labels {params.labels:q} \
            --predictions {params.predictions:q} \
            --rule {params.rule} \
            --out {output:q}
        """


rule make_table8:
    """Make table 8: event parsers on the towers of table 1, and on soft labels."""
    input:
        table8_scores,
    output:
        csv=report("results/table8.csv", caption="../report/table8.rst", category="tables"),
        tidy="results/table8.tidy.csv",
        differences="results/table8.differences.csv",
        md="results/table8.md",
        tex="results/table8.tex",
        figure=report("results/table8.png", caption="../report/table8.rst", category="tables"),
    log:
        "logs/paper/table8.log",
    benchmark:
        "logs/paper/table8.tsv"
    conda:
        "../../envs/paper.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        disk_mb=10,
        runtime="10m",
    params:
        rows=TABLE8,
        about=as_json(ABOUT_TABLE8),
        seeds=TABLE8_SEEDS,
        rule=config["parse"]["rule"],
        settings=table_settings(config["parse"]["corpus"]),
        recipe=recipe("paper.table8"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.table8 \
            --scores {input:q} \
            --rows {params.rows:q} \
            --about {params.about:q} \
            --seeds {params.seeds} \
            --rule {params.rule} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """


rule make_timestamps:
    """Make the table of HEAR's tasks of time stamps."""
    input:
        expand("work/evaluate/{run}/{seed}/timestamps.json", run=RUNS, seed=SEEDS),
    output:
        csv=report("results/timestamps.csv", caption="../report/timestamps.rst", category="tables"),
        tidy="results/timestamps.tidy.csv",
        md="results/timestamps.md",
        tex="results/timestamps.tex",
    log:
        "logs/paper/timestamps.log",
    benchmark:
        "logs/paper/timestamps.tsv"
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
        settings=table_settings(config["corpus"]["name"]),
        recipe=recipe("paper.timestamps"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m soundstage.paper.timestamps \
            --found {input:q} \
            --runs {params.runs:q} \
            --seeds {params.seeds} \
            --out {output.csv:q} \
            --settings {params.settings:q}
        """
