"""Words that say what the number beside them is, in the larger languages of Europe, Asia and Latin America."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from moat.guards.detectors.pii.fields import is_counted, is_vague, own_name, parts, speaks
from moat.guards.detectors.pii.found import words

_WORDS = {
    "phone": """phone|phones|telephone|tel|telefon|telefono|teléfono|telefone|téléphone|telefoon|telefonnummer|
        telefoonnummer|mobile|mobil|mobiel|mobiltelefon|mobilnummer|móvil|movil|cell|cellphone|celular|cellulare|cel|handy|
        handynummer|portable|gsm|fax|call|dial|ring|sms|whatsapp|hotline|rufnummer|anrufen|ruf|appelle|appelez|
        appeler|appel|llame|llama|llámame|llamar|chiama|chiamare|chiamami|bel|ligar|ligue|zadzwoń|komórka|telefonu|
        numer telefonu|телефон|телефону|телефона|тел|мобильный|звоните|позвони|puhelin|puhelinnummer|puhelinnumero|
        телефонный|phone number|contact number|hp|nomor|telp|numéro de téléphone|ring på|telefonnr|tlf|फ़ोन|मोबाइल|
        हमें|هاتف|الهاتف|جوال|رقم|cep|pager|answering|voicemail|reached at|reach me|landline|helpline|
        contact|kontakt|contacto|contatto|contato|tél|msisdn|tele|telephonic|contacting|reachable|reach us|reach our|
        reach him|reach her|reach them""",
    "card": """card|cards|credit|visa|mastercard|amex|maestro|debit|kreditkarte|kreditkartennummer|kartennummer|
        karte|carte|carte bancaire|carte bleue|cb|tarjeta|carta|cartão|creditcard|kaart|kaartnummer|
        creditcardnummer|karta|kartą|kartę|karty|kortet|kaartje|kort|
        kortnummer|kreditkort|карта|карты|картой|карту|kart|kartı|cc|cc number|
        discover|unionpay|jcb|pan|pan number|कार्ड|بطاقة|betaalkaart|luottokortti|korttinumero""",
    "security_code": """cvv|cvc|cvv2|cvc2|prüfziffer|kartenprüfnummer|cryptogramme""",
    "iban": """iban|iban-nummer|iban number""",
    "bank_account": """account|acct|a/c|account number|bank|konto|kontonummer|compte|cuenta|conto|rekening|
        rekeningnummer|conta|agência|rachunek|rachunku|routing|aba|sort code|bsb|blz|bankleitzahl|clabe|ifsc|swift|
        bic|счет|счёт|hesap|beneficiary|bankgiro|plusgiro|bankkonto|tilinumero""",
    "national_id": """ssn|kvnr|egk|tnin|
        social|social security|socialsecurity|sozialversicherungsnummer|sozialversicherung|
        rentenversicherungsnummer|sécurité sociale|securite sociale|sécu|nir|insee|nss|seguridad social|national id|
        national insurance|nino|ni number|nhs|nhs number|identity|identity card|identity number|id card|id number|
        id no|idnr|identification|identification number|personalausweis|ausweis|ausweisnummer|personalausweisnummer|
        carte d'identité|pièce d'identité|identité|cni|dni|nie|documento|documento de identidad|cédula|cedula|
        carta d'identità|codice fiscale|identità|bsn|burgerservicenummer|sofinummer|burgerservice|
        rijksregisternummer|registre national|niss|nas|pesel|cpf|rg|personnummer|cpr|cpr-nummer|cpr-nr|fødselsnummer|
        fodselsnummer|kennitala|henkilötunnus|hetu|ahv|avs|ahv-nummer|aadhaar|aadhar|身份证|身份证号|
        身份证号码|マイナンバー|個人番号|주민등록번호|rrn|sin|medicare|curp|снилс|паспорт рф|tc kimlik|kimlik|tckn|
        steuerliche identifikationsnummer|nombor ic|no ic|ic no|ic number|kad pengenalan|no kad pengenalan|
        taj-szám|taj szám|tajszám|asmens kodas|rut|cnp|egn|егн|תעודת זהות|ת.ז|מספר זהות|
        rodné číslo|rodné|isikukood|amka|αμκα|oib|taj|teudat|nik|ktp|nric|mykad|emirates id|cnic|
        numer dowodu|dowód|dowodu|tożsamości|bilhete de identidade|cartão de cidadão|identiteitskaart|
        identiteitsnummer|sozialversicherungsnr|svnr|svnummer|ssnum|medical record|mrn|health insurance|
        npi|provider identifier|insurance number|insurance|krankenversichertennummer|versichertennummer|mutuelle|
        national number|
        social insurance|personal number|socialnum|idcard|id-card|id card number|social number""",
    "tax_id": """tax|tax id|taxpayer|tin|ein|itin|vat|vat number|vat id|ust-id|ustid|ust-idnr|umsatzsteuer|
        steuernummer|steuer-id|steueridentifikationsnummer|steuer-identifikationsnummer|steuerid|steuer|tva|siret|
        siren|spi|numéro fiscal|fiscal|nif|cif|rfc|partita iva|p.iva|piva|iva|btw|btw-nummer|nip|regon|cnpj|
        pan card|gstin|gst|tfn|abn|utr|инн|vergi|cuit|cuil|contribuinte|fiscale|numero fiscale|numéro de tva|
        uen|brn|tax number|αφμ|α.φ.μ|afm|adószám|adóazonosító""",
    "passport": """passport|passport number|reisepass|reisepassnummer|passnummer|pass-nr|passeport|pasaporte|
        passaporto|paspoort|paspoortnummer|passaporte|paszport|paszportu|pass nr|паспорт|паспорта|загранпаспорт|
        护照|护照号|パスポート|여권|pasaport|passnr|passi|passin|جواز""",
    "driving_licence": """driver|driver's|drivers|driving|driver license|driver's license|driver licence|
        driver's licence|driving license|
        drivers license|driving licence|führerschein|führerscheinnummer|fahrerlaubnis|permis|permis de conduire|
        conducir|carnet de conducir|licencia|patente|rijbewijs|rijbewijsnummer|carta de condução|cnh|prawo jazdy|
        prawa jazdy|körkort|driverlicense""",
    "imei": """imei|imei number|meid""",
    "vehicle": """vin|chassis|fahrgestellnummer|vehicle identification|châssis|vehicle|fin|bastidor|telaio""",
    "ip": """ip|ip address|ipv4|ipv6|ip-adresse|adresse ip|dirección ip|indirizzo ip|host|server|client|gateway|
        router|dns|ping""",
    "mac": """mac|mac address|mac-adresse|adresse mac|ethernet""",
    "crypto": """bitcoin|btc|wallet|ethereum|eth|litecoin|ltc|crypto|address|usdt|dogecoin|monero|xrp|ripple|tron|
        solana|adresse""",
    "coordinates": """lat|latitude|lon|lng|longitude|coordinates|gps|location|koordinaten|coordonnées|coordenadas|
        coordinate""",
    "payment": """payment|pay|paid|paying|charge|charged|billing|billed|bill|refund|subscription|checkout|purchase|
        bezahlt|bezahlen|zahlung|abgebucht|belastet|paiement|payé|payer|débité|pago|pagué|pagar|cobro|pagamento|pagato|pagare|addebito|paguei|
        betaling|betaald|betalen|płatność|zapłacić|zapłaciłem|betalning|betalt|betalat|оплата|оплатить|оплатил|ödeme|ödedim""",
    "id": "id",
    "other": """order|orders|invoice|tracking|reference|ref|version|isbn|issn|sku|part|ticket|case|serial|build|
        commit|timestamp|price|total|amount|sum|model|page|pages|chapter|section|item|product|ean|upc|gtin|batch|
        lot|transaction|txn|job|session|request|trace|revision|rev|release|hash|checksum|sha|md5|uuid|guid|epoch|
        unix|bestellnummer|bestellung|beställning|beställningen|bestilling|tilaus|objednávka|rechnung|rechnungsnummer|auftrag|auftragsnummer|artikelnummer|sendungsnummer|
        aktenzeichen|commande|facture|référence|suivi|pedido|factura|referencia|ordine|fattura|riferimento|
        bestelling|factuur|bestelnummer|fatura|zamówienie|zamówienia|faktura|paczki|ordernummer|fakturanummer|заказ|
        заказа|счёт-фактура|sipariş|订单|订单号|注文番号|주문번호|doi|arxiv|pmid|port|pid|bytes|seed|iso|
        nota fiscal|count|counter|asin|zip|zip code|plz|kundennummer|kundennr|kunden-nr|customer number|
        vertragsnummer|klantnummer|
        claim|figure|table|population|km|usd|eur|dollars|euros|weight|size|width|height|tracking number|
        order number""",
}  # fmt: skip
_UNSPACED = {
    "national_id": "บัตรประชาชน|ประจำตัวประชาชน|आधार|身份证|マイナンバー|個人番号|주민등록",
    "phone": "मोबाइल|फ़ोन|फोन|टेलीफोन|هاتف|جوال|โทรศัพท์|电话|手机|電話|携帯|전화|휴대폰|연락처|โทร",
    "card": "कार्ड|بطاقة|บัตร|信用卡|银行卡|卡号|クレジットカード|カード番号|카드",
    "bank_account": "账号|账户|口座|계좌",
    "tax_id": "税号|納税",
    "passport": "护照|旅券|パスポート|여권",
    "other": "订单|注文|주문|発票|发票|追跡",
}

LABELS = {" ".join(w.split()): kind for kind, words in _WORDS.items() for w in words.replace("\n", "").split("|")}
_COUNTS: dict[str, int] = {}
for _label in LABELS:
    _first, _, _ = _label.partition(" ")
    _COUNTS[_first] = max(_COUNTS.get(_first, 1), _label.count(" ") + 1)
_LONGEST = max(_COUNTS.values())
_ENDINGS = ("number", "nummer", "num", "nr", "no")
_Label = tuple[int, int, str]
"""Start, end, and the kind that it says."""
_WORD = re.compile(r"[^\W\d_][^\W\d_'./-]*(?:['./-][^\W\d_]+)*")
_UNSPACED_LABEL = re.compile("|".join(f"(?P<{kind}>{words})" for kind, words in _UNSPACED.items()))
_BREAK = re.compile(r"[\n;,!?)]|(?<!\bn)(?<!\bno)(?<!\bnr)\.\s")
_CLOSE = re.compile(
    r"(?:number|nummer|numero|número|numéro|num|no|nr|id|is|:|=|#|ist|est|es|account|acct|konto|compte|cuenta|conto|rekening|conta)\W{0,3}\Z",
    re.IGNORECASE,
)
_FILLING = words(
    "is no nr num number nummer numero número numéro n the my est ist es é è id code was of are de del jest är er"
    " on numer номер"
    " lautet key as"
)
_VAGUE = words(
    "license licence driver driver's drivers driving permis account bank social tax identity identification"
    " insurance vehicle routing aba pan"
    " sin nik fin taj rut gst spi fiscal vat iva credit card debit carte carta visa patente licencia swift bic"
    " konto compte conto"
)
_REACH, _REACH_BACK = 60, 40
"""How far before a number, and how far behind it, its label may stand; in characters."""
_REACH_OTHER = 20
"""How far behind a number what says that it is none of anybody may stand: what is further on has its own."""
_BLOCK = 128
"""Characters of which the labels are read together, when they are first asked for."""
_LONGEST_LABEL = 48
_NUMBERED = ("id", "phone", "card", "bank_account", "payment")
"""Of which records have numbers: a `phone_id` is no telephone number."""
_JOINING = ("'", ".", "/", "-")
_SAYS = re.compile(
    r"\s{0,2}(?:is|was|are|ist|war|est|es|è|é|jest|to|är|er|on|as|je|е|είναι|היא|הוא|ialah"
    r"|adalah|este|가|이|は|が|—|–|-|=|:|numaral[ıi]|[(\[])(?!\w)|\s?(?:は|が|คือ|是)",
    re.IGNORECASE,
)
_NEW_SENTENCE = re.compile(r"[.!?][ \n]+[^\W\d_]{2}")
"""A word for something else says nothing of the numbers of the next one."""
_IS_PHONE = re.compile(
    r"[ ]?-[ ]?(?:office|fax|cell|mobile|work|home)\b|[ ](?:office|fax|cell)[ ]?(?:[\n,;/|)]|\Z)", re.I
)
"""What stands behind a telephone number in a signature."""
_END_OF_CLAUSE = re.compile(r"[.;\n](?:\s|$)|[,]")


class Labels:
    """What the words of one text say of the numbers beside them. Read block by block, where they are asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._blocks: dict[int, tuple[list[int], list[_Label]]] = {}
        self._in_front: dict[int, list[str]] = {}

    @cached_property
    def _lower(self) -> str:
        # U+0130 is the only letter that grows when it is made lower case.
        return self._text.replace("\u0130", "I").lower()

    def around(self, start: int, end: int, grouped: bool = False) -> tuple[str, ...]:
        """What the words around a span say it is, the nearest first: kinds, and `other` for what is not personal.

        What follows the span is asked only when nothing in front of it speaks, and only to the end of its clause.
        Behind digits in one piece it has to be said that they are that: `5551234567 is my phone`, not `5551234567
        phones`.
        """
        found = self._before(start)
        if found:
            return tuple(found[::-1])
        after = self._text[end : end + _REACH_BACK]
        if _IS_PHONE.match(after):
            return ("phone",)
        if not grouped and not _SAYS.match(after):
            return ()
        clause = _END_OF_CLAUSE.split(after.lower(), maxsplit=1)[0]
        return tuple(kind for begin, _, kind in _labels(clause) if kind != "other" or begin < _REACH_OTHER)

    def named(self, start: int) -> str:
        """What a label says that stands right in front of a token, with nothing but filling between; or nothing."""
        return named(self._text, start) if self._before(start) else ""

    def _before(self, start: int) -> list[str]:
        """Kinds of the labels that stand in front, in their order. Asked several times of most places."""
        found = self._in_front.get(start)
        if found is None:
            found = self._in_front[start] = self._read_before(start)
        return found

    def _read_before(self, start: int) -> list[str]:
        low = max(0, start - _REACH)
        if self._text[start - 1 : start] in _JOINING and self._text[start : start + 1].isalpha():
            return [kind for _, _, kind in _labels(self._text[low:start].lower())]
        own = own_name(self._text, start)
        if own and not is_vague(own):
            return _of_name(own)
        found: list[str] = []
        first = low // _BLOCK
        for number in range(first - (low < self._border(first)), max(0, start - 1) // _BLOCK + 1):
            if number not in self._blocks:
                self._blocks[number] = self._read(number)
            starts, of_block = self._blocks[number]
            if starts and starts[-1] >= low:
                near = of_block[bisect_left(starts, low) :]
                found += [kind for _, end, kind in near if end <= start and self._is_said_of(kind, end, start)]
        return found

    def _is_said_of(self, kind: str, end: int, start: int) -> bool:
        """Does a label that ends there speak of what begins at `start`?"""
        between = self._text[end:start]
        if kind == "other" and (len(between) > _REACH_BACK or _NEW_SENTENCE.search(between)):
            return False
        return kind == "coordinates" or speaks(between)

    def _read(self, number: int) -> tuple[list[int], list[_Label]]:
        """The labels that begin in a block, and where. A block begins behind the first space after its border."""
        begin, stop = self._border(number), self._border(number + 1)
        found = [one for one in _labels(self._lower, begin, stop + _LONGEST_LABEL) if one[0] < stop]
        return [start for start, _, _ in found], found

    def _border(self, number: int) -> int:
        at = number * _BLOCK
        space = self._lower.find(" ", at, at + _LONGEST_LABEL) if number else -1
        return at if not number else space + 1 if space >= 0 else at + _LONGEST_LABEL


def _of_name(name: str) -> list[str]:
    """What the name of a member says of its value. A bare `id` is that of a record."""
    if is_counted(name):
        return ["other"]
    found = _labels(name.lower()) or _labels(" ".join(parts(name)))
    numbered = _NUMBERED if parts(name)[-1:] == ["id"] else ("id",)
    return [kind for _, _, kind in found if kind not in numbered]


def _labels(lower: str, start: int = 0, stop: int | None = None) -> list[_Label]:
    """All labels in a piece of a text, in order."""
    stop = len(lower) if stop is None else min(stop, len(lower))
    found = list(_spaced(list(_WORD.finditer(lower, start, stop))))
    if not lower[start:stop].isascii():
        unspaced = _UNSPACED_LABEL.finditer(lower, start, stop)
        found = sorted([*found, *((*match.span(), match.lastgroup or "") for match in unspaced)])
    return found


def _spaced(matches: list[re.Match[str]]) -> Iterator[_Label]:
    """Of scripts that put spaces between words; of labels that overlap, the first and then the longest."""
    words = [match[0] for match in matches]
    behind = 0
    for at, word in enumerate(words):
        if at < behind or not (word in _COUNTS or word.endswith(_ENDINGS)):
            continue
        for count in range(min(_COUNTS.get(word, 1), len(words) - at), 0, -1):
            kind = LABELS.get(" ".join(words[at : at + count])) if count > 1 else _kind(word)
            if kind:
                behind = at + count
                yield matches[at].start(), matches[behind - 1].end(), kind
                break


def _kind(word: str) -> str:
    if kind := LABELS.get(word):
        return kind
    if word.endswith(_ENDINGS):
        for end in _ENDINGS:
            if word.endswith(end) and (kind := LABELS.get(word[: -len(end)].rstrip("-_"))):
                return kind
    return ""


def named(text: str, start: int) -> str:
    """What a label that stands right in front of a token says it is, with nothing but filling between; or nothing."""
    before = text[max(0, start - 12) : start]
    if not before.isascii() and (unspaced := list(_UNSPACED_LABEL.finditer(before))):
        return unspaced[-1].lastgroup or ""
    words = _WORD.findall(_BREAK.split(text[max(0, start - 48) : start].lower())[-1])
    while words:
        for count in range(min(_LONGEST, len(words)), 0, -1):
            label = " ".join(words[-count:])
            kind = LABELS.get(label) if count > 1 else _kind(label)
            if kind and kind not in ("id", "other"):
                return "" if label in _VAGUE and not _CLOSE.search(text, max(0, start - 16), start) else kind
        if words.pop() not in _FILLING:
            break
    return ""
