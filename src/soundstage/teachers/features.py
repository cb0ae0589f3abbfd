"""Extract one kind of feature from videos, as folders of .npy files that `parse.pack` reads.

    python -m soundstage.teachers.features --annotations ../shared/llp --videos media/ --kind resnet152 \\
        --weights resnet152.pth --out-folder feats

Kinds: vggish (10 x 128), resnet152 (80 x 2048), r2plus1d_18 (10 x 512) from a state dict, clip (10 x
width, of unit length) and clap_map (64 x width) from a model of `transformers`; small_audio (10 x 128),
small_frame (80 x 128) and small_motion (10 x 64) from the package's own networks (weights: shipped).
Several kinds, with as many weights, share one decoding of each video. Each kind has a folder of its
name in the output folder, and in it a file a video, named by its first eleven letters. Files that are
there are kept, so that a killed call goes on; --shard and --shards divide the work. Videos without a
feature are named, with the reason.
"""

import functools
from pathlib import Path

import numpy as np
import torch

from soundstage import cli, media
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.parse.pack import ID_LETTERS, report
from soundstage.teachers import backbones, miniature, videos
from soundstage.teachers.clap import Clap
from soundstage.teachers.clip import Clip
from soundstage.teachers.harvest import shard_of
from soundstage.teachers.segments import PICTURES_PER_SECOND, chosen_frames
from soundstage.teachers.settings import Settings


class ClipPictures:
    """CLIP's embeddings of the ten pictures that its labels are made from."""

    kind = "pictures"

    def __init__(self, source):
        self.teacher = Clip(source, Settings())

    def features(self, pictures):
        """Return (10, dim) float32 of unit length."""
        return self.teacher.embed_segments([pictures[index] for index in chosen_frames(len(pictures))])


class ClapMap:
    """CLAP's last tokens of a whole video's sound."""

    kind = "sound"

    def __init__(self, source):
        self.teacher = Clap(source, Settings())
        self.sample_rate_hz = self.teacher.sample_rate_hz

    def features(self, samples):
        """Return (frequencies * times, dim) float32."""
        return self.teacher.feature_map(samples)


KINDS = {
    "vggish": backbones.Vggish,
    "resnet152": backbones.ResNet,
    "r2plus1d_18": backbones.R2Plus1D,
    "clip": ClipPictures,
    "clap_map": ClapMap,
    "small_audio": miniature.Audio,
    "small_frame": miniature.Frame,
    "small_motion": miniature.Motion,
}


def main():
    """Read the flags and extract."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--videos", required=True, help="folder of media files, named by video or by its id")
    parser.add_argument("--kind", nargs="+", required=True, choices=list(KINDS), help="which features")
    parser.add_argument("--weights", nargs="+", required=True, help="of each: a path, a hub name, shipped")
    parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="how many shards there are")
    parser.add_argument("--out-folder", required=True, type=Path, help="gets a folder a kind, a file a video")
    options = parser.parse_args()
    if len(options.kind) != len(options.weights):
        raise UserError(f"expected weights of each kind, found {len(options.weights)} for {len(options.kind)}")
    torch.set_num_threads(1)
    extractors = {kind: KINDS[kind](weights) for kind, weights in zip(options.kind, options.weights, strict=True)}
    names = shard_of(options.annotations, options.shard, options.shards)
    dropped = extract(names, options.videos, extractors, options.out_folder)
    for kind, found in dropped.items():
        report(found, len(names), kind)


def extract(names, folder, extractors, out):
    """Write the features of every video that are not in `out` yet; extractors: {kind: extractor}.

    Returns {kind: list of {"filename", "reason"}} of the videos that do not have it.
    """
    dropped = {kind: [] for kind in extractors}
    for kind in extractors:
        Path(out, kind).mkdir(parents=True, exist_ok=True)
    for name in cli.progress(names, len(names), "features", "videos"):
        read_once = functools.cache(functools.partial(read, folder, name))
        for kind, extractor in extractors.items():
            path = Path(out, kind, name[:ID_LETTERS] + ".npy")
            if path.is_file():
                continue
            found, reason = read_once(extractor.kind, getattr(extractor, "sample_rate_hz", None))
            if reason:
                dropped[kind].append({"filename": name, "reason": reason})
                continue
            with atomic(path) as temporary, open(temporary, "wb") as stream:
                np.save(stream, extractor.features(found))
    return dropped


def read(folder, name, kind, sample_rate_hz=None):
    """Return (pictures or samples of a video, "") or (None, why not); kind: pictures or sound."""
    path = videos.find(folder, name)
    if path is None:
        return None, "missing"
    try:
        if kind == "sound":
            samples = media.read_audio(path, sample_rate_hz=sample_rate_hz)
            return (samples, "") if len(samples) else (None, "no sound")
        stream = media.picture_stream(media.probe(path))
        if stream is None:
            return None, "no picture"
        size = int(stream["width"]), int(stream["height"])
        frames = list(media.read_frames(path, size, PICTURES_PER_SECOND))
        return (frames, "") if frames else (None, "no picture")
    except UserError as error:
        return None, f"unreadable: {error.what}"


if __name__ == "__main__":
    cli.run(main)
