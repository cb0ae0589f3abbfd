"""Write a trained separator as a folder that `demucs --repo` opens.

    python -m soundstage.nospeech.package --checkpoint work/separator/checkpoint.pt --out FOLDER

The folder gets NAME-CHECKSUM.th, weights in half precision. Its SHA-256 is printed: it belongs in
nospeech.separator_sha256, the folder in nospeech.separator.
"""

import hashlib
import io
from pathlib import Path

from soundstage.cli import parser, run
from soundstage.errors import UserError
from soundstage.files import atomic
from soundstage.nospeech.train import averaged_model, read_checkpoint

NAME = "studio"
LIMIT_BYTES = 3_000_000


def main():
    """Write the package of the checkpoint that the command line names, and print its SHA-256."""
    arguments = parser(__doc__)
    arguments.add_argument("--checkpoint", required=True, help="of soundstage.nospeech.train")
    arguments.add_argument("--out", required=True, help="folder to write into")
    values = arguments.parse_args()
    checkpoint = read_checkpoint(values.checkpoint)
    path, digest = write(averaged_model(checkpoint), values.out, checkpoint["step"])
    print(f"{digest}  {path}")


def write(model, folder, steps):
    """Write `model` as FOLDER/studio-CHECKSUM.th; return (path, SHA-256 as hexadecimal).

    Other files of that name in the folder are removed. The same weights give the same bytes.
    UserError when the file would be larger than 3 MB.
    """
    data = packed(model, steps)
    if len(data) > LIMIT_BYTES:
        raise UserError(f"expected a package of at most {LIMIT_BYTES} bytes, found {len(data)}")
    digest = hashlib.sha256(data).hexdigest()
    path = Path(folder) / f"{NAME}-{digest[:8]}.th"
    with atomic(path) as temporary:
        temporary.write_bytes(data)
    for old in path.parent.glob(f"{NAME}-*.th"):
        if old != path:
            old.unlink()
    return path, digest


def packed(model, steps):
    """Return the bytes of a demucs package: class, arguments, weights as float16."""
    import torch

    arguments, keywords = model._init_args_kwargs
    content = {
        "klass": type(model),
        "args": arguments,
        "kwargs": keywords,
        "state": {key: value.detach().half() for key, value in model.state_dict().items()},
        "training_args": {"program": "soundstage.nospeech.train", "steps": steps},
    }
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


if __name__ == "__main__":
    run(main)
