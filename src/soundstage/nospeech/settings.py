"""Settings of stage 4, `nospeech`: which separator is used, and how a long track is cut up."""

import re
from dataclasses import dataclass

from soundstage.errors import UserError

SHIPPED_SHA256 = "6a47fdc27a195aed53e797b4da6298b823d88a8883109f39645c6364f36a6361"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")
HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Settings:
    """Section `nospeech` of the configuration; every field with its unit."""

    # "shipped" = the small one of the package; "hub" = demucs's own download of `name`; otherwise
    # a folder in the form of `demucs --repo` (SIGNATURE-CHECKSUM.th files, bags as NAME.yaml)
    separator: str = "shipped"
    name: str = "studio"  # the model's name or signature in that folder, or on the hub
    # SHA-256 of every weights file of `name`; compared before any is opened, because opening a
    # pickle runs code
    separator_sha256: tuple[str, ...] = (SHIPPED_SHA256,)
    # "subtract" = input minus the estimated speech, which keeps what lies above the band of a
    # model with a low sample rate; "stem" = the sum of the model's other stems, band and all
    output: str = "subtract"
    shifts: int = 0  # random time shifts averaged by demucs, 0 = none; each costs a full pass
    overlap: float = 0.1  # overlap of the model's own segments, fraction of a segment in [0, 1)
    chunk_seconds: float = 120.0  # audio held in memory at a time, seconds; bounds the memory
    seed: int = 0  # names the random shifts; without effect when shifts is 0

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise UserError(
                f"expected a model's name (letters, digits, _ . -), found {self.name!r}",
                "nospeech.name",
            )
        if not self.separator_sha256 or not all(map(HEX.fullmatch, self.separator_sha256)):
            raise UserError(
                "expected one SHA-256 (64 lower-case hexadecimal digits) per weights file, found "
                f"{list(self.separator_sha256)!r}",
                "nospeech.separator_sha256",
                "sha256sum FILE prints it",
            )
        if self.output not in ("subtract", "stem"):
            raise UserError(f"expected subtract or stem, found {self.output!r}", "nospeech.output")
        if self.shifts < 0 or not 0 <= self.overlap < 1:
            raise UserError(
                f"expected shifts >= 0 and 0 <= overlap < 1, found {self.shifts} and {self.overlap}",
                "nospeech.shifts, nospeech.overlap",
            )
        if not self.chunk_seconds >= 10:
            raise UserError(f"expected 10 s or more, found {self.chunk_seconds}", "nospeech.chunk_seconds")
