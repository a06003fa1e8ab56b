"""What words mean in many languages, as far as injections are concerned.

An attack in one language says what it says in another: who has learned that `ignore` near `instructions` and
`previous` is one in English knows it in twenty languages, if he knows these words there.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import combinations

from moat.guards.remembered import Remembered

_STEMS = {
    "ignore": """dikkate gormezden bosver ausser passe zanedbej pomin ohlednes bo
        ignor disregard forget forgot overlook overrid neglect discard vergiss vergess missacht unbeachtet
        oubli neglige olvid descart omit dimentic trascur tralasci esque desconsider negeer vergeet vergeten
        zignor zapomn pomin odrzuc lekcewaz игнорир проигнор забуд отброс пренебр ігнор відкин zapomen glom
        bortse strunta unut gormez yoksay abaikan lupakan quen 忽略 忘记 无视 忘掉 無視 忘れ 忽視 무시 잊고
        잊어 잊으 تجاهل انس اهمل نادیده فراموش अनदेखा भूल नज़रअंदाज़""",
    "previous": """previous prior above earlier preceding foregoing vorherig bisherig obig fruher vorangegang precedent
        anterieur anterior previ arriba precedent sopra acima vorige eerder bovenstaand poprzedn wczesniejsz
        powyzs предыдущ прежн выше ранее попередн вище predchozi puvodni tidigare foregaende ovan onceki
        yukari sebelumnya 之前 以前 以上 上面 先前 前述 上記 これ 今ま 이전 앞선 위의 지금 السابق اعلاه قبلی
        پیشین بالا पिछल ऊपर पहल""",
    "rule": """vorschrift weisung opdrachten yonlendirme direktif kurallar rozkaz wskazow polecen anweis hinweis
        instruct rule guideline directive command order policy policies anweisung instrukt regel vorgab
        befehl richtlin consign regle directiv instruc regla norma ordenes istruzion regol indicazion
        diretriz regra opdracht aanwijzing richtlijn bevel instrukc polecen zasad wytyczn инструкц правил
        указан команд приказ директив інструкц вказівк наказ pokyn pravidl prikaz anvisning talimat kural
        komut yonerge instruksi perintah aturan lenh 指令 指示 规则 命令 规定 準則 规约 ルー 規則 지시 명령
        규칙 지침 التعليم تعليم الاوامر اوامر القواعد قواعد قوانین دستور निर्देश नियम आदेश""",
    "limit": """restrict limit filter censor constraint beschrankung einschrankung filtre filtr contrainte restric
        limita censur restrizion vincol beperking ogranicz cenzur ограничен фильтр цензур обмежен omezen
        begransning kisitla filtre sansur batasan sensor 限制 过滤 审查 約束 制限 検閲 フィ 제한 필터 검열
        القيود قيود قید प्रतिबंध फ़िल्टर""",
    "without": """without ohne sans sin senza sem zonder bez без без utan siz suz tanpa 没有 不受 なし ない 없는 없이
        بلا دون بدون बिना""",
    "show": """affich kopier copia copie copy quote cite zitier gib gebe donne dame dammi paste wyswietl przepisz
        napisz pisz wypisz yazdir listele paylas skriv vypis vyjmenuj 写出 打印 复制 粘贴 书く 見せ 写し 적어 출력 써줘
        reveal show print display output repeat disclose leak recite dump expose zeig verrat wiederhol nenne
        montre affiche revele repete muestr revela repite imprime mostra stampa ripeti rivela mostre repita
        toon herhaal onthul pokaz podaj ujawnij powtorz wypisz покаж выведи повтор раскро виведи ukaz
        zopakuj visa upprepa goster tekrar tampilkan ulangi 显示 输出 重复 告诉 泄露 复述 公开 表示 教え
        出力 繰り 보여 출력 알려 반복 اظهر اعرض كرر اكشف نشان بگو दिखाओ बताओ दोहराओ""",
    "system": """system systeem systemow sistem systeme систем 系统 システ 시스 النظام نظام سیستم सिस्टम""",
    "prompt": """zachet sistemprompt nachricht message messaggio mensaje mensagem wiadomos сообщен повідомлен mesaj
        zprav meddelande bericht pesan 消息 メッ 메시 رسالة पیام संदेश
        prompt systemprompt eingabeaufforderung promp промпт 提示 プロ 프롬 موجه پرامپت प्रॉम्प्ट istem""",
    "secret": """secret password passphrase hidden confidential geheim passwort passwort kennwort motdepasse passe
        contrasena secreto segret password senha wachtwoord haslo tajn парол секрет тайн скрыт таємн heslo
        tajn losenord hemlig sifre gizli rahasia sandi mat 密码 秘密 隐藏 パス 隠さ 비밀 숨겨 سر السرية كلمة
        رمز गुप्त पासवर्ड""",
    "pretend": """pretend imagine roleplay act simulate persona stell spiel spielst tu imagine fais joue agis incarne
        finge actua comporta imagina finta agisci interpreta finja aja speel gedraag doe udawaj wyobraz
        zachowuj представ притвор веди играе роль уяви předst hraj spela lat hayal rol davran bayangkan
        berpura bertindak 扮演 假装 想象 假设 演じ ふり 想像 가정 상상 연기 역할 تخيل تظاهر تصرف تصور वानो
        कल्पना""",
    "nowon": """henceforth now ab jetzt nun sofort desormais dorenavant maintenant ahora adelante ora adesso agora
        nu voortaan teraz odtad теперь отныне тепер відтепер nyni hadanefter simdi artik sekarang 现在 从现
        今か これ 지금 이제 الان अब اکنون حالا""",
    "assistant": """ai ki ia gpt chatgpt dan assistant assistent asistente assistente asystent bot chatbot llm ассистент
        бот ии ші помічник yapay asisten 助手 模型 机器 アシ 비서 챗봇 مساعد روبوت ربات सहायक चैटबॉट""",
    "mode": """mode modus modo modalita tryb режим lage modu 模式 モー 모드 وضع मोड""",
    "master": """developer admin administrator creator root sudo entwickl ersteller developpeur createur
        desarrollador creador sviluppator creatore desenvolvedor criador ontwikkelaar beheerder maker tworc
        programist разработчик админ создател розробник tvurc utvecklare gelistirici yonetici yaratic
        pengembang 开发 管理 创造 開発 作成 개발 관리 만든 المطور المسؤول مطور صانع डेवलपर एडमिन""",
    "harm": """bomb hack meth weapon malware ransomware poison steal explosiv drogen drogue bombe bomba droga
        hackea pirate bommen narkotyk взлом бомб наркот бомбу зброя hackni hacka uyusturucu hackle narkoba
        meretas 炸弹 入侵 制毒 黑客 爆弾 薬物 乗っ 폭탄 해킹 마약 قنبلة تخترق مخدرات بمب هک बम हैक ड्रग्स""",
    "all": """all every everything any alle sammtlich alles tout toutes tous todo toda tutt todas alles wszystk
        все всё усі всі vsech vse alla allt tum butun her semua 所有 全部 一切 すべ 全て 모든 전부 جميع كل
        همه تمام सभी सब हर""",
    "new": """new neue nouveau nouvelle nueva nuevo nuov nova novo nieuw now nowe nowa нов новый нова nova ny yeni
        baru 新的 新しい 新し 새로 جديد جدید नया नए""",
    "task": """task aufgab tache tarea compit tarefa taak zadani задач завдан ukol uppgift gorev tugas 任务 タス
        仕事 작업 مهمة وظیفه काम""",
    "verbatim": """verbatim wortlich wort literal textual parola palabra palavra letterlijk woord doslown slowo дословн
        слово ordagrant kelime kata 一字 逐字 全文 そのま 全部 그대로 حرفيا كاملا शब्द""",
    "refuse": """refuse decline apologi verweiger refus niegu rechaz rifiut recus weiger odmawi отказ відмов odmit
        vagra reddet menolak 拒绝 拒否 거절 거부 ترفض मना""",
    "evil": """evil unethical immoral amoral bose mechant malefiqu malvad malvagi malvad kwaad zly злой злий zlo
        ond kotu jahat 邪恶 道德 悪の 倫理 사악 شرير بلااخلاق दुष्ट""",
    "send": """send forward upload email transfer schick sende envoie transfere envia reenvi invia inoltra envie
        encaminh stuur wyslij отправ перешл надішл posli skicka gonder kirim 发送 转发 送っ 転送 보내 전송
        ارسل ارسال भेज""",
    "user": """user customer nutzer benutzer kunde utilisateur usuario utente usuari gebruiker uzytkownik пользоват
        корист uzivatel anvandar kullanici pengguna 用户 客户 ユー 사용 المستخدم کاربر उपयोगकर्ता""",
}


_FIRST = frozenset({"ignore", "show", "pretend"})


class Concepts:
    """The concepts of words, by how these begin."""

    def __init__(self, read: Callable[[str], list[str]]) -> None:
        """`read`: from a text to words."""
        self._read = read

    @cached_property
    def _stems(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for concept, stems in _STEMS.items():
            for stem in stems.split():
                words = self._read(stem)
                if len(words) == 1:
                    found.setdefault(words[0], concept)
        return found

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._stems))

    @cached_property
    def _of(self) -> Callable[[str], str]:
        return Remembered(self._look_up).__getitem__

    def _look_up(self, word: str) -> str:
        for end in range(min(len(word), self._longest), 3, -1):
            if word[:end] in self._stems:
                return self._stems[word[:end]]
        return self._stems.get(word, "")

    def there(self, words: Iterable[str]) -> frozenset[str]:
        """The concepts in a piece of text."""
        return frozenset(map(self._of, words)) - {""}

    def marks(self, words: Iterable[str]) -> list[str]:
        """The concepts in a piece of text, which are there together, and what they are that an attack begins with."""
        return marks(self.there(words))


def marks(concepts: Iterable[str]) -> list[str]:
    """Features for a model of concepts that are in one piece of text."""
    there = sorted(concepts)
    found = [f"={concept}" for concept in there]
    found += [f"={one}={other}" for one, other in combinations(there, 2)]
    for first in _FIRST.intersection(there):
        found += [f"{first}:{one}={other}" for one, other in combinations(there, 2) if first not in (one, other)]
    return found
