"""Reads emoji from the packages of Iconify, which name their pictures by the English names of the emoji."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

Codes = tuple[str, ...]


def emoji_labels(data: Path) -> dict[Codes, str]:
    """Code points, without variation selectors → English name, from the `data.json` of emojibase"""
    entries = json.loads(data.read_text())
    return {tuple(code.lower() for code in entry["hexcode"].split("-") if code != "FE0F"): entry["label"] for entry in entries}


class IconSet:
    """The pictures of one package"""

    def __init__(self, package: Path) -> None:
        content = json.loads((package / "icons.json").read_text())
        self.width: float = content.get("width", 16)
        self.height: float = content.get("height", 16)
        self.icons: dict[str, dict[str, Any]] = content["icons"]
        aliases = {name: alias["parent"] for name, alias in content.get("aliases", {}).items()}
        # Some packages separate words, others do not.
        self.names = {joined(name): parent for name, parent in aliases.items()} | {joined(name): name for name in self.icons}

    def svg(self, label: str) -> str | None:
        """The picture of an emoji; None if the package lacks it"""
        # Animals of which only the face was drawn had other names in earlier versions of Unicode.
        name = self.names.get(joined(label)) or self.names.get(joined(f"{label} face"))
        icon = self.icons.get(name or "")
        if icon is None:
            return None
        box = (icon.get("left", 0), icon.get("top", 0), icon.get("width", self.width), icon.get("height", self.height))
        view = " ".join(str(number) for number in box)
        return f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{view}">{icon["body"]}</svg>'


def joined(name: str) -> str:
    """A name's letters and digits, in lower case"""
    return re.sub(r"[^a-z0-9]", "", name.lower())
