"""Settings of stage 5, `shards`: how clips are stored."""

from dataclasses import dataclass

from soundstage.errors import UserError

PICTURES = ("mp4", "jpg")


@dataclass(frozen=True)
class Settings:
    """Section `shards` of the configuration; every field with its unit."""

    parts_per_film: int = 1  # tars per film; clip n goes into part n modulo this
    picture: str = "mp4"  # "mp4" (H.264) or "jpg" (one picture per frame, 25 a second)
    short_side_pixels: int = 112  # pixels of the picture's shorter side, even
    h264_crf: int = 20  # quality of mp4: 0 is lossless, 51 the worst
    h264_preset: str = "superfast"  # effort of the encoder; slower means smaller
    jpeg_quality: int = 90  # quality of jpg, 1 to 100
    remix_speech_db: float = 4.0  # a remix: level of speech against the rest changed by up to this, dB
    remix_gain_db: float = 4.0  # a remix: level of the whole changed by up to this, dB
    remix_equaliser_db: float = 2.0  # a remix: standard deviation of the equaliser's bands, dB

    def __post_init__(self):
        if self.parts_per_film < 1:
            raise UserError(f"expected 1 or more, found {self.parts_per_film}", "shards.parts_per_film")
        if self.picture not in PICTURES:
            allowed = " or ".join(PICTURES)
            raise UserError(f"expected {allowed}, found {self.picture!r}", "shards.picture")
        if self.short_side_pixels < 16 or self.short_side_pixels % 2:
            raise UserError(
                f"expected an even number from 16 on, found {self.short_side_pixels}",
                "shards.short_side_pixels",
            )
        if min(self.remix_speech_db, self.remix_gain_db, self.remix_equaliser_db) < 0:
            raise UserError("expected 0 or more", "shards.remix_*")
        if not 0 <= self.h264_crf <= 51 or not 1 <= self.jpeg_quality <= 100:
            raise UserError(
                f"expected 0 to 51 and 1 to 100, found {self.h264_crf} and {self.jpeg_quality}",
                "shards.h264_crf, shards.jpeg_quality",
            )
