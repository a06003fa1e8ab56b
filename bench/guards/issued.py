"""Keys of many issuers, drawn at random as the issuers' documentation says that they are written."""

import base64
import random
import string
from collections.abc import Callable

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
LETTERS, HEX = UPPER + LOWER + DIGITS, DIGITS + "abcdef"
URL, BASE64 = LETTERS + "-_", LETTERS + "+/"
Maker = Callable[[random.Random], str]


def drawn(r: random.Random, size: int, alphabet: str = LETTERS) -> str:
    """So many characters."""
    return "".join(r.choices(alphabet, k=size))


def key(begin: str, size: int, alphabet: str = LETTERS, end: str = "") -> Maker:
    """What begins and ends so, with so many characters in between."""
    return lambda r: f"{begin}{drawn(r, size, alphabet)}{end}"


def one_of(*makers: Maker) -> Maker:
    """Any of several."""
    return lambda r: r.choice(makers)(r)


def web_token(r: random.Random) -> str:
    """A JSON web token."""
    head, body = b'{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{drawn(r, 10)}","iat":{r.randrange(10**9)}}}'.encode()
    parts = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, body))
    return ".".join((*parts, drawn(r, 43)))


def private_key(r: random.Random) -> str:
    """PEM, with a body of some lines."""
    name = r.choice(["RSA ", "EC ", "DSA ", "ENCRYPTED ", "OPENSSH ", ""])
    body = "\n".join(drawn(r, 64, BASE64) for _ in range(r.randrange(3, 26)))
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----"


def _pgp(r: random.Random) -> str:
    body = "\n".join(drawn(r, 64, BASE64) for _ in range(r.randrange(6, 20)))
    block = "PGP PRIVATE KEY BLOCK-----"
    return f"-----BEGIN {block}\n\n{body}\n={drawn(r, 4, BASE64)}\n-----END {block}"


def _uuid(r: random.Random) -> str:
    return "-".join(drawn(r, size, HEX) for size in (8, 4, 4, 4, 12))


def _password(r: random.Random) -> str:
    return drawn(r, r.randrange(10, 22), LETTERS + "!*_-.")


def _netrc(r: random.Random) -> str:
    return f"machine {r.choice(['api.example.org', 'git.heroku.com'])}\n  login anna\n  password {drawn(r, 20)}"


def _connection(r: random.Random) -> str:
    forms = (
        "Server=tcp:db.example.net,1433;Database=shop;User ID=anna;Password={};Encrypt=true",
        "postgresql://anna:{}@db.example.org:5432/shop?sslmode=require",
        "mongodb+srv://anna:{}@cluster0.ab1cd.mongodb.net/?retryWrites=true",
        "mysql+pymysql://root:{}@10.0.0.4/shop",
        "redis://:{}@cache.example.org:6379/0",
        "amqps://anna:{}@mq.example.org/prod",
        "host=db.example.org port=5432 dbname=shop user=anna password={}",
        "jdbc:oracle:thin:anna/{}@//db.example.org:1521/shop",
        "Data Source=db;Initial Catalog=shop;Uid=anna;Pwd={};",
    )
    return r.choice(forms).format(_password(r))


def _signed_url(r: random.Random) -> str:
    sign = drawn(r, 43, LETTERS)
    return (
        f"https://shop{drawn(r, 4, LOWER)}.blob.core.windows.net/backups/db.bak?sv=2024-11-04&ss=b&srt=sco&sp=rl"
        f"&se=2027-01-01T00:00:00Z&st=2026-01-01T00:00:00Z&spr=https&sig={sign}%3D"
    )


def _old_token(name: str, size: int, alphabet: str) -> Maker:
    """What only the name beside it tells."""
    return lambda r: f"{name}{r.choice(['=', ': ', ' = '])}{drawn(r, size, alphabet)}"


ISSUED: dict[str, Maker] = {
    "AWS": one_of(key("AKIA", 16, UPPER + "234567"), key("ASIA", 16, UPPER + "234567")),
    "AWS secret access key": _old_token("aws_secret_access_key", 40, BASE64),
    "Google API": key("AIza", 35, URL),
    "Google OAuth": one_of(key("GOCSPX-", 28, URL), key("ya29.a0", 180, URL), key("1//0", 60, URL)),
    "Azure storage": lambda r: f"AccountName=shop;AccountKey={drawn(r, 76, BASE64)}+ASt{drawn(r, 6, BASE64)}==",
    "Azure storage, older": lambda r: f"AccountName=shop;AccountKey={drawn(r, 86, BASE64)}==;EndpointSuffix=core",
    "Azure signature": _signed_url,
    "Azure client secret": lambda r: f"{drawn(r, 3)}{r.randrange(10)}Q~{drawn(r, 34, LETTERS + '-_.~')}",
    "Cloudflare": one_of(
        key("cfut_", 48), key("cfat_", 48), key("cfk_", 48), _old_token("CLOUDFLARE_API_TOKEN", 40, URL),
        lambda r: f"v1.0-{drawn(r, 24, HEX)}-{drawn(r, 146, HEX)}",
    ),
    "DigitalOcean": one_of(key("dop_v1_", 64, HEX), key("doo_v1_", 64, HEX), key("dor_v1_", 64, HEX)),
    "Heroku": one_of(key("HRKU-AA", 58, URL), lambda r: f"HRKU-{_uuid(r)}"),
    "Heroku, older": lambda r: f"HEROKU_API_KEY={_uuid(r)}",
    "GitHub": one_of(*(key(f"gh{kind}_", 36) for kind in "pousr")),
    "GitHub, fine-grained": lambda r: f"github_pat_{drawn(r, 22)}_{drawn(r, 59)}",
    "GitLab": one_of(
        *(key(begin, 20, URL) for begin in ("glpat-", "gldt-", "glrt-", "glsoat-", "glft-", "glimt-", "glffct-")),
        key("glptt-", 40, HEX), lambda r: f"glcbt-{drawn(r, 2, HEX)}_{drawn(r, 20, URL)}",
        key("glagent-", 50, URL), key("gloas-", 64, HEX), key("glpat-", 27, URL, ".01.1a2b3c4d5"),
    ),
    "Bitbucket": key("ATBB", 32),
    "Atlassian": one_of(key("ATATT3xFfGF0", 176, URL, "=1A2B3C4D"), key("ATCTT3xFfGN0", 176, URL, "=1A2B3C4D")),
    "Slack": one_of(
        lambda r: f"xoxb-{drawn(r, 12, DIGITS)}-{drawn(r, 13, DIGITS)}-{drawn(r, 24)}",
        lambda r: f"xoxp-{drawn(r, 12, DIGITS)}-{drawn(r, 12, DIGITS)}-{drawn(r, 13, DIGITS)}-{drawn(r, 32, HEX)}",
    ),
    "Slack, app and rotated": one_of(
        lambda r: f"xapp-1-A{drawn(r, 10, UPPER)}-{drawn(r, 13, DIGITS)}-{drawn(r, 64, HEX)}",
        lambda r: f"xoxe-1-{drawn(r, 147)}", lambda r: f"xoxe.xoxp-1-{drawn(r, 163)}",
    ),
    "Slack webhook": lambda r: (
        f"https://hooks.slack.com/services/T{drawn(r, 10, UPPER)}/B{drawn(r, 10, UPPER)}/{drawn(r, 24)}"
    ),
    "Stripe": one_of(*(key(begin, 99) for begin in ("sk_live_", "rk_live_", "sk_test_", "rk_test_"))),
    "Stripe webhook": key("whsec_", 32),
    "Shopify": one_of(*(key(begin, 32, HEX) for begin in ("shpat_", "shpca_", "shppa_", "shpss_"))),
    "Twilio": key("SK", 32, HEX),
    "Twilio auth token": _old_token("TWILIO_AUTH_TOKEN", 32, HEX),
    "SendGrid": lambda r: f"SG.{drawn(r, 22, URL)}.{drawn(r, 43, URL)}",
    "Mailgun": one_of(
        key("key-", 32, HEX), lambda r: f"MAILGUN_API_KEY={drawn(r, 32, HEX)}-{drawn(r, 8, HEX)}-{drawn(r, 8, HEX)}"
    ),
    "Mailgun, bare": lambda r: f"{drawn(r, 32, HEX)}-{drawn(r, 8, HEX)}-{drawn(r, 8, HEX)}",
    "Mailchimp": lambda r: f"{drawn(r, 32, HEX)}-us{r.randrange(1, 22)}",
    "npm": key("npm_", 36),
    "npm in .npmrc": lambda r: f"//registry.example.org/:_authToken={_uuid(r)}",
    "PyPI": key("pypi-AgEIcHlwaS5vcmc", 150, URL),
    "RubyGems": key("rubygems_", 48, HEX),
    "Docker": one_of(key("dckr_pat_", 27, URL), key("dckr_oat_", 32, URL)),
    "Vault": one_of(key("hvs.", 90, URL), key("hvb.", 140, URL), key("hvs.CAESI", 86, URL)),
    "Terraform": lambda r: f"{drawn(r, 14)}.atlasv1.{drawn(r, 67)}",
    "Databricks": one_of(key("dapi", 32, HEX), key("dapi", 32, HEX, "-2"), key("dose", 32, HEX)),
    "Hugging Face": key("hf_", 34, LOWER + UPPER),
    "OpenAI": one_of(
        lambda r: f"sk-proj-{drawn(r, 74, URL)}T3BlbkFJ{drawn(r, 74, URL)}",
        lambda r: f"sk-svcacct-{drawn(r, 74, URL)}T3BlbkFJ{drawn(r, 74, URL)}",
        lambda r: f"sk-admin-{drawn(r, 58, URL)}T3BlbkFJ{drawn(r, 58, URL)}",
        lambda r: f"sk-{drawn(r, 20)}T3BlbkFJ{drawn(r, 20)}",
    ),
    "Anthropic": one_of(key("sk-ant-api03-", 93, URL, "AA"), key("sk-ant-admin01-", 93, URL, "AA")),
    "Mistral": _old_token("MISTRAL_API_KEY", 32, LETTERS),
    "Groq": key("gsk_", 52),
    "xAI": key("xai-", 80),
    "OpenRouter": key("sk-or-v1-", 64, HEX),
    "Perplexity": key("pplx-", 48),
    "Replicate": key("r8_", 37),
    "NVIDIA": key("nvapi-", 64, URL),
    "Pinecone": lambda r: f"pcsk_{drawn(r, 6)}_{drawn(r, 63)}",
    "LangSmith": lambda r: f"lsv2_pt_{drawn(r, 32, HEX)}_{drawn(r, 10, HEX)}",
    "Datadog": one_of(_old_token("DD_API_KEY", 32, HEX), _old_token("DATADOG_APP_KEY", 40, HEX)),
    "Datadog, new": one_of(key("ddapp_", 34), key("ddpat_", 40), key("ddsat_", 40)),
    "New Relic": one_of(key("NRAK-", 27, UPPER + DIGITS), key("", 36, HEX, "FFFFNRAL"), key("NRII-", 32, URL)),
    "Grafana": one_of(
        lambda r: f"glsa_{drawn(r, 32)}_{drawn(r, 8, HEX)}", key("glc_eyJ", 120, BASE64), key("eyJrIjoi", 80, BASE64)
    ),
    "Sentry": one_of(
        key("sntryu_", 64, HEX), lambda r: f"sntrys_eyJpYXQiO{drawn(r, 120, BASE64)}=_{drawn(r, 43, BASE64)}"
    ),
    "Linear": key("lin_api_", 40),
    "Notion": one_of(key("secret_", 43), key("ntn_", 46)),
    "Airtable": lambda r: f"pat{drawn(r, 14)}.{drawn(r, 64, HEX)}",
    "Figma": one_of(key("figd_", 40, URL), key("figd_", 43, URL)),
    "Postman": lambda r: f"PMAK-{drawn(r, 24, HEX)}-{drawn(r, 34, HEX)}",
    "Telegram": lambda r: f"{r.randrange(10**8, 10**10)}:AA{drawn(r, 33, URL)}",
    "Discord": lambda r: (
        f"{base64.b64encode(drawn(r, 18, DIGITS).encode()).decode()}.{drawn(r, 6, URL)}.{drawn(r, 38, URL)}"
    ),
    "Discord webhook": lambda r: f"https://discord.com/api/webhooks/{drawn(r, 18, DIGITS)}/{drawn(r, 68, URL)}",
    "CircleCI": lambda r: f"CCIPAT_{drawn(r, 22)}_{drawn(r, 40, HEX)}",
    "Buildkite": key("bkua_", 40, HEX),
    "Pulumi": key("pul-", 40, HEX),
    "Doppler": key("dp.pt.", 43),
    "PlanetScale": key("pscale_tkn_", 43, URL),
    "Supabase": one_of(key("sbp_", 40, HEX), lambda r: f"sb_secret_{drawn(r, 22, URL)}_{drawn(r, 8, URL)}"),
    "Vercel": one_of(_old_token("VERCEL_TOKEN", 24, LETTERS), key("vcp_", 56)),
    "Netlify": key("nfp_", 36),
    "Fly.io": key("FlyV1 fm2_", 300, BASE64),
    "Tailscale": lambda r: f"tskey-auth-k{drawn(r, 11)}CNTRL-{drawn(r, 32)}",
    "1Password": key("ops_eyJ", 400, BASE64),
    "age": key("AGE-SECRET-KEY-1", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "age, hybrid": key("AGE-SECRET-KEY-PQ-1", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "Square": one_of(key("sq0atp-", 22, URL), key("EAAAE", 59, URL), key("sq0csp-", 43, URL)),
    "PayPal": lambda r: f"access_token$production${drawn(r, 16, LOWER + DIGITS)}${drawn(r, 32, HEX)}",
    "Facebook": key("EAA", 180),
    "Dropbox": key("sl.", 135, URL),
    "HubSpot": lambda r: f"pat-{r.choice(['na1', 'na2', 'eu1', 'ap1'])}-{_uuid(r)}",
    "Snyk": lambda r: f"snyk_uat.{drawn(r, 8, HEX)}.{drawn(r, 80, URL)}",
    "SonarQube": key("sqp_", 40, HEX),
    "Dynatrace": lambda r: f"dt0c01.{drawn(r, 24, UPPER + DIGITS)}.{drawn(r, 64, UPPER + DIGITS)}",
    "Artifactory": one_of(key("AKCp", 69), key("cmVmdGtu", 56)),
    "Algolia": _old_token("ALGOLIA_ADMIN_KEY", 32, HEX),
    "Okta": one_of(lambda r: f"Authorization: SSWS 00{drawn(r, 40, URL)}", _old_token("OKTA_API_TOKEN", 42, URL)),
    "PagerDuty": _old_token("PAGERDUTY_TOKEN", 20, URL),
    "LaunchDarkly": lambda r: f"sdk-{_uuid(r)}",
    "Mapbox": lambda r: f"sk.eyJ1Ijoi{drawn(r, 70, URL)}.{drawn(r, 22, URL)}",
    "Kubernetes": lambda r: f"token: {web_token(r)}",
    "JSON web token": web_token,
    "bearer token": lambda r: f"Authorization: Bearer {drawn(r, 40, URL)}",
    "private key": private_key,
    "PGP": _pgp,
    ".netrc": _netrc,
    "connection string": _connection,
}  # fmt: skip
"""By issuer; what is told only by the name beside it has that name."""
