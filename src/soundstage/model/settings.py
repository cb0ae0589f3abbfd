"""Settings of the towers and of their inputs."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Inputs:
    """What a tower sees of a clip; the same in training and in evaluation."""

    clip_seconds: float = 3.0  # s, length of one window
    tail_seconds: float = 1.5  # s, a longer tail gets one more window that ends at the end
    fft_samples: int = 2048  # samples at 48 kHz, Hann window and Fourier transform
    hop_samples: int = 1501  # samples at 48 kHz between two spectrogram frames
    mels: int = 64  # HTK mel bands from 0 to 24 kHz
    mel_frames: int = 96  # spectrogram frames kept, from the centre
    frames: int = 8  # pictures per clip, evenly spaced
    resize_height: int = 44  # pixels, the whole picture is fitted into this, grey bars around
    resize_width: int = 78  # pixels, the whole picture is fitted into this, grey bars around
    crop_height: int = 40  # pixels, cut from the centre in evaluation, at random in training
    crop_width: int = 72  # pixels, cut from the centre in evaluation, at random in training


@dataclass(frozen=True)
class Model:
    """The two towers."""

    # the family: "small" = convolutional towers for one CPU thread; "lssd_s", "lssd_b" = paper A's
    towers: str = "small"
    patch_overlap: bool = False  # lssd: patches of 7 x 7 every 4 values, 2 to 4 times as many
    recompute: bool = False  # lssd: a third more time for a fraction of the memory in training
    audio_width: int = 32  # channels of the audio tower's first layer, doubled twice
    video_width: int = 32  # channels of the video tower's first layer, doubled twice
    tubelet_frames: int = 4  # consecutive pictures that the video tower's first layer joins
    inputs: Inputs = field(default_factory=Inputs)
