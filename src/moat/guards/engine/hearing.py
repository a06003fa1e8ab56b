"""A chat's answer under guard while it comes: what is certain goes on, what is not yet waits."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from moat.domain.calls import Delta, Event, Finished
from moat.domain.guards import Place
from moat.guards.edits import Edit
from moat.guards.engine.answering import Answering
from moat.guards.engine.approving import Wanted
from moat.guards.engine.channels import Channel
from moat.guards.engine.contexts import wants_json
from moat.guards.engine.far import Seen
from moat.guards.engine.looking import look, look_at
from moat.guards.engine.margins import Margins
from moat.guards.engine.scanning import Block
from moat.guards.engine.tool_uses import ToolUses
from moat.guards.revealing import Revealing
from moat.guards.text import Text
from moat.ports.guards import Ending

_FIELDS = ("text", "refusal", "reasoning", "beside")
"""Of a `Delta`; each is a channel of its own."""


_Spot = tuple[Channel, int, int, str]
"""A piece of an event: its channel, where it begins and ends in it, and its text."""


class ChatHearing:
    """Implements `moat.ports.guards.Hearing` for chats.

    Events go on whole and in order, each when no guard can change any text of it any more; so the provider's own bytes
    are forwarded until the first edit.
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        modalities = answering.call.params.get("modalities")
        self._spoken = answering.acts and isinstance(modalities, list) and "audio" in modalities
        """It comes as sound too, which is left out as a whole once the text is changed."""
        self._keeps = self._spoken or any(notes.rule.holds_back for notes in answering.notes)
        """Nothing goes on before the end."""
        self._structured = wants_json(answering.call)
        """Is the text JSON?"""
        self._passes = not answering.acts
        """Everything goes on at once."""
        self._channels: dict[str, Channel] = {}
        self._revealed: dict[str, Revealing] = {}
        """By channel."""
        self._tools: dict[str, str] = {}
        """Names of the tools that channels are the arguments for."""
        self._uses = ToolUses(answering)
        self._margins = Margins(answering, self._uses.end)
        self._waiting: deque[tuple[Delta, list[_Spot]]] = deque()
        self._finished: Finished | None = None
        self._rewritten = False
        self._censored = False
        """Is something of the thinking gone? What its provider has signed is not what the client gets then."""

    async def hear(self, event: Event) -> Sequence[Event]:
        """See `moat.ports.guards.Hearing`."""
        if isinstance(event, Finished):
            self._finished = self._margins.ended(event)
            return ()
        event = self._margins.guarded(event)
        spots = self._placed(event)
        if ripe := [channel for channel, _, end, _ in spots if end >= channel.ripe]:
            came = sum(end - start for _, start, end, _ in spots)
            await self._answering.beside(came, lambda: self._judge_blocks(ripe))
        if self._passes:
            self._answering.sent += sum(end - start for _, start, end, _ in spots)
            return (event,)
        self._waiting.append((event, spots))
        return () if self._keeps else self._certain()

    async def end(self) -> Ending:
        """See `moat.ports.guards.Hearing`."""
        channels = self._channels.values()
        left = sum(
            channel.length if self._answering.by_whole else channel.length - channel.done for channel in channels
        )
        await self._answering.beside(left, self._judge_rest)
        if self._answering.far:
            await self._ask_far()
        said = self._channels.get("text")
        try:
            if any(notes.asks for notes in self._answering.notes):
                await self._answering.ask_people(dict(self._wanted()))
            ending = self._answering.ending(said.whole if self._keeps and said is not None else "")
        finally:
            self._uses.end()
        self._rewritten |= self._spoken and any(channel.edited for channel in channels)
        finished = () if self._finished is None else (self._finished,)
        return ending or Ending((*self._certain(), *finished))

    def close(self) -> None:
        """See `moat.ports.guards.Hearing`."""
        self._answering.report()

    def _judge_blocks(self, channels: Iterable[Channel], *, complete: bool = False) -> None:
        for channel in channels:
            for block in channel.blocks(complete=complete):
                self._judge(channel, block)

    def _judge_rest(self) -> None:
        self._judge_blocks(self._channels.values(), complete=True)
        if self._answering.by_whole:
            for name in tuple(self._channels) or (_FIELDS[0],):
                self._judge_whole(name)

    def _placed(self, event: Delta) -> list[_Spot]:
        spots = [self._spot(name, text) for name in _FIELDS if (text := getattr(event, name))]
        for piece in event.tool_calls:
            name = f"tool_calls.{piece.index}.arguments"
            spots.append(self._spot(name, piece.arguments))
            if piece.name and piece.name != (known := self._tools.get(name, "")):
                self._tools[name] = known + piece.name  # as clients put it together
            self._uses.add(name, piece)
        return spots

    def _spot(self, name: str, text: str) -> _Spot:
        channel = self._channel(name)
        start = channel.length
        channel.add(text)
        return channel, start, channel.length, text

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            place: Place = "output" if name in _FIELDS else "tool_arguments"
            whole = self._keeps or bool(self._answering.by_whole)
            channel = self._channels[name] = Channel(name, place, self._window(place), whole=whole)
        return channel

    def _window(self, place: Place) -> int:
        """The longest of those that look there."""
        answering = self._answering
        rules = [notes.rule for notes in answering.by_block if place in notes.rule.places]
        windows = [rule.detector.window for rule in rules]
        return max([*windows, answering.vault.window if answering.reveals else 0])

    def _judge(self, channel: Channel, block: Block) -> None:
        """Let the rules see one block. Raises `GuardBlocked` as soon as one of them blocks."""
        answering, name, edits = self._answering, channel.name, list[Edit]()
        context = answering.context(channel.place, tool=self._tools.get(name, ""))
        for notes in answering.by_block:
            if notes.rule.hears(channel.place, name):
                edits += look_at(block, (notes,), (name,), context, answering.vault)
            if notes.stops:
                self._uses.end()
            answering.check(notes)
        self._censored |= bool(edits) and name == "reasoning"
        if answering.reveals:
            revealed = self._revealing(channel).edits(block.text.original, block.begin, block.end)
            edits += [Edit(start + block.offset, end + block.offset, value) for start, end, value in revealed]
        channel.replace(edits)

    def _revealing(self, channel: Channel) -> Revealing:
        if channel.name not in self._revealed:
            is_json = channel.place == "tool_arguments" or (self._structured and channel.name == "text")
            self._revealed[channel.name] = Revealing(self._answering.vault, is_json=is_json)
        return self._revealed[channel.name]

    def _judge_whole(self, name: str) -> None:
        answering, channel = self._answering, self._channel(name)
        reason = self._finished.reason if self._finished is not None else ""
        tool, calls = self._tools.get(name, ""), list[tuple[str, str]]()
        for other, called in self._tools.items() if tool else ():
            if other == name:
                break
            calls.append((called, self._channels[other].whole))
        context = answering.context(channel.place, tool=tool, calls=tuple(calls), finish_reason=reason)
        text = Text(channel.whole)
        hearing = [notes for notes in answering.by_whole if notes.rule.hears(channel.place, name)]
        self._censor(channel, look(hearing, text, (name,), context, answering.vault))

    async def _ask_far(self) -> None:
        contexts = {
            name: self._answering.context(c.place, tool=self._tools.get(name, "")) for name, c in self._channels.items()
        }
        seen = [Seen((name,), channel.whole, contexts[name]) for name, channel in self._channels.items()]
        for path, edits in (await self._answering.ask_far(seen)).items():
            self._censor(self._channels[str(path[0])], edits)

    def _censor(self, channel: Channel, edits: Sequence[Edit]) -> None:
        self._censored |= bool(edits) and channel.name == "reasoning"
        channel.replace(edits)

    def _wanted(self) -> Iterator[tuple[str, Wanted]]:
        """Tool calls as they would go on; rules that ask people hold all of an answer back."""
        for name, channel in self._channels.items():
            if channel.place == "tool_arguments":
                yield name, Wanted(self._tools.get(name, ""), channel.written(channel.whole, 0))

    def _certain(self) -> list[Delta]:
        """What waits and can no longer change, in order."""
        passed: list[Delta] = []
        while self._waiting:
            event, spots = self._waiting[0]
            for channel, _, end, _ in spots:
                if end > channel.done:
                    return passed
            self._waiting.popleft()
            passed.append(self._written(event, spots))
        return passed

    def _written(self, event: Delta, spots: Sequence[_Spot]) -> Delta:
        """The event with the edits in it. From the first that is changed on, the provider's own bytes are dropped."""
        written, changed = list[tuple[str, str]](), False
        for channel, start, _, before in spots:
            text = channel.written(before, start)
            self._answering.sent += len(text)
            written.append((channel.name, text))
            changed = changed or text != before
        self._rewritten = self._rewritten or changed
        if not changed:
            if not self._rewritten or (event.raw is None and not event.signature):
                return event
            return replace(event, raw=None, signature="" if self._censored else event.signature)
        fields = {name: text for name, text in written if name in _FIELDS}
        calls = [text for name, text in written if name not in _FIELDS]
        return _rewritten(event, fields, calls, "" if self._censored else event.signature)


def _rewritten(event: Delta, fields: Mapping[str, str], arguments: Sequence[str], signature: str) -> Delta:
    calls = tuple(replace(piece, arguments=text) for piece, text in zip(event.tool_calls, arguments, strict=True))
    return replace(event, **fields, tool_calls=calls, signature=signature, raw=None)
