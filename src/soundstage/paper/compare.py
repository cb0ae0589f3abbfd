"""Table 1 as numbers: groups, differences between runs, intervals. No files here."""

import numpy as np

from soundstage.errors import UserError
from soundstage.evaluate.metrics import chroma_correct
from soundstage.evaluate.schema import GROUPS
from soundstage.paper.results import is_share
from soundstage.paper.statistics import (
    mean_sd,
    percentile_interval,
    resample_counts,
    resampled_accuracy_percent,
    resampled_auc_percent,
    resampled_map_percent,
    t_interval,
)
from soundstage.units import rng_of

RUNS = (
    "random_init",
    "monolingual",
    "monolingual_within_modal",
    "speech_removed",
    "dubs",
    "dubs_within_modal",
)

# The run that a row is compared with: the monolingual one of the same objective.
MATCHED = {
    "random_init": "monolingual",
    "monolingual_within_modal": "monolingual",
    "speech_removed": "monolingual",
    "dubs": "monolingual",
    "dubs_within_modal": "monolingual_within_modal",
}

# Differences that are shown by themselves, beside those to the matched rows.
EXTRA = (("dubs", "speech_removed"),)


def grouped(scores):
    """Return {group: [benchmark, ...]} of percent metrics, groups in the table's order."""
    groups = {}
    for score in scores.values():
        if is_share(score):
            groups.setdefault(score.group, {})[score.benchmark] = None
    return {group: list(groups[group]) for group in GROUPS if group in groups}


def errors(scores):
    """Return the benchmarks whose scores are errors, the lower the better: they are in no group's mean."""
    return list(dict.fromkeys(score.benchmark for score in scores.values() if not is_share(score)))


def group_values(scores, run, seeds, benchmarks):
    """Return (seeds,) the mean over a group's benchmarks for each seed of a run."""
    return np.array([np.mean([scores[run, s, b].value for b in benchmarks]) for s in seeds])


def wide_row(scores, run, seeds, resampled, settings):
    """Return the row of one run as an ordered dict of column -> str, int, float or NaN.

    resampled: what `resample` returned.
    """
    row = {"corpus": settings.corpus, "pretraining": run, "matched": MATCHED.get(run, "")}
    for group, names in grouped(scores).items():
        mean, spread = mean_sd(group_values(scores, run, seeds, names))
        row |= {f"{group}_mean": mean, f"{group}_sd": spread, f"{group}_n": len(seeds)}
        row[f"{group}_chance"] = float(np.mean([scores[run, seeds[0], b].chance for b in names]))
        found = difference(scores, run, MATCHED.get(run), group, seeds, resampled, settings)
        row |= {f"{group}_{key}": value for key, value in found.items()}
    for name in [*(name for names in grouped(scores).values() for name in names), *errors(scores)]:
        row |= _benchmark_cells([scores[run, seed, name] for seed in seeds])
    return row


def _benchmark_cells(scores):
    start = f"{scores[0].benchmark}_{scores[0].metric}"
    mean, spread = mean_sd([score.value for score in scores])
    cells = {"mean": mean, "sd": spread, "n": len(scores), "chance": scores[0].chance}
    return {f"{start}_{key}": value for key, value in cells.items()}


def difference(scores, run, other, group, seeds, resampled, settings):
    """Return a group's difference of two runs in points: over seeds, and over test clips.

    Keys: difference, difference_low, difference_high (t-interval of the differences of runs that
    share a seed), bootstrap_low, bootstrap_high (percentiles when test clips are drawn anew, the
    same clips for both runs). All NaN when there is no other run in the table.
    """
    keys = ("difference", "difference_low", "difference_high", "bootstrap_low", "bootstrap_high")
    if (other, group) not in resampled:
        return dict.fromkeys(keys, float("nan"))
    names = grouped(scores)[group]
    gains = group_values(scores, run, seeds, names) - group_values(scores, other, seeds, names)
    drawn = resampled[run, group] - resampled[other, group]
    ends = percentile_interval(drawn, settings.confidence_percent)
    return dict(zip(keys, (*t_interval(gains, settings.confidence_percent), *ends), strict=True))


def difference_rows(scores, runs, seeds, resampled, settings):
    """Return one dict per difference and group: the matched ones, then the extra ones."""
    pairs = [(run, MATCHED[run]) for run in runs if MATCHED.get(run) in runs]
    pairs += [pair for pair in EXTRA if set(pair) <= set(runs)]
    return [
        {"corpus": settings.corpus, "pretraining": run, "minus": other, "group": group}
        | {"n": len(seeds)}
        | difference(scores, run, other, group, seeds, resampled, settings)
        for run, other in pairs
        for group in grouped(scores)
    ]


def resample(scores, predictions, runs, seeds, settings):
    """Return {(run, group): (samples,) group mean in percent, averaged over the seeds}.

    A benchmark's draws depend on its name and the seed in the settings alone, so that all runs
    are scored on the same drawn clips.
    """
    result = {}
    for group, names in grouped(scores).items():
        drawn = {run: [] for run in runs}
        for name in names:
            folds = predictions[runs[0], seeds[0], name].folds
            rng = rng_of(settings.bootstrap_seed, "bootstrap", name)
            counts = resample_counts(folds, settings.bootstrap_samples, rng)
            metric = scores[runs[0], seeds[0], name].metric
            for run in runs:
                mine = [predictions[run, seed, name] for seed in seeds]
                drawn[run].append(_resampled(mine, metric, folds, counts))
        result |= {(run, group): np.mean(values, axis=0) for run, values in drawn.items()}
    return result


# What a draw of test clips scores: by hits, which are averaged over seeds first, or by all scores of a seed.
HITS = {
    "accuracy_percent": lambda one: one.correct,
    "chroma_accuracy_percent": lambda one: chroma_correct(one.scores, one.labels),
}
RANKS = {"map_percent": resampled_map_percent, "auc_percent": resampled_auc_percent}


def _resampled(predictions, metric, folds, counts):
    """Return (samples,) a benchmark's score under each draw of clips, averaged over seeds."""
    if metric in HITS:
        hits = np.mean([HITS[metric](one) for one in predictions], axis=0)
        return resampled_accuracy_percent(hits, folds, counts)
    if metric not in RANKS:
        raise UserError(f"no bootstrap is known for the metric {metric}; known are {', '.join(HITS | RANKS)}")
    return np.mean([RANKS[metric](one.scores, one.labels, folds, counts) for one in predictions], axis=0)


def tidy_rows(scores, settings):
    """Return one dict per score, with the file it was read from and that file's hash."""
    return [
        {
            "corpus": settings.corpus,
            "pretraining": score.run,
            "seed": score.seed,
            "group": score.group,
            "benchmark": score.benchmark,
            "metric": score.metric,
            "features": score.features,
            "probe": score.probe,
            "value": score.value,
            "chance": score.chance,
            "n": score.n,
            "source": score.source,
            "sha256": score.sha256,
        }
        for score in scores.values()
    ]
