"""The shared value lists of the frames: names, places, numbers, codes and things, partly drawn and partly invented.

``LISTS[name](rng, gender)`` gives one value. Invented words are frequent on purpose: a model of this size learns to copy what it
reads only when it cannot have seen it before.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Draw = Callable[[Random, str], str]


def articled(value: str) -> str:
    """``value`` with its indefinite article: a cat, an owl, an hour, a university."""
    word = value.lower()
    vowel = word[:1] in "aeiou" or word.startswith(("hour", "honest", "heir"))
    if word.startswith(("uni", "use", "eu", "one", "ukulele", "ut")) and not word.startswith("unin"):
        vowel = False
    return f"{'an' if vowel else 'a'} {value}"


_HER = """Anna Maria Olga Yuki Fatima Ingrid Chloe Priya Amara Lucia Sofia Emma Olivia Mia Leila Nadia Zainab Aisha Mei Hana Sakura Ji-woo
Siobhan Niamh Freya Astrid Greta Heidi Annika Linnea Signe Elif Zeynep Ayse Yasmin Noor Layla Salma Rania Adaeze Ngozi Chidinma Wanjiru
Akinyi Thandiwe Nomsa Zola Imani Esi Ama Abena Lakshmi Anjali Kavya Meera Sunita Deepa Tanvi Ling Xiu Hui Thuy Linh Mai Kim Soo-jin Min-ji
Natasha Svetlana Katya Irina Oksana Daria Jadwiga Agnieszka Zofia Kasia Hanna Petra Jana Katerina Eleni Ioana Mihaela Bianca Giulia Chiara
Francesca Valentina Camila Ximena Paloma Carmen Rosa Ines Beatriz Joana Marta Pilar Lourdes Guadalupe Isabel Eva Clara Alice Ruth Helen
Margaret Dorothy Joan Susan Karen Rachel Hannah Grace Ella Ruby Daisy Poppy Ivy Maya Zoe Tess Nell Orla Maeve Bronwyn Cerys Moana Leilani
Kaia Aroha Tala Nayeli Winona Esther Miriam Shira Noa Tamar Rivka Anahit Nino Tamta Gulnara Aigerim Dilnoza Parisa Shirin Roya Mahsa""".split()
_HIM = """John Omar Kofi Rafael Pedro Liam Tomás Ahmed Hiro Kenji Takeshi Sven Lars Bjorn Erik Olaf Nils Mikkel Jonas Lukas Felix Hans Klaus
Stefan Jürgen Pierre Luc Antoine Marcel Theo Hugo Mateo Diego Carlos Javier Luis Jorge Andrés Pablo Miguel João Tiago Rui Marco Luca Paolo
Giorgio Matteo Nikos Dimitri Yannis Kostas Ivan Boris Sergei Dmitri Oleg Pavel Jakub Marek Piotr Wojtek Tomasz Jan Vaclav Bence Gábor Zoltan
Andrei Radu Bogdan Vlad Goran Marko Milos Nikola Emre Mehmet Burak Kerem Hassan Ali Khalid Yusuf Ibrahim Tariq Samir Karim Nabil Reza
Dariush Farhad Arjun Rohan Vikram Sanjay Rahul Anil Suresh Ravi Imran Bilal Wei Jun Feng Bao Chen Min-ho Joon Tae-yang Minh Duc Tuan Somchai
Budi Agus Wayan Kwame Yaw Kojo Chinedu Emeka Tunde Femi Sipho Thabo Tendai Baraka Juma Mosi Abebe Dawit Samuel David Daniel Noah Ethan Jacob
Isaac Eli Avi Moshe Caleb Owen Rhys Gareth Callum Angus Hamish Declan Cormac Seamus George Henry Arthur Walter Frank Ted Bob Peter Martin
Kevin Oscar Leo Max Finn Jack Harry Toby Ned Tane Wiremu Koa Keanu Ata Levan Giorgi Aram Tigran Nursultan Timur Rustam""".split()
_LAST = """Smith Okafor Nakamura Garcia Rossi Kowalski Nguyen Haddad Lindqvist O'Brien Patel Kim Müller Dubois Silva Ivanova Petrov Hansen
Johansson Virtanen Novak Horvat Popescu Papadopoulos Yilmaz Demir Cohen Levi Khan Hussain Sharma Iyer Reddy Chatterjee Wang Zhang Liu Chen
Tanaka Suzuki Watanabe Park Choi Tran Le Santos Reyes Cruz Mendoza Castillo Vargas Herrera Fernandez Moreau Laurent Bernard Weber Schmidt
Fischer Bauer Vogel De Vries Van Dijk Jansen Maes Peeters McAllister MacLeod Campbell Douglas Evans Griffiths Pritchard Murphy Byrne Doyle
Walsh Taylor Brown Wilson Clark Walker Hughes Foster Grant Harper Quinn Mbeki Dlamini Mwangi Otieno Abebe Diallo Traore Mensah Boateng Adeyemi
Balogun Eze Farouk Mansour Aziz Rahimi Karimov Petrosyan Beridze Tamm Kask Ozols Jonaitis Kovacs Szabo Dvorak Zielinski Wójcik Marino Greco
Bianchi Lombardi Costa Ferreira Pereira Almeida""".split()
_PETS = """Biscuit Luna Milo Rex Bella Whiskers Pickle Mango Shadow Ginger Pepper Coco Nala Simba Felix Otis Waffles Noodle Ziggy Smokey Mittens
Toffee Pumpkin Hazel Olive Maple Clover Bramble Nutmeg Cinnamon Mocha Latte Domino Dash Comet Ranger Scout Bandit Rocket Pixel Widget Gizmo
Socks Patches Freckles Button Marble Pebble Storm Misty Snowball Cosmo Nacho Taco Sushi Mochi Tofu Kiwi Peaches Plum Figgy Basil Sage Bean
Lentil Popcorn Cookie Muffin Crumpet Truffle Sir-Barks Captain Duchess Baron Lady Duke Queenie Princess Tiger Bear Wolfie Foxy Koala Panda
Momo Kuro Yoda Frodo Gandalf Sherlock Watson Einstein Newton Darwin Tesla Mozart Elvis Bowie Ziva Loki Thor Freya Odin Zeus Athena Apollo""".split()
_CITIES = (
    """Utrecht Lisbon Nairobi Kyoto Oslo Toronto Lagos Hanoi Porto Leeds Bristol Glasgow Cardiff Dublin Galway Bordeaux Lyon Marseille Ghent
Antwerp Rotterdam Hamburg Munich Leipzig Dresden Vienna Graz Zurich Geneva Turin Bologna Naples Palermo Seville Valencia Bilbao Athens Sofia
Bucharest Cluj Budapest Prague Brno Krakow Gdansk Vilnius Riga Tallinn Helsinki Tampere Stockholm Gothenburg Malmö Bergen Aarhus Reykjavik
Istanbul Izmir Ankara Beirut Amman Cairo Tunis Casablanca Accra Dakar Kampala Addis Ababa Mombasa Cape Town Durban Mumbai Pune Chennai Kochi
Dhaka Colombo Bangkok Jakarta Manila Seoul Busan Osaka Sapporo Taipei Shanghai Chengdu Melbourne Perth Hobart Auckland Wellington Chicago
Boston Denver Seattle Austin Portland Memphis Montreal Vancouver Halifax Havana Bogota Lima Cusco Quito Santiago Montevideo Recife""".replace(
        "Addis Ababa", "Addis_Ababa"
    )
    .replace("Cape Town", "Cape_Town")
    .split()
)
_COUNTRIES = """Portugal Kenya Japan Norway Canada Nigeria Vietnam Scotland Ireland France Belgium Germany Austria Switzerland Italy Spain Greece
Bulgaria Romania Hungary Poland Lithuania Latvia Estonia Finland Sweden Denmark Iceland Turkey Lebanon Jordan Egypt Tunisia Morocco Ghana
Senegal Uganda Ethiopia India Bangladesh Thailand Indonesia Korea Taiwan China Australia Chile Peru Ecuador Colombia Cuba Mexico Brazil
Argentina Uruguay Georgia Armenia Kazakhstan Nepal Mongolia Madagascar Namibia Botswana""".split()
_SYLLABLES = """ba be bo bri ca co cra da de do dra el en fa fe fi flo ga ge gor ha hel i ja jo ka ke ki kor la le li lo lu ma me mi mo na ne ni no nu
o pa pe pi pla po qua ra re ri ro ru sa se si sol sta ta te ti to tra tu u va ve vi vor wa we wil xa ya yo za ze zi zo zu""".split()
_ENDINGS = "n r l s x th ck nd m t ra na lo dor via mix ton ley ria sta vik nex tic ber fin gan".split()
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()
_NOUNS = """river stone lantern harbour maple falcon copper winter garden silver thunder meadow anchor ember willow comet orchard saffron canyon
velvet marble beacon pepper cedar glacier raven honey cobalt tundra walnut plum tree cactus tiger rocket button candle bridge castle forest
island kettle ladder mirror needle ocean pencil quilt rabbit saddle teapot umbrella violin window yellow zebra acorn basket cloud desert""".split()
_ADJECTIVES = """quiet broken silver distant golden hidden last long little lost northern old open paper red second silent small strange sweet blue
wild winter white crooked empty frozen gentle hollow iron borrowed""".split()


def _pick(text: str) -> Draw:
    values = [value.strip() for value in text.split(",")]
    return lambda rng, gender: rng.choice(values)


def word(rng: Random, gender: str = "") -> str:
    """An invented, pronounceable word, capitalised."""
    made = "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((1, 2, 2, 2, 3)))) + rng.choice(_ENDINGS)
    return made.capitalize()


def _first(rng: Random, gender: str) -> str:
    return word(rng) if rng.random() < 0.12 else rng.choice(_HER if gender == "she" else _HIM)


def _last(rng: Random, gender: str) -> str:
    return word(rng) if rng.random() < 0.2 else rng.choice(_LAST)


def _pet(rng: Random, gender: str) -> str:
    return word(rng) if rng.random() < 0.3 else rng.choice(_PETS) if rng.random() < 0.7 else rng.choice(_HER + _HIM)


def _city(rng: Random, gender: str) -> str:
    return rng.choice(_CITIES).replace("_", " ") if rng.random() < 0.75 else _village(rng, gender)


def _village(rng: Random, gender: str) -> str:
    if rng.random() < 0.5:
        return rng.choice(_NOUNS).capitalize() + rng.choice(("ford", "ton", "bury", "dale", "field", "wick", "port", "mouth", " Bay", " Hill"))
    return word(rng)


def _street(rng: Random, gender: str) -> str:
    name = rng.choice((*_NOUNS, *(last for last in _LAST if len(last) > 3))).capitalize()
    number = rng.randint(1, 199)
    kind = rng.choice(("Street", "Lane", "Road", "Avenue", "Way", "Square"))
    return rng.choice((f"{name} {kind} {number}", f"{number} {name} {kind}", f"{name} {kind}"))


def _company(rng: Random, gender: str) -> str:
    base = rng.choice((word(rng), rng.choice(_NOUNS).capitalize(), rng.choice(_LAST)))
    return base + rng.choice(("", "", " Labs", " Systems", " & Sons", " Foods", " Robotics", " Motors", " Media", " Bank", " Energy", " Books"))


def _project(rng: Random, gender: str) -> str:
    name = rng.choice((rng.choice(_NOUNS).capitalize(), word(rng)))
    return rng.choice((name, f"Project {name}", f"{rng.choice(_ADJECTIVES).capitalize()} {rng.choice(_NOUNS).capitalize()}"))


def _product(rng: Random, gender: str) -> str:
    return rng.choice(
        (
            word(rng),
            f"{word(rng)} {rng.randint(2, 900)}",
            f"{rng.choice(_NOUNS).capitalize()}{rng.choice(('Pad', 'Box', 'Link', 'Mate', ' Pro', 'Flow'))}",
        )
    )


def _title(rng: Random, gender: str) -> str:
    adjective, noun, other = rng.choice(_ADJECTIVES).capitalize(), rng.choice(_NOUNS).capitalize(), rng.choice(_NOUNS).capitalize()
    return rng.choice(
        (
            f"The {adjective} {noun}",
            f"{adjective} {noun}",
            f"The {noun} and the {other}",
            f"{noun} of {word(rng)}",
            f"A {noun} in {rng.choice(_MONTHS)}",
        )
    )


def _letters(rng: Random, count: int) -> str:
    return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(count))


def _digits(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _code(rng: Random, gender: str) -> str:
    return rng.choice(
        (
            _digits(rng, 4), _digits(rng, 4), _digits(rng, 5), _digits(rng, 6), f"{_letters(rng, 2)}{_digits(rng, 3)}", f"{_letters(rng, 2)}-{_digits(rng, 4)}",
            f"{_letters(rng, 3)}-{_digits(rng, 2)}", f"{_digits(rng, 2)}-{_digits(rng, 2)}-{_digits(rng, 2)}", f"{_letters(rng, 1)}{_digits(rng, 1)}{_letters(rng, 1)}{_digits(rng, 2)}",
            _letters(rng, 6),
        )
    )  # fmt: skip


def _password(rng: Random, gender: str) -> str:
    a, b, number = rng.choice(_NOUNS), rng.choice(_NOUNS), rng.randint(1, 999)
    return rng.choice(
        (
            f"{a}{number}",
            f"{a}-{b}-{number}",
            f"{a.capitalize()}{b.capitalize()}{number}",
            f"{a}{b}",
            f"{word(rng).lower()}{number}",
            f"{a}_{number}!",
        )
    )


def _email(rng: Random, gender: str) -> str:
    return f"{rng.choice((*_HER, *_HIM, 'help', 'office', 'sales', 'info', 'billing')).lower()}@{word(rng).lower()}.{rng.choice(('com', 'org', 'net', 'io'))}"


def _time(rng: Random, gender: str) -> str:
    hour, minute = rng.randint(1, 12), rng.choice((0, 0, 15, 30, 30, 45, 10, 20, 40, 5))
    return rng.choice(
        (
            f"{hour} {rng.choice(('am', 'pm'))}",
            f"{hour}:{minute:02d} {rng.choice(('am', 'pm'))}",
            f"{rng.randint(0, 23)}:{minute:02d}",
            "noon",
            f"half past {_NUMBER_WORDS[hour]}",
        )
    )


_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty forty".split()


def _num(rng: Random, gender: str) -> str:
    return rng.choice(_NUMBER_WORDS[2:]) if rng.random() < 0.35 else str(rng.randint(2, 90))


def _bignum(rng: Random, gender: str) -> str:
    number = rng.choice((rng.randint(100, 999), rng.randint(1000, 9999), rng.randint(10, 99) * 1000, rng.randint(2, 40) * 50))
    return f"{number:,}" if rng.random() < 0.5 else str(number)


def _duration(rng: Random, gender: str) -> str:
    return f"{_num(rng, gender) if rng.random() < 0.6 else rng.choice(_NUMBER_WORDS[2:13])} {rng.choice(('minutes', 'hours', 'days', 'weeks', 'months', 'years', 'seconds'))}"


def _price(rng: Random, gender: str) -> str:
    amount = rng.choice((rng.randint(2, 99), rng.randint(100, 990), rng.randint(1, 40) * 100))
    return rng.choice(
        (
            f"${amount}",
            f"€{amount}",
            f"£{amount}",
            f"{amount} euros",
            f"{amount} dollars",
            f"${amount}.{rng.choice(('50', '99', '20'))}",
            f"{amount} kroner",
        )
    )


def _date(rng: Random, gender: str) -> str:
    month, day = rng.choice(_MONTHS), rng.randint(1, 28)
    suffix = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
    return rng.choice((f"{month} {day}", f"{month} {day}", f"{day} {month}", f"{month} {day}{suffix}", f"the {day}{suffix} of {month}"))


def _fulldate(rng: Random, gender: str) -> str:
    month, day, year = rng.choice(_MONTHS), rng.randint(1, 28), rng.randint(1950, 2030)
    return rng.choice((f"{day} {month} {year}", f"{month} {day}, {year}"))


LISTS: dict[str, Draw] = {
    "first": _first,
    "last": _last,
    "full": lambda rng, gender: f"{_first(rng, gender)} {_last(rng, gender)}",
    "pet": _pet,
    "relative": lambda rng, gender: rng.choice(
        ("sister", "aunt", "mother", "daughter", "niece", "grandmother", "wife", "mother-in-law", "stepsister", "godmother")
        if gender == "she"
        else ("brother", "uncle", "father", "son", "nephew", "grandfather", "husband", "father-in-law", "stepbrother", "godfather")
    ),
    "city": _city,
    "country": lambda rng, gender: rng.choice(_COUNTRIES),
    "village": _village,
    "street": _street,
    "company": _company,
    "project": _project,
    "product": _product,
    "word": word,
    "title": _title,
    "code": _code,
    "password": _password,
    "phone": lambda rng, gender: rng.choice((f"0{_digits(rng, 3)} {_digits(rng, 6)}", f"555-{_digits(rng, 4)}", f"{_digits(rng, 3)}-{_digits(rng, 4)}", f"+{rng.randint(1, 99)} {_digits(rng, 3)} {_digits(rng, 4)}")),
    "email": _email,
    "url": lambda rng, gender: rng.choice(("", "https://", "www.", "docs.", "wiki.")) + f"{word(rng).lower()}.{rng.choice(('com', 'org', 'io', 'dev'))}" + rng.choice(("", "/" + rng.choice(_NOUNS))),
    "version": lambda rng, gender: rng.choice((f"{rng.randint(1, 9)}.{rng.randint(0, 30)}", f"{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 20)}", f"v{rng.randint(2, 20)}")),
    "plate": lambda rng, gender: rng.choice((f"{_letters(rng, 2)}{_digits(rng, 2)} {_letters(rng, 3)}", f"{_letters(rng, 3)} {_digits(rng, 3)}", f"{_letters(rng, 2)}-{_digits(rng, 3)}-{_letters(rng, 1)}")),
    "date": _date,
    "fulldate": _fulldate,
    "year": lambda rng, gender: str(rng.randint(1750, 2030)),
    "month": lambda rng, gender: rng.choice(_MONTHS),
    "weekday": lambda rng, gender: rng.choice(_WEEKDAYS),
    "time": _time,
    "duration": _duration,
    "num": _num,
    "bignum": _bignum,
    "price": _price,
    "percent": lambda rng, gender: rng.choice((f"{rng.randint(1, 99)}%", f"{rng.randint(1, 99)} percent", f"{rng.randint(1, 9)}.{rng.randint(1, 9)}%")),
    "weight": lambda rng, gender: f"{rng.randint(2, 900)} {rng.choice(('kilos', 'grams', 'pounds', 'kg', 'tonnes'))}",
    "length": lambda rng, gender: f"{rng.randint(2, 900)} {rng.choice(('metres', 'centimetres', 'feet', 'kilometres', 'miles', 'km', 'm'))}",
    "temp": lambda rng, gender: f"{rng.randint(-30, 250)} {rng.choice(('degrees', '°C', 'degrees Celsius', '°F'))}",
    "color": _pick("red, blue, green, yellow, black, white, grey, brown, purple, orange, pink, turquoise, dark blue, navy, cream, silver, gold, beige, crimson, olive green, pale yellow, teal, maroon, violet"),
    "food": _pick("pizza, ramen, tuna, carrots, cheese, pancakes, olives, mushrooms, rice, noodles, salmon, chicken soup, roast potatoes, bread, yoghurt, dumplings, tacos, falafel, lentils, spinach, peanut butter, dark chocolate, eggs, bacon, oatmeal, popcorn, pickles, beetroot, curry, sardines, walnuts, honey, tofu, sweet corn, garlic bread, sausages"),
    "dish": _pick("lasagne, mushroom risotto, chicken curry, paella, pho, borscht, moussaka, goulash, shepherd's pie, bibimbap, jollof rice, pad thai, fish stew, ratatouille, apple pie, banana bread, lemon cake, carrot cake, tiramisu, pumpkin soup, pierogi, couscous, feijoada, ceviche, shakshuka, gnocchi, onion tart, rice pudding"),
    "drink": _pick("green tea, black coffee, oat milk latte, apple juice, lemonade, cider, mint tea, hot chocolate, espresso, ginger beer, sparkling water, red wine, orange juice, mango lassi, kombucha, iced tea, cola, milk, tomato juice, chai"),
    "fruit": _pick("apples, pears, mangoes, bananas, cherries, plums, strawberries, kiwis, grapes, figs, peaches, raspberries, oranges, lemons, melons, papayas, blueberries, pineapples"),
    "animal": _pick("cat, dog, rabbit, hamster, parrot, goat, horse, donkey, sheep, cow, duck, goose, hen, pig, turtle, lizard, snake, ferret, guinea pig, goldfish, owl, fox, hedgehog, otter, badger, squirrel, swan, pony, llama, canary"),
    "job": _pick("florist, nurse, plumber, electrician, teacher, baker, lawyer, architect, translator, pilot, chef, carpenter, librarian, dentist, bus driver, journalist, geologist, accountant, firefighter, tailor, welder, paramedic, photographer, gardener, violin maker, tour guide, programmer, vet, midwife, surveyor, barista, judge, beekeeper, sailor, potter"),
    "hobby": _pick("knitting, chess, bouldering, pottery, birdwatching, baking, photography, model trains, origami, gardening, calligraphy, kite flying, astronomy, woodworking, beekeeping, stamp collecting, salsa dancing, painting, juggling, crossword puzzles, archery, hiking, wild swimming, singing, embroidery, video games"),
    "sport": _pick("tennis, football, rowing, badminton, hockey, judo, fencing, basketball, volleyball, cricket, rugby, swimming, cycling, skiing, climbing, table tennis, handball, golf, surfing, boxing, running, curling"),
    "instrument": _pick("piano, violin, cello, flute, clarinet, trumpet, trombone, guitar, drums, harp, accordion, saxophone, banjo, oboe, ukulele, viola, bass guitar, organ"),
    "language": _pick("Spanish, Portuguese, Japanese, Korean, Mandarin, Arabic, Swahili, Turkish, Polish, Welsh, Norwegian, Greek, Hindi, Tamil, French, German, Italian, Dutch, Hungarian, Finnish, Farsi, Vietnamese, Yoruba, Irish"),
    "subject": _pick("chemistry, biology, history, geography, mathematics, physics, drama, art, music, economics, philosophy, computer science, Latin, literature, geometry, statistics"),
    "room": _pick("kitchen, attic, cellar, garage, bathroom, living room, hallway, study, bedroom, pantry, laundry room, shed, guest room, dining room, basement, balcony, conservatory"),
    "furniture": _pick("sofa, bookshelf, wardrobe, desk, armchair, dining table, chest of drawers, bed, cupboard, stool, bench, lamp, mirror, cabinet, nightstand, coat rack"),
    "tool": _pick("hammer, screwdriver, drill, ladder, spanner, saw, pliers, chisel, tape measure, wheelbarrow, shovel, rake, paintbrush, torch, axe, soldering iron, hose"),
    "material": _pick("oak, steel, copper, glass, wool, cotton, leather, granite, marble, plastic, clay, bamboo, silk, brass, concrete, aluminium, linen, rubber, paper, cork"),
    "vehicle": _pick("van, bicycle, motorbike, truck, scooter, tractor, car, camper van, minibus, sailing boat, canoe, tram, moped, electric bike, pickup"),
    "plant": _pick("tomatoes, roses, lavender, basil, tulips, beans, ferns, a lemon tree, sunflowers, mint, pumpkins, ivy, orchids, rosemary, potatoes, lettuce, an apple tree, daffodils, cacti, strawberries"),
    "team": lambda rng, gender: rng.choice(("Platform", "Payments", "Search", "Design", "Data", "Support", "Mobile", "Security", "Billing", "Logistics", "Marketing", "Finance", "Growth", "Legal", word(rng), rng.choice(_NOUNS).capitalize())) + rng.choice((" team", " team", " squad", " group")),
    "allergen": _pick("peanuts, pollen, penicillin, shellfish, cat hair, milk, gluten, bee stings, dust, strawberries, soy, eggs, latex, walnuts, sesame, kiwi, nickel, horses"),
    "clothing": _pick("raincoat, scarf, wool hat, red dress, denim jacket, boots, gloves, green jumper, suit, cardigan, trainers, sandals, tie, belt, blue shirt, apron, kilt"),
    "disease": _pick("asthma, diabetes, migraine, arthritis, the flu, hay fever, a cold, pneumonia, measles, insomnia, anaemia, a broken wrist, chickenpox, a sprained ankle, high blood pressure"),
    "weather": _pick("rain, snow, fog, strong wind, sunshine, hail, a thunderstorm, frost, heavy rain, a heatwave, drizzle, clear skies"),
}  # fmt: skip
