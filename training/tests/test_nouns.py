"""Nouns of ImageNet's classes, on an excerpt in WordNet's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from masklet_training.nouns import find_classes, noun_table, read_irregular, read_synsets, singulars

EXCERPT = """  1 This software and database is being provided
00000001 03 n 01 entity 0 000 | that which exists
00000002 03 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | a living organism
00000003 05 n 02 dog 0 domestic_dog 0 001 @ 00000002 n 0000 | a member of the genus Canis
00000004 05 n 01 beagle 0 001 @ 00000003 n 0000 | a small hound
00000005 05 n 01 pug 0 002 @ 00000003 n 0000 #m 00000003 n 0000 | a small breed
00000006 05 n 02 crane 0 wading_bird 0 001 @ 00000002 n 0000 | a large bird | of marshes
00000007 06 n 02 vehicle 0 conveyance 0 001 @ 00000001 n 0000 | transports people
00000008 06 n 01 motor_scooter 0 001 @ 00000007 n 0000 | a wheeled vehicle
00000009 06 n 01 crane 1 001 @i 00000007 n 0000 | lifts and moves objects
"""
CLASSES = ["n00000004", "n00000005", "n00000006", "n00000008", "n00000009"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "data.noun").write_text(EXCERPT)
    (tmp_path / "noun.exc").write_text("geese goose\nmice mouse\n")
    return tmp_path


def test_ancestors_name_all_their_classes(files: Path) -> None:
    table = noun_table(CLASSES, read_synsets(files / "data.noun"))
    assert table["dog"] == table["domestic dog"] == [0, 1]
    assert table["beagle"] == [0] and table["vehicle"] == [3, 4]
    assert table["crane"] == [2, 4]  # both meanings
    assert "animal" not in table and "entity" not in table  # of more than 45 % of the classes


def test_plurals_and_capitals_find_the_same_classes(files: Path) -> None:
    table, irregular = noun_table(CLASSES, read_synsets(files / "data.noun")), read_irregular(files / "noun.exc")
    for noun, expected in (("dogs", [0, 1]), ("Motor Scooters", [3]), ("pug", [1]), ("conveyances", [3, 4]), ("piano", []), ("s", [])):
        assert find_classes(noun, table, irregular) == expected, noun


def test_singulars_of_regular_and_irregular_plurals() -> None:
    irregular = {"geese": "goose"}
    for plural, singular in (
        ("geese", "goose"),
        ("buses", "bus"),
        ("foxes", "fox"),
        ("ponies", "pony"),
        ("sea lions", "sea lion"),
        ("firemen", "fireman"),
    ):
        assert singular in singulars(plural, irregular), plural
    assert singulars("bus", {})[0] == "bus"


def test_classes_that_wordnet_lacks_are_reported(files: Path) -> None:
    with pytest.raises(ValueError, match="class 1 is n99999999"):
        noun_table(["n00000004", "n99999999"], read_synsets(files / "data.noun"))
