"""The networks whose outputs are the standard features of LLP, from weights by path.

Each is a class with `kind` (what it reads: "pictures" or "sound"), `sample_rate_hz` for sound, and
`features(part)`, which turns one video's pictures or sound into a float32 array.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import soundstage.torch_extras  # noqa: F401 (comes before torchvision)
from soundstage.errors import UserError
from soundstage.parse.classes import SECONDS
from soundstage.teachers.segments import PICTURES_PER_SECOND, nearest

PICTURES = SECONDS * PICTURES_PER_SECOND
BATCH = 16  # pictures or stacks at once: memory, not results, depends on it


class ResNet:
    """ResNet-152 of torchvision: (80, 2048), what its last layer reads of eight pictures a second."""

    kind = "pictures"
    size = 224
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, weights):
        """weights: path of torchvision's state dict (or one with `last_linear` for `fc`)."""
        from torchvision.models import resnet152

        state = {key.replace("last_linear.", "fc."): value for key, value in read_state(weights).items()}
        self.net = loaded(resnet152(weights=None), state, weights)
        self.net.fc = nn.Identity()

    def features(self, pictures):
        """Return (80, 2048) of a list of (height, width, 3) uint8."""
        return batched(self.net, prepared(pictures, self.size, self.mean, self.deviation))


class R2Plus1D:
    """R(2+1)D-18 of torchvision: (10, 512), what its last layer reads of the eight pictures of a second."""

    kind = "pictures"
    size = 112
    mean, deviation = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)

    def __init__(self, weights):
        """weights: path of torchvision's state dict."""
        from torchvision.models.video import r2plus1d_18

        self.net = loaded(r2plus1d_18(weights=None), read_state(weights), weights)
        self.net.fc = nn.Identity()

    def features(self, pictures):
        """Return (10, 512) of a list of (height, width, 3) uint8."""
        tensor = prepared(pictures, self.size, self.mean, self.deviation)
        stacks = tensor.unflatten(0, (SECONDS, PICTURES_PER_SECOND)).transpose(1, 2)
        return batched(self.net, stacks)


class Vggish:
    """VGGish in its public port: (10, 128), its raw embeddings, neither rotated nor rounded."""

    kind = "sound"
    sample_rate_hz = 16000

    def __init__(self, weights):
        """weights: path of the port's state dict, with keys features.* and embeddings.*."""
        state = {key: value for key, value in read_state(weights).items() if not key.startswith("pproc.")}
        self.net = loaded(VggishNet(), state, weights)

    def features(self, samples):
        """Return (10, 128) of a mono waveform (n,) at 16 kHz: one embedding every 0.96 s, brought to ten."""
        examples = torch.from_numpy(vggish_examples(samples))[:, None]
        return batched(self.net, examples)[nearest(len(examples), SECONDS)]


class VggishNet(nn.Module):
    """Four groups of convolutions and three linear layers on (n, 1, 96, 64) log-mel examples."""

    def __init__(self):
        super().__init__()
        layers, channels = [], 1
        for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
            if width == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        linear = [nn.Linear(512 * 24, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
        self.embeddings = nn.Sequential(*linear, nn.Linear(4096, 128), nn.ReLU())

    def forward(self, examples):
        """Return (n, 128); the maps are flattened with the channels last, as the weights expect."""
        return self.embeddings(self.features(examples).permute(0, 2, 3, 1).flatten(1))


def vggish_examples(samples):
    """Return (n, 96, 64) float32: logarithms of mel bands in 0.96 s windows, without overlap.

    samples: (s,) at 16 kHz. Magnitudes of 25 ms windows every 10 ms (periodic Hann, 512 points) in 64
    bands from 125 to 7500 Hz, plus 0.01. A sound shorter than one window is filled with zeros.
    """
    wave = torch.from_numpy(np.asarray(samples, np.float32))
    wave = F.pad(wave, (0, max(0, 95 * 160 + 400 - len(wave))))
    frames = wave.unfold(0, 400, 160) * torch.hann_window(400)
    mel = torch.fft.rfft(frames, 512).abs() @ torch.from_numpy(vggish_bands())
    logs = torch.log(mel + 0.01)
    return logs[: len(logs) // 96 * 96].reshape(-1, 96, 64).numpy()


def vggish_bands():
    """Return (257, 64) float32: triangles between 66 points that are evenly spaced in mel."""
    mel = 1127 * np.log1p(np.arange(257) * 16000 / 512 / 700)
    points = np.linspace(*(1127 * np.log1p(np.array([125.0, 7500.0]) / 700)), 66)
    low, centre, high = (points[start : start + 64] for start in range(3))
    rising = (mel[:, None] - low) / (centre - low)
    falling = (high - mel[:, None]) / (high - centre)
    bands = np.maximum(0, np.minimum(rising, falling))
    bands[0] = 0.0
    return bands.astype(np.float32)


def prepared(pictures, size, mean, deviation):
    """Return (80, 3, size, size) float32: brought to eighty pictures, squeezed, normalised.

    pictures: a list of (height, width, 3) uint8 at eight a second; of more or fewer the nearest are
    taken.
    """
    chosen = [pictures[index] for index in nearest(len(pictures), PICTURES)]
    tensor = torch.from_numpy(np.stack(chosen)).permute(0, 3, 1, 2).float() / 255
    square = F.interpolate(tensor, (size, size), mode="bilinear", align_corners=False)
    shape = (1, 3, 1, 1)
    return (square - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)


def batched(net, inputs):
    """Return a network's outputs on (n, ...) inputs as a float32 array, a batch at a time."""
    with torch.inference_mode():
        return torch.cat([net(part) for part in inputs.split(BATCH)]).float().numpy()


def read_state(path):
    """Return the state dict in a file, read as weights only; UserError for another file."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"cannot read the weights ({error})", path) from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError("expected a state dict: names and tensors", path)
    return state


def loaded(net, state, path):
    """Return a network with a state dict, in evaluation mode; UserError when they do not fit."""
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"the weights are not those of {type(net).__name__}: {str(error)[:300]}", path) from None
    return net.eval()
