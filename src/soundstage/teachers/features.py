"""Extract one kind of feature from videos, as folders of .npy files that `parse.pack` reads.

    python -m soundstage.teachers.features --annotations ../shared/llp --videos media/ --kind resnet152 \\
        --weights resnet152.pth --out-folder feats/res152

Kinds: vggish (10 x 128), resnet152 (80 x 2048), r2plus1d_18 (10 x 512) from a state dict, clip (10 x
width, of unit length) and clap_map (64 x width) from a model of `transformers`. A file is named by
the first eleven letters of its video. Files that are there are kept, so that a killed call goes on;
--shard and --shards divide the work. Videos without the feature are named, with the reason.
"""

from pathlib import Path

import numpy as np

from soundstage import cli, media
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.parse.pack import ID_LETTERS, report
from soundstage.teachers import backbones, videos
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
}


def main():
    """Read the flags and extract."""
    parser = cli.parser(__doc__)
    parser.add_argument("--annotations", required=True, help="folder with the AVVP_*.csv files")
    parser.add_argument("--videos", required=True, help="folder of media files, named by video or by its id")
    parser.add_argument("--kind", required=True, choices=list(KINDS), help="which feature")
    parser.add_argument("--weights", required=True, help="a state dict; for clip and clap_map a folder or hub name")
    parser.add_argument("--shard", type=int, default=0, help="number of the shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="how many shards there are")
    parser.add_argument("--out-folder", required=True, type=Path, help="gets a file a video")
    options = parser.parse_args()
    extractor = KINDS[options.kind](options.weights)
    names = shard_of(options.annotations, options.shard, options.shards)
    dropped = extract(names, options.videos, extractor, options.out_folder)
    report(dropped, len(names), options.kind)


def extract(names, folder, extractor, out):
    """Write the feature of every video that is not in `out` yet; return {"filename", "reason"} of the rest."""
    dropped = []
    for name in cli.progress(names, len(names), "features", "videos"):
        path = Path(out, name[:ID_LETTERS] + ".npy")
        if path.is_file():
            continue
        found, reason = read(folder, name, extractor)
        if reason:
            dropped.append({"filename": name, "reason": reason})
            continue
        with atomic(path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, extractor.features(found))
    return dropped


def read(folder, name, extractor):
    """Return (what an extractor reads of a video, "") or (None, why not)."""
    path = videos.find(folder, name)
    if path is None:
        return None, "missing"
    try:
        if extractor.kind == "sound":
            samples = media.read_audio(path, sample_rate_hz=extractor.sample_rate_hz)
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
