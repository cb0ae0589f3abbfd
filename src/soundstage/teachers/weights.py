"""Models of `transformers` and what stands beside them: tokeniser, picture statistics, extractor."""

import os
from pathlib import Path

import torch

import soundstage.torch_extras  # noqa: F401 (transformers imports torchvision)
from soundstage.errors import UserError

PICTURE_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP, where a folder names no other
PICTURE_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
SHIPPED = Path(__file__).parent / "shipped"  # the embedded corpus's own models
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def located(source, name):
    """Return a folder or hub name as it is, and for "shipped" the folder of the package's own model, clip or clap."""
    return str(SHIPPED / name) if source == "shipped" else source


def load_model(name, source, settings):
    """Return (model of the class `name` in evaluation mode, its device); safetensors or weights only."""
    import transformers

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model = getattr(transformers, name).from_pretrained(
            source, dtype=PRECISIONS[settings.precision], local_files_only=os.path.isdir(source)
        )
    except (OSError, ValueError, RuntimeError) as error:
        fix = "give a folder in the form of transformers, or a name on its hub"
        raise UserError(f"cannot read a {name} ({str(error).splitlines()[0]})", source, fix) from None
    return model.eval().to(device), device


def captions_of(source, settings):
    """Return a function from captions (list of str) to the text tower's inputs, padded alike."""
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the tokeniser ({str(error).splitlines()[0]})", source) from None

    def tokens(captions):
        found = tokenizer(list(captions), padding=True, return_tensors="pt")
        return {key: found[key] for key in ("input_ids", "attention_mask")}

    return tokens


def image_statistics(source, device, dtype):
    """Return (mean, standard deviation), (3, 1, 1) tensors, by which pictures are normalised."""
    from transformers import CLIPImageProcessor

    try:
        about, _ = CLIPImageProcessor.get_image_processor_dict(source)
    except OSError:
        about = {}
    values = about.get("image_mean", PICTURE_MEAN), about.get("image_std", PICTURE_DEVIATION)
    return tuple(torch.tensor(value, device=device).view(3, 1, 1) for value in values)


def feature_extractor(source):
    """Return the `ClapFeatureExtractor` of a folder or hub name."""
    from transformers import ClapFeatureExtractor

    try:
        return ClapFeatureExtractor.from_pretrained(source)
    except OSError as error:
        raise UserError(f"cannot read the feature extractor ({str(error).splitlines()[0]})", source) from None


def embedding(output):
    """Return the embeddings in what a get_..._features call gives: an object, or before version 5 a tensor."""
    return getattr(output, "pooler_output", output)
