"""AWS Signature Version 4 for requests with a body in one piece.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import datetime
import hashlib
import hmac
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

from moat.adapters.providers.http1 import Headers

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    """Of temporary credentials; empty for lasting ones."""


class Scope(msgspec.Struct, frozen=True):
    """What a signature is good for, besides its day."""

    region: str
    service: str


def signed(
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    credentials: Credentials,
    scope: Scope,
    now: datetime.datetime,
) -> Headers:
    """The headers, all signed, with `x-amz-date` (from `now`, in UTC) and `authorization` added.

    `host` is signed as `url` has it. The path must be percent-encoded already; as every service but S3 wants it, it
    is encoded once more for the signature.
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", stamp)]
    if credentials.session_token:
        added.append(("x-amz-security-token", credentials.session_token))
    sent = (*headers, *added)
    parts = urlsplit(url)
    fields = sorted(
        [("host", parts.netloc.lower()), *((name.lower(), " ".join(value.split())) for name, value in sent)]
    )
    names = ";".join(name for name, _ in fields)
    request = "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/~"),
            _query(parts.query),
            *(f"{name}:{value}" for name, value in fields),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    place = f"{stamp[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = "\n".join((ALGORITHM, stamp, place, hashlib.sha256(request.encode()).hexdigest()))
    key = _key(credentials.secret_access_key, stamp[:8], scope)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{place}, SignedHeaders={names}, Signature={signature}"
    )
    return (*sent, ("authorization", authorization))


def _query(query: str) -> str:
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&") if each)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


@lru_cache(maxsize=64)
def _key(secret: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
