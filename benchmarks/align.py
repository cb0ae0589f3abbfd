"""Measure the aligner beside its peers on pairs with a planted truth, and print the tables.

    python benchmarks/align.py [--work FOLDER] [--cases 1] [--film-cases 1] [--film-kinds edits ...]
                               [--peers PYTHON] [--methods ours rival ...] [--tables-only] [--inside]

Makes the scenes and cases that are missing (see align_cases.py), runs each method on each, one
process per call, at most 120 s, and keeps every answer under FOLDER/answers, so that a run that was
stopped goes on where it was. The peers are run by PYTHON, of an environment that has
audio-offset-finder, syncstart, audalign and ffsubsync: they do not belong into this project's own.
Without it the aligner is measured beside its rival, a plain windowed GCC-PHAT (align_rivals.py).

--inside lets this process answer for the aligner, which saves the start of a process per pair.
The large counts of README: --inside --kinds unrelated --cases 500, --film-cases 3 and so on.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from align_cases import FALSE_KINDS, FILM_SECONDS, TRUE_KINDS, Studio, make, make_bank, plan

HERE = Path(__file__).resolve().parent
OURS, PEERS = ("ours", "rival"), ("audio-offset-finder", "syncstart", "audalign", "ffsubsync")
FILM_KINDS = ("edits", "everything", "unrelated")
LIMIT_SECONDS = 120
RIGHT_SECONDS = 0.04  # an answer is right where it is within a video frame
KEPT_SECONDS = 0.1  # a stretched track scatters by itself
EDGE_SECONDS = 0.5  # so near to an edit no point is asked
FOUND_SHARE = 0.5  # an answer of which less is right is a wrong one


# --- the methods: a command each, that leaves {"segments": [...], "reason": ...} in a file


def command(method, reference, track, out, peers):
    """Return the command that lets a method answer for one pair."""
    if method == "ours":
        words = ["-m", "soundstage.align.estimate", "--reference", reference, "--track", track, "--out", out]
        return [sys.executable, *map(str, words)]
    script = HERE / "align_rivals.py"
    python = sys.executable if method == "rival" else str(peers)
    return [python, *map(str, (script, method, reference, track, out))]


def answer(method, folder, truth, out, peers):
    """Return a method's answer for one case: segments, cost and what it said; kept in a file."""
    if out.exists():
        return json.loads(out.read_text())
    out.parent.mkdir(parents=True, exist_ok=True)
    raw = out.with_suffix(".raw.json")
    words = command(method, folder / truth["reference"], folder / truth["track"], raw, peers)
    cost = timed(words, LIMIT_SECONDS, out.with_suffix(".log"))
    found = json.loads(raw.read_text()) if raw.exists() and cost["status"] == 0 else {}
    accepted = found.get("accepted", bool(found.get("segments")))
    keys = ("reference_start_seconds", "reference_end_seconds", "offset_seconds", "rate", "confidence")
    extra = ("evidence", "score", "score_control", "coherent", "accepted", "probability")
    result = {
        **cost,
        "accepted": accepted,
        "reason": found.get("reason", "no answer"),
        "confidence": found.get("confidence", 0.0),
        "control": found.get("control", 0.0),
        "kept": found.get("pitch_corrected", False),
        "rate": found.get("rate", 1.0),
        "segments": [{k: s[k] for k in keys + extra if k in s} for s in found.get("segments", [])],
    }
    raw.unlink(missing_ok=True)
    out.write_text(json.dumps(result))
    return result


def answer_inside(folder, truth, out):
    """Return what `answer` does for the aligner, called in this process; kept in the same file."""
    if out.exists():
        return json.loads(out.read_text())
    from soundstage.align.estimate import estimate_low, load
    from soundstage.align.settings import Settings

    out.parent.mkdir(parents=True, exist_ok=True)
    wall, cpu = time.perf_counter(), used_cpu()
    found = estimate_low([tuple(load(folder / truth[side]) for side in ("reference", "track"))], Settings())
    cost = {"status": 0, "wall_seconds": time.perf_counter() - wall, "cpu_seconds": used_cpu() - cpu}
    cost["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    keys = ("accepted", "reason", "confidence", "control", "rate", "segments")
    result = {**cost, **{key: found[key] for key in keys}, "kept": found["pitch_corrected"]}
    part = out.with_suffix(".part")
    part.write_text(json.dumps(result))
    os.replace(part, out)
    return result


def used_cpu():
    """Return the processor seconds of this process and of those that it waited for (ffmpeg)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(words, limit_seconds, log):
    """Return {status, wall_seconds, cpu_seconds, peak_mb} of a command; over the limit it is ended."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": str(log.parent)}
    with open(log, "w") as stream:
        start = time.perf_counter()
        process = subprocess.Popen(
            words, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
        )
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(round(limit_seconds))
        _, status, used = os.wait4(process.pid, 0)
        signal.alarm(0)
        wall = time.perf_counter() - start
    process.returncode = status
    return {
        "status": os.waitstatus_to_exitcode(status),
        "wall_seconds": wall,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }


# --- judging


def points(truth, segments):
    """Return (error in seconds at each asked second, share of the shared time that is covered).

    Asked is every second inside an answered segment, but within half a second of an edit. Where the
    track has nothing of that moment the error is infinite.
    """
    asked, errors, covered, shared = 0, [], 0, 0
    for second in np.arange(0.25, truth["case"]["seconds"], 1.0):
        true = inside(truth["segments"], second, EDGE_SECONDS)
        near = inside(truth["segments"], second, -EDGE_SECONDS)
        mine = inside(segments, second, 0.0)
        lonely = any(a <= second < b for a, b in truth["lonely"])
        shared += true is not None and not lonely
        covered += true is not None and not lonely and mine is not None
        if mine is None or (true is None and near is not None):
            continue
        asked += 1
        place = [s["offset_seconds"] + s["rate"] * second for s in (mine, true) if s]
        errors.append(abs(place[0] - place[1]) if true else np.inf)
    return np.array(errors), covered / max(shared, 1)


def inside(segments, second, margin):
    """Return the segment that holds a second of the reference, so far from its ends, or None."""
    for part in segments:
        if part["reference_start_seconds"] + margin <= second <= part["reference_end_seconds"] - margin:
            return part
    return None


def judge(truth, given):
    """Return how good an answer is: outcome found, refused or wrong, errors and the rest."""
    segments = [s for s in given["segments"] if s.get("accepted", True)] if given["accepted"] else []
    errors, covered = points(truth, segments) if truth["related"] else (np.array([]), 0.0)
    if not segments:
        outcome = "refused"
    elif not truth["related"]:
        outcome = "wrong"
    else:
        limit = KEPT_SECONDS if truth["kept"] else RIGHT_SECONDS
        outcome = "found" if len(errors) and np.mean(errors <= limit) >= FOUND_SHARE else "wrong"
    edits = [s["reference_end_seconds"] for s in truth["segments"][:-1]]
    ends = [s["reference_end_seconds"] for s in segments]
    missed = [min([abs(end - edit) for end in ends], default=np.inf) for edit in edits]
    return {
        "outcome": outcome,
        "errors": errors,
        "covered": covered,
        "edits": missed,
        "rate_right": bool(segments) and abs(given["rate"] - truth["rate"]) < 2e-6,
        "kept_right": given["kept"] == truth["kept"],
    }


# --- tables


HEAD = (
    "| kind | pairs | found | refused | wrong | median error, ms | 95th pct, ms | covered | rate right"
    " | edits within 0.5 s | CPU s per hour |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def table(rows, method):
    """Return the lines of a Markdown table of one method: a line per kind and length, and three of all."""
    lines, mine = list(HEAD), [row for row in rows if row["method"] == method]
    for kind in (*TRUE_KINDS, "hard", *FALSE_KINDS):
        for film in (False, True):
            chosen = [row for row in mine if row["kind"] == kind and (row["seconds"] > FILM_SECONDS) == film]
            if chosen:
                lines.append(table_line(kind + ", 90 minutes" * film, chosen))
    kept = {"all true ones": False, "all true ones, pitch kept": True}
    for name, wanted in kept.items():
        chosen = [row for row in mine if row["kind"] in TRUE_KINDS and row["truth"]["kept"] == wanted]
        lines += [table_line(name, chosen)] if chosen else []
    false = [row for row in mine if row["kind"] in FALSE_KINDS]
    return lines + ([table_line("all false ones", false)] if false else [])


def table_line(name, rows):
    """Return one line of the table."""
    judged = [row["judged"] for row in rows]
    count = [sum(j["outcome"] == outcome for j in judged) for outcome in ("found", "refused", "wrong")]
    errors = 1000 * np.concatenate([j["errors"] for j in judged if len(j["errors"])] or [np.array([])])
    numbers = [f"{np.percentile(errors, p, method='lower'):.2g}" if len(errors) else "–" for p in (50, 95)]
    hours = sum(row["seconds"] for row in rows) / 3600
    cells = [name, len(rows), *count, *numbers]
    answered = [j for j in judged if j["outcome"] != "refused"]
    if rows[0]["kind"] in FALSE_KINDS or not answered:
        cells += ["–", "–", "–"]
    else:
        edits = [edit for j in answered for edit in j["edits"]]
        near = f"{sum(edit <= 0.5 for edit in edits)} of {len(edits)}" if edits else "–"
        covered = 100 * np.mean([j["covered"] for j in answered])
        cells += [f"{covered:.1f} %", f"{sum(j['rate_right'] for j in answered)} of {len(answered)}", near]
    cells.append(f"{sum(row['cpu_seconds'] for row in rows) / hours:.1f}")
    return "| " + " | ".join(map(str, cells)) + " |"


def chosen_cases(options):
    """Return the list of (kind, number, seconds) of a run, short ones first."""
    kinds = options.kinds or (*TRUE_KINDS, *FALSE_KINDS)
    short = [(kind, n, 120 + 60 * (n % 4) * (kind != "hard")) for n in range(options.cases) for kind in kinds]
    long = [(kind, n, 5400) for n in range(options.film_cases) for kind in kinds if kind in options.film_kinds]
    return short + long


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = Path("work/benchmarks/align")
    parser.add_argument("--work", type=Path, default=folder, help="folder of the bank, the cases and the answers")
    parser.add_argument("--scenes", type=int, default=400, help="scenes in the bank")
    parser.add_argument("--cases", type=int, default=1, help="short pairs of each kind, 2 to 5 minutes")
    parser.add_argument("--film-cases", type=int, default=1, help="film-length pairs of each of --film-kinds")
    parser.add_argument("--kinds", nargs="*", help="only these kinds of distortion")
    parser.add_argument("--film-kinds", nargs="*", default=FILM_KINDS, help="kinds that have film-length pairs")
    parser.add_argument("--methods", nargs="*", choices=(*OURS, *PEERS), help="(default: all that can be run)")
    parser.add_argument("--peers", type=Path, help="Python of an environment that has the peers")
    parser.add_argument("--shots", type=Path, default=HERE.parent.parent / "shared/media/dubs")
    parser.add_argument("--lags", type=Path, default=HERE.parent.parent / "shared/reference/dub_lags.json")
    parser.add_argument("--keep-going-seconds", type=float, default=3600, help="no new call after so long")
    parser.add_argument("--tag", default="", help="keep this run's answers apart from others'")
    parser.add_argument("--tables-only", action="store_true", help="judge the answers that are there")
    parser.add_argument("--remove-pairs", action="store_true", help="delete the sound of a pair after its answers")
    parser.add_argument("--inside", action="store_true", help="answer for the aligner in this process")
    options = parser.parse_args()
    options.methods = options.methods or [*OURS, *(PEERS if options.peers else [])]
    if missing := sorted(set(options.methods) & set(PEERS)) if not options.peers else []:
        parser.error(f"{', '.join(missing)}: give --peers PYTHON")
    make_bank(options.work, options.scenes)
    rows = collect(options)
    for method in options.methods:
        print(f"\n### {method}\n")
        print("\n".join(table(rows, method)))


def collect(options):
    """Return a row per case and method that has an answer, making what is missing and allowed."""
    studio = Studio(options.work, options.shots if options.shots.is_dir() else None, options.lags)
    stop, rows = time.monotonic() + options.keep_going_seconds, []
    for kind, number, seconds in chosen_cases(options):
        name = f"{kind}-{number}-{seconds}"
        folder = options.work / "pairs" / name
        outs = {m: options.work / f"answers{options.tag}" / m / f"{name}.json" for m in options.methods}
        waits = not all(out.exists() for out in outs.values())
        if waits and (options.tables_only or time.monotonic() > stop):
            outs = {m: out for m, out in outs.items() if out.exists()}
        if not outs:
            continue
        truth = make(studio, plan(kind, number, seconds, options.scenes), folder, sound=waits)
        for method, out in outs.items():
            if method == "ours" and options.inside:
                given = answer_inside(folder, truth, out)
            else:
                given = answer(method, folder, truth, out, options.peers)
            row = {"method": method, "kind": kind, "number": number, "seconds": seconds, "name": name}
            row |= {key: given[key] for key in ("cpu_seconds", "wall_seconds", "peak_mb")}
            rows.append({**row, "judged": judge(truth, given), "given": given, "truth": truth})
            report(rows[-1], waits)
        if options.remove_pairs:
            for side in ("reference", "track"):
                (folder / truth[side]).unlink(missing_ok=True)
    return rows


def report(row, fresh):
    """Say on stderr how one call went."""
    if not fresh:
        return
    judged, given = row["judged"], row["given"]
    errors = 1000 * np.percentile(judged["errors"], [50, 95], method="lower") if len(judged["errors"]) else "-"
    print(
        f"{row['method']} {row['name']}: {judged['outcome']}, error ms {errors}, covered {judged['covered']:.2f},"
        f" rate {judged['rate_right']} kept {judged['kept_right']} edits {np.round(judged['edits'], 2)}"
        f" confidence {given['confidence']} {given['cpu_seconds']:.1f} s {given['peak_mb']:.0f} MB"
        f" {re.sub(' +', ' ', given['reason'])[:90]}",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
