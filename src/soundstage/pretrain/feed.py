"""The training clips of one arm as batches of two views."""

import numpy as np
import torch

from soundstage.cli import say
from soundstage.errors import UserError
from soundstage.model.inputs import to_video
from soundstage.pretrain import sampler
from soundstage.pretrain.augment import audio_view, video_view
from soundstage.units import rng_of


class Feed:
    """The training clips of one arm as batches of two views; batch n does not depend on n - 1."""

    def __init__(self, clips, settings, seed, group=None):
        self.group = group
        first = group is None or group.first  # one process speaks for all
        dubbed = np.flatnonzero(clips.has_dub())
        self.views = settings.run.views
        if len(dubbed) < settings.minimum_dub_clips:
            if first:
                say(
                    f"{len(dubbed)} training clips have a dub, fewer than minimum_dub_clips = "
                    f"{settings.minimum_dub_clips}: all {len(clips)} clips are used, and where the arm "
                    "asks for dubs, originals are"
                )
            self.views = "original" if self.views == "dubs" else self.views
        else:
            clips = clips.rows(dubbed)
        place = clips.film, clips.start_seconds, clips.end_seconds
        self.batch = sampler.batch_size(*place, settings.batch_clips, settings.film_clips)
        if self.batch < settings.batch_clips and first:
            say(f"{len(clips)} training clips: batches of {self.batch}, not {settings.batch_clips}")
        if group is not None:
            self.batch = _shared(self.batch, group.processes)
        batches = settings.steps * settings.engine.accumulate_batches
        self.order = sampler.schedule(*place, batches, self.batch, settings.film_clips, settings.film_group, seed)
        self.clips, self.settings, self.seed = clips, settings, seed
        self.column = (clips.speech == clips.original[:, None]).argmax(1)
        present = self.present = self._present()
        balanced = self.views == "dubs" and settings.balance_languages
        self.weights = sampler.language_weights(present) if balanced else np.ones(present.shape[1])
        self._check("speech_removed", clips.nospeech, "without speech", "run the stages nospeech and shards")
        self._check("remix", clips.remix, "in another mix", "give --remix the folder of soundstage.pretrain.remixed")

    def _present(self):
        """Return (clips, languages) bool: the tracks that this arm may hear."""
        most, clips = self.settings.run.most_dubs, self.clips
        names, member = np.unique(clips.film, return_inverse=True)
        orders = np.stack([sampler.film_order(name, clips.speech.shape[1], self.seed) for name in names])
        return sampler.limited(clips.speech >= 0, self.column, orders[member], most)

    def _check(self, views, rows, what, fix):
        """Raise a UserError when an arm of these views lacks one of its sounds."""
        if self.views == views and (rows < 0).any():
            missing = f"{(rows < 0).sum()} of {len(rows)} training clips lack the sound {what}, which this run needs"
            raise UserError(missing, fix=f"{fix}, for every film")

    def sounds(self, chosen, rng):
        """Return (primary, secondary): rows of `clips.sounds` for the two audio views."""
        if self.views == "dubs":
            speech, heard = self.clips.speech[chosen], (self.present[chosen], self.column[chosen])
            languages = sampler.paired_languages(*heard, self.weights, rng, self.settings.run.pairing)
            return tuple(speech[np.arange(len(chosen)), language] for language in languages)
        if self.views == "remix":
            return self.clips.original[chosen], self.clips.remix[chosen]
        both = self.clips.nospeech if self.views == "speech_removed" else self.clips.original
        return both[chosen], both[chosen]

    def views_at(self, step):
        """Return {"audio_p", "audio_s", "video_p", "video_s"} of one step, as the towers read them.

        Clips, changes of level, equalisers, crops and colours are the same in all arms of a seed.
        """
        chosen = self.order[step]
        sounds = self.sounds(chosen, rng_of(self.seed, "languages", step))
        pictures = self.clips.pictures[chosen]
        views = {}
        for name, rows in zip(("p", "s"), sounds, strict=True):
            heard, seen = (rng_of(self.seed, kind, name, step) for kind in ("audio", "video"))
            views[f"audio_{name}"] = audio_view(self.clips.sounds[rows], self.settings, heard)
            views[f"video_{name}"] = video_view(pictures, self.settings, seen)
        if self.group is None:
            return views
        return {name: view.to(self.group.device) for name, view in self.group.mine(views).items()}

    def state(self):
        """Return None: batch n depends on nothing but seed and n."""

    def restore(self, state):
        """Do nothing: see `state`."""

    def plain_batches(self, count):
        """Yield (log-mel, video) of the first batches, original track, without augmentation."""
        for chosen in self.order[:count]:
            sounds = self.clips.sounds[self.clips.original[chosen]].astype(np.float32)
            pictures = to_video(self.clips.pictures[chosen], self.settings.model.inputs)
            batch = {"audio": torch.from_numpy(sounds).unsqueeze(1), "video": pictures}
            batch = batch if self.group is None else self.group.mine(batch)
            yield batch["audio"], batch["video"]


def _shared(batch, processes):
    """Return the largest batch up to `batch` of which all processes have as many clips; UserError for none."""
    if batch < processes:
        raise UserError(
            f"batches of {batch} clips cannot be shared by {processes} processes, each of which needs one",
            "pretrain.batch_clips",
            "start fewer processes, raise pretrain.batch_clips, or give inputs of more films",
        )
    return batch - batch % processes
