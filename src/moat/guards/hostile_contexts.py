"""Company in which hostile words count less, or that shows whom they mean: regular expressions, folded English."""

import re

THEM = re.compile(r"\b(?:they|them|their|themselves|these people|those people|this lot)\b")
UNWORTHY = re.compile(
    r"\b(?:(?:are|is|were|will|be|can|could) ?(?:not|n't|never|in no way|by no means)(?: be)?|aren't|isn't|never|"
    r"don't|do not|"
    r"doesn't|does not|no) (?:even |really |truly |ever )?(?:our |my |your |real |actual )?(?:equals?|human\w*|"
    r"people\b|"
    r"worth(?:y)?|deserv\w+|welcome|belong|normal|natural|smart|intelligent|capable|civili[sz]ed|trusted|place in|"
    r"right to (?:exist|live|vote|be)|rights|better than|good)\b|\bdeserves? (?:no|nothing|none|zero)\b"
)
"""What is denied to people whom one despises."""
SPOKEN_AGAINST = re.compile(
    r"\b(?:(?:don'?t|do not|never(?! (?:want|accept|tolerate))|stop|shouldn'?t|should not|nobody should|"
    r"no one should|wrong to|not ok(?:ay)? to|unacceptable|"
    r"offensive to|racist to|refuse to|how dare|people who|anyone who|someone who|if you|when (?:people|someone|you)|"
    r"to say|saying|says|said|claim\w*|called|calling|call|accus\w*|believ\w*|statement\w*|such as|"
    r"phrases?|slurs?|"
    r"the idea|the notion|hate speech|racism|racists?|sexism|bigots?|homophob\w*|myth|stereotyp\w*|discriminat\w*|"
    r"prejudic\w*|bullied|persecut\w*|condemn\w*|report\w*|research\w*|study|studies|survey|history|"
    r"historical|novel|film))\b"
)
DENIED = re.compile(
    r"\b(?:no|not|never|nobody|isn't|aren't|don't|opposite of|love|support|proud|respect|hate (?:that|when|how|it)"
    r"|(?:was|were|been|being|got|gets?) (?:\w+ )?(?:hurt|killed|attacked|beaten|murdered|raped|bullied|"
    r"abused|shot|stabbed|arrested"
    r"|treated|excluded|targeted|injured|executed|deported|lynched))\b"
)
HELP_AGAINST = re.compile(
    r"\b(?:prevent\w*|hotline|helpline|lifeline|988|samaritans|crisis line|awareness|"
    r"find help|get help|help (?:for|with) (?:a|my|our|the|someone|somebody|people)|(?:a|the|his|her) "
    r"patients?|patients|"
    r"psychiatr\w*|psycholog\w*|diagnos\w*|history of|clinic\w*|nurses?|admitted (?:to|for|after)|"
    r"(?:a|an?other) (?:friend|colleague|classmate|student|relative|neighbou?r|teenager)\b|"
    r"support(?:ing)? (?:for|group|someone)|therap\w+|"
    r"counsel\w+|survivor\w*|statistics|rates?|risk factors?|research\w*|stud(?:y|ies)|treat(?:ment|ing)|policy|squad|"
    r"my (?:friend|brother|sister|son|daughter|student)|warning signs|charity|memorial|novel|film|movie|"
    r"song|reported|police)\b"
)
TOLD = re.compile(
    r"\b(?:jury|guilty|verdict|reported|police|court|sentenced|arrested|convicted|investigat\w+|"
    r"news|victims? (?:of|were)|survivors? of|domestic (?:violence|abuse)|"
    r"killed in|according to|war|"
    r"history|historians?|century|museum|novel|film|movie|episode|game|character|documentary|prevent\w*|"
    r"condemn\w*|officials?|"
    r"authorities|suspects?|charged with|trial|prosecutors?|hospital|surgeons?|surgery|patients?|medical)\b"
)
FRIENDLY = re.compile(
    r"\b(?:not|n't|never|isn't|aren't|feel(?:ing)? (?:so )?|don't be|am i|i'm|i am|sorry|love you|lol jk)\b"
)
IDIOM = re.compile(
    r"\b(?:dead (?:tired|serious|to me|wrong|right|set|line|end|weight|code)|(?:kill\w*|poison|get rid of|stop) "
    r"(?:\w+ ){0,2}?(?:process\w*|time|tasks?|jobs?|threads?|weeds?|bacteria|ants?|mosquito\w*|servers?|"
    r"sessions?|programs?|"
    r"apps?|ports?|mold|germs|flies|lice|plants?|grass|trees?|zombies?|bill|aliens|monsters|enemies))\b|"
    r"\b(?:i'm|i am|my own|myself) (?:so |such an? |being |really |an? )*(?:stupid|dumb|idiot|moron|fool)|"
    r"\b(?:call of duty|minecraft|fortnite|gta|skyrim|world of warcraft|npcs?|video ?games?|game|level|boss|"
    r"straight sets|final score|semi-?finals?|playoffs?|scoreboard|on the pitch|"
    r"opponents?|rivals?|"
    r"the competition|chess|tennis|league|audience|punch ?line|exam|deadline)\b"
)
"""What sounds hostile and is not."""

CONDEMNED = re.compile(
    r"\b(?:bigot\w*|hateful|hate speech|racis[tm]s?|sexis[tm]s?|homophob\w*|transphob\w*|islamophob\w*|xenophob\w*|"
    r"anti-?semiti\w*|misogyn\w*|ableis[tm]|prejudiced?|discriminat\w*|offensive|hurtful|harmful|unacceptable|"
    r"inexcusable|disrespectful|(?:small|narrow)-?minded|no respect|los[te] (?:all |any |my )?respect|shame on|"
    r"how (?:dare|can|could) (?:you|he|she|they|anyone|people)|what makes (?:you|him|her|them|people)|"
    r"why (?:would|do|did) (?:you|he|she|they|people)|(?:not|isn't|never) (?:\w+ )?(?:ok|okay|cool|acceptable|funny)|"
    r"wrong to|(?:is|was|that's|it's) (?:\w+ )?wrong|stop (?:saying|calling|using|telling|writing)|"
    r"(?:don't|do not|never|shouldn't|should not|must not|mustn't|nobody should|no one should|can't|"
    r"cannot) (?:\w+ ){0,3}?"
    r"(?:say|saying|call|calling|use|using|write|writing|tell|telling|get away|(?:seriously|really) believe|"
    r"believe that)|banned|blocked|report|"
    r"reported|to court|sued?|prison|fired for|slurs?|bullied|apologi[sz]\w+|condemn\w*|denounc\w*|for calling|"
    r"accus\w+|myths?|stereotypes?)\b"
)
"""Somebody disapproves of what is said."""
_ACCUSED = (
    r"(?:criminals?|terrorists?|parasites?|vermin|scum|rats|monsters|enemies|thieves|liars|cowards|savages|perverts|"
    r"freaks|idiots|animals|sub-?humans?|inferior|stupid|dumb|ignorant|lazy|dirty|filthy|dangerous|disgusting|evil|"
    r"worthless|useless|weak|ugly|greedy|immoral|unnatural|barbaric|primitive|violent|sick|pathetic|stuck.up|"
    r"an? (?:disease|plague|threat|menace|joke|problem|burden|crime|sin|abomination))"
)
"""What hate says of a group: who denies that defends it. Who denies a group anything good does not."""
_HOSTILITY = (
    r"(?:hate|hatred|abuse|violence|attacks?|threats?|insults?|slurs?|harassment|bullying|cruelty|intolerance|bigotry|"
    r"prejudices?|discrimination|racism|sexism|homophobia|transphobia|islamophobia|xenophobia|anti-?semitism|misogyny)"
    r"(?![-\w])"
)
_MISTREATED = (
    r"(?:called|hurt|harmed|killed|murdered|raped|attacked|beaten|hated|abused|insulted|bullied|mistreated|excluded|"
    r"to (?:die|suffer)|treated (?:like|as|badly|worse|differently))"
)
REJECTED = re.compile(
    r"\b(?:(?:would|will|could|can|should|i|we|'d|'ll)(?: \w+)? never (?:have )?(?:said?|hurt|harm|hate|wish|call|"
    r"claim\w*|(?:think|thought|believe) (?:such|(?:that )?(?:\w+ ){1,4}?(?:are|is|were|was|should|must|deserves?))|"
    rf"(?:accept|tolerate|want) (?:(?:\w+ ){{0,3}}?{_HOSTILITY}|(?:\w+ ){{1,6}}?{_MISTREATED}))|"
    rf"(?:opposite of|far from|anything but|not at all) (?:being |all |just |an? |the )*{_ACCUSED}|"
    r"(?:no|nobody|no one|(?:don't|doesn't|didn't|(?:do|does|did) not))(?: \w+){0,3}? deserves? (?:to (?:die|suffer|be "
    r"(?:\w+ )?(?:killed|murdered|tortured|hurt|beaten|hated|abused|attacked|treated like|mistreated|punished|shot|"
    r"raped))|"
    r"this|that|it|such|abuse|hate|violence)|"
    rf"(?:aren't|isn't|(?:are|is) not) (?!just |only |merely |simply )(?:all |really )?(?:\w+ )?{_ACCUSED})\b"
)
"""What is said is denied."""
SAID = re.compile(
    r"\b(?:call(?:s|ed|ing)?|say(?:s|ing)?|said|writ(?:e|es|ing|ten)|wrote|tell(?:s|ing)?|told|believ\w+|claim\w*|"
    r"think(?:s|ing)? (?:that|it's)|statements?|messages?|comments?|phrases?|words?|things like|stuff like)\b"
)
QUOTED = re.compile(r"""(?<!\w)"[^"]{2,200}"|(?<!\w)'[^']{4,200}'(?!\w)""")
"""Folding makes most other marks one of these."""
_OWN_NAMES = (
    r"(?: (?:such|so|being|just|really|both|all|two|three|a|an|the|that|proud|to be|of being|"
    r"(?:bunch|couple|group|family) of|bad|baddest|prettiest))* "
    r"(?:fag(?:got)?s?|dykes?|queers?|trann(?:y|ies)|bitch(?:es)?|nigga[sz]?|sluts?|cripples?|whores?)\b"
)
OWN_NAME = re.compile(
    r"\b(?:(?:i'm|i am|i was|i feel|i felt|me|myself)(?: such| so| being| just| really| like)* (?:an? )?"
    r"(?:idiot|stupid|dumb|moron|fool|loser|clown|dumbass)\b"
    rf"|(?:i'm|i a(?:m|re)|we're|we are|we were|myself|ourselves|(?:i|we)(?: \w+)? love being|(?:my|our) proud|"
    r"(?:my|our|us|we) fellow)"
    rf"{_OWN_NAMES}|as{_OWN_NAMES}(?=,? (?:i|my|we|our)\b))"
)
"""Who calls himself or his own names insults nobody."""
