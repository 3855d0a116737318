"""Photographs as raw material: backgrounds, and irregular cut-outs from segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data as skimage_data
from skimage.segmentation import felzenszwalb

Array = NDArray[np.uint8]

# Folders of the unpacked packages that hold pictures.
PHOTO_FOLDERS = ("usr/share/backgrounds", "usr/share/wallpapers", "usr/share/tuxpaint/templates")
# Folders whose pictures are drawn or rendered rather than photographed, and the exceptions.
ARTWORK_FOLDERS = ("share/wallpapers/", "backgrounds/gnome/", "mate/abstract/", "mate/desktop/")
ARTWORK_EXCEPTIONS = ("Autumn", "BytheWater", "FallenLeaf", "ColorfulCups", "gnome/wood")
ARTWORK_WEIGHT = 0.25
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SKIMAGE_SAMPLES = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry", "brick", "grass", "gravel")
SHORT_SIDE = 420
MAX_ASPECT = 1.8
MIN_TEXTURE = 0.035


def photo_files(folder: Path) -> list[Path]:
    """Return the image files under ``folder``; only the largest variant of a file with many sizes."""
    best: dict[Path, Path] = {}
    for path in sorted(p for place in PHOTO_FOLDERS for p in (folder / place).rglob("*")):
        if path.suffix.lower() not in PHOTO_SUFFIXES or not path.is_file() or path.stat().st_size < 50_000:
            continue
        sized = path.stem.replace("x", "").isdigit() or path.stem.startswith("screenshot")
        key = path.parents[1] if sized else path
        if key not in best or path.stat().st_size > best[key].stat().st_size:
            best[key] = path
    return sorted(best.values())


def photo_weight(path: Path) -> float:
    """Return how often to use a picture: photographs more often than artwork."""
    name = path.as_posix()
    artwork = any(a in name for a in ARTWORK_FOLDERS) and not any(e in name for e in ARTWORK_EXCEPTIONS)
    return ARTWORK_WEIGHT if artwork else 1.0


def load_photo(path: Path) -> Array | None:
    """Read a photo as RGB uint8 [H, W, 3]; None when the file cannot be read."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (SHORT_SIDE * 3, SHORT_SIDE * 3))
            return np.asarray(image.convert("RGB"))
    except OSError:
        return None


def sample_photos() -> Iterator[Array]:
    """Yield the sample photographs that ship inside scikit-learn and scikit-image."""
    from sklearn.datasets import load_sample_images

    yield from load_sample_images().images
    for name in SKIMAGE_SAMPLES:
        try:
            image = np.asarray(getattr(skimage_data, name)())
        except Exception:  # not included in this wheel: scikit-image would have to download it
            continue
        yield np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def resize_short_side(image: Array, side: int = SHORT_SIDE) -> Array:
    """Centre-crop extreme aspect ratios, then resize so that the short side is ``side``."""
    height, width = image.shape[:2]
    limit = int(min(height, width) * MAX_ASPECT)
    top, left = max(0, (height - limit) // 2), max(0, (width - limit) // 2)
    image = image[top : top + limit, left : left + limit]
    height, width = image.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=mode)


def texture_amount(image: Array) -> float:
    """Share of pixels with a visible local gradient: near 0 for flat artwork, high for photographs."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    gx, gy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    return float((cv2.magnitude(gx, gy) > 40).mean())


def load_backgrounds(folder: Path, limit: int) -> tuple[list[Array], list[float]]:
    """Return up to ``limit`` textured pictures (RGB uint8, short side 420), best first, and their weights."""
    weighted = [(1.0, resize_short_side(image)) for image in sample_photos()]
    for path in photo_files(folder):
        image = load_photo(path)
        if image is not None:
            weighted.append((photo_weight(path), resize_short_side(image)))
    textured = [(w, i) for w, i in weighted if texture_amount(i) >= MIN_TEXTURE * (1.0 if w == 1.0 else 1.5)]
    kept = _drop_duplicates(textured)
    kept.sort(key=lambda item: (item[0], texture_amount(item[1])), reverse=True)
    return [image for _, image in kept[:limit]], [weight for weight, _ in kept[:limit]]


def _drop_duplicates(weighted: list[tuple[float, Array]]) -> list[tuple[float, Array]]:
    thumbs: list[NDArray[np.float32]] = []
    kept: list[tuple[float, Array]] = []
    for weight, image in weighted:
        thumb = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
        if all(np.abs(thumb - other).mean() > 8 for other in thumbs):
            thumbs.append(thumb)
            kept.append((weight, image))
    return kept


def segment_cutouts(photo: Array, rng: np.random.Generator, limit: int) -> list[Array]:
    """Cut up to ``limit`` regions of one photo out as RGBA uint8 [h, w, 4] pictures."""
    height, width = photo.shape[:2]
    labels = felzenszwalb(photo, scale=float(rng.uniform(150, 700)), sigma=0.9, min_size=500)
    contrast = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    candidates: list[tuple[float, Array]] = []
    for label in range(int(labels.max()) + 1):
        region = (labels == label).astype(np.uint8)
        area = int(region.sum())
        if not 0.008 * height * width < area < 0.3 * height * width:
            continue
        mask = _clean(region)
        x, y, w, h = cv2.boundingRect(mask)
        size = int(mask.sum())
        border = x == 0 or y == 0 or x + w == width or y + h == height
        if min(w, h) < 36 or size < 0.25 * w * h or max(w, h) > 5 * min(w, h):
            continue
        ring = cv2.dilate(mask, np.ones((15, 15), np.uint8)) - mask
        difference = np.abs(contrast[mask > 0].mean(0) - contrast[ring > 0].mean(0)).sum()
        alpha = cv2.GaussianBlur(mask * 255, (0, 0), 1.0)
        rgba = np.dstack([photo, alpha])[y : y + h, x : x + w]
        candidates.append((float(difference) - 25.0 * border, rgba))
    candidates.sort(key=lambda c: c[0], reverse=True)
    return [rgba for _, rgba in candidates[:limit]]


def _clean(region: Array) -> Array:
    """Smooth a 0/1 region, fill its holes and keep its largest component."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    region = cv2.morphologyEx(cv2.morphologyEx(region, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    mask = np.zeros_like(region)
    if contours:
        largest = max(contours, key=cv2.contourArea)
        cv2.drawContours(mask, [largest], -1, 1, cv2.FILLED)
    return mask
