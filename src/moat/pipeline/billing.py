"""What a try may take at most, and what it took in the end."""

from moat.domain.calls import Call, Finished
from moat.domain.errors import ClientClosed, DeadlinePassed, MoatError, ProviderTimeout, Stopped
from moat.domain.usage import COUNTS, Usage, estimate_tokens
from moat.pipeline.estimates import caches, input_tokens, most_input_tokens, sounds, stated_output
from moat.pipeline.ports import Ports
from moat.ports.ledger import Worst

DEFAULT_OUTPUT = 4096
"""Tokens that an answer is taken to have at most, when neither the call nor anything known of the model says."""

SHORTENED = ("chat", "completions")
"""Operations whose answers take a largest length."""

LEAST_AUDIO = 1000
"""Bytes of a second of sound, at least: speech at 8 kbit/s."""

MAX_TOKENS = 10**9
"""No answer has more; a provider that says so is mistaken, and its number would not fit into any record."""

_ABANDONED = (ClientClosed, Stopped, DeadlinePassed, ProviderTimeout)
"""Ends of a try that was under way: the provider may bill it."""


_IMAGES = ("images", "image_edits", "image_variations")


class Reserve:
    """The most that one try may take at its deployment."""

    def __init__(self, call: Call, ports: Ports) -> None:
        assert call.deployment is not None, "Attempts sets the deployment"
        self._prices = ports.prices
        self._deployment = call.deployment
        self._alias = call.plan.alias if call.plan else call.model
        self._input = most_input_tokens(call)
        self._units = _units(call) or _most_seconds(call)
        self._writes = caches(call)
        self._sounds = sounds(call)
        self.output = _output(call, ports)
        """Tokens."""
        fixed = call.operation not in SHORTENED
        self.worst = Worst(input_tokens(call), self._input, self.output, self.cost, fixed)

    def cost(self, output: int) -> int | None:
        """Picodollars with so many output tokens; None without a price."""
        return self._prices.cost(self._deployment, self._alias, self._usage(output))

    @property
    def usage(self) -> Usage:
        """All of it."""
        return self._usage(self.output)

    def _usage(self, output: int) -> Usage:
        """Every token of the dearest kind that the call can have."""
        written = self._input if self._writes else 0
        return Usage(
            input=self._input,
            output=output,
            cache_write=written,
            cache_write_long=written,
            audio_input=self._input if self._sounds else 0,
            audio_output=output if self._sounds else 0,
            units=self._units,
            estimated=True,
        )


def billed(call: Call, error: MoatError | None, finished: Finished | None, sent: str | None) -> Usage:
    """What the provider will bill: as it reported, else an estimate that is flagged, else nothing.

    `sent` is the text that came, None when nothing did. A zero that the provider reported stays a zero.
    """
    if finished is not None and finished.usage is not None:
        return _plausible(finished.usage)
    worked = sent is not None or finished is not None or bool(getattr(error, "worked", False))
    if not worked and not (isinstance(error, _ABANDONED) and getattr(error, "sent", True)):
        return Usage()
    return Usage(input=input_tokens(call), output=estimate_tokens(sent or ""), units=_units(call), estimated=True)


def _output(call: Call, ports: Ports) -> int:
    """The longest answer, over all choices asked for."""
    if call.operation not in ("chat", "completions", *_IMAGES):
        return 0
    choices = call.params.get("n") if call.operation not in _IMAGES else 1
    many = choices if isinstance(choices, int) and choices > 1 else 1
    assert call.deployment is not None, "Attempts sets the deployment"
    capacity = ports.models.capacity(call.deployment)
    return many * (stated_output(call) or capacity.output or DEFAULT_OUTPUT)


def _units(call: Call) -> int:
    """Pieces that are billed as such."""
    if call.operation in _IMAGES:
        count = call.params.get("n")
        if isinstance(count, str) and count.isdecimal():  # in a form everything is text
            count = int(count[:9])
        return count if isinstance(count, int) and count > 0 else 1
    if call.operation == "speech":
        text = call.params.get("input")
        return len(text) if isinstance(text, str) else 0
    return 1 if call.operation == "rerank" else 0


def _most_seconds(call: Call) -> int:
    """How long the sound can be that so many bytes hold; 0 for what hears none."""
    return len(call.upload) // LEAST_AUDIO + 1 if call.operation in ("transcription", "translation") else 0


def _plausible(usage: Usage) -> Usage:
    """What the provider reported; counts beyond belief are cut and the usage is flagged as estimated."""
    counts = [getattr(usage, name) for name in COUNTS]
    if min(counts) >= 0 and max(counts) <= MAX_TOKENS:
        return usage
    cut = {name: min(max(count, 0), MAX_TOKENS) for name, count in zip(COUNTS, counts, strict=True)}
    return Usage(**cut, estimated=True)
