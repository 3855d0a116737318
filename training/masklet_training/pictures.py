"""Concrete nouns with pictures: a table of artwork, names and broader terms."""

from __future__ import annotations

from dataclasses import dataclass

# emoji (each shows the concept; -: none) | names and synonyms [| broader terms that also apply]
PICTURE_TABLE = """
🐶 🐕 | dog, puppy | animal
🐩 | poodle, dog | animal
🐱 🐈 | cat, kitten | animal
🐴 🐎 | horse | animal
🐮 🐄 | cow | animal
🐂 | ox, bull | animal
🐷 🐖 | pig | animal
🐑 | sheep | animal
🐐 | goat | animal
🐰 🐇 | rabbit, bunny | animal
🐭 🐁 | mouse | animal
🐹 | hamster | animal
🐻 | bear | animal
🐼 | panda | animal
🐨 | koala | animal
🦊 | fox | animal
🐺 | wolf | animal
🦁 | lion | animal
🐯 🐅 | tiger | animal
🐆 | leopard | animal
🦓 | zebra | animal
🦒 | giraffe | animal
🐘 | elephant | animal
🦏 | rhinoceros, rhino | animal
🐪 | camel | animal
🦌 | deer | animal
🐵 🐒 | monkey | animal
🦍 | gorilla | animal
🦘 | kangaroo | animal
🦔 | hedgehog | animal
🐿 | squirrel, chipmunk | animal
🦝 | raccoon | animal
🐔 🐓 | chicken | animal, bird
🐦 | bird | animal
🦆 | duck | animal, bird
🦅 | eagle | animal, bird
🦉 | owl | animal, bird
🐧 | penguin | animal, bird
🦜 | parrot | animal, bird
🦩 | flamingo | animal, bird
🦚 | peacock | animal, bird
🐟 | fish | animal
🐠 | tropical fish, fish | animal
🦈 | shark, fish | animal
🐬 | dolphin | animal
🐳 🐋 | whale | animal
🐙 | octopus | animal
🦀 | crab | animal
🦞 | lobster | animal
🐢 | turtle, tortoise | animal
🐸 | frog | animal
🐊 | crocodile, alligator | animal
🐍 | snake | animal
🦎 | lizard | animal
🦖 🦕 | dinosaur | animal
🐲 🐉 | dragon
🦄 | unicorn
🦋 | butterfly | animal, insect
🐝 | bee | animal, insect
🐞 | ladybug, ladybird | animal, insect
🐜 | ant | animal, insect
🕷 | spider | animal
🐌 | snail | animal
🦂 | scorpion | animal
🍎 | apple, red apple | fruit, food
🍏 | apple, green apple | fruit, food
🍌 | banana | fruit, food
🍊 | orange, tangerine | fruit, food
🍋 | lemon | fruit, food
🍐 | pear | fruit, food
🍑 | peach | fruit, food
🍒 | cherry, cherries | fruit, food
🍓 | strawberry | fruit, food
🍇 | grapes | fruit, food
🍉 | watermelon | fruit, food
🍍 | pineapple | fruit, food
🥝 | kiwi | fruit, food
🥥 | coconut | fruit, food
🥑 | avocado | food
🍅 | tomato | food, vegetable
🥕 | carrot | food, vegetable
🌽 | corn | food, vegetable
🥦 | broccoli | food, vegetable
🍆 | eggplant, aubergine | food, vegetable
🌶 | chili pepper, pepper | food, vegetable
🥔 | potato | food, vegetable
🍄 | mushroom
🍞 | bread | food
🥐 | croissant | food
🧀 | cheese | food
🥚 | egg | food
🍕 | pizza | food
🍔 | hamburger, burger | food
🌭 | hot dog | food
🍟 | french fries, fries | food
🌮 | taco | food
🥪 | sandwich | food
🍣 | sushi | food
🍪 | cookie | food
🍩 | donut, doughnut | food
🍰 | cake | food
🎂 | birthday cake, cake | food
🧁 | cupcake | food
🍦 🍨 | ice cream | food
🍫 | chocolate | food
🍭 | lollipop | food
☕ | coffee, cup
🍺 | beer, mug
🍷 | wine glass, glass
🍼 | baby bottle, bottle
🍾 | bottle, champagne
🚗 | car, red car | vehicle
🚙 | car, blue car | vehicle
🚕 | taxi, car | vehicle
🚓 | police car, car | vehicle
🏎 | race car, car | vehicle
🚌 | bus | vehicle
🚑 | ambulance | vehicle
🚒 | fire truck, fire engine | vehicle
🚚 🚛 | truck | vehicle
🚜 | tractor | vehicle
🚲 | bicycle, bike | vehicle
🏍 | motorcycle, motorbike | vehicle
🛵 | scooter | vehicle
🚂 🚆 | train | vehicle
✈ | airplane, plane | vehicle
🚁 | helicopter | vehicle
🚀 | rocket | vehicle
🛸 | ufo, flying saucer
⛵ | sailboat, boat | vehicle
🚢 | ship | vehicle
🎈 | balloon
⚽ | soccer ball, football | ball
🏀 | basketball | ball
🎾 | tennis ball | ball
⚾ | baseball | ball
🏐 | volleyball | ball
🎱 | billiard ball | ball
🏈 | american football, football | ball
🌷 | tulip, flower | plant
🌹 | rose, flower | plant
🌻 | sunflower, flower | plant
🌸 🌺 🌼 | flower
🌳 🌲 | tree | plant
🌴 | palm tree, tree | plant
🎄 | christmas tree, tree
🌵 | cactus | plant
🍁 🍂 | leaf, leaves
🍀 | clover, four leaf clover | plant
☀ 🌞 | sun
🌕 🌝 | moon, full moon
🌙 | moon, crescent moon, crescent
⭐ | star, yellow star
☁ | cloud
🌈 | rainbow
⚡ | lightning, lightning bolt
❄ | snowflake
⛄ | snowman
🔥 | fire, flame
💧 | water drop, drop
🌍 🌎 | earth, globe
❤ | heart, red heart
💙 | heart, blue heart
💚 | heart, green heart
💛 | heart, yellow heart
💜 | heart, purple heart
☂ ☔ | umbrella
⏰ | alarm clock, clock
🕐 🕒 | clock
⌛ ⏳ | hourglass
🔑 🗝 | key
🔒 | lock, padlock
📕 | book, red book
📗 | book, green book
📘 | book, blue book
✏ | pencil
✂ | scissors
📷 | camera
📺 | television, tv
💻 | laptop, computer
📱 | phone, mobile phone
☎ | telephone, phone
💡 | light bulb, bulb
🔦 | flashlight, torch
🕯 | candle
🔔 | bell
🎁 | gift, present
📦 | box, package
🎸 | guitar
🎻 | violin
🎺 | trumpet
🥁 | drum
🎹 | piano, keyboard
🎤 | microphone
🎧 | headphones
🔨 | hammer
🔧 | wrench, spanner
🪓 | axe
⚔ | swords, sword
🛡 | shield
⚓ | anchor
🧲 | magnet
🔍 | magnifying glass
🔬 | microscope
🔭 | telescope
🧸 | teddy bear | toy
🤖 | robot
👻 | ghost
💀 | skull
👽 | alien
🎃 | pumpkin, jack-o-lantern
😀 😃 🙂 | smiley, smiley face, face
👨 🧔 | man, person
👩 | woman, person
👦 | boy, child, person
👧 | girl, child, person
👶 | baby, person
🏃 🚶 💃 | person
🖐 ✋ | hand
👁 | eye
👕 | shirt, t-shirt | clothes
👗 | dress | clothes
👖 | pants, jeans | clothes
🧦 | socks | clothes
🧤 | gloves | clothes
👟 | shoe, sneaker
👠 | high heel, shoe
👢 | boot
🎩 | top hat, hat
🧢 | cap, hat
👑 | crown
👓 🕶 | glasses
💍 | ring
💎 | diamond, gem
🎒 | backpack, bag
👜 | handbag, bag
💰 | money bag, bag
🏠 | house | building
🏰 | castle | building
⛪ | church | building
🗼 | tower
⛺ | tent
🪑 | chair
🛏 | bed
🚪 | door
🛁 | bathtub
🚽 | toilet
🏆 | trophy
🪁 | kite
🎯 | dartboard, target
🎲 | dice, die
🚦 | traffic light
🛑 | stop sign
⚙ | gear
🧭 | compass
📎 | paperclip
- | hat
- | car | vehicle
- | apple | fruit, food
- | cake | food
- | pepper | food, vegetable
- | mug
- | bottle
- | glass
- | sword
- | ball
"""


@dataclass(frozen=True)
class Picture:
    """One row of the picture table: a concept, its artwork and its phrases."""

    emoji: tuple[str, ...]
    names: tuple[str, ...]
    phrases: tuple[str, ...]  # the names, then broader terms

    @property
    def codes(self) -> tuple[tuple[str, ...], ...]:
        """Hex code points of each emoji, without the presentation selector U+FE0F."""
        return tuple(emoji_codes(e) for e in self.emoji)


def emoji_codes(emoji: str) -> tuple[str, ...]:
    """Return the lower-case hex code points of an emoji, without U+FE0F."""
    return tuple(f"{ord(c):x}" for c in emoji if ord(c) != 0xFE0F)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in cell.split(",") if w.strip())


def _parse_pictures(table: str) -> tuple[Picture, ...]:
    pictures = []
    for line in table.strip().splitlines():
        emoji, names, broader = (*(cell.strip() for cell in line.split("|")), "")[:3]
        own_names = _split(names)
        phrases = tuple(dict.fromkeys(own_names + _split(broader)))
        pictures.append(Picture(tuple(emoji.replace("-", "").split()), own_names, phrases))
    return tuple(pictures)


# Phrase of a picture -> shape phrases that some people would also accept for it.
PICTURE_MAYBE: dict[str, tuple[str, ...]] = {
    "ball": ("circle", "sphere"),
    "billiard ball": ("black ball", "black circle"),
    "basketball": ("orange ball", "orange circle"),
    "moon": ("circle", "crescent"),
    "sun": ("circle", "ball", "star"),
    "clock": ("circle",),
    "smiley": ("circle", "yellow circle", "person"),
    "earth": ("ball", "circle", "sphere"),
    "orange": ("circle", "ball", "orange circle", "orange ball"),
    "cookie": ("circle",),
    "donut": ("ring", "circle"),
    "egg": ("oval", "ellipse"),
    "book": ("rectangle",),
    "gift": ("box",),
    "dice": ("box", "square"),
    "stop sign": ("hexagon", "red hexagon"),
    "balloon": ("ball",),
    "dartboard": ("circle", "ring"),
    "face": ("person", "circle"),
}


def picture_maybe(phrases: tuple[str, ...]) -> list[str]:
    """Return phrases that are debatable for a picture."""
    doubtful = dict.fromkeys(m for p in phrases for m in PICTURE_MAYBE.get(p, ()))
    return [m for m in doubtful if m not in phrases]


PICTURES: tuple[Picture, ...] = _parse_pictures(PICTURE_TABLE)
