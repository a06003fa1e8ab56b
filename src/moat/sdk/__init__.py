"""What an application imports: `from moat import Moat`.

moat = Moat("http://127.0.0.1:4000", api_key="mk-...")
prompt = moat.prompt("support/answer")
with moat.trace("handle_ticket", user="u1", feature="support") as span:
    answer = openai.chat.completions.create(
        model=prompt.model,
        messages=prompt.render(question="Where is my parcel?"),
        extra_headers=span.headers(),
    )
"""

from moat.sdk.client import AsyncMoat, Moat
from moat.sdk.prompts import Prompt
from moat.sdk.tracing import Span

__all__ = ["AsyncMoat", "Moat", "Prompt", "Span"]
