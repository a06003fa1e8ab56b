"""Keys and tokens that are known by how they begin. Sources: the issuers' own documentation of their formats."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from moat.guards.detectors.secrets.values import is_placeholder_key, is_random
from moat.guards.glance import GLANCE, Glimpse
from moat.guards.patterns import Pattern


class Format(NamedTuple):
    """One issuer's keys."""

    issuer: str
    begins: str
    """What it begins with, exactly; several ways with `|`."""
    rest: str
    """Regular expression of what follows."""
    score: float = 0.95


_W, _WD = r"[A-Za-z0-9]", r"[\w-]"
FORMATS = (
    Format("AWS", "AKIA|ASIA|ABIA|ACCA", r"[A-Z0-9]{16}"),
    Format("AWS Bedrock", "ABSK", r"[A-Za-z0-9+/]{100,140}={0,2}"),
    Format("Alibaba Cloud", "LTAI", rf"{_W}{{12,26}}", 0.8),
    Format("Tencent Cloud", "AKID", rf"{_W}{{32}}", 0.8),
    Format("Google", "AIza", rf"{_WD}{{35}}"),
    Format("Google OAuth", "GOCSPX-", rf"{_WD}{{28}}"),
    Format("Google OAuth", "ya29.", rf"{_WD}{{20,1024}}"),
    Format("Google OAuth", "1//0", rf"{_WD}{{40,200}}"),
    Format("GitHub", "ghp_|gho_|ghu_|ghs_|ghr_", rf"{_W}{{36,255}}"),
    Format("GitHub", "github_pat_", r"\w{36,255}"),
    Format(
        "GitLab",
        "glpat-|glptt-|gldt-|glrt-|glcbt-|glsoat-|glffct-|glimt-|glft-|glagent-|gloas-|GR1348941",
        r"[\w.-]{20,120}",
    ),
    Format(
        "Slack",
        "xoxb-|xoxp-|xoxa-|xoxr-|xoxs-|xoxe-|xoxo-|xoxe.xox|xoxc-|xoxd-",
        r"(?=(?:[A-Za-z.%-]{0,60}\d){5})[\w.%-]{20,250}",
    ),
    Format("Slack", "xapp-", r"\d-[A-Z0-9]{6,}-\d{6,}-[a-z0-9]{20,}"),
    Format("Slack webhook", "hooks.slack.com/", r"(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    Format("Stripe", "sk_live_|sk_test_|sk_prod_|rk_live_|rk_test_|rk_prod_", rf"{_W}{{10,247}}"),
    Format("Stripe webhook", "whsec_", r"[A-Za-z0-9+/=]{24,64}"),
    Format("Anthropic", "sk-ant-", rf"{_WD}{{20,200}}"),
    Format("OpenAI", "sk-proj-|sk-svcacct-|sk-admin-|sk-None-", rf"{_WD}{{20,250}}"),
    Format("OpenRouter", "sk-or-", rf"{_WD}{{20,100}}"),
    Format("Langfuse", "sk-lf-", rf"{_WD}{{20,64}}"),
    Format("OpenAI or alike", "sk-", rf"(?:{_W}{{2,12}}-){{0,2}}{_W}{{20,100}}", 0.9),
    Format("Moat", "mk-", rf"{_WD}{{16,120}}"),
    Format("LangSmith", "lsv2_|ls__", r"\w{30,80}"),
    Format("Groq", "gsk_", rf"{_W}{{40,60}}"),
    Format("Perplexity", "pplx-", rf"{_W}{{40,60}}"),
    Format("xAI", "xai-", rf"{_W}{{60,100}}"),
    Format("Replicate", "r8_", rf"{_W}{{37,40}}"),
    Format("Hugging Face", "hf_|api_org_", rf"{_W}{{30,40}}"),
    Format("NVIDIA", "nvapi-", rf"{_WD}{{60,80}}"),
    Format("Tavily", "tvly-", rf"{_WD}{{20,50}}"),
    Format("Pinecone", "pcsk_", r"\w{40,90}"),
    Format("Databricks", "dapi", r"[a-f0-9]{32}(?:-\d)?"),
    Format("npm", "npm_", rf"{_W}{{36}}"),
    Format("PyPI", "pypi-", rf"{_WD}{{50,250}}"),
    Format("RubyGems", "rubygems_", r"[a-f0-9]{48}"),
    Format("Docker Hub", "dckr_pat_|dckr_oat_", rf"{_WD}{{27,40}}"),
    Format("NuGet", "oy2", r"[a-z0-9]{43}"),
    Format("SendGrid", "SG.", rf"{_WD}{{16,32}}\.{_WD}{{16,64}}"),
    Format("Mailgun", "key-", r"[0-9a-f]{32}"),
    Format("Twilio", "SK", r"[0-9a-fA-F]{32}", 0.85),
    Format("Brevo", "xkeysib-|xsmtpsib-", r"[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    Format("Resend", "re_", rf"{_W}{{8}}_{_W}{{24}}"),
    Format("Discord webhook", "discord.com/api/webhooks/|discordapp.com/api/webhooks/", r"\d{17,20}/[\w-]{60,80}"),
    Format("Shopify", "shpat_|shpca_|shppa_|shpss_", r"[a-fA-F0-9]{32}"),
    Format("Square", "sq0atp-|sq0csp-|sq0idp-|EAAAE", rf"{_WD}{{22,60}}"),
    Format("Facebook", "EAA", rf"{_W}{{80,250}}"),
    Format("Razorpay", "rzp_live_|rzp_test_", rf"{_W}{{14,24}}", 0.8),
    Format("Flutterwave", "FLWSECK-|FLWSECK_TEST-", rf"{_WD}{{12,50}}"),
    Format("DigitalOcean", "dop_v1_|doo_v1_|dor_v1_", r"[a-f0-9]{64}"),
    Format("Heroku", "HRKU-", rf"{_WD}{{36,64}}"),
    Format("Linear", "lin_api_|lin_oauth_", rf"{_W}{{32,64}}"),
    Format("Notion", "secret_", rf"{_W}{{43}}"),
    Format("Notion", "ntn_", rf"{_W}{{40,50}}"),
    Format("Airtable", "pat", rf"{_W}{{14}}\.[a-f0-9]{{64}}"),
    Format("Atlassian", "ATATT3|ATCTT3|ATBB", r"[\w=-]{24,250}"),
    Format("Figma", "figd_", rf"{_WD}{{38,45}}"),
    Format("Grafana", "glsa_", rf"{_W}{{32}}_[A-Fa-f0-9]{{8}}"),
    Format("Grafana", "glc_", r"[A-Za-z0-9+/=]{32,250}"),
    Format("New Relic", "NRAK-|NRJS-|NRII-|NRAA-", rf"{_WD}{{19,40}}"),
    Format("Sentry", "sntrys_|sntryu_", r"[\w+/=-]{40,250}"),
    Format("Vault", "hvs.|hvb.|hvr.", rf"{_WD}{{20,250}}"),
    Format("Vault", "s.", r"(?=[A-Za-z]*\d)[A-Za-z0-9]{24}", 0.7),
    Format("Doppler", "dp.pt.|dp.st.|dp.sa.|dp.ct.|dp.scim.|dp.audit.", r"[\w.-]{40,80}"),
    Format("1Password", "ops_eyJ", r"[A-Za-z0-9+/=_-]{100,2000}"),
    Format("age", "AGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
    Format("PlanetScale", "pscale_tkn_|pscale_pw_|pscale_oauth_", r"[\w.=-]{32,64}"),
    Format("Supabase", "sbp_|sb_secret_", rf"{_WD}{{20,60}}"),
    Format("Fly.io", "fo1_|FlyV1 fm2_|fm2_", r"[\w+/=,-]{40,1000}"),
    Format("Netlify", "nfp_", rf"{_WD}{{36,40}}"),
    Format("Postman", "PMAK-", r"[a-f0-9]{24}-[a-f0-9]{34}"),
    Format("Prefect", "pnu_|pnb_", rf"{_W}{{36}}"),
    Format("Pulumi", "pul-", r"[a-f0-9]{40}"),
    Format("ReadMe", "rdme_", r"[a-z0-9]{70}"),
    Format("Typeform", "tfp_", r"[\w.=-]{59}"),
    Format("Contentful", "CFPAT-", rf"{_WD}{{43}}"),
    Format("Shippo", "shippo_live_|shippo_test_", r"[a-fA-F0-9]{40}"),
    Format("HubSpot", "pat-na1-|pat-eu1-", r"[a-fA-F0-9-]{36}"),
    Format("Plaid", "access-sandbox-|access-production-|access-development-", r"[a-f0-9-]{36}"),
    Format("Duffel", "duffel_live_|duffel_test_", rf"{_WD}{{43}}"),
    Format("EasyPost", "EZAK|EZTK", rf"{_W}{{54}}"),
    Format("Infracost", "ico-", rf"{_W}{{32}}"),
    Format("Adafruit", "aio_", rf"{_W}{{28}}"),
    Format("Clojars", "CLOJARS_", r"[a-z0-9]{60}"),
    Format("Dynatrace", "dt0c01.", r"[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}"),
    Format("Dropbox", "sl.", rf"{_WD}{{130,250}}"),
    Format("Frame.io", "fio-u-", r"[\w=-]{64}"),
    Format("OpenShift", "sha256~", rf"{_WD}{{43}}"),
    Format("Artifactory", "AKCp", rf"{_W}{{69}}"),
    Format("Artifactory", "cmVmd", rf"{_W}{{54,60}}"),
    Format("Scalingo", "tk-us-", rf"{_WD}{{48}}"),
    Format("Sourcegraph", "sgp_", r"(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    Format("Buildkite", "bkua_", r"[a-f0-9]{40}"),
    Format("CircleCI", "CCIPAT_", rf"{_W}{{22}}_[a-f0-9]{{40}}"),
    Format("AWS Bedrock", "bedrock-api-key-", r"[A-Za-z0-9+/=_-]{28,2000}"),
    Format("1Password", "A3-", r"[A-Z0-9]{6}-[A-Z0-9]{6,11}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}(?:-[A-Z0-9]{5})?"),
    Format("Authress", "scauth_|sc_|ext_", r"[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[\w+/=-]{30,120}"),
    Format("Defined Networking", "dnkey-", r"[\w=-]{26}-[\w=-]{52}"),
    Format("Fly.io", "fm1r_|fm1a_", r"[\w+/=,-]{40,1000}"),
    Format("GitLab session", "_gitlab_session=", r"[0-9a-z]{32}"),
    Format("Harness", "pat.|sat.", rf"{_WD}{{22}}\.{_W}{{24}}\.{_W}{{20}}"),
    Format("Intra42", "s-s4t2ud-|s-s4t2af-", r"[a-f0-9]{64}"),
    Format("Mapbox", "sk.eyJ", rf"{_WD}{{40,120}}\.{_WD}{{20,30}}"),
    Format("SettleMint", "sm_aat_|sm_pat_|sm_sat_", rf"{_W}{{16}}"),
    Format("Octopus Deploy", "API-", r"[A-Z0-9]{25,32}", 0.8),
    Format("Yandex Cloud", "t1.", r"[A-Z0-9a-z_-]{5,200}=*\.[A-Z0-9a-z_-]{86}={0,2}"),
    Format("Yandex Cloud", "AQVN", r"[A-Za-z0-9_-]{35,38}", 0.8),
    Format("Twitter", "AAAAAAAAAAAAAAAAAAAAAA", r"[A-Za-z0-9%]{60,100}", 0.9),
    Format(
        "Teams webhook",
        "webhook.office.com/",
        r"webhookb2/[a-z0-9@-]{60,80}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36}",
    ),
    Format("Stripe or alike", "live_", rf"{_WD}{{32,64}}", 0.8),
    Format("Snyk", "snyk_uat.|snyk_sat.", r"[\w.-]{40,120}"),
    Format("SonarQube", "squ_|sqp_|sqa_", r"[a-f0-9]{40}"),
    Format("Together AI", "tgp_v1_", rf"{_WD}{{40,60}}"),
    Format("Fireworks", "fw_", rf"{_W}{{20,40}}"),
    Format("Cerebras", "csk-", rf"{_W}{{40,60}}"),
    Format("Mapbox", "tk.eyJ", rf"{_WD}{{40,200}}\.{_WD}{{20,30}}"),
    Format("Tailscale", "tskey-", rf"(?:auth|api|client|scim|webhook)-{_WD}{{20,80}}"),
    Format("Weights & Biases", "wandb_v1_", rf"{_WD}{{40,120}}"),
    Format("ngrok", "ngrok_api_", rf"{_W}{{30,60}}"),
    Format("Render", "rnd_", rf"{_W}{{28,40}}"),
    Format("Neon", "napi_", r"[a-z0-9]{40,80}"),
    Format("Upstash", "upstash_", rf"{_W}{{30,60}}"),
    Format("ClickHouse", "4b1d", rf"{_W}{{38}}"),
    Format("Azure storage", "AccountKey=|SharedAccessKey=|SharedSecretKey=", r"[A-Za-z0-9+/]{42,86}={0,2}"),
)
_BY_START = {
    begin: tuple((f, re.compile(re.escape(begin) + f.rest)) for f in FORMATS if begin in f.begins.split("|"))
    for begin in sorted({b for f in FORMATS for b in f.begins.split("|")}, key=len, reverse=True)
}
STARTS = rf"\b(?:{'|'.join(map(re.escape, _BY_START))})"
_STARTS = Pattern(STARTS)
_JWT = re.compile(
    r"eyJ[\w-]{10,2000}\.eyJ[\w-]{8,6000}(?:\.[\w-]{0,1000})?|eyJ[\w-]{10,2000}\.[\w-]{8,6000}\.[\w-]{20,1000}"
)
_TELEGRAM = re.compile(r"\d{8,10}:A[\w-]{34}(?![\w-])")
_DISCORD = re.compile(r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w-])")
_AZURE = re.compile(r"[A-Za-z0-9_~.]{3}\dQ~[\w~.-]{31,34}(?![\w~])")
_MAILCHIMP = re.compile(r"[0-9a-f]{32}-us\d{1,2}(?!\w)")
_LIVE = re.compile(r"(?!pk_|pub)[a-z]{2,20}_(?:live|test|prod|sandbox)_(?P<drawn>[\w-]{16,200})")
"""As many services name theirs, after Stripe; not what they publish."""
_MAXMIND = re.compile(r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?!\w)")
_TERRAFORM = re.compile(r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}")
ODD = (
    r"eyJ|\d:A|[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.|\dQ~|[0-9a-f]{32}-us\d|\.atlasv1\.|_mmk\b"
    r"|_(?:live|test|prod|sandbox)_[\w-]{16}"
)
"""Of those that are told by something else than their beginning."""
_ODD = Pattern(ODD)
_BEGUN = GLANCE.add(lambda: STARTS)
_TOLD = GLANCE.add(
    lambda: r"eyJ|\d:A|[A-Za-z0-9_-]\.[\w-]{6}\.|\dQ~|-us\d|\.atlasv1\.|_mmk\b|_(?:live|test|prod|sandbox)_"
)
"""What every match of `ODD` has in it."""


Found = tuple[int, int, float, str, str]
"""Start, end, score, kind and whose it is."""


def keys(text: str, glimpse: Glimpse) -> Iterator[Found]:
    """What is there, in any order. `glimpse`: of the text."""
    if glimpse.shows(_BEGUN):
        yield from _begun(text)
    if glimpse.shows(_TOLD):
        yield from _odd(text)


def _begun(text: str) -> Iterator[Found]:
    for start, end in _STARTS.spans(text):
        if text[start - 1 : start] == "." and start > 0:
            continue
        for format_, pattern in _BY_START[text[start:end]]:
            match = pattern.match(text, start)
            if match is None or _goes_on(text, match.end()):
                continue
            if not is_placeholder_key(match[0][end - start :]):
                yield start, match.end(), format_.score, "api_key", format_.issuer
                break


def _goes_on(text: str, end: int) -> bool:
    return end < len(text) and text[end].isascii() and (text[end].isalnum() or text[end] == "_")


def _odd(text: str) -> Iterator[Found]:
    for start, _ in _ODD.spans(text):
        found = _web_token(text, start) if text.startswith("eyJ", start) else _anywhere(text, start)
        if found is not None:
            yield found


def _web_token(text: str, start: int) -> Found | None:
    match = _JWT.match(text, start)
    if match is None or (start > 0 and text[start - 1].isalnum()) or is_placeholder_key(match[0][27:]):
        return None
    return start, match.end(), 0.97, "token", "JSON web token"


def _anywhere(text: str, start: int) -> Found | None:
    for pattern, back, issuer in (
        (_DISCORD, 0, "Discord"),
        (_MAILCHIMP, 0, "Mailchimp"),
        (_TELEGRAM, 9, "Telegram"),
        (_AZURE, 3, "Azure"),
        (_TERRAFORM, 14, "Terraform"),
        (_MAXMIND, 36, "MaxMind"),
        (_LIVE, 20, "a service"),
    ):
        for at in range(max(0, start - back), start + 1):
            joined = at > 0 and text[at - 1].isalnum()
            match = None if joined else pattern.match(text, at)
            if match and not is_placeholder_key(match[0]) and (pattern is not _LIVE or is_random(match["drawn"])):
                return at, match.end(), 0.9, "api_key", issuer
    return None
