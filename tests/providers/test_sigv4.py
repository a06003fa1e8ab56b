"""Our signatures against AWS's own signer."""

import datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers.sigv4 import Credentials, Scope, signed

MODELS = [
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a b~c_d.e",
    "ünïcode/%41",
]
HEADERS = (("content-type", "application/json"), ("accept", "application/json"), ("x-team", "  two   words "))


def theirs(url: str, body: bytes, credentials: Credentials, scope: Scope, stamp: str) -> str:
    request = AWSRequest("POST", url, headers=dict(HEADERS), data=body)
    request.headers["host"] = url.split("/")[2]
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    if credentials.session_token:
        request.headers["X-Amz-Security-Token"] = credentials.session_token
    given = TheirCredentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None
    )
    signer = SigV4Auth(given, scope.service, scope.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return f"Signature={signer.signature(text, request)}"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzE/+="])
@pytest.mark.parametrize("host", ["https://bedrock-runtime.us-east-1.amazonaws.com", "http://127.0.0.1:4566"])
@pytest.mark.parametrize("query", ["", "?b=2&a=1&a=0&empty="])
def test_signatures_are_aws_own(model: str, token: str, host: str, query: str) -> None:
    url = f"{host}/model/{quote(model, safe='')}/converse-stream{query}"
    credentials = Credentials(
        access_key_id="AKIDEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfi", session_token=token
    )
    scope = Scope("us-east-1", "bedrock")
    now = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    headers = dict(signed("POST", url, HEADERS, b'{"a": 1}', credentials, scope, now))
    assert headers["authorization"].endswith(theirs(url, b'{"a": 1}', credentials, scope, "20260203T040506Z"))
    assert headers["x-amz-date"] == "20260203T040506Z"
    assert headers.get("x-amz-security-token", "") == token
    assert "Credential=AKIDEXAMPLE/20260203/us-east-1/bedrock/aws4_request" in headers["authorization"]


@given(st.text(min_size=1, max_size=40).filter(lambda text: text.strip("./")), st.binary(max_size=60))
def test_any_model_and_body(model: str, body: bytes) -> None:
    path = quote(model.encode("utf-8", "replace"), safe="")
    url = f"https://bedrock-runtime.eu-central-1.amazonaws.com/model/{path}/converse"
    credentials = Credentials(access_key_id="A", secret_access_key="s")
    scope = Scope("eu-central-1", "bedrock")
    now = datetime.datetime(2026, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    headers = dict(signed("POST", url, HEADERS, body, credentials, scope, now))
    assert headers["authorization"].endswith(theirs(url, body, credentials, scope, "20261231T235959Z"))
