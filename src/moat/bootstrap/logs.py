"""The server's log: lines for people or JSON for programs, without secrets."""

import datetime
import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast, get_args

from moat.bootstrap.settings import references
from moat.domain.errors import ConfigError
from moat.gateway.asking import about

LogFormat = Literal["text", "json"]
LEVELS = ("debug", "info", "warning", "error")

HIDDEN = "[hidden]"
MIN_SECRET = 8
"""Characters: a shorter value of a variable stands in too many words."""

_SECRET_NAME = re.compile(
    r"(?i)(^|[-_])(auth|authorization|cookie|credentials?|key|apikey|passwd|password|secret|token|webhook(_url)?|dsn)$"
)
_PATTERNS = (
    re.compile(r"\bmk-[A-Za-z0-9_-]{16,}"),  # Moat's own keys
    re.compile(  # headers that carry credentials
        r"(?i)((?:authorization|(?:\bx-|\bx-goog-|\b)api-key|\bcookie|-signature(?:-256)?)"
        r"[\"']?\s*[:=,]\s*(?:b(?=[\"']))?[\"']?)(?:(?:basic|bearer|digest)\s+)?[^\s\"',;)]+"
    ),
    re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\b[Bb]asic\s+(?=[a-z+/]*[A-Z0-9=])[A-Za-z0-9+/]{8,}={0,2}"),
    re.compile(r"(?i)(?<=://)[^/\s@\"']+(?=@)"),  # of a URL: user and password
    re.compile(
        r"(?i)(?<![a-z0-9_-])((?:api[-_]?key|access_token|key|token|password|secret|sig(?:nature)?)=)[^&\s\"']+"
    ),
    re.compile(r"(?<=/feedback/)[A-Za-z0-9._~-]{16,}"),  # a signed link
    re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"),  # OpenAI's, Anthropic's
    re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"),  # Google's
    re.compile(r"\bAKIA[A-Z0-9]{16}\b"),  # AWS's
)


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029) if code not in (9, 10)}
"""Characters that a terminal obeys."""


class Logs(NamedTuple):
    """How the server logs."""

    format: LogFormat = "text"
    level: str = "info"
    access: bool = False
    """A line for each request."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """For another process, which `given` reads."""
        return self.format, self.level, "access" if self.access else ""

    @classmethod
    def given(cls, arguments: Sequence[str]) -> "Logs":
        """From `arguments`."""
        format, level, access = arguments
        return cls(cast("LogFormat", format), level, bool(access))


TEXT = Logs()


def logs(environ: Mapping[str, str], format: str | None, level: str | None, *, access: bool) -> Logs:
    """From options, else LOG_FORMAT and LOG_LEVEL. Raises `ConfigError`."""
    chosen = (format or environ.get("LOG_FORMAT") or "text").lower()
    if chosen not in get_args(LogFormat):
        raise ConfigError(f"{chosen[:40]!r} is no log format", where="LOG_FORMAT", remedy="Write `text` or `json`.")
    height = (level or environ.get("LOG_LEVEL") or "info").lower()
    if height not in LEVELS:
        raise ConfigError(
            f"{height[:40]!r} is no log level", where="LOG_LEVEL", remedy=f"Write one of {', '.join(LEVELS)}."
        )
    return Logs(cast("LogFormat", chosen), height, access)


def start_logging(chosen: Logs, secrets: Iterable[str]) -> None:
    """From here on all of this process's log goes to standard error, so written."""
    handler = logging.StreamHandler(sys.stderr)
    clean = Redaction(secrets)
    handler.setFormatter(JsonLines(clean) if chosen.format == "json" else Lines(clean))
    logging.basicConfig(level=chosen.level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Their steps say nothing to whoever runs a server.
    for name in ("alembic", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def secrets_of(environ: Mapping[str, str], options: Any = None) -> list[str]:
    """Values of the variables whose names say that they are secret, and of those that a secret option refers to."""
    names = {name for name in environ if _SECRET_NAME.search(name)} | set(_referred(options, secret=False))
    return [environ[name] for name in names if name in environ]


def _referred(options: Any, *, secret: bool) -> Iterator[str]:
    """Variables that stand in options with secret names, and in anything below `channels`: addresses of chats."""
    if isinstance(options, dict):
        for name, value in options.items():
            yield from _referred(value, secret=secret or name == "channels" or bool(_SECRET_NAME.search(str(name))))
    elif isinstance(options, list):
        for value in options:
            yield from _referred(value, secret=secret)
    elif secret and isinstance(options, str):
        yield from (name for name, _ in references(options))


class Redaction:
    """Takes secrets out of text: those that are known, and what looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= MIN_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern in _PATTERNS:
            text = pattern.sub(_hidden, text)
        return text


class Lines(logging.Formatter):
    """For people: time, level, logger, message, and the request that it is about."""

    def __init__(self, clean: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._clean = clean

    def formatMessage(self, record: logging.LogRecord) -> str:
        """A message of others steers no terminal, and none of its lines looks like one of the log's."""
        return super().formatMessage(record).translate(_CONTROLS).replace("\n", "\n  | ")

    def format(self, record: logging.LogRecord) -> str:
        """One line; an exception's follow it."""
        text = super().format(record)
        request, _ = about.get()
        if request:
            first, newline, rest = text.partition("\n")
            text = f"{first} ({request}){newline}{rest}"
        return self._clean(text)


class JsonLines(logging.Formatter):
    """For programs: one JSON object a line.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`, `process`; `request_id` and `trace_id` of the request that it
    is about; `exception`; and of the access log `method`, `path`, `status` and `milliseconds`.
    """

    def __init__(self, clean: Redaction) -> None:
        super().__init__()
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._clean(record.getMessage()),
            "process": record.process,
        }
        request = zip(("request_id", "trace_id"), about.get(), strict=True)
        line |= {name: value for name, value in request if value}
        if record.exc_info:
            line["exception"] = self._clean(self.formatException(record.exc_info))
        if record.stack_info:
            line["stack"] = self._clean(record.stack_info)
        for name, value in getattr(record, "told", {}).items():
            line[name] = self._clean(value) if isinstance(value, str) else value
        return json.dumps(line, ensure_ascii=False, default=str)


def _hidden(match: re.Match[str]) -> str:
    """What leads to the secret stays."""
    return f"{match[1]}{HIDDEN}" if match.re.groups else HIDDEN
