"""Channels, against real servers on this machine."""

import asyncio
import hashlib
import hmac
import http.server
import json
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message as Letter
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from moat.adapters.notify import open_channel
from moat.domain.alerting import ChannelConfig, Message
from moat.domain.errors import AddressRefused, ConfigError, RequestError, Unavailable

MESSAGE = Message(
    id="msg_1", at_ns=1_700_000_000 * 10**9, kind="fired", severity="critical", title="p95 is\nhigh", text="6 s <b>"
)


class Receiver:
    """A real HTTP server that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.location = "/elsewhere"
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("location", receiver.location)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def webhook(url: str, secret: str = "") -> Any:
    return open_channel("ops", ChannelConfig(kind="webhook", url=url, secret=secret))


def test_a_webhook_gets_signed_json() -> None:
    with receiving() as receiver:
        webhook(f"{receiver.url}/hook?token=hush", "key").send(MESSAGE)
    [(headers, body)] = receiver.got
    assert json.loads(body)["title"] == "p95 is\nhigh"
    signed = hmac.new(b"key", headers["x-moat-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-moat-signature"] == f"sha256={signed}"
    assert headers["x-moat-id"] == "msg_1"


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, Unavailable), (503, Unavailable), (429, Unavailable), (404, RequestError), (302, RequestError)],
)
def test_what_a_webhook_answers_says_whether_to_try_again(status: int, error: type[Exception]) -> None:
    with receiving() as receiver:
        receiver.answers = [status]
        with pytest.raises(error, match=str(status)) as caught:
            webhook(f"{receiver.url}/services/T0/hush?token=hush").send(MESSAGE)
        assert "hush" not in str(caught.value)
        assert len(receiver.got) == 1, "redirects are not followed"


def test_a_webhook_that_is_away() -> None:
    with receiving() as receiver:
        url = receiver.url
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        webhook(f"{url}/hush").send(MESSAGE)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "http://", "http://x:99999", "hush", "http://[hush"])
def test_an_address_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        webhook(url)
    assert "hush" not in str(caught.value)


class Mailbox:
    """A real SMTP server."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.to: list[list[str]] = []
        self.refuse = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address == self.refuse:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(message_from_bytes(envelope.content))
        self.to.append(envelope.rcpt_tos)
        return "250 OK"


@contextmanager
def mail(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: _smtp(box, loop, options), host, 0, ssl=tls))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield box, f"{host}:{port}"
    finally:

        async def close() -> None:
            server.close()
            await server.wait_closed()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _smtp(box: Mailbox, loop: Any, options: dict[str, Any]) -> Any:
    return SMTP(box, loop=loop, **options)


def test_an_e_mail_is_one_letter_with_the_page_beside_it() -> None:
    with mail() as (box, place):
        config = ChannelConfig(kind="email", url=f"smtp://{place}", to=["a@x.org", "b@x.org"], sender="moat@x.org")
        report = Message(id="m", at_ns=1, kind="report", title="Week", text="All is well.", html="<p>All is well.</p>")
        open_channel("mail", config).send(report)
        open_channel("mail", config).send(MESSAGE)
    first, second = box.letters
    assert (first["Subject"], first["From"], first["To"]) == ("Week", "moat@x.org", "a@x.org, b@x.org")
    assert [part.get_content_type() for part in first.walk()] == ["multipart/mixed", "text/plain", "text/html"]
    assert second["Subject"] == "p95 is high"
    assert box.to == [["a@x.org", "b@x.org"]] * 2


def test_an_e_mail_that_is_refused() -> None:
    with mail() as (box, place):
        box.refuse = "b@x.org"
        some = open_channel("m", ChannelConfig(kind="email", url=f"smtp://{place}", to=["a@x.org", "b@x.org"]))
        with pytest.raises(RequestError, match=r"b@x\.org; others have got it"):
            some.send(MESSAGE)
        none = open_channel("m", ChannelConfig(kind="email", url=f"smtp://{place}", to=["b@x.org"]))
        with pytest.raises(RequestError, match="none of the addresses"):
            none.send(MESSAGE)
        named = open_channel("m", ChannelConfig(kind="email", url=f"smtp://ada:hush@{place}", to=["a@x.org"]))
        with pytest.raises(RequestError, match="name and password") as caught:
            named.send(MESSAGE)
        assert "hush" not in str(caught.value)
    with pytest.raises(Unavailable, match="cannot be reached"):
        some.send(MESSAGE)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_an_e_mail_with_name_and_password() -> None:
    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ada", b"p@ss"))

    with mail(authenticator=known, auth_require_tls=False, auth_required=True) as (box, place):
        config = ChannelConfig(kind="email", url=f"smtp://ada:p%40ss@{place}", to=["a@x.org"])
        open_channel("m", config).send(MESSAGE)
        assert len(box.letters) == 1


@pytest.mark.parametrize("fields", [{"to": []}, {"to": ["nobody"]}, {"to": ["a@x.org\r\nBcc: b@x.org"]}])
def test_addresses_that_are_none(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_channel("m", ChannelConfig(kind="email", url="smtp://127.0.0.1", **fields))


REMOTE = "127.0.0.2"
"""This machine too, and nothing says so."""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """One that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def serving(authority: trustme.CA, name: str = REMOTE) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def letter(url: str, **fields: Any) -> Any:
    return open_channel("m", ChannelConfig(kind="email", url=url, to=["a@x.org"], **fields))


def test_letters_go_over_tls_from_the_first_byte_or_changed_to_before_anything_is_said(authority: trustme.CA) -> None:
    with mail(REMOTE, tls=serving(authority)) as (box, place):
        letter(f"smtps://{place}").send(MESSAGE)
        assert len(box.letters) == 1

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert session.ssl is not None, "no password in the clear"
        return AuthResult(success=(data.login, data.password) == (b"ada", b"p@ss"))

    options: dict[str, Any] = {"tls_context": serving(authority), "require_starttls": True, "authenticator": known}
    with mail(REMOTE, auth_required=True, **options) as (box, place):
        letter(f"smtp://ada:p%40ss@{place}").send(MESSAGE)
        assert len(box.letters) == 1


def test_a_mail_server_with_another_s_certificate_gets_nothing(authority: trustme.CA) -> None:
    for stranger in (serving(trustme.CA()), serving(authority, "mail.example.org")):
        with mail(REMOTE, tls=stranger) as (box, place):
            with pytest.raises(Unavailable, match="certificate is not good") as caught:
                letter(f"smtps://ada:hush@{place}").send(MESSAGE)
            assert "hush" not in str(caught.value)
        with mail(REMOTE, tls_context=stranger) as (starting, place):
            with pytest.raises(Unavailable, match="certificate is not good"):
                letter(f"smtp://ada:hush@{place}", tls=False).send(MESSAGE)
        assert box.letters == starting.letters == []


def test_a_mail_server_without_tls_gets_letters_only_if_that_is_said_and_never_a_password() -> None:
    with mail(REMOTE) as (box, place):
        for url, fields in ((f"smtp://{place}", {}), (f"smtp://ada:hush@{place}", {"tls": False})):
            with pytest.raises(RequestError, match="offers no TLS"):
                letter(url, **fields).send(MESSAGE)
        assert box.letters == []
        letter(f"smtp://{place}", tls=False).send(MESSAGE)
        assert len(box.letters) == 1


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's audit of connections comes before what keeps tests on this machine."""
    guarded = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        sys.audit("socket.connect", self, address)
        guarded(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def answer_with(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every public name lead there, as whoever has the domain can."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if not str(host).endswith("example.com"):
            return real(host, port, *arguments, **options)
        sys.audit("socket.getaddrinfo", host, port, 0, 0, 0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


CHANNELS: dict[str, dict[str, Any]] = {
    "webhook": {"kind": "webhook", "url": "http://HOST/hook"},
    "email": {"kind": "email", "url": "smtp://HOST", "to": ["a@x.org"]},
    "apprise": {"kind": "apprise", "url": "json://HOST/hook"},
}


def channel(kind: str, host: str, **fields: Any) -> Any:
    said = CHANNELS[kind] | fields
    return open_channel("ops", ChannelConfig(**said | {"url": said["url"].replace("HOST", host)}))


@pytest.mark.promise("inj-1")
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", list(CHANNELS))
@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "168.63.129.16", "100.100.100.200", "2852039166", "0x7f.1"]
)
@pytest.mark.usefixtures("audited")
def test_no_message_is_sent_to_metadata_services_in_any_spelling(kind: str, host: str) -> None:
    with pytest.raises((AddressRefused, ConfigError), match=r"metadata|unusual spelling|Unparseable"):
        channel(kind, host, private_network=True).send(MESSAGE)


@pytest.mark.promise("inj-1")
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", list(CHANNELS))
def test_a_public_name_that_leads_inside_is_not_connected_to(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with("127.0.0.1", monkeypatch)
    with receiving() as receiver, mail() as (box, letters):
        host = "hooks.example.com:" + (letters if kind == "email" else receiver.url).rpartition(":")[2]
        with pytest.raises(AddressRefused, match="private address") as caught:
            channel(kind, host).send(MESSAGE)
        assert "private_network" in caught.value.remedy
        assert (receiver.got, box.letters) == ([], [])
        channel(kind, host, private_network=True, **({"tls": False} if kind == "email" else {})).send(MESSAGE)
        assert len(receiver.got) + len(box.letters) == 1


@pytest.mark.promise("inj-1")
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("audited")
def test_a_redirect_leads_no_message_of_apprise_to_metadata_services() -> None:
    with receiving() as receiver:
        receiver.answers, receiver.location = [302], "http://169.254.169.254/latest/meta-data"
        with pytest.raises(AddressRefused, match="metadata"):
            channel("apprise", receiver.url.removeprefix("http://")).send(MESSAGE)
        assert len(receiver.got) == 1


@pytest.mark.usefixtures("audited")
def test_what_is_watched_for_one_message_is_nobody_else_s() -> None:
    with pytest.raises(AddressRefused):
        channel("webhook", "169.254.169.254").send(MESSAGE)
    with socket.socket() as other:  # no message: whoever connects here has rules of its own
        other.setblocking(False)
        assert other.connect_ex(("127.0.0.1", 9)) != 0


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise_sends_where_it_can() -> None:
    with receiving() as receiver:
        place = receiver.url.removeprefix("http://")
        several = open_channel("any", ChannelConfig(kind="apprise", url=f"json://{place}/hushhush, xml://{place}/more"))
        several.send(MESSAGE)
        assert json.loads(receiver.got[0][1])["type"] == "failure"
        assert len(receiver.got) == 2
        receiver.answers = [500]
        with pytest.raises(Unavailable, match=r"apprise could not deliver it: .*error=500") as caught:
            several.send(MESSAGE)
    with pytest.raises(Unavailable, match=r"A Connection error occurred") as gone:
        several.send(MESSAGE)
    with pytest.raises(ConfigError, match="does not know such an address: Unparseable URL") as unknown:
        open_channel("any", ChannelConfig(kind="apprise", url="nowhere://hushhush"))
    assert all("hushhush" not in str(error.value) for error in (caught, gone, unknown))
    assert logging.getLogger("apprise").propagate is False, "its log, where tokens are, is not ours"
