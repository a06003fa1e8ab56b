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
