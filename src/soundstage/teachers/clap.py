"""The auditory teacher: a CLAP of `transformers`, plain or fused, from a local folder or a hub name."""

import numpy as np
import torch

from soundstage.teachers.clip import unit
from soundstage.teachers.mels import Mels
from soundstage.teachers.segments import quantised, repeat_padded, stretched
from soundstage.teachers.weights import captions_of, embedding, feature_extractor, load_model, located


class Clap:
    """Embeds sounds and captions; a score is `scale` times their cosine.

    The library's feature extractor marks a random sound of a batch as longer than the window, so
    that a score would depend on its neighbours. Here none ever is, and mels are made on the device.
    """

    modality = "audio"

    def __init__(self, source, settings):
        """source: folder, hub name or "shipped"; settings: `settings.Settings`. UserError when it is no CLAP."""
        source = located(source, "clap")
        self.model, self.device = load_model("ClapModel", source, settings)
        self.captions = captions_of(source, settings)
        self.extractor = feature_extractor(source)
        self.fused = self.model.config.audio_config.enable_fusion
        self.log_mel = Mels(self.extractor, self.fused, self.device)
        self.samples = self.log_mel.samples
        self.sample_rate_hz = self.log_mel.sample_rate_hz
        self.batch = settings.batch_segments
        self.scale = float(self.model.logit_scale_a.detach().float().exp())

    def embed_captions(self, captions):
        """Return (captions, dim) float32 of unit length."""
        tokens = {key: value.to(self.device) for key, value in self.captions(captions).items()}
        with torch.inference_mode():
            return unit(embedding(self.model.get_text_features(**tokens)))

    def embed_segments(self, sounds):
        """Return (sounds, dim) float32 of unit length; a list of mono waveforms at `sample_rate_hz`.

        Each is brought to 16 bits and repeated until the window is full, as the authors' library does.
        """
        found = []
        with torch.inference_mode():
            for start in range(0, len(sounds), self.batch):
                part = sounds[start : start + self.batch]
                waves = np.stack([repeat_padded(quantised(one), self.samples) for one in part])
                inputs = self.inputs(torch.from_numpy(waves).to(self.device))
                found.append(unit(embedding(self.model.get_audio_features(**inputs))))
        return np.concatenate(found)

    def feature_map(self, samples):
        """Return (frequencies * times, dim) float32: the last tokens of a whole video's sound.

        samples: (n,) mono; brought to the window's length by taking the nearest samples.
        """
        wave = quantised(stretched(samples, self.samples))
        with torch.inference_mode():
            inputs = self.inputs(torch.from_numpy(wave[None]).to(self.device))
            state = self.model.audio_model(**inputs).last_hidden_state
        return state.float().flatten(2)[0].T.cpu().numpy()

    def inputs(self, waves):
        """Return the model's inputs of (n, samples) waveforms that fill the window."""
        mel = self.log_mel(waves).to(self.model.dtype)[:, None]
        if self.fused:
            mel = mel.expand(-1, 4, -1, -1)
        longer = torch.zeros(len(mel), 1, dtype=torch.bool, device=self.device)
        return {"input_features": mel, "is_longer": longer}
