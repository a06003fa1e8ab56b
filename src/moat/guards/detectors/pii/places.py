"""Where somebody is: street addresses in a dozen languages, coordinates."""

import re
from collections.abc import Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.found import words
from moat.guards.detectors.pii.search import Search
from moat.guards.detectors.pii.streets import HOME

_BIG = r"[A-ZÀ-ÝŁŚŻÇŞİА-Я][\w'’.-]{0,24}"
_NAME = r"[^\W\d_][\w'’.-]{0,24}"
_AFTER = re.compile(  # 221b Baker Street; 12, rue de la Paix
    rf"\d{{1,5}}[a-zA-Z]?(?:[-/]\d{{1,4}}[a-zA-Z]?)?,?[ ](?:"
    rf"(?:(?:North|South|East|West|[NSEW])\.?[ ])?(?:[A-Z0-9][\w'’.-]{{0,24}}[ ]){{1,4}}"
    r"(?:Street|St|Quad|Quadrangle|Road|Rd|Avenue|Ave|Av|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|"
    r"Terrace|Ter"
    r"|Way|Close|Crescent"
    r"|Cres|Highway|Hwy|Parkway|Pkwy|Circle|Cir|Trail|Trl|Row|Mews|Gardens|Gdns|Grove|Hill|Park|Walk|Alley|Loop"
    r"|Pike|Plaza|Route)\b\.?"
    r"|(?:rue|avenue|av\.|boulevard|bd|bld|place|chemin|allée|allee|impasse|quai|cours|route|square|passage|ruelle"
    r"|sentier|faubourg)"
    rf"[ ](?:(?:de[ ]|du[ ]|des[ ]|la[ ]|les?[ ]|l['’]|d['’]|aux?[ ]|saint[ -]|st[ -]){{1,3}}{_NAME}|{_BIG})"
    rf"(?:[ -]{_BIG}){{0,3}})",
)
_AFTER_LIKELY = re.compile(  # 858 Steven Orchard: what else is called so that an address is only where more says so
    r"\d{1,5}[ ](?:[A-Z][\w'’.-]{0,24}[ ]){1,3}(?:Bend|Bluffs?|Bridge|Brook|Burgs?|Bypass|Camp|Canyon|Cape|Causeway"
    r"|Centers?|Club"
    r"|Common|Corners?|Course|Courts|Coves?|Creek|Crest|Crossing|Crossroad|Curve|Dale|Dam|Divide|Drives|Estates?"
    r"|Expressway|Extensions?"
    r"|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Garden|Gateway|Glens?|Greens?|Groves"
    r"|Harbors?|Haven"
    r"|Heights|Hills|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lights?|Locks?|Lodge"
    r"|Mall|Manors?|Meadows?"
    r"|Mills?|Mission|Motorway|Mount|Mountains?|Neck|Orchard|Oval|Overpass|Parks|Parkways|Pass|Passage|Path|Pines?"
    r"|Plains?|Points?"
    r"|Ports?|Prairie|Radial|Ramp|Ranch|Rapids?|Rest|Ridges?|River|Roads|Rue|Run|Shoals?|Shores?|Skyway|Springs?"
    r"|Spurs?|Squares"
    r"|Station|Stravenue|Stream|Streets|Summit|Throughway|Trace|Track|Trafficway|Tunnel|Turnpike|Underpass|Unions?"
    r"|Valleys?|Via"
    r"|Viaduct|Views?|Villages?|Ville|Vista|Walks|Wall|Ways|Wells?)\b"
)
_AT_HOME = re.compile(
    r"address|\blive[sd]?\b|living|moved?\b|ship|deliver|\bmail|send|visit|resid|located|home|house|stay", re.IGNORECASE
)
_AT = re.compile(r"\bat\s\Z")
_GERMANIC = re.compile(  # Hauptstraße 5; Kerkstraat 12; Storgatan 3; Koskikatu 25
    r"(?:^|(?<![\w]))(?:[A-ZÄÖÜÅØÆ][\w.-]{0,24}[ -]){0,2}(?:[A-ZÄÖÜÅØÆ][\w-]{1,30}(?:straße|strasse|str\.|weg|platz"
    r"|allee|gasse|ufer|damm"
    r"|straat|laan|plein|gracht|kade|dijk|steeg|singel|dreef|baan|gatan|vägen|gata|gränd|torget|veien|vegen"
    r"|gaten|vej|gade"
    r"|allé|stræde|plads"
    r"|katu|kuja|polku|vegur|stígur)|[A-ZÄÖ][\w-]{2,30}(?:[aeiouyäö]n|[lmnrt]a|lu)tie"
    r"|(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Ring))[ ]$"
)
_ROMANCE = re.compile(  # Calle Mayor 5; Via Roma, 12; Rua Augusta 200; ul. Długa 4
    r"(?:^|(?<![\w]))(?:Calle|calle|C/|Avda\.?|Avenida|avenida|Av\.|Plaza|plaza|Paseo|paseo|Carrera|Cra\.?|Camino"
    r"|Ronda|Rambla|Glorieta|Pasaje|Pasadizo|Callejón|Stretto|Retorno|Periférico|Andador|Prolongación|Circuito|"
    r"Calzada|Privada|Cerrada|Diagonal|Cuesta|Cañada|Acceso|Vial|Urbanización|Carrer|Avinguda|Via|via"
    r"|Viale|viale|Piazza"
    r"|piazza|Corso|corso|Vicolo|Piazzale|Borgo|Contrada|Lungomare|Rotonda|Salita|Incrocio|Canale|Largo|Strada|Rua"
    r"|rua|R\.|Travessa|Praça|praça|Rodovia|Vila|Jardim|Ladeira|Quadra|Loteamento|Conjunto|Residencial|Condomínio"
    r"|Viela|Setor|Parque|Praia|Colônia|Estação|Alameda|Estrada|ul\.|Ul\.|ulica|ulicy|plac|aleja|aleje|Plac|Aleja|osiedle"
    r"|al\."
    r"|os\.|pl\."
    r"|ул\.|улица|проспект|пр\.|пер\.|Str\.|Strada|Bd\.|Calea|Jalan|Jl\.|Rue|rue|Avenue|avenue|Boulevard|boulevard)"
    rf"[ ]?(?:(?:de|del|della|dei|do|da|dos|das|la|las|los|el|di|d'|of|du"
    rf"|des)[ ]){{0,3}}{_BIG}(?:[ ]{_NAME}){{0,3}},?[ ](?:n[º°.]?[ ]?|№[ ]?|д\.[ ]?|No\.?[ ]?)?$"
)
_TURKISH = re.compile(
    rf"(?:{_NAME}[ ]){{1,3}}(?:Mah\.?|Mahallesi|Cad\.?|Caddesi|Sok\.?|Sokak|Sokağı|Bulvarı"
    r"|utca|útja|tere|körút)[ ,]{1,2}(?:No:?[ ]?)?$"
)
_SUFFIXES = tuple(
    words(
        "straße strasse str. weg platz allee gasse ufer damm straat laan plein gracht kade dijk steeg singel"
        " dreef baan gatan"
        " vägen gata gränd"
        " torget veien vegen gaten vej gade allé stræde plads katu kuja polku tie vegur stígur"
    )
)
_STREETS = words(
    "Calle calle C/ Avda Avda. Avenida avenida Av. Plaza plaza Paseo paseo Carrera Cra Cra. Camino Ronda Via via"
    " Viale viale Piazza"
    " piazza Corso corso Vicolo Piazzale Borgo Contrada Lungomare Rotonda Salita Incrocio Canale Rambla Glorieta"
    " Stretto Retorno Periférico Andador Prolongación Circuito Calzada Privada Cerrada Diagonal Pasaje Pasadizo "
    "Callejón Cuesta"
    " Cañada Acceso Vial Urbanización Carrer Avinguda Rodovia Vila Jardim Ladeira Quadra Loteamento Conjunto"
    " Residencial Condomínio Viela"
    " Setor Parque Praia Colônia Estação plac aleja aleje Plac Aleja osiedle Largo Strada Rua rua R. Travessa Praça"
    " praça Alameda Estrada ul. Ul. ulica ulicy al. os."
    " pl. ул. улица"
    " проспект пр. пер. Str. Bd. Calea Jalan Jl. Rue rue Avenue avenue Boulevard boulevard"
    " utca útja tere körút Mah Mah. Mahallesi Cad Cad. Caddesi Sok Sok. Sokak Sokağı Bulvarı"
)
_NUMBER = re.compile(r"\d{1,5}(?:[ ]?[a-hA-H](?![\w]))?(?:[-/]\d{1,4}[a-zA-Z]?)?")
_BOX = re.compile(r"(?:P\.?[ ]?O\.?[ ]?Box|Postfach|Boîte postale|Apartado|Casella postale|Postbus)[ ]$", re.IGNORECASE)
_UNIT = re.compile(
    r"(?:,?[ ]|,?\n[> ]{0,2}(?=(?:Apt|Suite|Ste|Unit|Flat)\b))"
    r"(?:Apt|Apartment|Appartamento|Piano|Interior|Depto|Edif|Stiege|Interno|Scala|Piso|Puerta|Apto|Apartamento|"
    r"Appt|Appartement"
    r"|Étage|Wohnung|m\.|Suite|Ste|Unit|Flat|Floor|Fl|#|Room|Rm)\.?[ ]?#?[ ]?[A-Za-z0-9-]{1,6}\b"
)
_PLACE = r"[A-ZÀ-Þ][\w'.-]{1,13}(?:[ ][A-ZÀ-Þ][\w'.-]{1,13}){0,2}"
_COUNTRY = (
    "Australia|Austria|Belgium|Brazil|Canada|Croatia|Cyprus|Czech Republic|Denmark|Estonia|Finland|France|Germany"
    "|Greece|Greenland|Hungary|Iceland|India|Ireland|Italy|Latvia|Lithuania|Luxembourg|Malta|Mexico|Netherlands"
    "|New Zealand|Norway|Poland|Portugal|Romania|Slovakia|Slovenia|South Africa|Spain|Sweden|Switzerland|Tunisia"
    "|Turkey|Ukraine|United Kingdom|United States|Uruguay|USA"
)
_TOWN = re.compile(
    r",?(?:[ ]|\n[> ]{0,2})(?:"
    r"(?:[A-Z]{1,2}-)?\d{4,5}[ ][A-ZÄÖÜÅÉ][\w'-]{1,24}(?:[ -][A-ZÄÖÜ][\w-]{1,24})?"  # 10115 Berlin
    r"|\d{4}[ ]?[A-Z]{2}[ ][A-Z][\w-]{1,24}"  # 1012 AB Amsterdam
    r"|\d{2}-\d{3}[ ][A-ZŁŚŻ][\w-]{1,24}"  # 00-950 Warszawa
    r"|[A-Z][\w'.-]{1,24}(?:[ ][A-Z][\w'.-]{1,24}){0,2},[ ][A-Z]{2}[ ]\d{5}(?:-\d{4})?"  # Springfield, IL 62704
    r"|[A-Z][\w'.-]{1,24}(?:[ ][A-Z][\w'.-]{1,24}){0,2},?[ ][A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}"  # London NW1 6XE
    rf"|{_PLACE},[ ]{_PLACE}[ ]\d{{5}}(?:-\d{{4}})?"  # Springfield, Illinois 62704
    rf"|{_PLACE}\n?,[ ][A-Z]{{2}}\n[> ]{{0,2}}\d{{5}}"
    rf"|{_PLACE},?\n[> ]{{0,2}}(?:{_COUNTRY})[ ]\d{{4,6}})"  # the town; country and code in the next line
    r"(?![\w-])"
)
_MILITARY = re.compile(  # PSC 1083, Box 3672, APO AP 10176
    r"(?:\b(?:PSC|CMR|Unit|USNS|USS|USNV|USCGC)[ ][^\n]{1,30},?[ \n][> ]{0,2})?\b[AFD]PO[ ]A[AEP][ ]\Z", re.IGNORECASE
)
_APART = str.maketrans(dict.fromkeys(",:;|=\"'“”„«»()[]{}<>", " "))
_AT_HOME_BEFORE = re.compile(rf"(?i:{HOME})$")
_STREET_FIRST = re.compile(rf"(?i:{HOME})(?P<street>{_BIG}(?:[ -]{_NAME}){{0,4}},?[ ])$")
_IN_JAPAN = "(?:(?![はがをにでの])[一-龥々ぁ-ゖァ-ヺー]|(?<=[^市区町村郡県府都])の(?=[一-龥]))"
_JAPANESE = re.compile(  # 東京都新宿区西新宿2-8-1
    rf"(?:東京都|北海道|京都府|大阪府|[一-龥]{{2,3}}県){_IN_JAPAN}{{1,12}}[市区町村郡]{_IN_JAPAN}{{0,16}}\Z"
)
_BLOCK = re.compile(r"\d{1,4}(?:(?:丁目|番地?|号|[-ー])\d{1,4}){1,3}(?:番地?|号)?(?!\d)")
_PARKED = words(
    "parkplatz arbeitsplatz stellplatz sitzplatz stehplatz liegeplatz listenplatz tabellenplatz startplatz studienplatz"
    " speicherplatz steckplatz campingplatz ausweg umweg rückweg"
)
"""What ends as streets do, and is none."""
_NUMBER_FIRST = re.compile(rf"{_NUMBER.pattern},?[ ]{_BIG}(?:[ ]{_BIG}){{0,3}}")
_ARC = r"°[ ]?\d{1,2}['’′][ ]?(?:\d{1,2}(?:\.\d+)?[\"”″]?)?[ ]?"
_COORDINATES = re.compile(
    r"[-+]?(?:[0-8]?\d|90)\.\d{2,15}°?[ ]?[NSns]?[ ]{0,2}[,;/ ][ ]{0,2}"
    r"[-+]?(?:1[0-7]\d|\d?\d|180)\.\d{2,15}°?[ ]?[EWew]?(?![\w.])"
    rf"|[-+]?\d{{1,3}}{_ARC}[NS][ ,]{{1,2}}\d{{1,3}}{_ARC}[EWO]"
)
_LISTED = re.compile(r"(?:[\d.\])][, ]{1,4}|[\[(])\Z")
_FAR = re.compile(r"[-+]?[1-9][^,;/]*[,;/][ ]?[-+]?[1-9]")
_GOES_ON = re.compile(r"[, \])]{1,3}[-+]?[\d\[]")
_DECIMALS = re.compile(r"\.(\d+)")


_LONGEST_AFTER, _LONGEST_BEFORE = 160, 70
"""How far from a number, behind and before it, the word for its street may begin."""


def near_street(search: Search, start: int) -> bool:
    """Could the number that begins there be that of a house?"""
    return search.has_streets(max(0, start - _LONGEST_BEFORE), start + _LONGEST_AFTER)


def addresses(search: Search, start: int) -> Iterator[Hit]:
    """The street address whose number begins at `start`."""
    text = search.text
    if search.has_streets(start, start + _LONGEST_AFTER):
        if match := _AFTER.match(text, start):
            yield _with_town(text, start, match.end())
            return
        if match := _AFTER_LIKELY.match(text, start):
            hit = _with_town(text, start, match.end())
            at = match[0][:3].isdigit() and _AT.search(text, max(0, start - 4), start)
            if at or hit.end > match.end() or _AT_HOME.search(text, max(0, start - 40), start):
                yield hit
            return
    low = max(0, start - _LONGEST_BEFORE)
    if not search.has_streets(low, start):
        return
    if (match := _NUMBER_FIRST.match(text, start)) and _AT_HOME_BEFORE.search(text, low, start):
        yield _with_town(text, start, match.end())
        return
    if (block := _BLOCK.match(text, start)) and (town := _JAPANESE.search(text, low, start)):
        yield Hit("address", town.start(), block.end(), 0.85)
        return
    if text[start : start + 5].isdigit() and (military := _MILITARY.search(text, low, start)):
        yield Hit("address", military.start(), start + 5, 0.85)
        return
    number = _NUMBER.match(text, start)
    if number is None:
        return
    before = text[low:start]
    line = before[before.rfind("\n") + 1 :]
    if text[number.end() : number.end() + 1].isalnum() or not line or line[-1] not in " ,.ºo°":
        return
    for pattern in _likely(line):
        if match := pattern.search(line):
            yield _with_town(text, start - len(line) + match.start(), number.end())
            return
    if match := _STREET_FIRST.search(line):
        yield _with_town(text, start - len(line) + match.start("street"), number.end())


def _likely(line: str) -> Iterator[re.Pattern[str]]:
    words = line.translate(_APART).replace("/", "/ ").split()
    if not words:
        return
    if (last := words[-1].lower()).endswith(_SUFFIXES) and last not in _PARKED:
        yield _GERMANIC
    if not _STREETS.isdisjoint(words):
        yield _ROMANCE
        yield _TURKISH
    if words[-1] in ("Box", "Postfach", "postale", "Apartado", "Postbus", "BOX"):
        yield _BOX


def _with_town(text: str, start: int, end: int) -> Hit:
    if unit := _UNIT.match(text, end):
        end = unit.end()
    if town := _TOWN.match(text, end):
        return Hit("address", start, town.end(), 0.85)
    return Hit("address", start, end, 0.65)


def coordinates(search: Search, start: int) -> Iterator[Hit]:
    """A latitude and a longitude; the first digit is at `start`."""
    text = search.text
    if start > 0 and text[start - 1] in "+-":
        start -= 1
    match = _COORDINATES.match(text, start)
    if match is None or (start > 0 and (text[start - 1].isalnum() or text[start - 1] == ".")):
        return
    if "coordinates" in search.labels.around(start, match.end()):
        yield Hit("coordinates", start, match.end(), 0.95)
        return
    fine = min((len(d) for d in _DECIMALS.findall(match[0])), default=5)
    listed = _LISTED.search(text, max(0, start - 6), start) or _GOES_ON.match(text, match.end())
    yield Hit("coordinates", start, match.end(), 0.6 if 4 <= fine <= 7 and not listed and _FAR.match(match[0]) else 0.3)
