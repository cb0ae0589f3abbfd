"""What a tower sees of a picture: one crop from the centre, or five, of the whole picture or of a scaled one.

A picture is fitted whole into model.inputs' size, as films are in training from prepared inputs, or, as
paper A has it, scaled until its shorter side has a given length, whatever the other side.
"""

import numpy as np

from soundstage.model.inputs import resize_frames
from soundstage.model.lssd_inputs import scaled


def seen(frames, inputs, short_side=0):
    """Return pictures (n, height, width, 3) uint8 at the size that crops are cut from.

    frames: (n, height, width, 3) uint8; inputs: `soundstage.model.settings.Inputs`; short_side: pixels of
    the shorter side, 0 = the whole picture at resize_height x resize_width, grey bars around.
    """
    if not short_side:
        return resize_frames(frames, inputs)
    planes = scaled(np.ascontiguousarray(frames), short_side).round_().clamp_(0, 255)
    return planes.byte().permute(0, 2, 3, 1).contiguous().numpy()


def cut(pictures, inputs, crops="centre", short_side=0):
    """Return (crops, n, crop_height, crop_width, 3) of pictures (n, height, width, 3) from `seen`.

    Five: top left, top right, bottom left, bottom right, centre, in this order, as in paper A.
    """
    high, wide = inputs.crop_height, inputs.crop_width
    bottom, right = pictures.shape[1] - high, pictures.shape[2] - wide
    # the centre of prepared inputs is rounded down, that of paper A to the nearest even
    middle = (round(bottom / 2), round(right / 2)) if short_side else (bottom // 2, right // 2)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)] if crops == "five" else []
    return np.stack([pictures[:, y : y + high, x : x + wide] for y, x in [*corners, middle]])
