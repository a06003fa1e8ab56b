"""Does a text begin like a refusal?"""

import re

HEAD = 300
"""Refusals come first: only the first characters are searched, so that "you can't return it after 14 days"
at the end of a helpful answer is none."""

_ADVERBS = r"(?:in good conscience |(?!wait |stop |thank )(?:\w+ ){0,2})"
"""Whoever cannot wait to share refuses nothing."""
_DO = (
    r"(?:help(?:ing)?|assist(?:ing)?|comply(?:ing)?|provid(?:e|ing)|role-?play(?:ing)?|giv(?:e|ing)|answer(?:ing)?|do|shar(?:e|ing)|discuss(?:ing)?|recommend|advise|support"
    r"|fulfil+|continue|tell|reveal|follow|ignore|engage|creat(?:e|ing)|writ(?:e|ing)|say|speak|make|offer|disclose"
    r"|comment|access|generat(?:e|ing)|produc(?:e|ing)|speculate|override|bypass|process this|look up|take part"
    r"|participate|pretend|impersonate|respond)"
)
_NEGATED = (
    r"(?:cannot|can't|can not|could not|couldn't|should not|shouldn't|won't|will not|wouldn't|would not"
    r"|(?:(?:am|are)(?: still)?|'m|'re) (?:unable to|not (?:able to|allowed to|permitted to|authori[sz]ed to|going to"
    r"|designed to|in a position to|prepared to|willing to|comfortable(?: with)?))"
    r"|(?:am|'m) programmed not to|(?:am|'m) (?:prohibited|forbidden|prevented|barred) from"
    r"|do(?:n't| not) (?:think i should|feel comfortable(?: with)?|have (?:the ability|the authority|permission) to)"
    r"|have no (?:permission|authority) to)"
)
_MATTER = r"(?:advice|opinions?|information|details|data|instructions|recommendations|diagnos[ie]s|questions|matters)"
REFUSAL = re.compile(
    # the one who speaks cannot, may not or will not do something for whoever asks
    rf"\bi ?{_NEGATED} {_ADVERBS}{_DO}\b"
    r"(?! (?:but|it (?:on|fluently|well|through|without)|\w+(?: \w+)? (?:highly )?enough)\b)"
    rf"|\b(?:we|our team|this assistant) ?{_NEGATED} {_ADVERBS}"
    rf"(?:(?:help|assist|comply|comment|advise|discuss|disclose|answer|speculate|reveal)\b"
    rf"|(?:provide|give|offer|share) (?:\w+ ){{0,3}}{_MATTER})"
    r"|\bi(?: can only|(?:'m| am) only able to) (?:help|assist|answer|talk|discuss|respond|speak)\b"
    rf"|(?:^|[.!?,;:] *)(?:cannot|can't|unable to) {_DO}\b"
    r"|\bi(?:'m| am) (?:prohibited|forbidden|barred) from\b"
    r"|\bi (?:do not|don't|would not|wouldn't) feel comfortable (?:with )?\w+ing\b"
    r"|\bi (?:do not|don't) (?:\w+ )?(?:provide|give|offer|share|discuss|assist|engage|create|generate|produce)\b"
    rf"|\bwe (?:do not|don't) (?:provide|give|offer|share|discuss) (?:\w+ ){{0,3}}{_MATTER}\b"
    # in so many words
    r"|\bi(?:'d| would| will|'ll)? ?(?:must|have to|need to|am going to have to|going to have to|'m going to have to"
    r"|will have to)? ?(?:respectfully )?(?:decline|refuse)(?: to | this| that| your| the request|[.:,;]|$)"
    r"|\bi (?:must|have to|need to|will have to) (?:\w+ )?(?:decline|refuse|say no|pass on)\b"
    r"|\bgoing to have to (?:say no|decline|refuse|pass)\b|\bi(?:'d| would) rather not\b"
    r"|\bsorry,? (?:but )?no[.,!]|\bno way (?:that )?i can\b"
    r"|\bi wish i could (?:help|assist)|\bi(?:'d| would) (?:love|like) to (?:help|assist),? but\b"
    # it is not theirs to do
    r"|(?:\bnot|n't) something (?:that )?(?:i|we)(?: |')"
    r"|\boutside (?:of )?(?:my|our|what (?:i|we))\b|\b(?:beyond|out of) my (?:scope|remit|role)\b"
    r"|\bagainst (?:my|our) (?:\w+ )?(?:guidelines|polic(?:y|ies)|rules|principles)|\bagainst what i(?:'m| am) able\b"
    r"|\bviolates? (?:my|our) (?:\w+ )?(?:guidelines|polic(?:y|ies)|rules)"
    r"|\b(?:my|our) (?:\w+ )?(?:guidelines|polic(?:y|ies)|rules|programming) "
    r"(?:(?:do not|don't|does not|doesn't) (?:allow|permit|let)|prevents?|forbids?|prohibits?) (?:me|us)\b"
    r"|\bwould be (?:inappropriate|unethical|irresponsible|wrong|unsafe|dangerous) (?:for me )?to\b"
    r"|\bi(?:'m| am) not (?:a lawyer|a doctor|a physician|a financial advis[oe]r|qualified)"
)
ELSEWHERE = re.compile(
    # German
    r"\b(?:das )?kann ich (?:\w+ ){0,4}(?:nicht|keine?n?)\b|\bich (?:kann|darf|werde) (?:\w+ ){0,4}(?:nicht|keine?n?)\b"
    r" (?:\w+ ){0,5}(?:helfen|weiterhelfen|beantworten|geben|erstellen|schreiben|unterstützen|anbieten|teilen|sagen)"
    r"|\btut mir (?:sehr )?leid, (?:aber )?(?:ich|das|da(?:bei|mit)|diese)\b"
    # French
    r"|\bje (?:ne (?:peux|puis|suis)|n'ai) (?:pas|malheureusement pas) (?:\w+ ){0,3}"
    r"(?:aider|vous|répondre|fournir|donner|créer|écrire|en mesure|autorisée?|le droit|partager|divulguer|accéder)"
    r"|\bdésolée?,? (?:mais )?je ne (?:peux|puis|suis)\b"
    # Spanish, Portuguese, Italian
    r"|\b(?:lo siento|disculpa|perdón|lamento),? (?:pero )?no (?:puedo|estoy|me es posible)\b"
    r"|\bno puedo (?:\w+ ){0,2}(?:ayudar|proporcionar|responder|compartir|crear|escribir|cumplir|dar)"
    r"|\b(?:desculpe|sinto muito|lamento),? (?:mas )?(?:eu )?não (?:posso|consigo|estou)\b"
    r"|\bnão posso (?:\w+ ){0,2}(?:ajudar|fornecer|responder|compartilhar|partilhar|criar|escrever|dar)"
    r"|\b(?:mi dispiace|spiacente),? (?:ma )?non (?:posso|sono)\b"
    r"|\bnon posso (?:\w+ ){0,2}(?:aiutar|fornir|risponder|condivider|crear|scriver|dar)"
    # Dutch, Polish, Russian, Turkish
    r"|\b(?:het spijt me|sorry),? (?:maar )?(?:ik|daar) kan\b|\bik kan (?:\w+ ){0,3}(?:niet|geen) (?:\w+ ){0,4}"
    r"(?:helpen|geven|beantwoorden|schrijven|maken|delen)"
    r"|\b(?:przepraszam|przykro mi),? (?:ale )?nie (?:mogę|jestem)\b"
    r"|\bnie mogę (?:\w+ ){0,2}(?:pomóc|udzielić|podać|napisać)"
    r"|\b(?:извините|простите|к сожалению|сожалею),? (?:но )?я не (?:могу|имею|в состоянии)"
    r"|\bя не могу (?:\w+ ){0,3}(?:помочь|предоставить|ответить|выполнить|написать|поделиться)"
    r"|\b(?:üzgünüm|maalesef),? (?:\w+ ){0,8}(?:yardımcı olamam|yapamam|veremem|edemem|sağlayamam)"
    # Chinese, Japanese, Korean, Arabic, Hindi
    r"|(?:抱歉|对不起|對不起|不好意思)[^。!?！？]{0,12}(?:不能|无法|無法|不可以|沒辦法|没办法)|我(?:不能|无法|無法)(?:协助|提供|回答|帮助|幫助|满足)"
    r"|(?:申し訳|すみません|恐れ入り|ごめん)[^!?！？]{0,60}(?:できません|できかねます|いたしかねます|お答えでき|お手伝いでき)"
    r"|(?:죄송|미안)[^.!?]{0,60}(?:수 없|어렵|못)"
    r"|(?:عذرا|عذرًا|آسف|أعتذر|للأسف)[^.!؟]{0,40}(?:لا (?:أستطيع|يمكنني)|لا أقدر)"
    r"|لا (?:أستطيع|يمكنني) (?:مساعدت|تقديم|الإجابة)"
    r"|(?:क्षमा|माफ|खेद)[^।!?]{0,60}(?:नहीं (?:कर|दे) सकत|असमर्थ)"
)
"""The openings that models use elsewhere; fewer than in English."""
QUOTED = re.compile(r'"[^"\n]*"|“[^”\n]*”|«[^»\n]*»')


def refuses(text: str) -> bool:
    """Does a text begin like a refusal? English phrases, and the usual openings in other languages; typographic
    apostrophes are understood, and what stands in quotation marks is somebody else's.
    """
    head = text[:HEAD].casefold().replace("\u2019", "'")
    own = QUOTED.sub(" ", head)
    if not any(map(str.isalpha, own)):
        own = head.strip('"“”«» ')
    return REFUSAL.search(own) is not None or ELSEWHERE.search(own) is not None
