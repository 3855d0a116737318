"""Pictures of Iconify's packages, found by the names of emoji"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from masklet_training.iconify import IconSet, emoji_labels
from masklet_training.sprites import icon_renderer


@pytest.fixture
def package(tmp_path: Path) -> Path:
    red = '<path d="M0 0h64v64H0z" fill="#f00"/>'
    blue = '<path d="M0 0h32v32H0z" fill="#00f"/>'
    icons = {"red-apple": {"body": red}, "foxface": {"body": blue, "width": 32, "height": 32}}
    content = {"icons": icons, "aliases": {"tomato": {"parent": "red-apple"}}, "width": 64, "height": 64}
    (tmp_path / "icons.json").write_text(json.dumps(content))
    return tmp_path


def test_labels_are_keyed_by_code_points_without_variation_selectors(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps([{"hexcode": "1F34E", "label": "red apple"}, {"hexcode": "2708-FE0F", "label": "airplane"}]))
    assert emoji_labels(data) == {("1f34e",): "red apple", ("2708",): "airplane"}


def test_pictures_are_found_by_label_alias_and_older_names(package: Path) -> None:
    icons = IconSet(package)
    apple, fox = icons.svg("red apple"), icons.svg("fox")
    assert apple is not None and 'viewBox="0 0 64 64"' in apple and "#f00" in apple
    assert fox is not None and 'viewBox="0 0 32 32"' in fox and "#00f" in fox
    assert icons.svg("Tomato") == apple
    assert icons.svg("banana") is None


def test_pictures_are_rendered_by_code_points(package: Path) -> None:
    render = icon_renderer(package, {("1f34e",): "red apple", ("1f98a",): "fox", ("1f34c",): "banana"})
    apple = render(("1f34e", "fe0f"))
    assert apple is not None and apple.shape == (160, 160, 4) and (apple == (255, 0, 0, 255)).all()
    fox = render(("1f98a",))
    assert fox is not None and (fox == (0, 0, 255, 255)).all()
    assert render(("1f34c",)) is None and render(("1f34d",)) is None
