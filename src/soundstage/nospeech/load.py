"""Open a separator only after its weights were compared with the checksums in the settings.

Demucs packages are pickles: opening one runs whatever code is in it. So every file that demucs
would open is found first, by the same rules, and its SHA-256 compared.
"""

from pathlib import Path

import yaml

from soundstage.errors import UserError
from soundstage.files import sha256

SHIPPED = Path(__file__).parent / "separator"
SPEECH_STEMS = ("speech", "vocals")


def open_separator(settings):
    """Return a `demucs.api.Separator` on the CPU for the settings' model, weights verified.

    settings: `soundstage.nospeech.settings.Settings`. UserError when the folder, the name or a
    weights file is missing, when a checksum differs (nothing is opened then), or when the model
    has no stem of speech.
    """
    if settings.separator == "hub":
        check_sums(hub_files(settings.name), settings.separator_sha256)
        name, folder = f"hf://{settings.name}", None
    else:
        folder = SHIPPED if settings.separator == "shipped" else Path(settings.separator)
        check_sums(weights_files(folder, settings.name), settings.separator_sha256)
        name = settings.name
    separator = _demucs(name, folder, settings)
    speech_stem(separator)
    return separator


def _demucs(name, folder, settings):
    """Return demucs's own object; its random shifts are seeded by whoever calls it."""
    from demucs.api import Separator

    try:
        return Separator(model=name, repo=folder, device="cpu", shifts=settings.shifts, overlap=settings.overlap)
    except (RuntimeError, KeyError, TypeError) as error:
        raise UserError(f"demucs cannot open the separator ({error})", folder or name) from None


def speech_stem(separator):
    """Return the name of the model's stem that holds speech; UserError when it has none."""
    sources = list(separator.model.sources)
    for name in SPEECH_STEMS:
        if name in sources:
            return name
    raise UserError(
        f"expected a separator with a stem {' or '.join(SPEECH_STEMS)}, found {sources}",
        "nospeech.separator",
    )


def weights_files(folder, name):
    """Return the .th files that demucs opens for `name` in a `--repo` folder, in its order.

    `name` is the signature of one file (SIGNATURE.th or SIGNATURE-CHECKSUM.th) or of a bag,
    NAME.yaml with the key `models`, a list of signatures. UserError when one is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("expected a folder of separators, found nothing", folder, _FIX)
    by_signature = {}
    for path in sorted(folder.glob("*.th")):
        signature = path.stem.rsplit("-", 1)[0]
        if signature in by_signature:
            raise UserError(f"two files have the signature {signature!r}", folder, "keep one")
        by_signature[signature] = path
    wanted = [name] if name in by_signature else _bag(folder / f"{name}.yaml")
    missing = [signature for signature in wanted if signature not in by_signature]
    if missing:
        raise UserError(f"the bag {name!r} names weights that are absent: {missing}", folder)
    return [by_signature[signature] for signature in wanted]


_FIX = "set nospeech.separator to a folder of demucs --repo and nospeech.name to a model in it"


def _bag(path):
    """Return the signatures in a bag's yaml file."""
    try:
        bag = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no model {path.stem!r} in this folder", path.parent, _FIX) from None
    except yaml.YAMLError as error:
        raise UserError(f"expected a bag of models as yaml ({error})", path) from None
    models = bag.get("models") if isinstance(bag, dict) else None
    if not isinstance(models, list) or not models:
        raise UserError("expected a list `models` in the bag", path)
    return [str(signature) for signature in models]


def hub_files(name):
    """Return the weights files (safetensors) of a bag on the hub, fetched by demucs's own rules."""
    from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name
    from huggingface_hub import hf_hub_download

    namespace, _, short = name.rpartition("/")
    repo = f"{namespace or DEFAULT_NAMESPACE}/{hf_repo_name(short)}"
    try:
        signatures = _bag(Path(hf_hub_download(repo, f"{short}.yaml")))
        return [Path(hf_hub_download(repo, f"{one}.safetensors")) for one in signatures]
    except (OSError, ValueError) as error:
        fix = "connect, or set nospeech.separator to a folder that holds the weights"
        raise UserError(f"cannot fetch the separator {name!r} ({error})", repo, fix) from None


def check_sums(files, expected):
    """Raise a UserError unless every file's SHA-256 is among the `expected` ones."""
    for path in files:
        found = sha256(path)
        if found not in expected:
            raise UserError(
                f"expected a separator with SHA-256 {' or '.join(expected)}, found {found}; it was not opened",
                path,
                "fetch the weights again, or, if you trust them, set nospeech.separator_sha256",
            )
