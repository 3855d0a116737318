"""Build the sprite library of named and unnamed emoji and stamps, photo cut-outs and backgrounds.

``python -m masklet_training.sprites --cache DIR`` reads the downloads of ``fetch_assets`` and writes
``DIR/sprites.npz`` with these arrays:

==============  ================  ==================================================================
``sprites``     uint8 [N,128,128,4]  RGBA, colours premultiplied by alpha, tight-cropped and centred
``family``      uint8 [N]         0 named, 1 unnamed emoji, 2 photo cut-out, 3 unnamed stamp
``concept``     int16 [N]         row of ``pictures.PICTURES`` (named sprites), else -1
``style``       uint8 [N]         index into ``STYLES``; 255 for cut-outs
``held_out``    bool [N]          True: validation only
``bg_pixels``   uint8 [P]         all background photographs, flattened RGB, concatenated
``bg_shapes``   int32 [B,2]       height and width of each
``bg_held_out`` bool [B]          True: validation only
``bg_weight``   float32 [B]       how often to use it, relative to the others
==============  ================  ==================================================================
"""

from __future__ import annotations

import argparse
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .cutouts import load_backgrounds, segment_cutouts
from .iconify import IconSet, emoji_labels
from .pictures import PICTURES
from .stamps import load_stamps
from .vocabulary import PICTURE_PHRASES

Array = NDArray[np.uint8]
Renderer = Callable[[tuple[str, ...]], Array | None]

SIZE = 128
NAMED, UNNAMED, CUTOUT, STAMP = 0, 1, 2, 3
FAMILIES = ("named pictures", "unnamed emoji", "photo cut-outs", "unnamed stamps")
EMOJI_STYLES = ("noto", "twemoji", "openmoji", "fluent")
# Of these, only named emoji, and only for training: more styles make the names of drawings in other styles more accurate.
ICON_STYLES = ("fluent-emoji", "fluent-emoji-flat", "noto-v1", "emojione", "emojione-v1", "fxemoji", "streamline-emojis")
STYLES = (*EMOJI_STYLES, "stamp", *ICON_STYLES)
DEFAULT_CACHE = Path(__file__).resolve().parents[1] / ".cache"
# Emoji groups of the emojibase data: smileys, people, components, animals, food, travel, activities,
# objects; symbols and flags (8, 9) are left out.
UNNAMED_GROUPS = (0, 1, 3, 4, 5, 6, 7)


# --------------------------------------------------------------------------------------------------
# Rendering emoji
# --------------------------------------------------------------------------------------------------


def noto_renderer(cache: Path) -> Renderer:
    """Render with the Noto Color Emoji bitmap font."""
    font = ImageFont.truetype(str(next(cache.rglob("NotoColorEmoji.ttf"))), 109)

    def render(codes: tuple[str, ...]) -> Array | None:
        text = "".join(chr(int(c, 16)) for c in codes)
        if len(codes) == 1:
            text += "\ufe0f"
        canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 0))
        ImageDraw.Draw(canvas).text((8, 8), text, font=font, embedded_color=True)
        return np.asarray(canvas)

    return render


def svg_renderer(folder: Path, upper: bool) -> Renderer:
    """Render from a folder of ``<code points>.svg`` files."""

    def render(codes: tuple[str, ...]) -> Array | None:
        path = _find(folder, codes, ".svg", upper)
        if path is None:
            return None
        return rasterised(path.read_text())

    return render


def icon_renderer(package: Path, labels: dict[tuple[str, ...], str]) -> Renderer:
    """Render from a package of Iconify, see `IconSet`."""
    icons = IconSet(package)

    def render(codes: tuple[str, ...]) -> Array | None:
        label = labels.get(tuple(code for code in codes if code != "fe0f"))
        svg = None if label is None else icons.svg(label)
        return None if svg is None else rasterised(svg)

    return render


def rasterised(svg: str) -> Array:
    """An SVG document → RGBA [160,160,4]"""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=160, height=160))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def image_renderer(folder: Path) -> Renderer:
    """Read from a folder of ``<code points>.webp`` files."""

    def render(codes: tuple[str, ...]) -> Array | None:
        path = _find(folder, codes, ".webp", upper=False)
        return None if path is None else np.asarray(Image.open(path).convert("RGBA"))

    return render


def _find(folder: Path, codes: tuple[str, ...], suffix: str, upper: bool) -> Path | None:
    for variant in (codes, (*codes, "fe0f"), (codes[0], "fe0f", *codes[1:])):
        stem = "-".join(variant)
        path = folder / f"{stem.upper() if upper else stem}{suffix}"
        if path.exists():
            return path
    return None


def make_renderers(cache: Path) -> dict[str, Renderer]:
    """Return one renderer per style."""

    def package(prefix: str) -> Path:
        return next((cache / "npm").glob(f"{prefix}-[0-9]*")) / "package"

    labels = emoji_labels(package("emojibase-data") / "en" / "data.json")
    icons = {style: icon_renderer(package(f"iconify-json-{style}"), labels) for style in ICON_STYLES}
    return icons | {
        "noto": noto_renderer(cache),
        "twemoji": svg_renderer(package("twemoji-svg") / "dist", upper=False),
        "openmoji": svg_renderer(package("openmoji") / "color" / "svg", upper=True),
        "fluent": image_renderer(package("lobehub-fluent-emoji-3d") / "assets"),
    }


def tight_sprite(rgba: Array) -> Array | None:
    """Crop to the visible pixels, fit into 128 x 128 (aspect kept), premultiply colours by alpha."""
    ys, xs = np.nonzero(rgba[..., 3] > 8)
    if len(xs) < 60:
        return None
    crop = rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].astype(np.float32)
    crop[..., :3] *= crop[..., 3:] / 255.0
    height, width = crop.shape[:2]
    scale = (SIZE - 4) / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    sprite = np.zeros((SIZE, SIZE, 4), np.uint8)
    top, left = (SIZE - size[1]) // 2, (SIZE - size[0]) // 2
    sprite[top : top + size[1], left : left + size[0]] = np.clip(crop, 0, 255).round()
    return sprite


# --------------------------------------------------------------------------------------------------
# Choosing what to render
# --------------------------------------------------------------------------------------------------


def unnamed_codes(cache: Path, limit: int) -> list[tuple[str, ...]]:
    """Pick emoji whose name and keywords share no word with the vocabulary."""
    path = next((cache / "npm").glob("emojibase-data-*")) / "package" / "en" / "data.json"
    taken = {code for row in PICTURES for code in row.codes}
    words = {w for p in PICTURE_PHRASES for w in p.split()}
    codes: list[tuple[str, ...]] = []
    for entry in json.loads(path.read_text()):
        code = tuple(c.lower() for c in entry["hexcode"].split("-") if c != "FE0F")
        if entry.get("group") not in UNNAMED_GROUPS or code in taken:
            continue
        people = entry["group"] in (0, 1)
        if not people and words & set(entry["label"].lower().replace("-", " ").split()):
            continue
        codes.append(code)
    order = np.random.default_rng(0).permutation(len(codes))
    return [codes[i] for i in order[:limit]]


def _held_out(key: str) -> bool:
    return zlib.crc32(key.encode()) % 20 == 0


def _emoji_sprites(cache: Path, unnamed: int) -> Iterator[tuple[Array, int, int, int, bool]]:
    """Yield (sprite, family, concept, style, held out) for named and unnamed emoji."""
    renderers = make_renderers(cache)
    for concept, row in enumerate(PICTURES):
        for codes in row.codes:
            for name in (*EMOJI_STYLES, *ICON_STYLES):
                sprite = _render(renderers[name], codes)
                if sprite is not None:
                    held_out = name in EMOJI_STYLES and _held_out(f"{codes}{name}")
                    yield sprite, NAMED, concept, STYLES.index(name), held_out
    for index, codes in enumerate(unnamed_codes(cache, unnamed)):
        name = EMOJI_STYLES[index % len(EMOJI_STYLES)]
        sprite = _render(renderers[name], codes)
        if sprite is not None:
            yield sprite, UNNAMED, -1, STYLES.index(name), _held_out(f"{codes}{name}")


def _stamp_sprites(cache: Path) -> Iterator[tuple[Array, int, int, int, bool]]:
    """Yield (sprite, family, concept, style, held out) for the stamps."""
    for name, rgba, concept in load_stamps(cache):
        sprite = tight_sprite(rgba)
        if sprite is not None:
            yield sprite, STAMP if concept < 0 else NAMED, concept, STYLES.index("stamp"), _held_out(name)


def _render(renderer: Renderer, codes: tuple[str, ...]) -> Array | None:
    rgba = renderer(codes)
    return None if rgba is None else tight_sprite(rgba)


def build(cache: Path, out: Path, unnamed: int = 440, cutouts: int = 420, photos: int = 85) -> None:
    """Build the library file from the downloaded assets."""
    rng = np.random.default_rng(0)
    entries = list(_emoji_sprites(cache, unnamed))
    entries += _stamp_sprites(cache)
    print(f"{len(entries)} emoji and stamps", flush=True)
    backgrounds, weights = load_backgrounds(cache / "photos", photos)
    print(f"{len(backgrounds)} backgrounds", flush=True)
    bg_held_out = np.array([i % 12 == 5 for i in range(len(backgrounds))])
    per_photo = -(-cutouts // len(backgrounds)) + 1
    for photo, held_out in zip(backgrounds, bg_held_out, strict=True):
        for rgba in segment_cutouts(photo, rng, per_photo):
            sprite = tight_sprite(rgba)
            if sprite is not None:
                entries.append((sprite, CUTOUT, -1, 255, bool(held_out)))
    sprites, family, concept, style, held = zip(*entries, strict=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.npz")
    np.savez(
        partial,
        sprites=np.stack(sprites),
        family=np.array(family, np.uint8),
        concept=np.array(concept, np.int16),
        style=np.array(style, np.uint8),
        held_out=np.array(held, bool),
        bg_pixels=np.concatenate([b.ravel() for b in backgrounds]),
        bg_shapes=np.array([b.shape[:2] for b in backgrounds], np.int32),
        bg_held_out=bg_held_out,
        bg_weight=np.array(weights, np.float32),
    )
    partial.replace(out)
    for name, number in zip(FAMILIES, np.bincount(np.array(family), minlength=4), strict=True):
        print(f"{number} {name}")
    print(f"{out}: {out.stat().st_size >> 20} MiB")


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, help="default: CACHE/sprites.npz")
    args = parser.parse_args()
    build(args.cache, args.out or args.cache / "sprites.npz")


if __name__ == "__main__":
    main()
