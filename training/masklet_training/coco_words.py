"""Words for the 80 classes of the box detector (`model/box_detector.py`), which are those of COCO.

A class answers to its own name, to the words beside it, and to the groups that contain it. Plurals follow from
`noun_table.py`.
"""

from __future__ import annotations

# Class -> other words for it, separated by commas. The order is that of the network's outputs.
CLASSES: dict[str, str] = {
    "person": (
        "human,human being,man,woman,child,kid,boy,girl,baby,toddler,infant,guy,lady,gentleman,dude,people,adult,teenager,"
        "pedestrian,passer by,passerby,player,athlete,sportsman,sportswoman,rider,cyclist,biker,motorcyclist,driver,runner,"
        "jogger,walker,hiker,skier,skater,skateboarder,snowboarder,surfer,swimmer,dancer,singer,musician,performer,actor,"
        "worker,farmer,cook,chef,waiter,waitress,doctor,nurse,teacher,student,soldier,policeman,police officer,firefighter,"
        "fireman,judoka,fighter,wrestler,boxer,gymnast,climber,juggler,tourist,customer,spectator,someone,somebody,"
        "football player,soccer player,basketball player,baseball player,tennis player,hockey player,golfer,bride,groom"
    ),
    "bicycle": "bike,cycle,pushbike",
    "car": "automobile,auto,motorcar,sedan",
    "motorcycle": "motorbike,bike,motor scooter,scooter,moped",
    "airplane": "aeroplane,plane,aircraft,airliner,jet",
    "bus": "autobus,coach,omnibus",
    "train": "railway train,locomotive,tram",
    "truck": "lorry,pickup truck,pickup,van",
    "boat": "ship,vessel,canoe,kayak,rowboat",
    "traffic light": "traffic signal,stoplight",
    "fire hydrant": "hydrant",
    "stop sign": "",
    "parking meter": "",
    "bench": "park bench",
    "bird": "fowl",
    "cat": "house cat,kitten,kitty",
    "dog": "puppy,hound,doggy,pup",
    "horse": "pony,foal,stallion,mare",
    "sheep": "lamb",
    "cow": "cattle,bull,calf",
    "elephant": "",
    "bear": "",
    "zebra": "",
    "giraffe": "",
    "backpack": "rucksack,knapsack",
    "umbrella": "parasol",
    "handbag": "purse",
    "tie": "necktie",
    "suitcase": "luggage,baggage",
    "frisbee": "",
    "skis": "ski",
    "snowboard": "",
    "sports ball": "ball,football,soccer ball,basketball,volleyball,tennis ball,baseball",
    "kite": "",
    "baseball bat": "bat",
    "baseball glove": "baseball mitt",
    "skateboard": "",
    "surfboard": "",
    "tennis racket": "racket,racquet",
    "bottle": "",
    "wine glass": "wineglass,goblet",
    "cup": "mug,coffee cup,teacup,coffee mug",
    "fork": "",
    "knife": "",
    "spoon": "",
    "bowl": "",
    "banana": "",
    "apple": "",
    "sandwich": "",
    "orange": "",
    "broccoli": "",
    "carrot": "",
    "hot dog": "hotdog",
    "pizza": "",
    "donut": "doughnut",
    "cake": "birthday cake",
    "chair": "seat,armchair",
    "couch": "sofa,settee",
    "potted plant": "houseplant,pot plant",
    "bed": "",
    "dining table": "table,desk",
    "toilet": "",
    "tv": "television,tv set,monitor,screen,television set",
    "laptop": "laptop computer,notebook computer",
    "mouse": "computer mouse",
    "remote": "remote control",
    "keyboard": "computer keyboard",
    "cell phone": "phone,mobile phone,cellphone,smartphone,telephone",
    "microwave": "microwave oven",
    "oven": "stove",
    "toaster": "",
    "sink": "washbasin",
    "refrigerator": "fridge",
    "book": "",
    "clock": "",
    "vase": "",
    "scissors": "",
    "teddy bear": "teddy,stuffed animal",
    "hair drier": "hair dryer,hairdryer",
    "toothbrush": "",
}

ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
# Words that name several classes.
GROUPS: dict[str, tuple[str, ...]] = {
    "animal": ANIMALS,
    "mammal": ANIMALS[1:],
    "pet": ("cat", "dog"),
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "motor vehicle": ("car", "motorcycle", "bus", "truck"),
    "furniture": ("bench", "chair", "couch", "bed", "dining table"),
    "bag": ("backpack", "handbag", "suitcase"),
    "food": ("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake"),
    "fruit": ("banana", "apple", "orange"),
    "vegetable": ("broccoli", "carrot"),
    "plant": ("potted plant",),
    "glass": ("wine glass",),
    "cutlery": ("fork", "knife", "spoon"),
}


def class_words() -> dict[str, list[int]]:
    """Every word and every group -> the classes that it names, as indices."""
    names = list(CLASSES)
    table: dict[str, set[int]] = {}
    for index, (name, others) in enumerate(CLASSES.items()):
        for word in (name, *filter(None, others.split(","))):
            table.setdefault(word, set()).add(index)
    for word, members in GROUPS.items():
        table.setdefault(word, set()).update(names.index(member) for member in members)
    return {word: sorted(found) for word, found in table.items()}
