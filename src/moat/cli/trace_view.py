"""One trace on a terminal: its spans as a tree with a waterfall, opinions, what was asked and answered."""

from collections.abc import Iterator, Sequence

from moat.cli.output import clock, counted, milliseconds, out
from moat.cli.trace_columns import cost_of, prompt_of, standing, tokens_a_second
from moat.cli.trace_messages import as_text, conversation
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.domain.usage import format_usd

MAX_INDENT = 30
"""Levels; what is nested deeper stands below each other."""
PIPED_WIDTH = 120
"""Columns where no terminal says its own."""
BAR, SMALL_BAR = 24, 12
LABEL, SMALL_LABEL = 60, 36
_TIME = 12


def print_trace(spans: Sequence[Span], said: Sequence[Feedback]) -> None:
    """All of it. `spans` are those of one trace, oldest first."""
    began = min(span.started_ns for span in spans)
    lasted = max(span.started_ns + span.duration_ns for span in spans) - began
    out.print(f"trace {spans[0].trace_id}", style="bold")
    calls = [span for span in spans if span.kind == "call"]
    facts = [clock(began), counted(len(spans), "span"), milliseconds(lasted)]
    if len(calls) > 1:
        costs = [span.cost for span in calls if span.cost is not None]
        facts += [counted(len(calls), "call"), format_usd(sum(costs))] if costs else [counted(len(calls), "call")]
    out.print("  ".join(facts), style="dim")
    _print_identity(calls or spans)
    _print_tree(spans, began, lasted)
    _print_opinions(said)
    answered = {span.parent_id for span in calls}
    for span in spans:
        if span.kind == "call" or (span.kind == "app" and span.span_id not in answered):
            _print_content(span)


def _print_identity(spans: Sequence[Span]) -> None:
    names = ("tenant", "feature", "user", "session", "environment", "key", "service")
    found = {name: list(dict.fromkeys(v for s in spans if (v := getattr(s, name)))) for name in names}
    told = "  ".join(f"{name} {', '.join(values)}" for name, values in found.items() if values)
    if told:
        out.print(told, style="dim")


def _print_tree(spans: Sequence[Span], began: int, lasted: int) -> None:
    width = out.width if out.is_terminal else PIPED_WIDTH
    small = width < PIPED_WIDTH
    bar = SMALL_BAR if small else BAR
    rows = [(f"{'  ' * min(depth, MAX_INDENT)}└ {span.name}{standing(span)}", span) for depth, span in tree(spans)]
    room = min(max(len(label) for label, _ in rows), SMALL_LABEL if small else LABEL)
    for label, span in rows:
        shown = label if len(label) <= room or not out.is_terminal else f"{label[: room - 1]}…"
        line = f"{shown:<{room}} {waterfall(span, began, lasted, bar)} {milliseconds(span.duration_ns):>{_TIME - 2}}"
        told = _facts(span)
        if not out.is_terminal or len(line) + 2 + len(told) <= width or not told:
            out.print(f"{line}  {told}".rstrip())
        else:
            out.print(line)
            out.print(f"{' ' * (len(label) - len(label.lstrip()) + 2)}{told}", style="dim")


def waterfall(span: Span, began: int, lasted: int, width: int) -> str:
    """When in the trace the span was: `▒` until a stream's first token, `█` from then on; one mark at least."""
    if lasted <= 0:
        return "█" * width
    start = min(width - 1, (span.started_ns - began) * width // lasted)
    end = max(start + 1, -(-(span.started_ns + span.duration_ns - began) * width // lasted))
    wait = min(end - start - 1, span.first_token_ns * width // lasted) if span.stream else 0
    return f"{' ' * start}{'▒' * wait}{'█' * (end - start - wait)}{' ' * (width - end)}"


def tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Each span once, with its depth, children after their parent; those in a ring come last."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    for parent in ["", *children]:
        left = [(0, span) for span in reversed(children.pop(parent, []))]
        while left:
            depth, span = left.pop()
            yield depth, span
            left += [(depth + 1, child) for child in reversed(children.pop(span.span_id, []))]


def _facts(span: Span) -> str:
    facts = [span.provider]
    facts += [f"answered by {span.model_answered}"] if span.model_answered not in ("", span.model) else []
    facts += [f"first token {milliseconds(span.first_token_ns)}"] if span.stream and span.first_token_ns else []
    if span.input_tokens or span.output_tokens:
        apart = [
            f"{count} {what}"
            for count, what in ((span.cached_tokens, "cached"), (span.reasoning_tokens, "reasoning"))
            if count
        ]
        facts.append(f"{span.input_tokens}+{span.output_tokens} tokens")
        facts[-1] += f" ({', '.join(apart)})" if apart else ""
    speed = tokens_a_second(span)
    facts += [f"{speed:,.0f} tokens/s"] if speed is not None else []
    facts += [f"{count} {what}" for count, what in ((span.searches, "searches"), (span.runs, "tool runs")) if count]
    facts += [f"tier {span.tier}"] if span.tier else []
    if span.kind != "app" or span.cost is not None:
        facts.append(f"{cost_of(span)}{' (estimated)' if span.usage_estimated else ''}")
    facts += [f"cache {span.cache}{f', saved {format_usd(span.saved)}' if span.saved else ''}"] if span.cache else []
    facts += [f"guard {span.guard}"] if span.guard else []
    facts += [f"policy {span.policy}"] if span.policy else []
    facts += [f"tools {span.tools}"] if span.tools else []
    facts += [f"FAILED {span.error}: {span.error_message}"] if span.error else [span.finish_reason]
    return "  ".join(fact for fact in facts if fact)


def _print_opinions(said: Sequence[Feedback]) -> None:
    for one in said:
        out.print(opinion(one), style="bold" if one.source == "person" else "")


def opinion(said: Feedback) -> str:
    """One opinion on one line."""
    value = "" if said.value is None else f" {said.value:.2f}"
    facts = [f"{said.name}{value}{f' ({said.rating}/5)' if said.rating is not None else ''}"]
    facts += [f"by {said.by or 'somebody'} ({said.source})"]
    facts += [", ".join(said.categories)] if said.categories else []
    facts += [f'"{" ".join(said.comment.split())}"'] if said.comment else []
    facts += [f"should be: {' '.join(as_text(said.correction).split())}"] if said.correction is not None else []
    return "  ".join(facts)


def _print_content(span: Span) -> None:
    if span.prompt:
        experiment = f"  experiment {span.experiment}" if span.experiment else ""
        words = f"\nprompt {prompt_of(span)}{standing(span)}  release {span.release or 'none'}{experiment}"
        out.print(words, style="bold")
    elif span.request_id and span.kind == "call":
        out.print(f"\nrequest {span.request_id}", style="bold")
    elif span.input is None and span.output is None:
        return
    elif span.kind == "app":
        out.print(f"\nspan {span.name}", style="bold")
    for who, text in conversation(span):
        out.print(f"[{who}]", style="bold")
        out.print(text)
