"""Words for streets: without one of them near, no number is looked at as that of a house.

They are found for a whole text at once by RE2. What the patterns of `places` match has one of these words in it.
"""

from moat.guards.patterns import Pattern

_BEHIND = (  # 5 Baker Street
    "Alley|Allee|Av|Ave|Avenue|Bend|Bluffs?|Blvd|Boulevard|Bridge|Brook|Burgs?|Bypass|Camp|Canyon|Cape|Causeway|Centers?"
    "|Cir|Circle|Close|Club|Common|Corners?|Course|Courts?|Coves?|Creek|Cres|Crescent|Crest|Crossing|Crossroad|Ct|Curve"
    "|Dale|Dam|Divide|Dr|Drives?|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?"
    "|Fort|Freeway|Gardens?|Gateway|Gdns|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Highway|Hills?|Hollow|Hwy|Inlet"
    "|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lane|Lights?|Ln|Locks?|Lodge|Loop|Mall|Manors?|Meadows?"
    "|Mews|Mills?|Mission|Motorway|Mount|Mountains?|Neck|Orchard|Oval|Overpass|Parks?|Parkways?|Pass|Passage|Path|Pike"
    "|Pines?|Pkwy|Pl|Place|Quad|Quadrangle|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|Rapids?|Rd|Rests?|Ridges?|River|Roads?"
    "|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Sq|Squares?|St|Station|Stravenue|Stream|Streets?|Summit"
    "|Ter|Terrace|Throughway|Trace|Track|Trafficway|Trail|Trl|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Via|Viaduct"
    "|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?"
)
_FRENCH = (  # 12, rue de la Paix
    r"rue|avenue|av\.|boulevard|bd|bld|place|chemin|all[ée]e|impasse|quai|cours|route|square|passage|ruelle|sentier"
    "|faubourg"
)
_BEFORE = (  # Calle Mayor 5
    r"Calle|C/|Avda\.?|Avenida|Av\.|Plaza|Paseo|Carrera|Cra\.?|Camino|Ronda|Rambla|Glorieta|Pasaje|Pasadizo|Callejón|Cuesta"
    "|Cañada|Acceso|Vial|Urbanización|Carrer|Avinguda|Via|Viale|Piazza|Corso|Vicolo|Borgo|Contrada|Lungomare|Rotonda"
    "|Salita|Incrocio|Canale|Largo|Strada|Rua|Travessa|Praça|Rodovia|Vila|Jardim|Ladeira|Quadra|Loteamento|Conjunto"
    "|Stretto|Retorno|Periférico|Andador|Prolongación|Circuito|Calzada|Privada|Cerrada|Diagonal|Residencial|Condomínio|Viela|Setor|Parque|Praia|Colônia|Estação|Alameda|Estrada|Piazzale|Plac|Aleja|Calea|Jalan"
    r"|Jl\.|Rue|Avenue|Boulevard|Bd\.|Str\.|Ul\.|R\."
)
_BEFORE_SMALL = (
    r"calle|avenida|plaza|paseo|via|viale|piazza|corso|rua|praça|ulica|ulicy|plac|aleja|aleje|osiedle|ul\.|al\.|os\.|pl\."
    r"|ул\.|улица|проспект|пр\.|пер\.|rue|avenue|boulevard"
)
_ENDINGS = (  # Hauptstraße 5
    r"straße|strasse|str\.|weg|platz|allee|gasse|ufer|damm|straat|laan|plein|gracht|kade|dijk|steeg|singel|dreef|baan"
    "|gatan|vägen|gata|gränd|torget|veien|vegen|gaten|vej|gade|allé|stræde|plads|katu|kuja|polku|tie|vegur|stígur"
)
_JAPANESE = "東京都|北海道|京都府|大阪府|\\p{Han}県"
_OTHERS = (
    "utca|útja|tere|körút|[AFDafd][Pp][Oo] [Aa][AEPaep] |Mah|Cad|Sok|Bulvar|Box|BOX|Postfach|Apartado|Casella|Postbus"
    "|Boîte"
)
HOME = (
    r"\b(?:address|adresse|anschrift|direcci[óo]n|indirizzo|adres|adress|street|domicilio|endereço|morada"
    r"|(?:wohne|wohnt|wohnhaft) (?:in|am|an)(?: der)?|(?:live|lives|lived|living) (?:at|on)|habite (?:au|à)|vivo en"
    r"|abito in|woon (?:op|aan)(?: de)?)[\"']?\s?[:=|]?\s?[\"']?"
)
"""What says that a street follows, whatever it is called."""
_LITTLE = r"(?:de|del|della|dei|do|da|dos|das|la|las|los|el|di|of|du|des|les?|aux?|saint|st)[ -]|[ld]['’]"
_BIG = r"[A-ZÀ-ÝŁŚŻÇŞİА-Я]"
_WORD = Pattern(
    rf"[ ](?:{_BEHIND})\b|(?:{_FRENCH})[ ](?:{_LITTLE}|{_BIG})|(?:{_BEFORE})[ ]?(?:{_LITTLE}|{_BIG})"
    rf"|(?:{_BEFORE_SMALL})[ ]?(?:{_LITTLE}|{_BIG})|(?i:{_ENDINGS})[ ]|{_OTHERS}|{_JAPANESE}|(?i:{HOME})"
)


def street_words(text: str) -> list[int]:
    """Where they begin, or the space in front of them."""
    return [start for start, _ in _WORD.spans(text)]
