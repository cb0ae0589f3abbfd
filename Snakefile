# Soundstage: from raw films to paper tables.
#
# Where things are: work/<stage>/ what each stage made, logs/<stage>/ its logs and benchmark files,
# results/ the tables and figures. One rule file and one package a stage; config.yaml has every knob.

from snakemake.utils import min_version

min_version("9.27.1")


configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/0-studio.smk"
include: "workflow/rules/1-films.smk"
include: "workflow/rules/2-align.smk"
include: "workflow/rules/3-clips.smk"
include: "workflow/rules/4-nospeech.smk"
include: "workflow/rules/5-shards.smk"
include: "workflow/rules/6-pretrain.smk"
include: "workflow/rules/7-teachers.smk"
include: "workflow/rules/8-parse.smk"
include: "workflow/rules/9-evaluate.smk"
include: "workflow/rules/10-paper.smk"


localrules:
    all,
    studio,
    studio_models,
    films,
    align,
    clips,
    nospeech,
    shards,
    pretrain,
    teachers,
    parse,
    evaluate,
    list_films,
    draw_sheet,
    annotate_llp,
    annotate_ave,
    score_labels,
    score_weak_label,
    make_table1,
    make_table2,
    make_table3,
    make_table4,
    make_table5,
    make_table6,
    make_table7,
    make_table8,
    make_retrieval,
    make_timestamps,
    draw_timelines,
    describe_corpus,


rule all:
    """Every table and figure that this configuration can make."""
    default_target: True
    input:
        RESULTS,


rule studio:
    """The embedded corpus: films, benchmarks and the picture of its classes."""
    input:
        "results/studio.png",
        expand("work/studio/films/{film}", film=FILMS),
        expand("work/studio/benchmarks/{benchmark}", benchmark=STUDIO_BENCHMARKS),


rule studio_models:
    """The embedded corpus's small pretrained models, trained anew; those in use are in the package."""
    input:
        expand("work/studio/models/{model}", model=["separator", "miniature", "clip", "clap"]),


rule films:
    """Every film probed, every audio track extracted."""
    input:
        expand("work/films/{film}/probe.json", film=FILMS),
        NO_FILMS,


rule align:
    """Every dub aligned to its film, or refused."""
    input:
        [f"work/align/{film}/{language}.json" for film, language in DUBS],
        NO_FILMS,


rule clips:
    """Every film's clips chosen."""
    input:
        expand("work/clips/{film}/clips.parquet", film=FILMS),
        NO_FILMS,


rule nospeech:
    """Every track that a run needs without speech."""
    input:
        [f"work/nospeech/{film}/{language}.flac" for film, language in NOSPEECH],
        NO_FILMS,


rule shards:
    """Every film's clips as WebDataset tars."""
    input:
        expand("work/shards/{film}.json", film=FILMS),
        NO_FILMS,


rule pretrain:
    """Every run and seed trained."""
    input:
        expand("work/pretrain/{run}/{seed}/model.pt", run=RUNS, seed=SEEDS),


rule teachers:
    """Every set of labels made, and scored against dense annotations."""
    input:
        expand("work/teachers/labels/{labels}/train.npz", labels=LABELS if ANNOTATIONS else []),
        FIDELITY,


rule parse:
    """Every variant of the event parser trained and scored."""
    input:
        [path for variant in VARIANTS for path in scores_of(variant)],


rule evaluate:
    """Every run and seed scored on every benchmark."""
    input:
        expand("work/evaluate/{run}/{seed}/metrics.json", run=RUNS, seed=SEEDS),
