"""Alignment of two film-length signals: search, measure, draw the edges, decide.

Pure maths: the two signals in, a plain dict out (the keys of `soundstage.align.estimate`).
"""

from dataclasses import dataclass, replace

import numpy as np

from soundstage.align import coarse, edges, fine, trust
from soundstage.align.features import ALIGN_HZ, band_features

SPEEDS = (24 / 25, 25 / 24)
NOMINAL_RATES = (1.0, 1.001, 1 / 1.001, 24 / 25, 25 / 24, 24 / 25.025, 25.025 / 24)
CLEAR_EVIDENCE = 10.0
SAME_LINE_SECONDS = 0.003
KEPT_ERROR_SECONDS = 0.004
FEW_WINDOWS, MANY_WINDOWS = 240, 1000
KEPT_SHARE, LEAST_PEAK = 0.5, 0.5  # of the peaks at the new pace, and in z, what those at the old one must reach
SAME_RATE_SHARE = 0.9  # of a piece's own score, that the longest piece's rate must reach to be taken
REACH_CHUNKS = 2  # how far beyond its chunks, in chunks, a piece is looked for
SEEK_SECONDS, LOOKS_PER_SECOND = 4.0, 20  # an edit's neighbourhood, and how finely it is searched
SEEK_TIMES, SEEK_BORDER_SECONDS = 5, 0.5  # so many such neighbourhoods, while the edit seems to lie at the border
NOISE_Z, LEAST_Z = 2.5, -0.2  # what a quarter of a second reaches by chance near a line, and the most it may fall short
BLACK_COST = 4.0
JOINT_SECONDS = 10.0  # without a sign of shared sound a piece may go so far to meet its neighbour
LISTEN_BLOCKS, LISTEN_GAP, HEARD_Z = 60, 4, 5.0  # seconds listened to beyond a piece's ends, and when they are heard
LEAST_DOUBTFUL_SECONDS = 5.0
HALF_BLOCK_SECONDS = 0.5
GONE_SHARE = 0.8  # of a gap's seconds that are silent in the track alone: then it has nothing there, no dialogue
LEAST_PACE, MOST_PACE = 7e-4, 2e-3  # differences from 1 of a speed-up that is asked whether it kept the pitch


@dataclass(frozen=True)
class Sound:
    """A signal as both searches need it: 16 kHz samples, and features by band scale."""

    samples: np.ndarray
    features: dict
    seconds: float


@dataclass(frozen=True)
class Piece:
    """A stretch of the film on one line; times in seconds of the reference.

    coherent: measured on the wave form (sub-millisecond), not on the band levels alone; evidence:
    trust.strength of its chunks; score, control: of the wave forms along its line (1 at most, 1
    where they were not compared); unheard: (start, end) of stretches inside it that share nothing that can be told.
    """

    start: float
    end: float
    offset: float
    rate: float
    rate_error: float
    residual: float
    score: float
    control: float
    evidence: float
    coherent: bool
    unheard: tuple = ()


def sound(samples, settings):
    """Return the Sound of 16 kHz mono samples (n,), float32 or int16."""
    features = {1.0: band_features(samples, settings.band_low_hz, settings.band_high_hz)}
    return Sound(samples, features, len(samples) / ALIGN_HZ)


def scaled(sound_, rate, settings):
    """Return features whose bands moved with the pitch of a track at this rate."""
    if rate not in sound_.features:
        low, high = settings.band_low_hz / rate, settings.band_high_hz / rate
        sound_.features[rate] = band_features(sound_.samples, low, min(high, ALIGN_HZ / 2 * 0.99))
    return sound_.features[rate]


def hypotheses(reference, track, settings):
    """Return the (rate, pitch_corrected) that explains most, pitch moved or kept, from a few looks."""
    plain = coarse.search(reference.features[1.0], track.features[1.0], settings, 1.0, probe=True)
    best = (plain.evidence.mean(), 1.0, False)
    if best[0] >= CLEAR_EVIDENCE:
        return best[1:]
    for rate in SPEEDS:
        for kept in (False, True):
            heard = track.features[1.0] if kept else scaled(track, rate, settings)
            path = coarse.search(reference.features[1.0], heard, settings, rate, probe=True)
            best = max(best, (path.evidence.mean(), rate, kept))
    return best[1:]


def align(left, right, settings):
    """Return what is known of how a track (right) lies on the reference (left), as a dict.

    left, right: Sound of at least settings.short_seconds. Keys: accepted, reason, rate,
    offset_seconds, segments, confidence, control, pitch_corrected, and `path` (the coarse lags, for
    the plot).
    """
    rate, kept = hypotheses(left, right, settings)
    heard = right.features[1.0] if kept or rate == 1.0 else scaled(right, rate, settings)
    path = coarse.search(left.features[1.0], heard, settings, rate)
    chance = coarse.search(left.features[1.0], heard[::-1], settings, rate, probe=True)
    control = trust.control(chance, settings, left.seconds)
    pieces = []
    for run in coarse.runs(path):
        evidence = trust.strength(path.evidence[run], path.centers[run], settings)
        if evidence >= trust.WORTH_A_LOOK * control:
            pieces.append(measure(left, right, path, run, evidence, kept, settings))
    sure = [piece for piece in pieces if trust.confidence(piece, control) >= settings.accept_confidence]
    doubtful = [piece for piece in pieces if piece not in sure]
    sure = sure if kept else at_one_rate(left, right, settled(sure), settings)
    sure = bounded(joined(settled(sure)), left, right, heard, settings)
    sure = settled([again(left, right, piece, settings) for piece in sure])
    sure = sure if kept else at_one_rate(left, right, sure, settings)
    if not kept and slowly_kept(left, right, sure, settings):
        kept, sure = True, settled([stretched(piece) for piece in sure])
    pieces = sorted(sure + leftover(doubtful, sure), key=lambda piece: piece.start)
    return trust.verdict(pieces, (left, right), path, control, kept, settings)


def leftover(doubtful, sure):
    """Return the pieces that are not to be trusted, drawn in to where no trusted one is."""
    result = []
    for piece in doubtful:
        start = max([piece.start, *(other.end for other in sure if other.start <= piece.start)])
        end = min([piece.end, *(other.start for other in sure if other.start > piece.start)])
        if end - start >= LEAST_DOUBTFUL_SECONDS:
            result.append(replace(piece, start=start, end=end))
    return result


def stretched(piece):
    """Return a piece of a track that was stretched: its windows scatter together, so its rate is less sure."""
    half = (piece.end - piece.start) / 2
    return replace(piece, rate_error=max(piece.rate_error, KEPT_ERROR_SECONDS / half))


def slowly_kept(reference, track, pieces, settings):
    """Return True when a speed-up of about 1 in 1000 left the pitch alone.

    The bands cannot tell, the wave forms can: windows of the track match better at their own pace, or,
    from a phase vocoder, at both about alike. Without a match at either the pitch counts as moved.
    """
    longest = max(pieces, key=lambda piece: piece.end - piece.start, default=None)
    if longest is None or not LEAST_PACE < abs(longest.rate - 1) < MOST_PACE:
        return False
    old, new = (_peaks(reference, track, longest, pace, settings) for pace in (1.0, longest.rate))
    return old > max(KEPT_SHARE * new, LEAST_PEAK)


def _peaks(reference, track, piece, pace, settings):
    """Return how far the highest point near a line, at a pace of the sound, stands above wrong windows'.

    In z, the mean over windows.
    """
    centers = _centers(piece, settings, FEW_WINDOWS)
    lags = piece.offset + (piece.rate - pace) * centers
    pairing = fine.correlate(reference.samples, track.samples, (centers, lags), settings, pace)
    right, wrong = (float(pairing(shift).z.max(axis=1).mean()) for shift in (0, len(centers) // 2))
    return right - wrong


def at_one_rate(reference, track, pieces, settings):
    """Return the pieces at the longest one's rate where the sound fits that as well as their own.

    A track was sped up once; a short piece, or one that is heard here and there, can be led astray.
    """
    longest = max(pieces, key=lambda piece: piece.end - piece.start, default=None)
    result = []
    for piece in pieces:
        if longest.coherent and (piece.rate != longest.rate or not piece.coherent):
            moved = (piece.rate - longest.rate) * (piece.start + piece.end) / 2
            tried = replace(piece, rate=longest.rate, offset=piece.offset + moved)
            tried = refine(reference, track, tried, np.zeros(1), settings, FEW_WINDOWS, level=True)
            least = SAME_RATE_SHARE * piece.score if piece.coherent else trust.STRONG_RATIO * tried.control
            piece = tried if tried.score >= least else piece
        result.append(piece)
    return result


def measure(reference, track, path, run, evidence, kept, settings):
    """Return the Piece of one run of chunks: its line to a fraction of a millisecond.

    The wave forms are compared where the pitch moved with the speed; where it was kept, or where
    they do not cohere, the line through the band levels' lags stands.
    """
    centers, lags, weight = path.centers[run], path.lags[run], np.maximum(path.evidence[run], 0.1)
    half = settings.chunk_seconds / 2
    start, end = max(0.0, centers[0] - half), min(reference.seconds, centers[-1] + half)
    slope = _slope(centers, lags, weight)
    offset = _median(lags - slope * centers, weight)
    gaps = lags - slope * centers - offset
    spread = max(_median(np.abs(gaps), weight), fine.end_gap(gaps, weight))
    error = _rough_error(centers)
    rough = Piece(start, end, offset, path.rate + slope, error, spread, 1.0, 1.0, evidence, False)
    if kept:
        return rough
    for windows in (FEW_WINDOWS, MANY_WINDOWS):
        found = refine(reference, track, rough, _slopes(start, end, len(run)), settings, windows, quick=True)
        if found.score >= trust.STRONG_RATIO * found.control:
            rate = nominal(found)
            moved = found.offset + (found.rate - rate) * (start + end) / 2
            return replace(found, rate=rate, offset=moved)
    return rough


def _median(values, weight):
    """Return the weighted median."""
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])


def again(reference, track, piece, settings):
    """Return a coherent piece measured once more, now that its true edges are known."""
    if not piece.coherent or piece.end - piece.start < 3 * settings.window_seconds:
        return piece
    level = piece.rate in NOMINAL_RATES
    slopes = np.zeros(1) if level else _slopes(piece.start, piece.end, 99)
    return refine(reference, track, piece, slopes, settings, FEW_WINDOWS, level)


def _slope(centers, lags, weight):
    """Return the slope of the lag over a run: zero when the run is too short to tell."""
    if len(centers) < 6:
        return 0.0
    return float(np.clip(np.polyfit(centers, lags, 1, w=weight)[0], -0.0025, 0.0025))


def _rough_error(centers):
    """Return the standard error of a rate read off the band levels' lags."""
    if len(centers) < 6:
        return 0.0025
    return KEPT_ERROR_SECONDS / (centers.std() * np.sqrt(len(centers)))


def _slopes(start, end, chunks):
    """Return the slopes to try round a line: a wide fan when few chunks gave it."""
    half = (end - start) / 2
    reach = 0.0015 if chunks < 6 else 0.008 / half
    step = min(0.0005 / half, reach)
    count = int(np.ceil(reach / step))
    return np.arange(-count, count + 1) * step


def _centers(piece, settings, windows):
    """Return the centres of fine windows all over a piece, at most so many."""
    margin = settings.window_seconds / 2
    low, high = piece.start + margin, max(piece.end - margin, piece.start + margin)
    count = 1 + int((high - low) / settings.window_hop_seconds + 1e-6)
    if count > windows:
        return np.linspace(low, high, windows)
    return low + settings.window_hop_seconds * np.arange(count)


def refine(reference, track, piece, slopes, settings, windows, level=False, quick=False):
    """Return the piece measured again on the wave forms along its own line.

    slopes: what to try besides it; windows: how many at most; level: its rate is known; quick: a
    cheaper control.
    """
    centers = _centers(piece, settings, windows)
    lags = np.full(len(centers), piece.offset)
    pairing = fine.correlate(reference.samples, track.samples, (centers, lags), settings, piece.rate)
    line = fine.fit(pairing, slopes, level, shuffles=2 if quick else 5)
    return replace(
        piece,
        offset=line.offset_seconds,
        rate=piece.rate + line.slope,
        rate_error=line.slope_error,
        residual=line.residual_seconds,
        score=line.score,
        control=line.control,
        coherent=True,
    )


def nominal(piece):
    """Return a standard rate when the measured one cannot be told from it, else the measured.

    What the difference adds up to over the piece must stay under a quarter of a millisecond, or
    inside three standard errors.
    """
    half = max((piece.end - piece.start) / 2, 1.0)
    closest = min(NOMINAL_RATES, key=lambda rate: abs(rate - piece.rate))
    allowed = max(3 * piece.rate_error, 0.00025 / half)
    return closest if abs(closest - piece.rate) <= allowed else piece.rate


def settled(pieces):
    """Return the pieces with the longest one's rate wherever theirs cannot be told from it."""
    if not pieces:
        return []
    longest = max(pieces, key=lambda piece: piece.end - piece.start)
    rate = nominal(longest)
    result = []
    for piece in pieces:
        half = (piece.end - piece.start) / 2
        allowed = max(3 * piece.rate_error, 0.00025 / half)
        if abs(piece.rate - rate) <= allowed:
            moved = piece.offset + (piece.rate - rate) * (piece.start + half)
            piece = replace(piece, rate=rate, offset=moved)
        result.append(piece)
    return result


def joined(pieces):
    """Return the pieces with neighbours on the same line made one."""
    result = []
    for piece in pieces:
        if result and _same_line(result[-1], piece):
            last = result.pop()
            heavier = max(last, piece, key=lambda p: p.end - p.start)
            piece = replace(
                heavier,
                start=last.start,
                end=piece.end,
                evidence=max(last.evidence, piece.evidence),
            )
        result.append(piece)
    return result


def _same_line(one, other):
    middle = (one.end + other.start) / 2
    gap = (one.offset + one.rate * middle) - (other.offset + other.rate * middle)
    allowed = SAME_LINE_SECONDS if one.coherent and other.coherent else 0.03
    return abs(gap) <= allowed + abs(one.rate - other.rate) * abs(other.start - one.end)


def bounded(pieces, reference, track, heard, settings):
    """Return the pieces with their true starts and ends; those without shared sound fall out.

    reference, track: Sound; heard: (frames, BANDS) features of the track. A piece that crosses a long stretch
    without shared sound becomes two.
    """
    features = reference.features[1.0]
    spread = edges.chance_spread(features, heard)
    limits = [_inside(piece, reference.seconds, len(heard) / 100) for piece in pieces]
    for index in range(len(pieces) - 1):
        here, after = pieces[index], pieces[index + 1]
        jump = (after.offset - here.offset) + (after.rate - here.rate) * here.end
        missing = max(0.0, -jump / here.rate)
        low = max(limits[index][0], here.end - settings.chunk_seconds)
        high = min(limits[index + 1][1], after.start + settings.chunk_seconds + missing)
        values = [edges.agreement(features, heard, p.rate, p.offset, low, high) for p in (here, after)]
        place = low + edges.switch(*values, missing)
        if here.coherent and after.coherent:
            place = sharper((here, after), place, missing, reference, track, heard, settings)
        limits[index] = (limits[index][0], min(limits[index][1], place))
        limits[index + 1] = (max(limits[index + 1][0], place + missing), limits[index + 1][1])
    result = []
    for index, (piece, limit) in enumerate(zip(pieces, limits, strict=True)):
        joints = (index > 0, index < len(pieces) - 1)
        result += drawn(piece, limit, joints, spread, (reference, track, heard), settings)
    return result


def drawn(piece, limit, joints, spread, sounds, settings):
    """Return the parts of a piece that shared sound supports, drawn in to it.

    limit: (start, end) seconds of the reference that it can reach at most; joints: whether another piece meets it
    there; spread: of chance; sounds: (reference, track, (frames, BANDS) features of the track). What is supported
    reaches on to a limit that is near, as films begin and end quietly, and to a joint; elsewhere half a block is
    left out, because the last supported second may be shared in part only.
    """
    reference, track, heard = sounds
    low = max(limit[0], piece.start - REACH_CHUNKS * settings.chunk_seconds)
    high = min(limit[1], piece.end + REACH_CHUNKS * settings.chunk_seconds)
    value = edges.agreement(reference.features[1.0], heard, piece.rate, piece.offset, low, high)
    core = (round(max(piece.start, low) - low), round(min(piece.end, high) - low))
    support = edges.supported(value, spread, core)
    if piece.coherent:
        support = heard_on(piece, low, support, reference, track, settings)
    gap = Gaps(piece, low, value, spread, reference, track, settings)
    found = edges.stretches(support, edges.weights(value, spread), gap.crossed)
    parts = [(low + first, min(high, low + last)) for first, last in found]
    result = []
    for number, (start, end) in enumerate(parts):
        outer = (number == 0, number == len(parts) - 1)
        reach = [JOINT_SECONDS if joint else settings.extend_seconds for joint in joints]
        start = limit[0] if outer[0] and start - limit[0] <= reach[0] else start + HALF_BLOCK_SECONDS
        end = limit[1] if outer[1] and limit[1] - end <= reach[1] else end - HALF_BLOCK_SECONDS
        if end > start:
            result.append(replace(piece, start=start, end=end, unheard=gap.unheard(start, end)))
    return result


class Gaps:
    """The stretches of a piece without a sign of shared sound: which of them its line crosses."""

    def __init__(self, piece, low, value, spread, reference, track, settings):
        self.piece, self.low, self.value, self.spread = piece, low, value, spread
        self.reference, self.track, self.settings = reference, track, settings
        self.silent = []  # (start, end) in seconds of those that were crossed without evidence

    def crossed(self, first, last):
        """Return whether the line holds over blocks first to last, of one second each from `low` on.

        It does where all of them together agree more than chance. Otherwise, as with dialogue alone, where the gap
        is short and the track is not simply silent.
        """
        length = last - first
        if self._agrees(first, last):
            return True
        if length > self.settings.bridge_seconds or self._gone(first, last) >= GONE_SHARE:
            return False
        self.silent.append((self.low + first, self.low + last))
        return True

    def _agrees(self, first, last):
        """Return whether the band levels, or the wave forms, of all blocks together stand above chance."""
        mean = self.value[first * edges.BLOCK_FRAMES : last * edges.BLOCK_FRAMES].mean()
        if mean > edges.SUPPORT_Z * self.spread / np.sqrt(last - first):
            return True
        return self.piece.coherent and self._wave_z(first, last) > edges.SUPPORT_Z

    def _wave_z(self, first, last):
        """Return how far windows near the line stand above wrongly paired ones, in standard errors."""
        centers = self.low + np.arange(first, last) + 0.5
        lines = (centers, np.full(len(centers), self.piece.offset))
        samples = self.reference.samples, self.track.samples
        pairing = fine.correlate(*samples, lines, self.settings, self.piece.rate)
        right, wrong = (fine.near(pairing(shift), lines[1])[1] for shift in (0, len(centers) // 2))
        error = np.sqrt((right.var() + wrong.var()) / len(centers))
        return float((right.mean() - wrong.mean()) / max(error, 1e-6))

    def _gone(self, first, last):
        """Return the share of the blocks in which the track is silent while the film sounds."""
        centers = self.low + np.arange(first, last) + 0.5
        there = self.piece.offset + self.piece.rate * centers
        track, reference = (
            # among moments of the whole file, whose louder ones say what is silent
            trust.silent(sound.samples, np.concatenate([at, np.arange(0.5, sound.seconds, 1.0)]))[: len(at)]
            for sound, at in ((self.track, there), (self.reference, centers))
        )
        return float((track & ~reference).mean())

    def unheard(self, start, end):
        """Return the (start, end) seconds, inside a part, of gaps that were crossed without evidence."""
        return tuple(gap for gap in self.silent if start <= gap[0] and gap[1] <= end)


def heard_on(piece, low, support, reference, track, settings):
    """Return the support of a piece's blocks with what its wave forms say beyond both ends of it.

    support: (blocks,) bool of one second each from `low` seconds on.
    """
    found = np.nonzero(support)[0]
    first, last = (found[0], found[-1]) if len(found) else (len(support) // 2,) * 2
    blocks = np.arange(max(0, first - LISTEN_BLOCKS), min(len(support), last + LISTEN_BLOCKS + 1))
    blocks = blocks[(blocks < first) | (blocks > last)]
    if not len(blocks):
        return support
    centers = low + blocks + 0.5
    lines = (centers, np.full(len(centers), piece.offset))
    curves = fine.correlate(reference.samples, track.samples, lines, settings, piece.rate)(0)
    heard = np.zeros(len(support), bool)
    heard[blocks] = fine.near(curves, lines[1])[1] >= HEARD_Z
    return edges.reached(support, heard, LISTEN_GAP)


def sharper(pieces, place, missing, reference, track, heard, settings):
    """Return where two pieces meet, found anew on the wave forms near a place in seconds.

    A place at the border of what was looked at is looked at again from there: where the bed hardly
    moves the band levels can be ten seconds off.
    """
    for _ in range(SEEK_TIMES):
        found = sought(pieces, place, missing, reference, track, heard, settings)
        if abs(found - place) < SEEK_SECONDS - SEEK_BORDER_SECONDS:
            break
        place = found
    return found


def sought(pieces, place, missing, reference, track, heard, settings):
    """Return where two pieces meet, at most SEEK_SECONDS from a place.

    Between lines of dialogue a quarter of a second of the bed is enough to tell; where nothing of it
    is heard the band levels (heard: the track's) have a small say; black where the film sounds on
    speaks against a line.
    """
    features = reference.features[1.0]
    narrow = replace(settings, window_seconds=0.25, margin_seconds=0.02)
    low = max(0.125, place - SEEK_SECONDS)
    high = min(reference.seconds - 0.125, place + missing + SEEK_SECONDS)
    centers = np.arange(low, high, 1 / LOOKS_PER_SECOND)
    if len(centers) < 4:
        return place
    values = []
    for piece in pieces:
        lines = (centers, np.full(len(centers), piece.offset))
        curves = fine.correlate(reference.samples, track.samples, lines, narrow, piece.rate)(0)
        clear = np.clip(fine.near(curves, lines[1])[1] - NOISE_Z, LEAST_Z, fine.TOP_Z)
        rough = edges.agreement(features, heard, piece.rate, piece.offset, low, high)
        at = np.minimum((centers - low) * 100, len(rough) - 1).astype(int)
        there = piece.offset + piece.rate * centers
        gone = trust.silent(track.samples, there) & ~trust.silent(reference.samples, centers)
        values.append(clear + rough[at] - BLACK_COST * gone)
    return low + edges.switch(*values, missing, LOOKS_PER_SECOND) - 0.5 / LOOKS_PER_SECOND


def _inside(piece, reference_seconds, track_seconds):
    """Return the part of the reference, in seconds, that the track can hold on this line."""
    low = max(0.0, -piece.offset / piece.rate)
    return low, min(reference_seconds, (track_seconds - piece.offset) / piece.rate)
