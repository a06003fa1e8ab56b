/** A model's answer to a draft, as it comes: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { ApiError, send } from "../../api/client";
import type { DraftCall, DraftDelta, DraftFailed, DraftFinished, DraftThought, DraftToolCall } from "../../api/schema";

export type DraftEvent = DraftDelta | DraftThought | DraftToolCall | DraftFinished | DraftFailed;

/** What one try has come to so far. */
export interface Attempt {
  state: "waiting" | "running" | "finished" | "failed" | "stopped";
  text: string;
  thoughts: string;
  tools: { name: string; arguments: string }[];
  finished: DraftFinished | null;
  error: ApiError | null;
  /** The texts that were sent, as `written` in tries.ts has them; empty until then. */
  asked: string;
}

export const WAITING: Attempt = { state: "waiting", text: "", thoughts: "", tools: [], finished: null, error: null, asked: "" };

/** The try after one more event. */
export function after(attempt: Attempt, event: DraftEvent): Attempt {
  const running: Attempt = { ...attempt, state: "running" };
  switch (event.event) {
    case "delta":
      return { ...running, text: running.text + event.text };
    case "reasoning":
      return { ...running, thoughts: running.thoughts + event.text };
    case "tool": {
      const tools = [...running.tools];
      const before = tools[event.index] ?? { name: "", arguments: "" };
      tools[event.index] = { name: before.name + event.name, arguments: before.arguments + event.arguments };
      return { ...running, tools };
    }
    case "finished":
      return { ...running, state: "finished", finished: event };
    case "failed":
      return { ...running, state: "failed", error: new ApiError(200, event.error.code, event.error.message, event.error.param, event.trace_id) };
  }
}

/** Ask, and hear the answer. Throws an `ApiError`, or an `AbortError` when `signal` ended it. */
export async function* ask(order: DraftCall, signal: AbortSignal): AsyncGenerator<DraftEvent> {
  const response = await send("/api/v1/drafts/run", order, signal);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const [whole, left] = split(rest + value);
    rest = left;
    for (const data of whole) yield JSON.parse(data) as DraftEvent;
  }
}

/** The data of the events that are complete, and what is not complete yet. */
export function split(text: string): [string[], string] {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop() ?? "";
  const data = blocks.map((block) =>
    block
      .split("\n")
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).replace(/^ /, ""))
      .join("\n"),
  );
  return [data.filter(Boolean), rest];
}
