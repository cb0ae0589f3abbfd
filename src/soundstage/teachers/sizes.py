"""The embedded corpus's own CLIP and CLAP: how large they are, their tokeniser, their folder.

Both are classes of `transformers` with small configurations, and are saved as it saves models, so that
whatever reads a CLIP or a CLAP reads these.
"""

import json
from pathlib import Path

import torch

import soundstage.torch_extras  # noqa: F401 (transformers imports torchvision)
from soundstage.files import atomic
from soundstage.teachers.weights import PICTURE_DEVIATION, PICTURE_MEAN

SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
# CLIPModel takes the end of a caption at this id, unless it is 2; ClapModel expects the padding at 1.
BEGIN, PADDING, UNKNOWN, END = range(4)
TOKENS = 600  # most entries of the tokeniser: byte pairs, so that any text can be written
LONGEST = 48  # tokens of a caption
PICTURE_PIXELS = 48
WINDOW_SECONDS = 10


def text_config(vocabulary):
    """Return the shape of either text tower."""
    return {
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": vocabulary,
        "max_position_embeddings": LONGEST + 2,
        "bos_token_id": BEGIN,
        "pad_token_id": PADDING,
        "eos_token_id": END,
    }


def clip(vocabulary):
    """Return an untrained CLIPModel for pictures of 48 x 48 in patches of 8."""
    from transformers import CLIPConfig, CLIPModel

    vision = {
        "hidden_size": 96,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": PICTURE_PIXELS,
        "patch_size": 8,
    }
    return CLIPModel(CLIPConfig(text_config=text_config(vocabulary), vision_config=vision, projection_dim=64))


def clap(vocabulary):
    """Return an untrained ClapModel for mels of 251 frames in 64 bands, in patches of 8 x 8."""
    from transformers import ClapConfig, ClapModel

    audio = {
        "spec_size": 128,
        "patch_size": 8,
        "patch_stride": [8, 8],
        "window_size": 4,
        "patch_embeds_hidden_size": 48,
        "depths": [2, 2],
        "num_hidden_layers": 2,
        "num_attention_heads": [2, 4],
        "hidden_size": 96,
        "mlp_ratio": 3.0,
    }
    text = text_config(vocabulary) | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=64))


def extractor():
    """Return the ClapFeatureExtractor: ten seconds at 48 kHz in steps of 40 ms."""
    from transformers import ClapFeatureExtractor

    return ClapFeatureExtractor(
        hop_length=1920,
        fft_window_size=2048,
        max_length_s=WINDOW_SECONDS,
        frequency_min=50,
        frequency_max=14000,
        truncation="rand_trunc",
    )


def tokeniser(captions):
    """Return a tokeniser of byte pairs that was made from captions (an iterable of str)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(captions, trainer)
    ends = [(SPECIAL["bos_token"], BEGIN), (SPECIAL["eos_token"], END)]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=LONGEST, **SPECIAL)


def tokens(tokenizer, captions):
    """Return {"input_ids", "attention_mask"}, int64 (captions, longest), padded alike."""
    found = tokenizer(list(captions), padding=True, truncation=True, return_tensors="pt")
    return {key: found[key] for key in ("input_ids", "attention_mask")}


def save(model, tokenizer, folder, modality):
    """Write a model as a folder of transformers, weights in half precision; whole or not at all."""
    with atomic(folder) as temporary:
        Path(temporary).mkdir()
        half = type(model)(model.config)
        half.load_state_dict(model.state_dict())
        half.to(torch.float16).save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        if modality == "audio":
            extractor().save_pretrained(temporary)
        else:
            _save_picture_statistics(Path(temporary))


def _save_picture_statistics(folder):
    about = {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": False,
        "size": {"height": PICTURE_PIXELS, "width": PICTURE_PIXELS},
        "image_mean": list(PICTURE_MEAN),
        "image_std": list(PICTURE_DEVIATION),
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(about, indent=2) + "\n")
