"""Topics by their words: what is sure by itself, and what is only so in company.

English first, the most usual words of German, French, Spanish, Italian, Portuguese and Chinese beside them. For whom a
topic is forbidden a few words too many are cheaper than one too few; who needs more adds `words` of his own.
"""

_SURE_AND_FAINT: dict[str, tuple[str, str]] = {
    "gambling": (
        "online casino|sports betting|sportsbook|slot machine|roulette|blackjack table|poker room|"
        "place a bet|bookmaker|"
        "betting odds|gambling site|parlay bet|baccarat|craps table|bet on the game|glücksspiel|sportwetten|"
        "spielautomat|"
        "paris sportifs|jeux d'argent|apuestas deportivas|tragamonedas|scommesse sportive|apostas esportivas|赌博|赌场",
        "casino|bet|wager|gamble|jackpot|poker|lottery|odds|bookie|stake|wetten|pari|apuesta|scommessa|aposta",
    ),
    "alcohol": (
        "vodka|whiskey|whisky|tequila|get drunk|binge drinking|craft beer|cocktail recipe|alcoholic drink|happy hour|"
        "schnaps|bière|cerveza|birra|cerveja|啤酒|白酒",
        "beer|wine|liquor|alcohol|cocktail|drunk|booze|rum|gin|brandy|champagne|bier|wein|vin|vino|vinho|"
        "alkohol|alcool",
    ),
    "tobacco": (
        "cigarette|e-cigarette|vape pen|chewing tobacco|nicotine pouch|cigarillo|hookah|rolling papers|zigarette|"
        "cigarrillo|sigaretta|cigarro|香烟",
        "smoke|tobacco|vape|nicotine|cigar|juul|tabak|tabac|tabaco|tabacco",
    ),
    "drugs": (
        "cocaine|heroin|methamphetamine|crystal meth|mdma|lsd|fentanyl|magic mushrooms|psilocybin|ketamine|crack pipe|"
        "cook meth|buy weed|edibles dosage|drug dealer|kokain|cocaïne|cocaína|cocaina|eroina|heroína|毒品|可卡因",
        "weed|cannabis|marijuana|joint|stoned|meth|opioid|ecstasy|shrooms|dealer|high|crack|dope|drogen|drogue|droga",
    ),
    "weapons": (
        "assault rifle|handgun|ar-15|ak-47|pipe bomb|ghost gun|silencer for|hollow point|ammunition|build a bomb|"
        "explosive device|molotov cocktail|hand grenade|sturmgewehr|"
        "fusil d'assaut|arma de fuego|arma da fuoco|枪支|炸弹",
        "gun|rifle|pistol|bullet|ammo|bomb|grenade|explosive|firearm|weapon|shotgun|waffe|arme|arma|pistole",
    ),
    "politics": (
        "presidential election|vote for|republican party|democratic party|left-wing|right-wing|prime minister|"
        "political party|election campaign|abortion law|gun control|immigration policy|bundestagswahl|wahlkampf|"
        "élection présidentielle|elecciones generales|partido político|elezioni politiche|总统选举",
        "election|senator|congress|president|politician|parliament|democrat|republican|conservative|liberal|vote|"
        "campaign|government|ballot|wahl|partei|élection|elección|elezione|eleição",
    ),
    "religion": (
        "jesus christ|the bible|the quran|holy spirit|islamic law|sharia|convert to|pray to god|allah|"
        "hinduism|buddhism|"
        "christianity|judaism|catholic church|gebet|la biblia|le coran|il corano|上帝|耶稣",
        "god|church|mosque|temple|prayer|faith|religion|priest|imam|rabbi|sin|salvation|gott|dieu|dios|dio|deus|kirche",
    ),
    "medical_advice": (
        "what dosage|should i take|stop taking my|symptoms of|side effects of|prescribe me|diagnose me|is it cancer|"
        "my blood pressure|antidepressants|antibiotics|chemotherapy|mg of|welche dosis|quelle dose|qué dosis|"
        "quale dose",
        "diagnosis|symptom|dose|medication|prescription|treatment|pill|doctor|disease|therapy|tablets|medikament|"
        "médicament|medicamento|farmaco|remédio",
    ),
    "legal_advice": (
        "can i sue|press charges|file a lawsuit|legal rights|restraining order|statute of limitations|custody of|"
        "am i liable|small claims court|breach of contract|power of attorney|verklagen|porter plainte|"
        "demandar a|fare causa",
        "lawyer|attorney|lawsuit|court|sue|liable|judge|legal|contract|divorce|anwalt|avocat|abogado|avvocato|advogado",
    ),
    "financial_advice": (
        "should i invest|stock tip|buy shares|which stocks|guaranteed return|day trading|options trading|"
        "retirement fund|"
        "short selling|penny stocks|index fund|aktien kaufen|acheter des actions|comprar acciones|comprare azioni|股票",
        "stock|invest|portfolio|dividend|shares|broker|bond|etf|trading|mortgage|aktie|bourse|bolsa|borsa|investir",
    ),
    "cryptocurrency": (
        "bitcoin|ethereum|crypto wallet|cryptocurrency|blockchain token|altcoin|dogecoin|nft drop|seed phrase|defi|"
        "stablecoin|kryptowährung|cryptomonnaie|criptomoneda|criptovaluta|criptomoeda|比特币|加密货币",
        "crypto|token|wallet|mining|coin|blockchain|btc|eth|nft|airdrop",
    ),
    "dating": (
        "tinder profile|pick-up line|one night stand|find a girlfriend|find a boyfriend|dating app|hook up with|"
        "ask her out|ask him out|partnersuche|site de rencontre|buscar pareja|incontri online|约会",
        "date|dating|girlfriend|boyfriend|flirt|romantic|crush|singles|kiss|tinder|bumble",
    ),
    "adult_content": (
        "porn|pornography|pornhub|onlyfans|escort service|sex toy|erotic story|strip club|nude photos|sexting|hentai|"
        "pornografie|pornographie|pornografía|pornografia|色情",
        "sex|nude|naked|erotic|xxx|nsfw|fetish|stripper|orgasm|nackt|nu|desnudo|nudo",
    ),
    "cheating": (
        "write my essay|do my homework|exam answers|bypass plagiarism|undetectable by turnitin|take my exam|"
        "answer key for|ghostwrite my thesis|hausaufgaben machen|fais mes devoirs|haz mi tarea|代写",
        "homework|essay|assignment|plagiarism|turnitin|exam|thesis|cheat|quiz",
    ),
    "hacking": (
        "sql injection|keylogger|ddos attack|crack the password|phishing page|ransomware|zero-day|brute force the|"
        "bypass the firewall|hack into|botnet|exploit kit|steal credentials|passwort knacken|pirater|hackear|黑客",
        "hack|exploit|malware|password|breach|backdoor|payload|phishing|trojan|spyware|virus",
    ),
    "extremism": (
        "white supremacy|ethnic cleansing|holy war|terrorist attack|islamic state|neo-nazi|great replacement|"
        "lone wolf attack|join isis|race war|heil hitler|sieg heil|rassenkrieg|suprématie blanche|supremacía blanca",
        "jihad|terrorist|nazi|supremacist|extremist|manifesto|caliphate|martyr|infidel",
    ),
}
TOPICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    topic: (tuple(sure.split("|")), tuple(faint.split("|"))) for topic, (sure, faint) in _SURE_AND_FAINT.items()
}
"""Topic -> phrases that are sure, words that are so beside another of the topic."""
