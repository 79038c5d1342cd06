"""Names, addresses and numbers of invented companies: they look real, their check digits are right, nobody is meant.

E-mail addresses end in `.example`, which no mail server will ever serve.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass

_STEMS = """
Ryesgade Nørreport Vesterbro Frederiksbjerg Trøjborg Klosterengen Havnefronten Strandvejen Skovbrynet Møllehøj
Lindeallé Åboulevarden Vestergade Søndervang Kongelunden Ørnehøj Fjordparken Kirkebjerg Ågade Birkelund Tårnby
Hasseris Christianslyst Munkebo Sankelmark Rosenvang Elmegård Bøgelund Ellekær Hvidkilde Holmegård Stenløkken
Pilevangen Tinggården Damsbo Egelund Fuglsang Gyldenløve Hedegård Jernbanegade Kløverbakken Langelinie Nyborgvej
Overgård Poppelparken Slotsmøllen Teglværket Uglebakken Vandtårnet Østerå Åkjær Bakkegård Brohuset Dragsholm
Engparken Fiskerleje Grønnevang Højbjerg Kildemarken Lystrup Marselis Nørrevang
"""
STEMS = _STEMS.split()
KINDS = ("Ejendomme", "Boliger", "Udlejning", "Bolig", "Ejendomsselskab", "Huse", "Lejeboliger", "Byfornyelse")
FORMS = ("ApS", "A/S", "ApS", "P/S", "I/S", "K/S")
ASSOCIATIONS = (
    "Boligforeningen {}",
    "Andelsboligforeningen {}",
    "Ungdomsboligerne {}",
    "Den selvejende institution {}",
)

CITIES = (
    ("1302", "København K"),
    ("1620", "København V"),
    ("2100", "København Ø"),
    ("2200", "København N"),
    ("2300", "København S"),
    ("2000", "Frederiksberg"),
    ("8000", "Aarhus C"),
    ("8200", "Aarhus N"),
    ("5000", "Odense C"),
    ("9000", "Aalborg"),
    ("6700", "Esbjerg"),
    ("8900", "Randers C"),
    ("6000", "Kolding"),
    ("8700", "Horsens"),
    ("7100", "Vejle"),
    ("4000", "Roskilde"),
    ("7400", "Herning"),
    ("8600", "Silkeborg"),
    ("4700", "Næstved"),
    ("8800", "Viborg"),
    ("7000", "Fredericia"),
    ("4600", "Køge"),
    ("6400", "Sønderborg"),
    ("3400", "Hillerød"),
    ("5700", "Svendborg"),
)
ABROAD = {
    "SE": (("Fastigheter AB", "Bostäder AB"), (("211 22", "Malmö"), ("252 25", "Helsingborg"))),
    "DE": (("Wohnbau GmbH", "Immobilien GmbH"), (("24937", "Flensburg"), ("20095", "Hamburg"))),
}
STREETS = ("Vestergade", "Algade", "Havnegade", "Nørregade", "Skolevej", "Kirkevej", "Møllevej", "Storegade", "Torvet")


@dataclass(frozen=True)
class Company:
    """One invented company."""

    name: str
    email: str
    country: str
    street: str
    postal_code: str
    city: str
    cvr: str | None
    ean: str | None
    vat_id: str
    order_reference: str | None


def slug(name: str) -> str:
    """Return a name in plain letters for a domain."""
    spelled = name.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa").replace("ä", "a").replace("é", "e")
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in plain).split())


def cvr_number(rng: random.Random) -> str:
    """Return a Danish company number: eight digits whose sum weighted 2 7 6 5 4 3 2 1 divides by 11."""
    while True:
        digits = [rng.randint(1, 4), *(rng.randint(0, 9) for _ in range(6))]
        check = -sum(d * w for d, w in zip(digits, (2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if check < 10:
            return "".join(map(str, [*digits, check]))


def ean_number(rng: random.Random) -> str:
    """Return a Danish location number (GLN): 13 digits with the usual check digit."""
    digits = [5, 7, 9, 8, 0, 0, *(rng.randint(0, 9) for _ in range(6))]
    check = -sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10
    return "".join(map(str, [*digits, check]))


def swedish_vat(rng: random.Random) -> str:
    """Return a Swedish VAT number: SE, an organisation number with its Luhn digit, 01."""
    digits = [5, 5, 6, *(rng.randint(0, 9) for _ in range(6))]
    doubled = [d * 2 - 9 if i % 2 == 0 and d > 4 else d * 2 if i % 2 == 0 else d for i, d in enumerate(digits)]
    return "SE" + "".join(map(str, digits)) + str(-sum(doubled) % 10) + "01"


def german_vat(rng: random.Random) -> str:
    """Return a German VAT number: DE and nine digits by ISO 7064 MOD 11,10."""
    digits = [rng.randint(1, 9), *(rng.randint(0, 9) for _ in range(7))]
    product = 10
    for digit in digits:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return "DE" + "".join(map(str, digits)) + str((11 - product) % 10)


def companies(rng: random.Random, countries: list[str]) -> list[Company]:
    """Return one company per country code given, all names different."""
    taken: set[str] = set()
    made = []
    for number, country in enumerate(countries):
        stem = STEMS[number % len(STEMS)]
        while True:
            name = _name(rng, stem, country, number // len(STEMS))
            if name not in taken:
                break
        taken.add(name)
        made.append(_company(rng, name, country))
    return made


def _name(rng: random.Random, stem: str, country: str, round: int) -> str:
    if country in ABROAD:
        return f"{stem} {rng.choice(ABROAD[country][0])}"
    tail = "" if round == 0 else f" {round + 1}"
    if rng.random() < 0.15:
        return rng.choice(ASSOCIATIONS).format(stem) + tail
    return f"{stem} {rng.choice(KINDS)}{tail} {rng.choice(FORMS)}"


def _company(rng: random.Random, name: str, country: str) -> Company:
    postal_code, city = rng.choice(ABROAD[country][1] if country in ABROAD else CITIES)
    cvr = None if country in ABROAD else cvr_number(rng)
    vat_id = {"SE": swedish_vat, "DE": german_vat}[country](rng) if country in ABROAD else f"DK{cvr}"
    is_public = cvr is not None and ("forening" in name or "institution" in name or rng.random() < 0.2)
    return Company(
        name=name,
        email=f"{rng.choice(('faktura', 'kontor', 'bogholderi', 'drift'))}@{slug(name)}.example",
        country=country,
        street=f"{rng.choice(STREETS)} {rng.randint(1, 120)}",
        postal_code=postal_code,
        city=city,
        cvr=cvr,
        ean=ean_number(rng) if is_public else None,
        vat_id=vat_id,
        order_reference=f"PO-{rng.randint(10000, 99999)}" if is_public else None,
    )
