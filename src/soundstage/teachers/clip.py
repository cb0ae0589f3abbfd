"""The visual teacher: a CLIP of `transformers`, from a local folder or a hub name."""

import numpy as np
import torch
import torch.nn.functional as F

from soundstage.teachers.weights import captions_of, embedding, image_statistics, load_model, located


class Clip:
    """Embeds pictures and captions; a score is `scale` times their cosine."""

    modality = "visual"

    def __init__(self, source, settings):
        """source: folder, hub name or "shipped"; settings: `settings.Settings`. UserError when it is no CLIP."""
        source = located(source, "clip")
        self.model, self.device = load_model("CLIPModel", source, settings)
        self.captions = captions_of(source, settings)
        self.mean, self.deviation = image_statistics(source, self.device, self.model.dtype)
        self.size = self.model.config.vision_config.image_size
        self.batch = settings.batch_segments
        self.scale = float(self.model.logit_scale.detach().float().exp())

    def embed_captions(self, captions):
        """Return (captions, dim) float32 of unit length."""
        tokens = {key: value.to(self.device) for key, value in self.captions(captions).items()}
        with torch.inference_mode():
            return unit(embedding(self.model.get_text_features(**tokens)))

    def embed_segments(self, pictures):
        """Return (pictures, dim) float32 of unit length; a list of (height, width, 3) uint8."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(pictures), self.batch):
                pixels = torch.stack([self.pixels(one) for one in pictures[start : start + self.batch]])
                found.append(unit(embedding(self.model.get_image_features(pixel_values=pixels))))
        return np.concatenate(found)

    def pixels(self, picture):
        """Return (3, size, size): squeezed to a square without cropping, normalised."""
        square = squeezed(torch.tensor(picture, device=self.device), self.size)
        return ((square - self.mean) / self.deviation).to(self.model.dtype)


def squeezed(picture, size):
    """Return (3, size, size) float32 in 0 to 1 of a (height, width, 3) uint8 tensor, nothing cropped."""
    tensor = picture.permute(2, 0, 1)[None].float() / 255
    return F.interpolate(tensor, (size, size), mode="bilinear", align_corners=False)[0]


def unit(vectors):
    """Return rows of a tensor at length 1, as a float32 array."""
    return F.normalize(vectors.float(), dim=-1).cpu().numpy()
