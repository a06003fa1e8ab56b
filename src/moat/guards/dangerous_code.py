r"""Patterns of dangerous code by category, for RE2 (linear time). Each list: what is sure, and what is only suspicious.

Spaces of a shell may be written `${IFS}`. All patterns ignore case.
"""

from functools import cache

from moat.guards.patterns import Pattern

_S = r"(?:[\s]|\$\{?IFS\}?(?:\$\d)?){1,8}"
_REST = r"[^\n;|&]{0,120}"
_FETCH = r"(?:curl|wget|fetch|iwr|irm|invoke-webrequest|invoke-restmethod|lwp-download|aria2c)"
_SHELL = (
    r"(?:(?:sudo|env|nohup|busybox)\s{1,4})?(?:/(?:usr/)?bin/)?(?:ba|z|k|da|a|c|tc|fi)?sh\b"
    r"|python[\d.]*\b|perl\b|ruby\b|node\b|php\b|iex\b|powershell\b|pwsh\b"
)

_SURE: dict[str, tuple[str, ...]] = {
    "destruction": (
        rf"\brm{_S}(?:-{{1,2}}[\w-]+(?:=\w+)?{_S})*(?:-\w*[rf]\w*|--recursive|--force){_S}(?:-{{1,2}}[\w-]+{_S})*"
        r"[\"']?(?:/(?:\*|\s|\"|'|$|bin|boot|dev|etc|home|lib\w*|opt|root|sbin|srv|sys|usr|var)|~|\$HOME|\$\{HOME|\*|\.\.?(?:\s|$|/\*))",
        r"--no-preserve-root",
        rf"\bmkfs(?:\.\w+)?{_S}{_REST}/dev/",
        rf"\bdd{_S}{_REST}\bof=/dev/(?:sd|hd|nvme|vd|xvd|mmcblk|disk)",
        r">\s{0,4}/dev/(?:sd|hd|nvme|vd|xvd|mmcblk)\w",
        r":\s{0,2}\(\s{0,2}\)\s{0,2}\{\s{0,2}:\s{0,2}\|\s{0,2}:\s{0,2}&\s{0,2}\}",
        rf"\b(?:shred|wipefs|blkdiscard|sgdisk{_S}--zap-all){_S}{_REST}/dev/",
        rf"\bchmod{_S}(?:-\w+{_S})*(?:-R{_S})?0?777{_S}/(?:\s|$|etc|usr|bin|var)",
        rf"\bmv{_S}(?:/|~|/home){_S}/dev/null",
        rf"\b(?:format|diskpart){_S}[a-z]:{_S}{_REST}/[qyx]\b",
        rf"\b(?:del|erase){_S}(?:/\w{_S}){{1,5}}[\"']?(?:c:\\|\*|%(?:systemroot|userprofile|systemdrive)%)",
        rf"\b(?:rd|rmdir){_S}(?:/\w{_S}){{1,3}}[\"']?(?:c:\\|%)",
        rf"\bremove-item\b{_REST}(?:-recurse\b{_REST}-force|-force\b{_REST}-recurse){_REST}",
        r"\bvssadmin(?:\.exe)?\s{1,4}delete\s{1,4}shadows|\bwbadmin\s{1,4}delete|\bcipher\s{1,4}/w:",
        r"\bshutil\.rmtree\(\s{0,4}[rf]?[\"'](?:/|~|[a-z]:\\|\.\.)",
        rf"\bfind{_S}/\S{{0,40}}{_S}{_REST}(?:-delete\b|-exec{_S}rm\b)",
        rf"\bkubectl{_S}delete{_S}{_REST}(?:--all\b|namespaces?\b)|\bterraform{_S}destroy{_S}{_REST}-auto-approve",
        rf"\bgit{_S}push{_S}{_REST}--(?:force\b|mirror\b|delete){_REST}\b(?:main|master)\b",
        rf"\baws{_S}s3{_S}(?:rb{_S}{_REST}--force|rm{_S}{_REST}--recursive)",
        rf"\bdocker{_S}system{_S}prune{_S}{_REST}-\w*a",
    ),
    "remote_code": (
        rf"\b{_FETCH}\b[^\n]{{0,400}}\|\s{{0,4}}(?:{_SHELL})",
        rf"(?:{_SHELL})[^\n]{{0,40}}(?:<\(|\$\(|`)\s{{0,4}}{_FETCH}\b",
        rf"\b(?:eval|source|exec)\b[^\n]{{0,20}}(?:\$\(|`|<\()\s{{0,4}}{_FETCH}\b",
        r"\biex\b\s{0,4}\(?[^\n]{0,80}(?:downloadstring|invoke-webrequest|iwr\b|irm\b)|\bdownloadstring\([^\n]{0,300}\|\s{0,4}iex",
        r"\b(?:exec|eval)\(\s{0,4}(?:compile\(\s{0,4})?[^\n]{0,60}(?:requests\.get|urlopen|urllib|httpx?\.get|fetch)\b",
        rf"\b{_FETCH}\b[^\n]{{0,300}}(?:&&|;)\s{{0,4}}(?:sudo\s{{1,4}})?(?:chmod\s{{1,4}}\S{{0,12}}x\S{{0,12}}\s|(?:ba|z)?sh\s{{1,4}}\S)",
        r"\b(?:mshta|regsvr32|rundll32|certutil|bitsadmin)(?:\.exe)?\b[^\n]{0,120}https?://",
    ),
    "reverse_shell": (
        r"/dev/(?:tcp|udp)/[\w.$\{\}-]{1,60}/[\w$\{\}]{1,20}",
        r"\b(?:nc|ncat|netcat)(?:\.\w+)?\b[^\n]{0,60}\s-\w{0,4}[ec]\b\s{0,4}\S{0,20}(?:sh|cmd|powershell)",
        r"\bmkfifo\b[^\n]{0,160}\b(?:nc|ncat|netcat|telnet|openssl)\b",
        r"\bsocat\b[^\n]{0,160}\bexec:",
        r"\bos\.dup2\(\s{0,4}\w{1,20}\.fileno\(\)",
        r"\bpty\.spawn\(|\bfsockopen\([^\n]{0,200}\b(?:exec|proc_open|shell_exec|system)\(",
        r"\bnew-object\s{1,4}(?:system\.)?net\.sockets\.tcpclient",
        r"\bsocket\.socket\([^\n]{0,200}\bsubprocess\.(?:call|popen|run)\(",
    ),
    "sql_destruction": (
        r"\bdrop\s{1,8}(?:database|schema)\s{1,8}(?:if\s{1,4}exists\s{1,4})?[\w\"'`\[.]",
        r"\bdrop\s{1,8}table\s{1,8}(?:if\s{1,4}exists\s{1,4})?[\w\"'`\[.]{1,80}",
        r"\btruncate\s{1,8}(?:table\s{1,8})?[\w\"'`\[\].]{1,80}\s{0,4}(?:[;\"'})]|$|restart|cascade)",
        r"\bdelete\s{1,8}from\s{1,8}[\w\"'`\[\].]{1,80}\s{0,8}(?:[;\"'})]|$|where\s{1,4}(?:1\s{0,2}=\s{0,2}1|true)\b)",
        r"\bupdate\s{1,8}[\w\"'`\[\].]{1,80}\s{1,8}set\s{1,8}[\w\"'`\[\].]{1,80}\s{0,4}=\s{0,4}(?:'[^'\n]{0,80}'|[\w.+-]{1,40})\s{0,4}(?:[;\"})]|$)",
        r"\bdb\.\w{1,40}\.(?:drop|remove|deletemany)\(\s{0,4}(?:\{\s{0,4}\}\s{0,4})?\)|\bdropdatabase\(\)|\bflushall\b",
        r"\balter\s{1,8}table\s{1,8}[\w\"'`\[\].]{1,80}\s{1,8}drop\s{1,8}(?:column|constraint)",
    ),
    "sql_access": (
        r"\bgrant\s{1,8}all\b[^\n;]{0,80}\bto\b|\bxp_cmdshell\b|\bsp_oacreate\b|\binto\s{1,8}(?:out|dump)file\b|\bload_file\(",
        r"\bcopy\s{1,8}[\w\"(][^\n;]{0,120}\b(?:to|from)\s{1,4}program\b|\bpg_read_(?:binary_)?file\(|\blo_import\(",
        r"'\s{0,4}or\s{1,4}(?:'?1'?\s{0,2}=\s{0,2}'?1|'[^'\n]{0,20}'\s{0,2}=\s{0,2}'[^'\n]{0,20})|\bunion\s{1,8}(?:all\s{1,8})?select\b[^\n;]{0,200}\bfrom\s{1,8}(?:information_schema|mysql\.user|pg_shadow|sqlite_master|users)\b",
        r";\s{0,4}(?:drop|truncate|delete|shutdown)\b[^\n;]{0,120}--",
    ),
    "injection": (
        r"\bpickle\.loads?\(|\bmarshal\.loads\(|\bshelve\.open\(\s{0,4}(?:request|input|argv|sys\.)",
        r"\b(?:eval|exec)\(\s{0,4}(?:input\(|request\.|req\.|sys\.argv|params|\$_(?:get|post|request))",
        r"\b(?:os\.system|os\.popen|subprocess\.\w{1,20}|child_process\.exec|shell_exec|passthru|system)\([^\n]{0,120}(?:\binput\(|request\.|req\.(?:body|query|params)|sys\.argv|\$_(?:get|post|request))",
        r"\b__import__\(\s{0,4}[\"'](?:os|subprocess|socket|ctypes)[\"']|\b__(?:subclasses|globals|builtins|mro)__\b",
        r"\b(?:execute|query|raw)\(\s{0,4}f[\"'](?:select|insert|update|delete)\b[^\n]{0,200}\{",
    ),
    "privileges": (
        r">>?\s{0,4}/etc/(?:sudoers|passwd|shadow|crontab|cron\.|ld\.so\.preload|profile|rc\.local)",
        r"\bnopasswd:\s{0,4}all\b|\bchmod\s{1,4}(?:u\+s|\+s|[2467]7[0-7]{2})\b|\bsetcap\b[^\n]{0,60}cap_setuid",
        r">>?\s{0,4}\S{0,60}/\.ssh/authorized_keys|>>?\s{0,4}(?:~|\$home|/home/\S{1,40}|/root)/\.(?:bash|zsh)?(?:rc|_profile|profile)\b",
        r"\b(?:crontab\s{1,4}-(?:\s|$)|schtasks\b[^\n]{0,80}/create|reg(?:\.exe)?\s{1,4}add\b[^\n]{0,120}\\(?:run|runonce)\b)",
        r"\bdocker\s{1,4}run\b[^\n]{0,160}(?:--privileged|-v\s{1,4}/:/|/var/run/docker\.sock)|\bnsenter\b[^\n]{0,80}-t\s{0,4}1\b",
        r"\bnet\s{1,4}(?:user\s{1,4}\S{1,30}\s{1,4}\S{1,30}\s{1,4}/add|localgroup\s{1,4}administrators\b[^\n]{0,40}/add)",
        r"\buser(?:add|mod)\b[^\n]{0,80}(?:-u\s{0,2}0\b|-\w{0,4}g\s{1,4}(?:sudo|wheel|root)\b)",
    ),
    "credentials": (
        r"\b(?:cat|less|more|head|tail|cp|scp|tar|base64|xxd|type|get-content|gc)\b[^\n;|&]{0,80}(?:/etc/shadow|\.ssh/id_\w{2,8}|\.aws/credentials|\.kube/config|\.netrc|\.git-credentials|\.npmrc|\.pgpass|\.docker/config\.json|/proc/\w{1,10}/environ)",
        r"\b(?:env|printenv|set)\b\s{0,4}\|\s{0,4}(?:curl|wget|nc|ncat|base64)\b|\bcurl\b[^\n]{0,200}(?:-d|--data\S{0,10}|-f|-t)\s{0,4}[\"']?@?(?:\$\(|`|~|/etc/|/root|/home)",
        r"\bopen\(\s{0,4}[\"'][^\"'\n]{0,80}(?:/etc/shadow|\.ssh/id_|\.aws/credentials|\.env)[\"']",
        r"169\.254\.169\.254|metadata\.google\.internal|\bmimikatz\b|\bsekurlsa\b|\bprocdump\b[^\n]{0,60}lsass|\blazagne\b",
    ),
    "protection": (
        r"\b(?:setenforce\s{1,4}0|iptables\s{1,4}(?:-\w\s{1,4}\w{1,10}\s{1,4})?(?:-f|--flush)\b|ufw\s{1,4}disable|systemctl\s{1,4}(?:stop|disable|mask)\s{1,4}(?:firewalld|ufw|auditd|apparmor|clamav\S{0,20}|falcon\S{0,20}))",
        r"\bset-mppreference\b[^\n]{0,80}-disable|\bdisable-windowsoptionalfeature\b[^\n]{0,60}defender|\bset-executionpolicy\b[^\n]{0,40}\b(?:bypass|unrestricted)\b",
        r"\bnetsh\b[^\n]{0,60}firewall\b[^\n]{0,40}\b(?:off|disable)\b|\bhistory\s{1,4}-c\b|\bunset\s{1,4}histfile\b|>\s{0,4}/var/log/\w|\bwevtutil\s{1,4}cl\b|\bclear-eventlog\b",
    ),
    "obfuscated": (
        r"\bbase64\b[^\n]{0,20}\s(?:-d|--decode|-D)\b[^\n]{0,60}\|\s{0,4}(?:ba|z|k|da)?sh\b",
        r"\bpowershell(?:\.exe)?\b[^\n]{0,80}\s-e(?:nc|ncodedcommand|c)?\s{1,4}[A-Za-z0-9+/=]{16}",
        r"\b(?:exec|eval)\(\s{0,4}[^\n]{0,40}(?:b64decode|base64\.\w{1,20}|atob|fromcharcode|zlib\.decompress|bytes\.fromhex|unhexlify|gzinflate|str_rot13)\b",
        r"\becho\s{1,4}[\"']?[A-Za-z0-9+/=]{24,400}[\"']?\s{0,4}\|\s{0,4}base64\b[^\n]{0,30}\|",
        r"\b(?:xxd\s{1,4}-r|printf\s{1,4}[\"'](?:\\x[0-9a-f]{2}){4})[^\n]{0,200}\|\s{0,4}(?:ba|z|k|da)?sh\b",
    ),
}
_SUSPICIOUS: dict[str, tuple[str, ...]] = {
    "destruction": (
        rf"\brm{_S}-\w*(?:rf|fr)\w*{_S}\S", r"\bshutil\.rmtree\(",
        r"\b(?:shutdown|reboot|halt|poweroff)\s{1,4}(?:-\w|now|/s)",
    ),
    "injection": (
        r"\byaml\.load\([^\n)]{0,80}\)", r"\bshell\s{0,2}=\s{0,2}true\b", r"\bos\.(?:system|popen)\(",
        r"\b(?:eval|exec)\(\s{0,4}\w", r"\bdangerouslysetinnerhtml\b|\.innerhtml\s{0,4}=[^=]",
    ),
    "privileges": (r"\bchmod\s{1,4}(?:-\w{1,4}\s{1,4})?0?777\b", r"\bsudo\s{1,4}(?:su|-i|-s)\b"),
    "protection": (
        r"\bverify\s{0,2}=\s{0,2}false\b|\b(?:--no-check-certificate|--insecure|strictHostKeyChecking[= ]no)\b",
        r"\brejectUnauthorized:\s{0,2}false\b|_create_unverified_context",
    ),
    "remote_code": (r"\b(?:pip|pip3|npm|gem|cargo)\s{1,4}(?:install|i|add)\b[^\n]{0,60}\s(?:git\+)?https?://",),
}  # fmt: skip
SURE, SUSPICIOUS = 0.9, 0.4
"""Scores. What is only suspicious counts when the guard's threshold is set below."""


@cache
def patterns() -> dict[str, tuple[tuple[Pattern, float], ...]]:
    """Compiled when first asked for: category -> patterns with their scores."""
    return {
        category: tuple(
            (Pattern(f"(?m){'|'.join(f'(?:{one})' for one in lists[category])}", ignore_case=True), score)
            for lists, score in ((_SURE, SURE), (_SUSPICIOUS, SUSPICIOUS))
            if category in lists
        )
        for category in _SURE
    }
