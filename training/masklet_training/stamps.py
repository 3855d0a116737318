"""Photographs and drawings with transparent background from the Tux Paint stamp collection.

``STAMP_TABLE`` assigns vocabulary names to some of them; the others are used as unnamed objects.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .pictures import PICTURES

Array = NDArray[np.uint8]

# Names of a row of pictures.PICTURE_TABLE (or the first of them) | stamps, by path without suffix
STAMP_TABLE = """
frog | animals/amphibians/frog animals/amphibians/frog-1
bird | animals/birds/blackbird animals/birds/crow animals/birds/crowned_crane animals/birds/cuckoo
bird | animals/birds/guineafowl animals/birds/heron_greatblue animals/birds/heron_greatblue_flying
bird | animals/birds/lark animals/birds/magpie animals/birds/pelican animals/birds/pigeon
bird | animals/birds/quetzal animals/birds/seagull animals/birds/silver-gull animals/birds/tucan
bird | animals/birds/swallow animals/birds/vulture animals/birds/nandou
duck | animals/birds/drake animals/birds/duck
chicken | animals/birds/chicken_profile animals/birds/hen animals/birds/rooster
owl | animals/birds/owl
peacock | animals/birds/peacock
penguin | animals/birds/penguin animals/birds/little-penguin animals/birds/magellanic_penguin
penguin | animals/birds/cartoon/pengwin
flamingo | animals/birds/pink_flamingo
parrot | animals/birds/adelaide-rosella animals/birds/rainbow-lorikeet
fish | animals/fish/bluegroper animals/fish/butterflyfish animals/fish/clownfish animals/fish/coraltrout
fish | animals/fish/dolphinfish animals/fish/moonwrasse animals/fish/stripedfish
lobster | animals/fish/lobster
bee | animals/insects/bee
butterfly | animals/insects/cartoon/butterfly animals/insects/cartoon/monarchbutterfly animals/insects/xanthia
ladybug | animals/insects/cartoon/ladybug animals/insects/cartoon/ladybug-2
ant | animals/insects/cartoon/ant
spider | animals/insects/cartoon/spider animals/insects/cartoon/spider2 seasonal/halloween/spider
snail | animals/insects/cartoon/snail animals/insects/cartoon/snail2
lizard | animals/lizards/iguana
gorilla | animals/mammals/apes/gorilla
dolphin | animals/mammals/aquatic/dolphin
whale | animals/mammals/aquatic/whale animals/mammals/aquatic/orca
bear | animals/mammals/bears/bear animals/mammals/bears/european-bear
teddy bear | animals/mammals/bears/cartoon/teddy_bear animals/mammals/bears/toys/edward_bear
ox | animals/mammals/bovines/bull
cow | animals/mammals/bovines/cow animals/mammals/bovines/cow_white
goat | animals/mammals/bovines/goat animals/mammals/bovines/mountaingoat
sheep | animals/mammals/bovines/sheep animals/mammals/bovines/sheep_lamb animals/mammals/bovines/ram
camel | animals/mammals/camel/camel animals/mammals/camel/dromedary
lion | animals/mammals/cats/lion animals/mammals/cats/lion-2
tiger | animals/mammals/cats/tiger animals/mammals/cats/tiger_sumatran
cat | animals/mammals/cats/kitten seasonal/halloween/blackcat
deer | animals/mammals/deer/deer animals/mammals/deer/doe animals/mammals/deer/wapiti
dog | animals/mammals/dogs/dog
fox | animals/mammals/dogs/fox
elephant | animals/mammals/elephant
horse | animals/mammals/equines/horse
zebra | animals/mammals/equines/zebra animals/mammals/equines/zebra2
giraffe | animals/mammals/giraffe
hedgehog | animals/mammals/hedgehog
pig | animals/mammals/pig animals/mammals/pig_golden animals/mammals/pig_golden2
rabbit | animals/mammals/rabbit_little animals/mammals/rodents/rabbit animals/mammals/rodents/rabbit-2
rhinoceros | animals/mammals/rhino_black
mouse | animals/mammals/rodents/mouse
squirrel | animals/mammals/rodents/squirrel
kangaroo | animals/marsupials/kangaroo
koala | animals/marsupials/koala
hat | clothes/hats/blue_fedora clothes/hats/green_fedora clothes/hats/sombrero clothes/hats/brownhat
hat | clothes/hats/cowboy_hat clothes/hats/purplehat clothes/hats/feathered_hat clothes/hats/wizardhat
top hat | clothes/hats/tophat
crown | clothes/hats/crown1 clothes/hats/crown2
shirt | clothes/t-shirt_01
dress | clothes/black_dress
pants | clothes/bluejeans1 clothes/bluejeans2 clothes/white_pants
glasses | clothes/glasses1 clothes/glasses2 clothes/sunglasses_01 clothes/sunglasses_02
boot | clothes/hikingboot
handbag | clothes/red_handbag
high heel | clothes/red_highheel
birthday cake | food/dessert/cartoon/birthday_cake
cake | food/dessert/cartoon/pink_cake food/dessert/smallcake
apple, red apple | food/fruit/apple_red food/fruit/cartoon/apple
apple, green apple | food/fruit/apple_green food/fruit/apple_granny_smith
apple | food/fruit/apple_fuji food/fruit/apple_sierra_beauty
avocado | food/fruit/avocado
banana | food/fruit/banana food/fruit/cartoon/banana
cherry | food/fruit/Cherry_Stella food/fruit/cartoon/cherries food/fruit/cartoon/cherries2
grapes | food/fruit/grapes food/fruit/cartoon/grapes
lemon | food/fruit/lemon food/fruit/cartoon/lemon
orange | food/fruit/orange food/fruit/mandarine food/fruit/cartoon/orange
peach | food/fruit/cartoon/peach
pear | food/fruit/pear food/fruit/cartoon/pear
pineapple | food/fruit/pineapple food/fruit/cartoon/pineapple
strawberry | food/fruit/strawberry food/fruit/Strawberry2 food/fruit/cartoon/strawberry
watermelon | food/fruit/cartoon/watermelon
kiwi | food/fruit/kiwi
pizza | food/pizza
bread | food/bread food/loaf_of_bread
cheese | food/cheese
broccoli | food/vegetables/broccoli
carrot | food/vegetables/carrot
chili pepper | food/vegetables/chilepepper
pepper | food/vegetables/pepper food/vegetables/yellowpepper
corn | food/vegetables/corn
eggplant | food/vegetables/eggplant
mushroom | food/vegetables/mushroom plants/mushrooms/cep plants/mushrooms/cep-1 plants/mushrooms/cep-2
mushroom | plants/toadstool
potato | food/vegetables/potato
pumpkin | food/vegetables/pumpkin_small seasonal/halloween/jackolantern_mean
tomato | food/vegetables/tomato
camera | hobbies/camera_35mm household/electronics/DSLR_Camera household/electronics/camera
camera | household/electronics/digitalcamera
trumpet | hobbies/music/brass/trumpet
drum | hobbies/music/percussion/drum_tomtom_floor
guitar | hobbies/music/string/guitar2 hobbies/music/string/guitar_classical
guitar | hobbies/music/string/guitar_electric hobbies/music/string/guitar_electric_bass
violin | hobbies/music/string/violin hobbies/music/string/violin2
kite | hobbies/kite
light bulb | household/Lightbulb
pencil | household/arttools/Pencil household/arttools/pencil2
scissors | household/arttools/scissors_small_open
bottle | household/dishes/bottle
coffee | household/dishes/coffeecup household/dishes/expresso
mug | household/dishes/mug
glass | household/dishes/glass
laptop | household/electronics/laptop
phone | household/electronics/mobile
telephone | household/electronics/phone
earth | household/globe
key | household/key
lock | household/padlock_closed
toilet | household/toilet
hammer | household/tools/hammer household/tools/hammer2
wrench | household/tools/wrench household/tools/wrench_adjustable household/tools/wrench_plumbers
umbrella | household/umbrella
sword | military/longsword
lightning | naturalforces/lightningbolt
eye | people/body_parts/eye people/body_parts/eye_blue_left people/body_parts/eye_brown_left
snowman | people/cartoon/snowman seasonal/winter/snowman seasonal/winter/snowman2
man | people/cartoon/man_in_suit
woman | people/cartoon/woman_chemist people/cartoon/woman_dancing people/cartoon/woman_doctor
woman | people/cartoon/woman_nurse people/cartoon/woman_police_officer_1
girl | people/cartoon/girl_in_wheelchair
flower | plants/flowers/adeenia plants/flowers/anemone_red plants/flowers/daffodil plants/flowers/flower1
flower | plants/flowers/flower2 plants/flowers/flower3 plants/flowers/flower4 plants/flowers/flower5
flower | plants/flowers/flower6 plants/flowers/flower7 plants/flowers/flower8 plants/flowers/flower9
flower | plants/flowers/flower10 plants/flowers/iris plants/flowers/marigold plants/flowers/pigface
flower | plants/flowers/red-gazania plants/flowers/whitestar-petunia plants/flowers/yellow-flower
rose | plants/flowers/rose
tree | plants/trees/birch plants/trees/holm_oak plants/trees/tree336
palm tree | plants/trees/liberia-palm
christmas tree | seasonal/christmas/Christmas_Tree_photo seasonal/christmas/tree
candle | seasonal/candle
gift | seasonal/christmas/present
star, yellow star | seasonal/christmas/star
ghost | seasonal/halloween/ghost
skull | seasonal/halloween/skull
balloon | seasonal/balloon
clover | seasonal/clover seasonal/shamrock
snowflake | seasonal/winter/snowflake
moon, full moon | space/moon/moon_full
earth | space/planets/3_earth
rocket | space/rocket1 space/rocket2 space/rocket3 space/rocket4 space/rocket5 space/toyrocket
american football | sports/football
basketball | sports/basketball
volleyball | sports/cartoon/volleyball
soccer ball | sports/soccer
tennis ball | sports/tennis_ball
ball | sports/cricketball
trophy | sports/trophy_cup
clock | symbols/clockface
smiley | symbols/faces/happy
castle | town/houses/cartoon/fairytale_castle town/houses/cartoon/fortress
church | town/houses/cartoon/cathedral
house | town/houses/cartoon/cityhouse town/houses/cartoon/pinkhome town/houses/cartoon/swisshome
house | town/houses/cartoon/wooden_cottage town/houses/cartoon/tavern
tent | town/houses/cartoon/tent town/houses/cartoon/medieval_tent town/houses/cartoon/tepee
tower | town/houses/cartoon/tower_round town/houses/cartoon/tower_square town/monuments/cartoon/eiffel_tower
stop sign | town/roadsigns/stop
traffic light | town/roadsigns/stoplight_01_red town/roadsigns/stoplight_02_yellow
traffic light | town/roadsigns/stoplight_03_green
car | vehicles/auto/beetle vehicles/auto/sedan vehicles/auto/sportscar vehicles/auto/sportscar2
car | vehicles/auto/sportscar3
truck | vehicles/auto/truck vehicles/blue_truck vehicles/toy_truck vehicles/iso_lorry1 vehicles/garbagetruck
truck | vehicles/iso_lorry2 vehicles/iso_lorry3 vehicles/construction/dumper
fire truck | vehicles/emergency/firetruck vehicles/emergency/cartoon/fire_engine vehicles/iso_fireengine
police car | vehicles/emergency/sedan_police
bicycle | vehicles/cycle/bluebike
motorcycle | vehicles/cycle/motorbike
tractor | vehicles/farming/cartoon/tractor vehicles/wheel_tractor
airplane | vehicles/flight/planes/747 vehicles/flight/planes/plane vehicles/flight/planes/cartoon/plane
helicopter | vehicles/flight/cartoon/eddieCopter
train | vehicles/locomotive/white_train vehicles/locomotive/cartoon/toy_train
bus | vehicles/masstransit/cartoon/double_decker_bus vehicles/masstransit/green_korean_bus
bus | vehicles/iso_bus vehicles/masstransit/cartoon/schoolbus
race car | vehicles/race/indycar vehicles/race/f1_car
sailboat | vehicles/ship/sail_boat1 vehicles/ship/sail_boat2 vehicles/ship/chineseJunk
"""

# Excluded: mirrored copies, letters, line drawings without a fill, and effects without a solid shape.
SKIPPED_FOLDERS = ("symbols", "town/roadsigns", "naturalforces")
SKIPPED_STEMS = ("explosion", "confetti", "fireworks", "fireworks2", "lamp", "inukshuk-outline", "clotheshanger")


def _concepts() -> dict[str, int]:
    """Map stamp paths to rows of ``pictures.PICTURES``."""
    rows: dict[str, int] = {}
    for line in STAMP_TABLE.strip().splitlines():
        names, stamps = (cell.strip() for cell in line.split("|"))
        wanted = tuple(n.strip() for n in names.split(","))
        rows.update(dict.fromkeys(stamps.split(), _row(wanted)))
    return rows


def _row(wanted: tuple[str, ...]) -> int:
    exact = [i for i, row in enumerate(PICTURES) if row.names == wanted]
    starting = [i for i, row in enumerate(PICTURES) if row.names[: len(wanted)] == wanted]
    if not exact and not starting:
        raise ValueError(f"no vocabulary row has the names {wanted}")
    return (exact or starting)[0]


def load_stamps(cache: Path) -> Iterator[tuple[str, Array, int]]:
    """Yield every usable stamp: its path, RGBA uint8 [h, w, 4] and its vocabulary row (-1: none)."""
    import resvg_py

    root = next((p for p in cache.rglob("tuxpaint/stamps") if p.is_dir()), None)
    if root is None:
        return
    concepts = _concepts()
    names = sorted({str(p.relative_to(root).with_suffix("")) for s in ("*.png", "*.svg") for p in root.rglob(s)})
    for name in names:
        stem = Path(name).name
        skipped = name.startswith(SKIPPED_FOLDERS) or stem in SKIPPED_STEMS or stem.startswith("t_")
        if name not in concepts and (skipped or stem.endswith("_mirror")):
            continue
        svg, png = root / f"{name}.svg", root / f"{name}.png"
        try:
            data = png.read_bytes() if png.exists() else bytes(resvg_py.svg_to_bytes(svg_path=str(svg), width=200))
            rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        except (OSError, ValueError):
            continue
        yield name, rgba, concepts.get(name, -1)
