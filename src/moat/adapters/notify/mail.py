"""Messages by e-mail, over SMTP."""

import smtplib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote

from moat.adapters.notify.places import parts, shown
from moat.adapters.notify.reaching import reaching
from moat.domain.alerting import Message
from moat.domain.errors import ConfigError, RequestError, Unavailable

TIMEOUT = 20.0
"""Seconds."""
_LOCAL = ("127.0.0.1", "::1", "localhost")


class MailChannel:
    """Implements `moat.ports.alerts.Channel`. `smtps` is TLS from the first byte, `smtp` changes to TLS before anything
    is said (RFC 8314, RFC 3207), and the server's certificate must be good; only this machine may do without. `tls` of
    False sends letters, and no password, to a server that offers none.
    """

    def __init__(
        self,
        url: str,
        to: Sequence[str],
        sender: str = "",
        *,
        tls: bool = True,
        private: bool = False,
        where: str = "",
    ) -> None:
        self._server = parts(url, ("smtp", "smtps"), where)
        self._tls = tls
        self._private = private
        self._shown = shown(self._server)
        if not to:
            raise ConfigError("nobody is to get it", where=f"{where}.to", remedy="Write addresses.")
        for address in (*to, *([sender] if sender else [])):
            if "@" not in address or any(sign in address for sign in "\r\n,;"):
                raise ConfigError(f"{address!r} is no address", where=f"{where}.to", remedy="Write name@example.org.")
        self._to = tuple(to)
        self._sender = sender or to[0]

    def send(self, message: Message) -> None:
        """Until the server has taken it for everybody."""
        with reaching(self._shown, private=self._private):
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        try:
            with self._connected() as server:
                refused = server.send_message(self._letter(message), self._sender, self._to)
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError):
            raise RequestError("the mail server does not take our name and password", where=self._shown) from None
        except smtplib.SMTPRecipientsRefused:
            raise RequestError("the mail server takes none of the addresses", where=self._shown) from None
        except smtplib.SMTPResponseException as error:
            kind = RequestError if 500 <= error.smtp_code < 600 else Unavailable
            raise kind(f"the mail server answered {error.smtp_code}", where=self._shown) from None
        except ssl.SSLCertVerificationError as error:
            raise Unavailable(
                f"the mail server's certificate is not good: {error.verify_message}",
                where=self._shown,
                remedy="For an authority of your own, SSL_CERT_FILE names its certificate.",
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise Unavailable(f"the mail server cannot be reached: {said}", where=self._shown) from None
        if refused:
            raise RequestError(f"the mail server refuses {', '.join(refused)}; others have got it", where=self._shown)

    def _connected(self) -> smtplib.SMTP:
        host, port = self._server.hostname or "", self._server.port
        context = ssl.create_default_context()
        if self._server.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=context)
        else:
            server = smtplib.SMTP(host, port or 25, timeout=TIMEOUT)
        try:
            self._greet(server, host, context)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP, host: str, context: ssl.SSLContext) -> None:
        server.ehlo()
        safe = self._server.scheme == "smtps"
        if not safe and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            safe = True
        if not safe and host not in _LOCAL and (self._tls or self._server.username):
            raise RequestError(
                "the mail server offers no TLS, so that it gets nothing",
                where=self._shown,
                remedy="Write smtps://; or `tls: false` and no password.",
            )
        if self._server.username:
            server.login(unquote(self._server.username), unquote(self._server.password or ""))

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["Subject"] = " ".join(message.title.split())
        letter["From"], letter["To"] = self._sender, ", ".join(self._to)
        letter["Date"] = format_datetime(datetime.fromtimestamp(message.at_ns / 1e9, UTC))
        letter["Message-ID"] = make_msgid(message.id, "moat.invalid")
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.text)
        if message.html:
            letter.add_attachment(message.html, subtype="html", filename="report.html")
        return letter
