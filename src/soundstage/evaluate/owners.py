"""Who publishes what a configuration names, how many files that is and how large: facts, nothing is looked at.

Counts are those of the owners' lists. Sizes are of unpacked files: of HEAR's tasks and ESC-50 16 bits a sample times
the clips' lengths, of features their arrays in float32, of weights their download; None where none is known.
"""

import dataclasses

SAMPLE_BYTES = 2  # of HEAR's and ESC-50's sounds
HEAR_HZ, ESC50_HZ = 48000, 44100


@dataclasses.dataclass(frozen=True)
class Source:
    """An owner and what is published: how many files (None = not known, or up to the user), called `unit`.

    gigabytes: about how large, in 1e9 bytes; exact: whether the count is; more: what else there is to know.
    """

    owner: str
    files: int | None = None
    gigabytes: float | None = None
    unit: str = "files"
    exact: bool = True
    more: str = ""

    def __str__(self):
        count = f"{'' if self.exact else 'about '}{self.files:,} {self.unit}" if self.files else ""
        return ", ".join(part for part in (count, about(self.gigabytes), self.more) if part)


def about(gigabytes):
    """Return a rough size in words, "" for None."""
    if gigabytes is None:
        return ""
    if gigabytes < 0.095:
        return f"about {gigabytes * 1000:.1g} MB" if gigabytes < 0.0095 else f"about {gigabytes * 1000:.0f} MB"
    return f"about {gigabytes:.1f} GB" if gigabytes < 9.95 else f"about {gigabytes:.0f} GB"


HEAR = "HEAR 2021, https://zenodo.org/records/5885750 (48 kHz), unpacked: the folder is tasks/<task>-<version>-<mode>"
# Task of HEAR, with its mode where there are two -> clips, seconds of each (FSD50K: on average, 108 hours in all).
HEAR_TASKS = {
    "esc50": (2000, 5.0),
    "fsd50k": (51185, 7.6),
    "dcase2016_task2": (72, 120.0),
    "gunshot_triangulation": (88, 1.5),
    "beehive_states_fold0": (576, 600.0),
    "vocal_imitation": (5601, 11.26),
    "tfds_crema_d": (7438, 5.0),
    "libricount": (5720, 5.0),
    "vox_lingua_top10": (972, 18.64),
    "speech_commands-5h": (22890, 1.0),
    "speech_commands-full": (100503, 1.0),
    "tfds_gtzan": (1000, 30.0),
    "tfds_gtzan_music_speech": (128, 30.0),
    "nsynth_pitch-5h": (5000, 4.0),
    "nsynth_pitch-50h": (49060, 4.0),
    "mridangam_stroke": (6977, 0.81),
    "mridangam_tonic": (6977, 0.81),
    "beijing_opera": (236, 4.77),
    "maestro-5h": (185, 120.0),
}
YOUTUBE = "the videos are YouTube's: size by their quality"
LAYOUTS = {
    "ucf101": Source(
        "UCF101, https://www.crcv.ucf.edu/data/UCF101.php: UCF-101/ and ucfTrainTestlist/ in the folder",
        13320,
        6.5,
        "clips",
    ),
    "hmdb51": Source(
        "HMDB51, Brown University (Serre Lab): <class>/*.avi and the *_test_split?.txt lists in the folder",
        6766,
        2.0,
        "clips",
    ),
    "esc50": Source(
        "ESC-50, https://github.com/karolpiczak/ESC-50: audio/ and meta/esc50.csv in the folder",
        2000,
        2000 * 5 * ESC50_HZ * SAMPLE_BYTES / 1e9,
        "clips",
    ),
    "vggsound": Source(
        "VGGSound, https://www.robots.ox.ac.uk/~vgg/data/vggsound: vggsound.csv and <id>_<second>.mp4 in the folder",
        199000,
        None,
        "clips of 10 s",
        False,
        YOUTUBE,
    ),
    "kinetics_sounds": Source(
        "Kinetics-400, DeepMind: a *train* and a *test* list and the clips in the folder; the list is your choice",
        17400,
        None,
        "clips of 10 s in the list of OGM-GE",
        False,
        YOUTUBE,
    ),
    "ave": Source(
        "AVE, https://github.com/YapengTian/AVE-ECCV18: data/Annotations.txt, data/*_order.h5, AVE/<id>.mp4",
        4097,
        None,
        "videos of 10 s",
        True,
        "size not known",
    ),
    "lvu": Source(
        "LVU 1.0, https://github.com/chaoyuaw/lvu: lvu_1.0/<task>/{train,val,test}.csv and videos/<YouTube id>.mp4",
        9996,
        None,
        "videos",
        True,
        "of MovieClips; " + YOUTUBE,
    ),
}
UNKNOWN = Source("not known: name its layout with the key `layout`")
YOURS = Source("your own media files")
FILMS = Source("your own films: tables of films and tracks as README says")
LLP = Source("LLP, https://github.com/YapengTian/AVVP-ECCV20: data/AVVP_*.csv", 5, 0.0011)
_VIDEOS = 11849
LLP_VIDEOS = Source(
    "LLP's videos, named <id>_<start>_<end>.mp4 or <id>.mp4", _VIDEOS, None, "videos of 10 s", True, YOUTUBE
)
AVE_LISTS = Source("AVE, https://github.com/YapengTian/AVE-ECCV18: the folder data/", 4)
AVE_VIDEOS = dataclasses.replace(LAYOUTS["ave"], owner="AVE, https://github.com/YapengTian/AVE-ECCV18: the folder AVE/")
_HAN = "the authors of LLP, https://github.com/YapengTian/AVVP-ECCV20 (a link in its README): feats/"
_VALOR = "the authors of VALOR, https://huggingface.co/NTUBarista/valor_features: "
# End of a folder's path, as released -> who publishes it, and the shape of a video's array of float32.
ARRAYS = {
    "vggish": (_HAN, (10, 128)),
    "res152": (_HAN, (80, 2048)),
    "r2plus1d_18": (_HAN, (10, 512)),
    "CLAP/features": (_VALOR + "CLAP.zip", (64, 768)),
    "CLIP/features": (_VALOR + "CLIP.zip", (10, 768)),
    "CLAP/segment_pseudo_labels": (_VALOR + "CLAP.zip", None),
    "CLIP/segment_pseudo_labels": (_VALOR + "CLIP.zip", None),
}
_DEMUCS = "demucs, https://dl.fbaipublicfiles.com/demucs/: "
# Model of demucs -> what to fetch, how many weights files, gigabytes.
SEPARATORS = {
    "mdx_extra": ("mdx_final/{e51eebcc-c1b80bdd,a1d90b5c-ae9d2452,5d2d6c55-db83574e,cfa93e08-61801ae1}.th", 4, 0.6),
    "htdemucs": ("hybrid_transformer/955717e8-8726e21a.th", 1, 0.1),
}
# Weights -> gigabytes.
WEIGHTS = {
    "openai/clip-vit-large-patch14": 1.7,
    "laion/clap-htsat-fused": 0.6,
    "r2plus1d_18": 0.13,
    "resnet152": 0.24,
    "vggish": 0.29,
}
TORCHVISION = {
    "r2plus1d_18": "torchvision, https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth",
    "resnet152": "torchvision, https://download.pytorch.org/models/resnet152-394f9c45.pth",
}


def hear(task):
    """Return the `Source` of a HEAR task by the name of its folder, <task>-<version>-<mode>."""
    name, mode = task.split("-")[0], task.rsplit("-", 1)[-1]
    clips, seconds = HEAR_TASKS.get(f"{name}-{mode}") or HEAR_TASKS.get(name) or (None, None)
    if clips is None:
        return Source(HEAR)
    return Source(HEAR, clips, clips * seconds * HEAR_HZ * SAMPLE_BYTES / 1e9, "clips")


def benchmark(name, folder, layout=None):
    """Return the `Source` of a benchmark by its layout, or else by its folder's name or its own."""
    if layout and layout != "hear":
        return LAYOUTS[layout]
    if layout == "hear" or name.startswith("hear") or ("-" in folder.name and hear(folder.name).files):
        return hear(folder.name)
    starts = {"esc50": "esc50", "ucf": "ucf101", "hmdb": "hmdb51", "kinetics": "kinetics_sounds"}
    starts |= {"vgg": "vggsound", "ave": "ave", "lvu": "lvu"}
    return next((LAYOUTS[found] for start, found in starts.items() if name.startswith(start)), UNKNOWN)


def arrays(folder, of_llp=True):
    """Return the `Source` of a folder of .npy files, one a video, by the end of its path."""
    path = "/" + str(folder).strip("/")
    found = next((about for end, about in ARRAYS.items() if path.endswith("/" + end)), None)
    if not of_llp or found is None:
        return Source("who made these features or labels: a .npy file for each video", _VIDEOS if of_llp else None)
    owner, shape = found
    size = None if shape is None else _VIDEOS * shape[0] * shape[1] * 4 / 1e9
    return Source(owner, _VIDEOS, size)


def separator(name):
    """Return the `Source` of a model that removes speech."""
    if name not in SEPARATORS:
        return Source(_DEMUCS + "a folder of `demucs --repo`: SIGNATURE-CHECKSUM.th files, and NAME.yaml for a bag")
    files, count, gigabytes = SEPARATORS[name]
    more = f"and {name}.yaml (in the package demucs, remote/{name}.yaml)"
    return Source(_DEMUCS + files, count, gigabytes, "weights files" if count > 1 else "weights file", True, more)


def weights(kind, place):
    """Return the `Source` of weights, of `kind` at a path or under a hub's name."""
    if kind in TORCHVISION:
        return Source(TORCHVISION[kind], 1, WEIGHTS[kind], "file")
    size = WEIGHTS.get(place, WEIGHTS.get(kind))
    return Source("the Hugging Face hub: config.json and the weights in one folder, or a name, OWNER/MODEL", None, size)
