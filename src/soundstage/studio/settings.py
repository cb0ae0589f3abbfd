"""Settings of stage 0, `studio`: how many films and clips are made, and how varied they are."""

from dataclasses import dataclass

from soundstage.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Section `studio` of the configuration; every field with its unit."""

    seed: int = 2304  # every draw of the corpus depends on it
    films_train: int = 26  # films in split train
    films_valid: int = 5  # films in split valid
    films_test: int = 5  # films in split test
    film_seconds: int = 90  # length of a film, whole seconds
    width_pixels: int = 320  # picture width, even
    height_pixels: int = 180  # picture height, even
    dubs_min: int = 3  # fewest dubs of a film, 1 to 5
    dubs_max: int = 5  # most dubs of a film, 1 to 5
    films_with_speedup: int = 5  # films of which one dub runs at 25/24 of the speed
    films_with_cut: int = 5  # films of which one dub lacks a scene
    films_with_insert: int = 5  # films of which one dub has some seconds of black inserted
    films_with_ambiguous: int = 1  # films of which one dub cannot be aligned and must be refused
    speech_to_bed_mean_db: float = 1.5  # mean over films of speech power over bed power, dB
    speech_to_bed_sd_db: float = 1.2  # spread over films of the same, dB
    benchmark_clips: int = 400  # clips of each audio benchmark
    benchmark_video_clips: int = 900  # clips of each audiovisual benchmark
    lvu_movies: int = 60  # movies of the LVU-like set of table 3, six clips each
    hmdb51_clips: int = 297  # clips of the HMDB51-like set of table 3, nine classes
    llp_train: int = 600  # videos of the LLP-like set, split train
    llp_val: int = 100  # videos of the LLP-like set, split val
    llp_test: int = 200  # videos of the LLP-like set, split test
    ave_train: int = 600  # videos of the AVE-like set, split train; the first 28 name all classes
    ave_val: int = 100  # videos of the AVE-like set, split val
    ave_test: int = 200  # videos of the AVE-like set, split test

    def __post_init__(self):
        if min(self.films_train, self.films_valid, self.films_test) < 0 or self.films_total < 1:
            raise UserError("expected at least one film and no negative count", "studio.films_*")
        if not 1 <= self.dubs_min <= self.dubs_max <= 5:
            raise UserError(
                f"expected 1 <= min <= max <= 5, found {self.dubs_min} and {self.dubs_max}",
                "studio.dubs_min, studio.dubs_max",
            )
        if self.film_seconds < 20:
            raise UserError(f"expected 20 or more, found {self.film_seconds}", "studio.film_seconds")
        if self.benchmark_clips < 10 or self.benchmark_video_clips < 6:
            raise UserError(
                "expected 10 clips or more, 6 or more with a picture",
                "studio.benchmark_clips, studio.benchmark_video_clips",
            )
        if min(self.llp_train, self.llp_val, self.llp_test) < 1:
            raise UserError("expected at least one video in each split", "studio.llp_train, llp_val, llp_test")
        if min(self.ave_val, self.ave_test) < 1 or self.ave_train < 28:
            raise UserError(
                "expected 28 training videos or more, a class each, and at least one of the others",
                "studio.ave_train, ave_val, ave_test",
            )
        if self.lvu_movies < 40 or self.hmdb51_clips < 54:
            raise UserError(
                "expected 40 movies or more (nine decades in each split), 54 clips or more",
                "studio.lvu_movies, studio.hmdb51_clips",
            )
        if self.width_pixels % 2 or self.height_pixels % 2:
            raise UserError("expected an even picture size", "studio.width_pixels, height_pixels")

    @property
    def films_total(self):
        """Number of films in all three splits."""
        return self.films_train + self.films_valid + self.films_test
