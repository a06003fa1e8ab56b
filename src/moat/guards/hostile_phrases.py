"""Threats, talk of harming oneself, and hate in other languages than English: set phrases, folded."""

from functools import cache

from moat.guards.patterns import Pattern

_THREATS = (
    "ich (?:bring(?:e)?|mach(?:e)?) (?:dich|euch|ihn|sie) (?:um|kalt|fertig)|ich (?:werde|will) (?:dich|"
    "euch) (?:toten|umbringen|abstechen)|"
    "du bist tot|je vais (?:te|vous|le|la) (?:tuer|buter|crever|frapper|egorger)|t'es mort|"
    "te voy a (?:matar|golpear|partir|rajar)|"
    "(?:los|las|lo|la) voy a matar|estas muerto|ti (?:ammazzo|uccido|spacco|sgozzo)|sei morto|"
    "vou te (?:matar|bater|quebrar)|vou acabar contigo|"
    "ik (?:maak|schiet|steek) (?:je|jou|hem|haar) (?:dood|af|kapot|neer)|zabije cie|zajebie cie|"
    "я тебя (?:убью|зарежу|прибью|урою)|убью тебя|"
    "тебе конец|сдохни|seni (?:oldurecegim|gebertecegim)|杀了你|弄死你|殺してやる|ぶっ殺す|"
    "죽여\\s?버|죽일\\s?거|سأقتلك|"
    "سوف اقتلك|मैं तुझे मार"
    "|verreck(?:e|t)?\\b|krepier(?:e|t)?\\b|stirb (?:endlich|doch|du)|geh sterben|dich (?:ab)?knallen|"
    "(?:ihr|sie|du) (?:werdet|werden|wirst) (?:es |das )?(?:alle )?(?:bereuen|bezahlen)|"
    "(?:^|[.!?,;:\\n] ?)va (?:mourir|crever)|creve\\b|"
    "j'espere que (?:tu|vous) (?:vas |allez )?(?:mourir|crever|meurs)|(?:tu vas|"
    "vous allez) le regretter|"
    "muerete|ojala te mueras|vete a morir|te (?:vas a|vais a) arrepentir|os vais a arrepentir|"
    "crepa\\b|vai a morire|ammazzati|devi morire|te ne pentirai|vi pentirete|"
    "morre (?:logo|desgracad\\w+|diabo)|(?:^|[.!?,;:\\n] ?)vai morrer|vais? te arrepender|tomara que morras?|"
    "ga dood|sterf (?:toch|maar)|val dood|zdychaj|zdechnij|pozalujesz|пожалеешь|чтоб ты (?:сдох|умер)\\w*|"
    "geber|oleceksin|去死|不得好死|死ね|くたばれ|죽어\\s?버려|뒤져\\s?버려|مت يا|مر جاؤ"
)
_SELF_HARM = (
    "(?:ich )?will (?:ich )?(?:sterben|nicht mehr leben|mich umbringen)|mich (?:selbst )?(?:umbringen|"
    "toten|ritzen)|selbstmord|suizid|bring dich um|"
    "je veux (?:mourir|en finir)|me (?:suicider|tuer|scarifier)|envie de mourir|quiero (?:morir|matarme|"
    "suicidarme)|me quiero (?:morir|matar)|"
    "suicidarme|cortarme las venas|voglio (?:morire|uccidermi|farla finita)|mi voglio (?:ammazzare|"
    "uccidere)|quero (?:morrer|me matar)|me suicidar|"
    "ik wil (?:dood|niet meer leven|mezelf)|zelfmoord|chce (?:umrzec|sie zabic)|samoboj\\w+|хочу умереть|"
    "покончить (?:с собой|жизнь)|убить себя|"
    "самоубийств\\w+|olmek istiyorum|kendimi oldur|intihar|自杀|自殺|想死|不想活|死にたい|"
    "リストカット|자살|죽고\\s?싶|الانتحار|"
    "انتحر|اريد ان اموت|आत्महत्या|मरना चाहत"
    "|wie viele (?:\\w+ ){1,3}?(?:brauch|muss|sterb)\\w*[^.?!\\n]{0,30}(?:sterb|nicht mehr aufzuwachen|tot)|"
    "nicht mehr aufwachen|"
    "niemand wurde mich vermissen|ne plus me reveiller|je ne manquerai a personne|no (?:quiero )?despertar "
    "(?:nunca )?mas|"
    "nadie me (?:extranaria|echaria de menos)|non svegliarmi piu|nessuno sentirebbe la mia mancanza|nao acordar mais|"
    "ninguem (?:ia|iria) sentir (?:a )?minha falta|niet meer wakker worden|nie obudzic sie|не проснуться|"
    "活着没意思|结束生命|"
    "消えてしまいたい|목숨을 끊"
)
_HATE = (
    "(?:scheiss|drecks?|verdammte) ?(?:auslander|turken|juden|schwule|zigeuner|kanaken|neger|moslems|"
    "fluchtlinge)|auslander raus|juden ins gas|"
    "sales? (?:arabes?|juifs?|juives?|noirs?|negres?|gouines?|pedes?|musulmans?|gitans?)|"
    "mort aux (?:juifs|arabes|noirs|pedes|musulmans)|"
    "(?:putos?|malditos?|asquerosos?|sucios?) (?:negros?|moros?|judios?|gitanos?|maricon\\w*|inmigrantes|"
    "sudacas?|maricas?)|muerte a los|"
    "(?:sporchi|maledetti|luridi) (?:negri|ebrei|zingari|immigrati|froci|arabi|musulmani)|(?:malditos|"
    "nojentos) (?:pretos|judeus|ciganos|gays|viados)|"
    "(?:vuile|kut|kanker) ?(?:buitenlanders?|marokka\\w+|turken|joden|homo'?s?|negers?|moslims?)|"
    "(?:jebac|pierdolone) (?:zydow|zydy|ciapat\\w+|ukraincow|pedaly|czarnuch\\w*)|"
    "смерть (?:жидам|хачам|черным|педикам)|бей (?:жидов|хачей)|(?:грязн\\w+|вонюч\\w+) (?:жид\\w*|"
    "хач\\w*|чурк\\w*|негр\\w*|цыган\\w*)"
    "|(?:auslander|juden|turken|muslime|moslems|fluchtlinge|schwulen?|zigeuner|migranten|schwarzen?|frauen|"
    "behinderten?|polen|"
    "araber)\\b[^.!?\\n]{0,30}\\b(?:abschaum|ungeziefer|dreck|parasiten|untermenschen|ratten|minderwertig|gehoren "
    "(?:\\w+ )?(?:vergast|erschossen|abgeschoben|weg|gehangt|eingesperrt|an die wand))"
    "|(?:arabes|juifs|noirs|musulmans|migrants|immigres|gitans|homosexuels|etrangers|"
    "femmes)\\b[^.!?\\n]{0,20}\\b(?:sont|c'est) "
    "(?:\\w+ ){0,3}?(?:vermine|racaille|parasites|rats|cafards|sous-hommes|inferieur\\w*|dechets|animaux)"
    "|(?:negros|moros|judios|gitanos|inmigrantes|musulmanes|extranjeros|mujeres|"
    "homosexuales)\\b[^.!?\\n]{0,20}\\b(?:son) "
    "(?:\\w+ ){0,3}?(?:escoria|basura|parasitos|ratas|cucarachas|inferiores|plaga|animales|subhumanos)"
    "|(?:negri|ebrei|zingari|immigrati|musulmani|stranieri|donne|omosessuali)\\b[^.!?\\n]{0,20}\\bsono (?:\\w+ ){0,3}?"
    "(?:feccia|parassiti|ratti|scarafaggi|inferiori|bestie|spazzatura)"
    "|(?:negros|pretos|judeus|ciganos|imigrantes|muculmanos|estrangeiros|mulheres)\\b[^.!?\\n]{0,20}\\bsao "
    "(?:\\w+ ){0,3}?"
    "(?:escoria|lixo|parasitas|ratos|baratas|inferiores|praga|animais)"
    "|(?:buitenlanders|joden|moslims|marokkanen|vluchtelingen|vrouwen)\\b[^.!?\\n]{0,20}\\bzijn (?:\\w+ "
    "){0,3}?(?:uitschot|ongedierte|"
    "parasieten|ratten|minderwaardig|tuig)"
    "|(?:zydzi|imigranci|cyganie|muzulmanie|ukraincy|geje)\\b[^.!?\\n]{0,15}\\bto (?:\\w+ ){0,2}?(?:smiecie|"
    "robactwo|pasozyty|"
    "szczury|podludzie|zaraza)"
    "|(?:евреи|мигранты|цыгане|мусульмане|женщины|геи|кавказцы)[^.!?\\n]{0,20}(?:мразь|паразиты|крысы|"
    "недочеловеки|отбросы|скот|"
    "тараканы)"
)


_BY_KIND = {"threat": _THREATS, "self_harm": _SELF_HARM, "hate": _HATE}


@cache
def phrases() -> tuple[tuple[str, Pattern], ...]:
    """Kind -> pattern, compiled when first asked for."""
    return tuple((kind, Pattern(source)) for kind, source in _BY_KIND.items())


@cache
def any_phrase() -> Pattern:
    """Matches what one of them does: most texts need not be read for each."""
    return Pattern("|".join(_BY_KIND.values()))
