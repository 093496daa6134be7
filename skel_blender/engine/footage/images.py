# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage that comes as images: one, several, or a folder of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from ... import sequence
from ...messages import Log, SkelError
from ...requests import rate
from .cuts import Frame, each_its_own_shot, of_different_scenes, thumbnail
from .plates import PLATES, plate
from .source import Range, Source

IMAGE_FPS = Fraction(24)
_ANIMATED = ("PNG", "TIFF", "WEBP")  # formats whose pictures may be frames or pages
_TIFF, _BITS = (".tif", ".tiff"), 258
_EXIF_IFD, _FOCAL_35MM, _TAKEN = 0x8769, 0xA405, 0x9003
_PAIRS = 12  # neighbours that are looked at to tell photos from a film
_APART = 1 / 3  # part of them, beyond which images are photos: in a film they are the cuts and the quickest pans
_LATER_S, _LATER = 1.0, 1.5  # between photos, more than between the images of a burst; and more frames than one, at a rate that was said
_DIAGONAL_35MM = 43.2666  # mm, of the 36 x 24 frame that "35 mm equivalent" refers to (CIPA DC-008)


class ImageSource(Source):
    """Images of one size, in the order given: the frames of a film, or photos that do not follow from each other, each its own shot."""

    def __init__(self, paths: list[Path], frames: Range, on_log: Callable[[Log], None], fps: float | None = None) -> None:
        self._paths, self.fps = paths, IMAGE_FPS if fps is None else rate(fps)
        super().__init__(paths[0], len(paths), frames, on_log)
        numbers = sequence.numbers(paths)
        alike = len(numbers)
        if alike <= self.last:
            text = f"{paths[alike].name} differs from {paths[0].name} in more than the number in its name, so Blender cannot show images"
            on_log(Log("warning", f"{text} behind the rig from there on. Name them alike."))
        self.size = _opened_image(paths[self.first])[0].size
        self._photos = self._are_photos()
        steps = np.diff(numbers[self.first : self.last + 1])
        gaps = np.flatnonzero(steps > steps.min(initial=1 << 60))
        if len(gaps) and steps.min() > 0 and not self._photos:
            text = f"By the numbers in their names, images are missing after {paths[self.first + gaps[0]].name}"
            on_log(Log("warning", f"{text}{', and elsewhere' * (len(gaps) > 1)}: no time passes there, so people jump."))
        count = _pictures_in(paths[self.first])
        if count > 1:
            on_log(Log("warning", f"{paths[self.first].name} holds {count} pictures, and only the first is used. Convert it to a video."))

    @property
    def files(self) -> list[Path]:
        """All images, those outside the range of frames too."""
        return self._paths

    def _in_shots(self) -> Iterator[Frame]:
        return each_its_own_shot(self._pictures(self.first, self.last), self.cuts) if self._photos else super()._in_shots()

    def _pictures(self, first: int, last: int) -> Iterator[Frame]:
        for number in range(first, min(last + 1, len(self._paths))):
            try:
                picture = self._picture(number)
            except SkelError:
                if self.first <= number <= self.last:
                    raise
                continue  # what is not asked for does not matter
            yield number, picture

    def _picture(self, number: int) -> np.ndarray:
        """An image that is as large as the first, RGB (H,W,3); its lens is noted."""
        image, focal_px = _opened_image(self._paths[number])
        if image.size != self.size:
            raise SkelError("image_size", f"{self._paths[number].name} is not as large as {self._paths[self.first].name}.",
                            "Make all images one size, or reconstruct each size separately.")  # fmt: skip
        if focal_px is not None:
            self.focal_hints[number] = focal_px
        return np.asarray(image)

    def _are_photos(self) -> bool:
        """Whether the images are photos: more neighbours than in any film show different scenes, or were taken at different times."""
        asked = np.linspace(self.first, self.last - 1, min(self.last - self.first, _PAIRS)).round().astype(int)
        return len(asked) > 0 and float(np.mean([self._unrelated(number) for number in asked])) > _APART

    def _unrelated(self, number: int) -> bool:
        """Whether an image and the next one do not follow from each other."""
        taken = [_taken(self._paths[one]) for one in (number, number + 1)]
        if None not in taken and abs((taken[1] - taken[0]).total_seconds()) > max(_LATER_S, _LATER / float(self.fps)):
            return True
        return of_different_scenes(*(thumbnail(self._picture(one)) for one in (number, number + 1)))


def _opened_image(path: Path) -> tuple[Image.Image, float | None]:
    """An image as it is shown, RGB of 8 bits, and the focal length (px) that its EXIF states."""
    try:
        if path.suffix.lower() in PLATES:
            return Image.fromarray(plate(path)), None
        with Image.open(path) as image:
            shown, focal_px = ImageOps.exif_transpose(image), _focal_px(image)
            if shown.mode.startswith("I;16"):  # grey of 16 bits, which Pillow cuts off at 255
                shown = Image.fromarray((np.asarray(shown) >> 8).astype(np.uint8))
            if shown.mode == "I":
                shown = Image.fromarray(_of_integers(path, np.asarray(shown), image))
            if shown.mode == "F":
                raise ValueError("floats")  # which Pillow makes black
            return shown.convert("RGB"), focal_px
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        floats = None if isinstance(error, Image.DecompressionBombError) else _of_floats(path)
        if floats is None:
            raise SkelError("bad_image", f"The image {path.name} cannot be read.", "Replace or remove it.") from error
        return floats, None


def _of_integers(path: Path, grey: np.ndarray, image: Image.Image) -> np.ndarray:
    """Grey (h,w) of 8 bits from that of an image whose numbers have a sign or 32 bits. Raises SkelError if nothing says what is white."""
    if getattr(image, "tag_v2", {}).get(_BITS) == (16,):
        return (np.maximum(grey, 0) >> 7).astype(np.uint8)
    if grey.min() < 0 or grey.max() > 255:
        raise SkelError("bad_image", f"The image {path.name} holds whole numbers of 32 bits, and nothing says which one is white.",
                        "Save it with 8 or 16 bits.")  # fmt: skip
    return grey.astype(np.uint8)


def _of_floats(path: Path) -> Image.Image | None:
    """A TIFF of floats as Blender shows it, 1 as white, without a curve; None if it is none."""
    try:
        read = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.suffix.lower() in _TIFF else None
    except (OSError, cv2.error):
        return None
    if read is None or read.dtype.kind != "f":
        return None
    shown = np.rint(255 * np.clip(np.nan_to_num(read), 0.0, 1.0)).astype(np.uint8)
    return Image.fromarray(shown if shown.ndim == 2 else np.ascontiguousarray(shown[..., 2::-1])).convert("RGB")


def _taken(path: Path) -> datetime | None:
    """When a photo was taken, to a second, if its EXIF states it."""
    try:
        with Image.open(path) as image:
            return datetime.strptime(image.getexif().get_ifd(_EXIF_IFD)[_TAKEN], "%Y:%m:%d %H:%M:%S")
    except (OSError, SyntaxError, KeyError, TypeError, ValueError, Image.DecompressionBombError):  # no image of Pillow's, or no such time
        return None


def _pictures_in(path: Path) -> int:
    """How many pictures an image that can be opened holds, as one that is animated; a phone's JPEG may have others of the same moment."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    except Exception:  # Pillow does not know it, or complains, in any way, of what follows the first picture and is damaged
        return 1


def _focal_px(image: Image.Image) -> float | None:
    """Focal length in pixels of the image's diagonal from EXIF's 35 mm equivalent, if it states one."""
    try:
        focal = float(image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_35MM) or 0.0)
    except (TypeError, ValueError, ArithmeticError, SyntaxError):  # whatever a camera or an editor has written there
        return None
    return focal * float(np.hypot(*image.size)) / _DIAGONAL_35MM if 0.0 < focal < np.inf else None
