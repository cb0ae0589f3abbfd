"""The small networks behind the embedded standard features: a sound, a picture, eight pictures in a row.

They stand where VGGish, ResNet-152 and R(2+1)D stand on LLP, and are extractors like those of `backbones`.
`weights` is the word shipped, for the ones in the package, or a folder that `miniature_train` has written.
A file of weights is named NAME-CHECKSUM.pt by its own SHA-256, which is compared before it is opened.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import signal
from torch import nn

from soundstage.errors import UserError
from soundstage.files import atomic, sha256
from soundstage.parse.classes import SECONDS
from soundstage.teachers.backbones import batched, loaded, read_state, vggish_examples
from soundstage.teachers.segments import PICTURES_PER_SECOND, nearest
from soundstage.units import AUDIO_HZ

SHIPPED = Path(__file__).parent / "shipped" / "miniature"
CHECKSUM_LETTERS = 8  # of the SHA-256, in a file's name
PICTURES = SECONDS * PICTURES_PER_SECOND
FRAME_PIXELS, MOTION_PIXELS = 64, 48  # sides of the squares that pictures are squeezed into


class Convolutions(nn.Module):
    """Strided convolutions, their mean and maximum over space, an embedding and classes.

    dimensions: 2 or 3; widths: channels of each layer, of which the last keeps the size.
    """

    def __init__(self, dimensions, channels, widths, embedding, classes):
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
        layers = []
        for number, width in enumerate(widths):
            # The first layer keeps all pictures of a row, the last one all of its places.
            stride = 1 if number == len(widths) - 1 else (1, 2, 2) if dimensions == 3 and not number else 2
            layers += [conv(channels, width, 3, stride, 1, bias=False), norm(width), nn.ReLU()]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.embedding = nn.Linear(2 * channels, embedding)
        self.classes = nn.Linear(embedding, classes)

    def embed(self, inputs):
        """Return (n, embedding) of (n, channels, ...)."""
        maps = self.layers(inputs).flatten(2)
        return F.relu(self.embedding(torch.cat([maps.mean(2), maps.amax(2)], dim=1)))

    def forward(self, inputs):
        """Return logits (n, classes)."""
        return self.classes(self.embed(inputs))


SHAPES = {
    "audio": {"dimensions": 2, "channels": 1, "widths": (24, 48, 96, 96), "embedding": 128},
    "frame": {"dimensions": 2, "channels": 3, "widths": (24, 48, 96, 128), "embedding": 128},
    "motion": {"dimensions": 3, "channels": 3, "widths": (16, 32, 64, 64), "embedding": 64},
}


def network(name, classes):
    """Return an untrained network: audio, frame or motion."""
    return Convolutions(**SHAPES[name], classes=classes)


def trained(name, weights):
    """Return a network as a function to its embeddings, with weights read from a folder."""
    path = weights_file(name, SHIPPED if weights == "shipped" else weights)
    if not sha256(path).startswith(path.stem.rpartition("-")[2]):
        raise UserError("the file is not what its checksum says", path, "take it from the package again")
    state = read_state(path)
    net = loaded(network(name, len(state["classes.bias"])), {key: x.float() for key, x in state.items()}, path)
    return net.embed


def weights_file(name, folder):
    """Return the path of a network's weights in a folder; UserError when there is none, or several."""
    found = sorted(Path(folder).glob(f"{name}-{'[0-9a-f]' * CHECKSUM_LETTERS}.pt"))
    if len(found) != 1:
        what = f"expected one file {name}-CHECKSUM.pt, found {len(found)}"
        raise UserError(what, folder, "weights are the word shipped, or a folder of miniature_train")
    return found[0]


def save(name, net, folder):
    """Write a network's weights in half precision as FOLDER/NAME-CHECKSUM.pt; others of its name go.

    Returns (path, SHA-256 as hexadecimal).
    """
    stream = io.BytesIO()
    state = {key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()}
    torch.save(state, stream)
    digest = hashlib.sha256(stream.getvalue()).hexdigest()
    path = Path(folder, f"{name}-{digest[:CHECKSUM_LETTERS]}.pt")
    for old in Path(folder).glob(f"{name}-*.pt"):
        old.unlink()
    with atomic(path) as temporary:
        temporary.write_bytes(stream.getvalue())
    return path, digest


class Audio:
    """(10, 128): log-mels of 0.96 s each, brought to ten."""

    kind, sample_rate_hz = "sound", AUDIO_HZ

    def __init__(self, weights="shipped"):
        self.net = trained("audio", weights)

    def features(self, samples):
        """Return (10, 128) of a mono waveform (n,) at 48 kHz, which CLAP reads too: decoded once for both."""
        return batched(self.net, sounds(samples))


class Frame:
    """(80, 128): eight pictures a second, each for itself."""

    kind = "pictures"

    def __init__(self, weights="shipped"):
        self.net = trained("frame", weights)

    def features(self, pictures):
        """Return (80, 128) of a list of (height, width, 3) uint8."""
        return batched(self.net, scaled(squares(pictures, FRAME_PIXELS)))


class Motion:
    """(10, 64): the eight pictures of a second in a row."""

    kind = "pictures"

    def __init__(self, weights="shipped"):
        self.net = trained("motion", weights)

    def features(self, pictures):
        """Return (10, 64) of a list of (height, width, 3) uint8."""
        return batched(self.net, rows(scaled(squares(pictures, MOTION_PIXELS))))


def sounds(samples):
    """Return (10, 1, 96, 64) float32 of a mono waveform at 48 kHz."""
    third = signal.resample_poly(samples, 1, 3).astype(np.float32)
    examples = torch.from_numpy(vggish_examples(third))[:, None]
    return examples[nearest(len(examples), SECONDS)]


def squares(pictures, size):
    """Return (80, 3, size, size) uint8: brought to eighty pictures, each squeezed into a square."""
    chosen = [torch.from_numpy(pictures[index]) for index in nearest(len(pictures), PICTURES)]
    tensor = torch.stack(chosen).permute(0, 3, 1, 2).float()
    small = F.interpolate(tensor, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def scaled(pictures):
    """Return uint8 pictures as float32 in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def rows(pictures):
    """Return (n, 3, 8, height, width) of (8 n, 3, height, width): the pictures of a second in a row."""
    return pictures.unflatten(0, (-1, PICTURES_PER_SECOND)).transpose(1, 2)
