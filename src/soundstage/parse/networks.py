"""The event parsers: a hybrid attention network in its original form and in VALOR's three sizes.

`network(name)` gives the published size; state-dict keys are those of the released checkpoints.
Letters: b batch, t segments, m modalities (audio first), c classes, d width.
"""

import copy
import dataclasses
import typing

import torch
import torch.nn.functional as F
from torch import nn

from soundstage.errors import UserError
from soundstage.parse.classes import LLP, SECONDS

MAP_STRETCH = 32  # a feature map is stretched so many times in time before it is averaged
# What HAN's released checkpoint holds besides the network: parts that its forward pass never calls.
HAN_UNUSED = ("audio_encoder.", "visual_encoder.", "cmt_encoder.", "hat_encoder.norm1.", "hat_encoder.norm2.")


@dataclasses.dataclass(frozen=True)
class Size:
    """What sets the networks apart.

    audio_map: (frequencies, times) when the audio feature is a map of so many vectors, else ().
    joint: whether both streams read the raw inputs (HAN) instead of one after the other (VALOR).
    """

    width: int
    layers: int
    heads: int
    feed_forward: int
    audio_dim: int = 128
    visual_dim: int = 2048
    motion_dim: int = 512
    audio_map: tuple[int, ...] = ()
    classes: int = len(LLP)
    joint: bool = False
    dropout: float = 0.1


PUBLISHED = {
    "han": Size(512, 1, 1, 512, joint=True),
    "valor": Size(512, 1, 8, 1024),
    "valor_plus": Size(256, 4, 8, 1024),
    "valor_plus_plus": Size(256, 4, 8, 1024, audio_dim=768, visual_dim=768, audio_map=(2, 32)),
}


class Output(typing.NamedTuple):
    """video_, audio_, visual_probability: (b, c) in [0, 1]; segment_logits: (b, t, m, c)."""

    video_probability: torch.Tensor
    audio_probability: torch.Tensor
    visual_probability: torch.Tensor
    segment_logits: torch.Tensor


def network(name, **changes):
    """Return an untrained network by name: han, valor, valor_plus or valor_plus_plus.

    changes: fields of `Size` that differ from the published ones. It is called as
    network(audio, visual_2d, visual_3d): audio (b, 10, audio_dim), or (b, frequencies * times,
    audio_dim) for a map that is not yet averaged to ten segments; visual_2d (b, 10 * k,
    visual_dim), k pictures a second that are averaged; visual_3d (b, 10, motion_dim); all float32.
    It returns an `Output`.
    """
    if name not in PUBLISHED:
        raise UserError(f"unknown network {name!r}", fix=f"one of {', '.join(PUBLISHED)}")
    return Parser(dataclasses.replace(PUBLISHED[name], **changes))


class Parser(nn.Module):
    """Two streams of ten segments that attend to each other, and attentive pooling over both."""

    def __init__(self, size):
        super().__init__()
        if size.joint and size.layers != 1:
            raise UserError(f"expected 1 layer for han, found {size.layers}", "layers")
        width = size.width
        self.size = size
        self.fc_a = nn.Linear(size.audio_dim, width)
        self.fc_v = nn.Linear(size.visual_dim, width)
        self.fc_st = nn.Linear(size.motion_dim, width)
        self.fc_fusion = nn.Linear(2 * width, width)
        self.hat_encoder = Encoder(size)
        self.fc_prob = nn.Linear(width, size.classes)
        self.fc_frame_att = nn.Linear(width, size.classes)
        self.fc_av_att = nn.Linear(width, size.classes)
        if size.audio_map:
            self.register_buffer("pooling", map_pooling(*size.audio_map), persistent=False)

    def forward(self, audio, visual_2d, visual_3d):
        """Return an `Output`; the inputs are as `network` says."""
        streams = self.hat_encoder(self.enter_audio(audio), self.enter_visual(visual_2d, visual_3d))
        both = torch.stack(streams, dim=2)
        logits = self.fc_prob(both)
        in_time = torch.softmax(self.fc_frame_att(both), dim=1) * torch.sigmoid(logits)
        across = torch.softmax(self.fc_av_att(both), dim=2)
        return Output((in_time * across).sum((1, 2)), *in_time.sum(1).unbind(1), logits)

    def enter_audio(self, audio):
        """Return (b, 10, d): the audio feature of each segment."""
        entered = self.fc_a(audio)
        return entered if audio.shape[1] == SECONDS else torch.einsum("tp,bpd->btd", self.pooling, entered)

    def enter_visual(self, visual_2d, visual_3d):
        """Return (b, 10, d): pictures, averaged over each second, joined with the motion feature."""
        still = self.fc_v(visual_2d).unflatten(1, (SECONDS, -1)).mean(2)
        return self.fc_fusion(torch.cat([still, self.fc_st(visual_3d)], dim=-1))


class Encoder(nn.Module):
    """Layers that update both streams; copies of one layer, so that all start alike."""

    def __init__(self, size):
        super().__init__()
        layer = Layer(size)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(size.layers))
        self.joint = size.joint
        if not size.joint:
            # In the released checkpoints, without effect on their outputs: norms of a variant that
            # normalises first.
            self.final_norm_a, self.final_norm_v = nn.LayerNorm(size.width), nn.LayerNorm(size.width)

    def forward(self, audio, visual):
        """Return both streams (b, 10, d) updated.

        HAN updates both from the inputs. VALOR updates audio first, and the visual stream attends
        to the updated audio.
        """
        if self.joint:
            return self.layers[0](audio, visual), self.layers[0](visual, audio)
        for layer in self.layers:
            audio = layer(audio, visual)
            visual = layer(visual, audio)
        return audio, visual


class Layer(nn.Module):
    """One stream attends to itself and to the other; normalised after each sum."""

    def __init__(self, size):
        super().__init__()
        width, dropout = size.width, size.dropout
        self.self_attn = nn.MultiheadAttention(width, size.heads, dropout, batch_first=True)
        self.cm_attn = nn.MultiheadAttention(width, size.heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(width, size.feed_forward)
        self.linear2 = nn.Linear(size.feed_forward, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream, other):
        """Return `stream` (b, 10, d) updated by itself and by `other` (b, 10, d)."""
        across = self.cm_attn(stream, other, other, need_weights=False)[0]
        inside = self.self_attn(stream, stream, stream, need_weights=False)[0]
        stream = self.norm1(stream + self.dropout(across) + self.dropout(inside))
        inner = self.dropout(F.relu(self.linear1(stream)))
        return self.norm2(stream + self.dropout(self.linear2(inner)))


def map_pooling(frequencies, times):
    """Return (10, frequencies * times): how much each vector of a map counts for each segment.

    The map is stretched in time by bicubic interpolation and averaged over frequency and over each
    tenth of the time. All of that is linear and comes after a linear layer, so that one small
    matrix of weights, which sum to 1 in each row, does the same.
    """
    places = frequencies * times
    unit = torch.eye(places).reshape(places, 1, frequencies, times)
    wide = F.interpolate(unit, (frequencies, times * MAP_STRETCH), mode="bicubic", align_corners=False)
    return F.adaptive_avg_pool1d(wide.mean(2), SECONDS)[:, 0].T.contiguous()


def load_released(name, path, **changes):
    """Return `network(name)` with the weights of a released checkpoint, in evaluation mode.

    The file is a plain state dict and is read as weights only, so that no code in it can run.
    UserError for another file or for keys and shapes that do not fit.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"cannot read the checkpoint as weights ({error})", path) from None
    net = network(name, **changes)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    if name == "han":
        state = {key: value for key, value in state.items() if not key.startswith(HAN_UNUSED)}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"the checkpoint is not one of {name}: {error}", path) from None
    return net.eval()
