"""Regular expressions for hostile speech, folded English: groups of people, and what is said of them.

The functions of hateful speech follow Röttger et al., HateCheck (ACL 2021).
"""

from moat.guards.hostile_harm import INSULTED, SELF_HARM, SEXUAL, THREAT, VIOLENCE

_GROUP = (
    r"(?:(?:(?:black|white|brown|asian|gay|trans|transgender|queer|disabled|jewish|muslim|arab|african|mexican|indian|"
    r"chinese|foreign|autistic|native|latino|hispanic|bisexual|lesbian|homosexual|deaf|blind|polish|"
    r"romani|turkish|pakistani|haitian|female|male|immigrant|refugee|minority) "
    r"(?:people|persons?|folks?|men|women|man|woman|kids|children|girls?|boys?|ppl|immigrants?|guys?|"
    r"community|race|lives)"
    r"|women|females|gays|lesbians|homosexuals|bisexuals|trannies|transgenders|transsexuals|blacks|whites|jews|muslims|"
    r"islamists?|christians|catholics|hindus|sikhs|buddhists|atheists|immigrants|migrants|refugees|foreigners|aliens|"
    r"mexicans|africans|asians|chinese|arabs|indians|pakistanis|latinos|hispanics|gypsies|roma|turks|poles|russians|"
    r"ukrainians|israelis|palestinians|americans|europeans|the disabled|disabled|cripples|retards|feminists|"
    r"homosexuality|islam|judaism|minorities|natives|aborigines|foreign workers|asylum seekers|illegals|the poor|"
    r"the homeless|homeless people|(?:old|poor|fat) (?:people|folks)|boomers|liberals|conservatives|"
    r"lgbtq?\w*|fags|faggots|dykes|niggers|niggas|kikes|"
    r"spics|chinks|pakis|ragheads|towelheads|wetbacks|trans|transes|bitches|whores|sluts))"
)
_ONE = (
    r"(?:(?:gay|black|white|jew|jewish|muslim|immigrant|refugee|foreigner|woman|female|trans|tranny|disabled|mexican|"
    r"arab|asian|african|indian|chinese|lesbian|queer|cripple|gypsy|migrant|homo|paki|nigger|faggot|dyke|"
    r"kike|spic|chink)"
    r"s?)"
)
_VILE = (
    r"(?:scum\w*|vermin|animals?|beasts?|parasites?|leech\w*|diseases?|diseased|cancer|plague|inferior|subhumans?|"
    r"disgust\w*|filth\w*|trash|garbage|dirt|dirty|stupid|dumb|idiots?|morons?|retard\w*|criminals?|"
    r"rapists?|thie(?:f|ves)|"
    r"lazy|evil|monkeys?|apes?|pigs?|rats?|roach\w*|cockroach\w*|insects?|worthless|useless|abominations?|burden|"
    r"freaks?|perverts?|pedo\w*|terrorists?|savages?|barbarians?|barbaric|mentally ill|sick|vile|gross|"
    r"ugly|weak|pathetic|"
    r"unnatural|sinful|sinners|immoral|immature|irrational|liars?|greedy|cheats?|cowards?|degenerates?|joke|problem|"
    r"curse|stain|drain|superior|master race|shit\w*|crap|assholes?|whores?|sluts?|bitch\w*|scams?|"
    r"not (?:human|people|welcome|equal|"
    r"normal|natural)|"
    r"lesser|less than|second.class|below (?:us|me|men)|beneath (?:us|me)|nothing (?:but|more than)|the worst|"
    r"monsters?|slaves?|enem(?:y|ies)|imposters?|infidels?|invaders?|thugs?|rapey|liability|menace|traitors?|"
    r"property|objects?|toys?|incapable|uncivili[sz]ed|primitive|brainless|horrible|terrible|awful|repulsive|toxic)"
)
_FATE = (
    r"(?:die|dead|be (?:\w+ )?(?:killed|shot|hanged|hung|lynched|gassed|exterminated|eradicated|wiped out|"
    r"burne?d|raped|beaten|"
    r"punished|eliminated|removed|deported|banned|locked up|jailed|castrated|sterili[sz]ed|silenced|executed|tortured|"
    r"destroyed|put down|slaughtered|stoned|sent (?:back|home|away)|kicked out|thrown out|drowned|cleansed|attacked|"
    r"abused|mocked|hated|forced)|rot|burn|suffer|disappear|leave (?:our|this|the)|go back|get out|stay (?:in the|out)|"
    r"not (?:be allowed|exist|have (?:\w+ )?rights|vote|breed|live)|never (?:be|have)|obey|shut up|know their place|"
    r"fuck off|hang|get (?:raped|shot|killed|cancer|beaten|lost))"
)
_MANY = r"(?:all (?:of )?|every |these |those |the |them |any |some |fucking |filthy |dirty |stupid |damn |most )*"
_KILL = (
    r"(?:kill|murder|exterminate|eradicate|wipe out|gas|shoot|lynch|deport|burn|hang|slaughter|rape|castrate|behead|"
    r"stab|strangle|choke|kick|eliminate|get rid of|annihilate|nuke|bomb|stone|purge|cleanse|attack|beat up|beat|hurt|"
    r"punish|destroy|drown|"
    r"execute|torture|sterili[sz]e|ban|silence|kick out|throw out|round up|run over)"
)
_BUT = r"[^.!?\n]{0,60}?"

_HATE = (
    rf"\b(?:hate|loathe|despise|detest|abhor|can(?:'?t|not) stand|sick of|tired of|disgusted by|"
    rf"fed up with|disgusts? me)"
    rf"(?: how)? {_MANY}{_GROUP}\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,3}}?(?:are|is|r|were|=|seem|act like|look like|behave like|always|make me|"
    rf"all|will always be)"
    rf"\b{_BUT}\b{_VILE}\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,3}}?(?:should|shouldn'?t|must|deserves?|ought|need|needs|have to|don'?t deserve|can) "
    rf"(?:to |all |just |really |simply |be |get )*{_FATE}"
    rf"|\b(?:{_GROUP}|{_ONE}) (?:cancer|plague|disease|scum|vermin|filth|trash|"
    rf"parasites?|invasion|"
    rf"invaders?|rats?|pigs?|dogs?|animals|savages?|degenera\w+|freaks?|mafia|agenda|menace|infestation)\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,2}}(?:don'?t|do not|doesn'?t) (?:deserve|belong|count|matter|"
    rf"have (?:a )?(?:right|soul|brain))"
    rf"|\b(?:let'?s|we (?:should|must|need to|have to|will)|i (?:will|want to|would|am going to|'?m gonna|gonna)|"
    rf"someone (?:should|needs to)|just|time to|go|please|everyone should|"
    rf"you should) (?:\w+ ){{0,2}}{_KILL} {_MANY}{_GROUP}\b"
    rf"|(?:^|[.!?,;:\n] ?){_KILL} {_MANY}{_GROUP}\b"
    rf"|\b(?:death to|down with|fuck|screw|to hell with|no more|stop the|get rid of) {_MANY}{_GROUP}\b"
    rf"|\b(?:fucking|filthy|dirty|stupid|disgusting|damn|greedy|lazy|nasty|dumb|worthless|ugly|goddamn|evil) (?:\w+ )?"
    rf"(?:{_GROUP}|{_ONE})\b"
    rf"|\byou(?:'re| are|r)? (?:just |nothing but |such |all |fucking )*(?:a |an )?(?:\w+ )?{_ONE} "
    rf"(?:piece|scum|trash|pig|dog|rat|bitch|bastard|shit|fuck|cunt|whore|parasite)"
    rf"|\b(?:world|country|place|society|we)\b[^.!?\n]{{0,30}}\b(?:better|off|safer|"
    rf"cleaner) (?:off )?without {_MANY}{_GROUP}\b"
    rf"|\b(?:only good {_ONE}|only good {_GROUP}) is\b|\b{_GROUP}\b[^.!?\n]{{0,60}}\b(?:wiped off|(?:breed|"
    rf"multiply) like|live off|leech\w*|"
    rf"behind (?:every|all)|run the (?:world|media|banks))"
    rf"|\bsend (?:every|all|them|those|these) (?:\w+ ){{0,2}}?(?:{_GROUP}|{_ONE}) (?:home|back|packing)"
    rf"|\b(?:women|woman|wives|girls|females) belongs? (?:to|(?:in|at) (?:the |a )?(?:kitchen|home|house|bed\w*|"
    rf"harem))\b"
    rf"|\bi (?:want|hope|wish|pray|would love|'?d love)\b[^.!?\n]{{0,20}} {_MANY}{_GROUP} (?:to |would |"
    rf"will |all |just |get )*"
    rf"(?:die|dead|suffer|disappear|burn|rot|cancer|killed|raped|gone)"
)
_WHO = rf"(?:{_GROUP}|(?:an?|any|every|that|this|another|one more) {_ONE}(?: person| man| woman| guy| kid)?)"
_BEAST = (
    r"(?:rats?|pigs?|dogs?|apes?|monkeys?|cockroach(?:es)?|vermin|parasites?|animals?|insects?|maggots|leeches|lice)"
)
_PLACE = (
    r"(?:a |an |the |our |their )*(?:zoos?|cages?|prisons?|jail|camps?|gutters?|ovens?|jungle|trees?|kitchen|graves?|"
    r"hell|"
    r"ghettos?|dump|landfill|asylums?|closet|stone age)"
)
_HATE_WISHED = (
    rf"\b(?:i|we)(?:'d| would)? (?:wish|hope|want|love|like|pray|can'?t wait)\b[^.!?\n]{{0,30}} {_MANY}{_GROUP}\b"
    r"[^.!?\n]{0,40}\b(?:shot|suffer|die|dead|dying|hang|hanged|burn|killed|gone|bleed|rot|raped|tortured|drown|"
    r"gassed)\b"
    rf"|\b(?:allowed to|(?:il)?legal to|ready to|fun to|about to|have to|going to|gonna|want to) (?:\w+ )?{_KILL} "
    rf"{_MANY}{_WHO}(?:'s (?:life|lives|neck|head|throat))?\b"
    rf"|\b(?:no|zero|not (?:any|the slightest)) (?:compassion|sympathy|empathy|mercy|pity|respect|"
    rf"tolerance)\b[^.!?\n]{{0,20}}"
    rf"\b(?:for|with) {_MANY}{_WHO}\b"
    rf"|\b(?:let'?s|we (?:should|must|need to|have to|will|could|can)|(?:should|must) (?:all )?be|time to|please|just|"
    rf"simply|start(?:ed)?|why don'?t we|want to|gonna|would (?:\w+ )?be best to) (?:\w+ )?{_KILL}(?:ed|ing)? "
    rf"(?:(?:all|every|every (?:last |single )?one|each|most|the lot) )?(?:of )?(?:these|those|them|'em)\b"
    rf"|\b(?:stop|end|halt|no more|against) (?:\w+ )?(?:muslim|islamic|african|mexican|black|arab|jewish|third.world|"
    rf"non-?white|asian|indian) (?:immigration|migration|invasion|immigrants|migrants|refugees)\b"
)
_HATE_DENIED = (
    rf"\b(?:don'?t|do not|never) want (?:(?:any|more|another|to see|to live (?:near|with)) )*(?:of )?{_MANY}{_GROUP} "
    rf"(?:here|near|around|living|next|in (?:my|our|this)|at (?:my|our)|to (?:move|live|come))\b|"
    rf"\bno (?:place|space|room|future|home|need|use) [^.!?\n]{{0,40}}\bfor {_MANY}(?:any |an? )?{_GROUP}\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,2}}?(?:have|has|are of) (?:absolutely |literally )?no (?:\w+ )?(?:place|rights?|value|"
    rf"worth|"
    rf"soul|business|dignity|brains?|honou?r|morals?|future|use)\b"
    rf"|\b(?:{_GROUP}|{_ONE}|female|male|your \w+) lives (?:\w+ ){{0,2}}?(?:have no|mean nothing|matter less|"
    rf"are (?:worth(?:less| less| nothing| "
    rf"shit)|meaningless|nothing)|(?:aren'?t|are not) worth (?:\w+ )?(?:anything|living|saving|shit|much|protecting)|"
    rf"(?:don'?t|do not|should(?:n'?t| not)) (?:be )?(?:matter|count|important|valued?))\b"
    rf"|\brights\b[^.!?\n]{{0,20}}\b(?:not|never|n'?t) (?:\w+ ){{0,2}}?(?:apply|extend|be (?:given|granted)|belong|"
    rf"count)"
    rf"\b[^.!?\n]{{0,20}} {_GROUP}\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,2}}?belongs? (?:in|at|on|behind|under|back in) {_PLACE}\b"
    rf"|\b{_GROUP} (?:\w+ ){{0,2}}?(?:can'?t|cannot|can not|can never|never|will never|won'?t ever) (?:\w+ ){{0,2}}?"
    rf"(?:help themselves|change|be (?:trusted|civili[sz]ed|equal|like us|valuable|\w+ valuable)|control themselves|"
    rf"assimilate|integrate)\b"
    rf"|\b(?:white(?:s| people| man| men| race)|aryans?) (?:are|is|will be) (?:\w+ ){{0,4}}?(?:superior|better than|"
    rf"above)\b"
)
_HATE_FELT = (
    rf"\b(?:i|my|me|we)\b[^.!?\n]{{0,40}}\b(?:hatred|disgust|contempt|scorn|disdain|rage|anger|"
    rf"loathing) [^.!?\n]{{0,30}}"
    rf"\b(?:for|at|against|towards?|of) {_MANY}(?:you )?{_GROUP}\b"
    rf"|\b{_GROUP}\b[^.!?\n]{{0,50}}\b(?:makes?|making|made|fills?) (?:me|us) (?:\w+ ){{0,3}}?(?:sick|puke|vomit|boil|"
    rf"gag|"
    rf"rage|furious|anger|disgust|hatred)\b"
    rf"|\b(?:no better than|same as|worse than|difference between|no different (?:from|to)|"
    rf"lower than) (?:\w+ ){{0,3}}?{_BEAST}"
    rf"\b[^.!?\n]{{0,40}} {_GROUP}\b"
    rf"|\b{_GROUP}\b[^.!?\n]{{0,40}}\b(?:no better|worse|lower|dumber|nothing more|no different) (?:than|from|to) "
    rf"(?:\w+ ){{0,3}}?{_BEAST}\b"
)
_HATE_UNNAMED = (
    r"\b(?:lgbt\w*|islamic|zionist) (?:cancer|plague|disease|scum|vermin|filth|trash|parasites?|invasion|invaders?|"
    r"rats?|"
    r"pigs?|dogs?|animals|savages?|degenera\w+|freaks?|mafia|agenda|menace|infestation)\b"
    r"|\bone.way tickets? (?:back )?to\b|\bback (?:home )?to (?:africa|the jungle|the desert|the middle east|"
    r"your cave)\b"
    r"|\bgo back to (?:your|their|africa|mexico|china|the jungle|where (?:you|they) c[ao]me)"
    r"|\b(?:white|aryan) (?:power|pride worldwide|genocide)\b|\b(?:heil|sieg) h(?:itler|eil)\b|\b14 ?88\b|"
    r"\bgas chambers? (?:for|now)"
    r"|\b(?:(?:those|these|such|that kind of|their|your) (?:people|kind|lot|sort|tribe)|people (?:from|of|like|who) "
    r"[^.!?\n]{1,40}?) (?:are|is) (?:\w+ ){0,3}?(?:vermin|sub-?humans?|cockroaches|parasites|scum|filth|animals|rats|"
    r"savages|untermenschen|leeches|maggots|lice|(?:a|the) (?:plague|disease|cancer|pest|virus) (?:on|to|of) "
    r"(?:our|the|this|"
    r"society|humanity))\b"
    r"|\b(?:hitler|the nazis|the ss) (?:was right|were right|had the right idea|did nothing wrong|"
    r"(?:should|could|would) have (?:finished|won|killed|gassed|got))|\bsix million wasn'?t|\bholohoax|\brace "
    r"(?:traitor|mixing)|\bjew(?:s|"
    r"ish)? (?:control|own|run|did|lies?)\b"
)
"""Hate that names no group, or hides its name."""
AT_THEM = (
    rf"\b{_GROUP} (?:like you|are all|always)\b|\b(?:those|these|you|every single|all(?: of)?(?: the|"
    rf" those| these)?) {_GROUP}\b"
)
"""The group is spoken to, or pointed at."""
GROUP_NAMED = rf"\b(?:{_GROUP}|{_ONE})\b|\b(?:women|woman|female|girls?)(?:'s)?\b"
PEOPLE = rf"\b(?:{_GROUP}|(?:these|those|them|they|their|you|every|all|the|a|an) {_ONE})\b"
HOSTILE = (
    rf"\b(?:{_VILE}|{_KILL}(?:ed|ing)?|hat(?:e|es|ed|red)|loath\w*|despis\w*|detest\w*|abhor\w*|disdain|contempt|"
    r"furious|rage|repuls\w*|repugnan\w*|sicken\w*|despicable|appall\w*|rap(?:e|ed|ing)|murder\w*|execut\w*|"
    r"slaughter\w*|eradicat\w*|exterminat\w*|strangl\w*|tortur\w*|lynch\w*|infest\w*|swarms?|invad\w*|invasion|"
    r"lesser|virus|pests?|revolting|waste of|hatred|no compassion|lift a finger|nothing worse|typical|"
    r"worth (?:absolutely )?nothing|not worth|aren't worth|worthy|zoo|cruel|violent|"
    r"dumbest|dead|die|dies|dying|suffer\w*|beat(?:en|ing)?|pissing me off|bastards?|pricks?|fucked|"
    r"fuck(?:er|ers|ing)?|"
    r"bullshit|dumbass|scumbags?|hang(?:ed)?|deport\w*|kick(?:ed)? out|ruin\w*|destroy\w*|brainwash\w*|control the|"
    r"would rather (?:die|have)|i'd rather|can'?t trust|never trust|arrogant|ignorant|dangerous|danger|threat to|"
    r"lesser beings?|stupidest|the (?:absolute |very )?worst|dumped|landfill|cages?|caged|necks?|throats?|angry|anger|"
    r"piss(?:es|ed)? (?:me )?off|sick of|(?:make|makes|making) me sick|going to make them|won't let them|"
    r"too many|take over|taking over|get out|go back|send (?:them|back)|put an end to|not (?:real|equal|human))\b"
)
UNFRIENDLY_WORDS = (
    r"\b(?:bad|wrong|shame\w*|blam\w+|steal\w*|stole|stolen|theft|crimes?|criminals?|lies|lying|liars?|problems?|"
    r"hoax\w*|"
    r"conspir\w*|agendas?|propaganda|fakes?|weird\w*|annoy\w*|losers?|jokes?|fail\w*|uneducated|illiterate|welfare|"
    r"illegals?|"
    r"gangs?|smell\w*|stink\w*|stench|cowards?|traitors?|enem(?:y|ies)|invad\w*|replac\w+|breed\w*|overrun|flood\w*|"
    r"mongrels?|"
    r"inbred|genes|genetic\w*|iq|superior|pure|purity|race|imposters?|infidels?|nonsense|ridiculous|hypocrit\w*|"
    r"demand\w*|"
    r"complain\w*|whin\w*|cry|crying|privilege\w*|never|nothing|none|can'?t|cannot|won'?t|don'?t|shouldn'?t|doesn'?t)\b"
)
"""What is said in anger, and of much else."""

SOURCES = {
    "hate": _HATE_UNNAMED,
    "threat": THREAT,
    "self_harm": SELF_HARM,
    "violence": VIOLENCE,
    "insult": INSULTED,
    "sexual": SEXUAL,
}
GROUPED = (
    ("hate", _HATE),
    ("hate", _HATE_WISHED),
    ("hate", _HATE_DENIED),
    ("hate", _HATE_FELT),
    ("group", GROUP_NAMED),
)
"""What is only there where a group is named. In one pattern they would be too much for RE2 to be quick."""
WRITTEN = " ".join((*SOURCES.values(), *(source for _, source in GROUPED), HOSTILE))
"""All of it, for whoever wants the words."""
