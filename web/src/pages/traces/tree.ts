/** The spans of a trace as a tree with places in time. */
import type { FullSpan as Span } from "./queries";

export interface Node {
  span: Span;
  depth: number;
  /** Span ids of what stands directly below. */
  children: readonly string[];
  /** Id of the span above it; empty for those at the top. */
  parent: string;
  /** What it cost with all below it, as far as it is known; null when nothing is. */
  cost: number | null;
}

/** Each span once, children after their parent in the order of their beginning; those in a ring come last. */
export function tree(spans: readonly Span[]): Node[] {
  const known = new Map(spans.map((span) => [span.span_id, span]));
  const below = new Map<string, Span[]>();
  for (const span of [...spans].sort((a, b) => a.started_ns - b.started_ns)) {
    const parent = span.parent_id && span.parent_id !== span.span_id && known.has(span.parent_id) ? span.parent_id : "";
    const beside = below.get(parent);
    if (beside) beside.push(span);
    else below.set(parent, [span]);
  }
  const nodes: Node[] = [];
  const seen = new Set<string>();
  const walk = (roots: readonly Span[]) => {
    const left = roots.toReversed().map((span) => ({ span, depth: 0, parent: "" }));
    for (let next = left.pop(); next; next = left.pop()) {
      const { span, depth, parent } = next;
      if (seen.has(span.span_id)) continue;
      seen.add(span.span_id);
      const children = below.get(span.span_id) ?? [];
      nodes.push({ span, depth, parent, children: children.map((child) => child.span_id), cost: null });
      for (const child of children.toReversed()) left.push({ span: child, depth: depth + 1, parent: span.span_id });
    }
  };
  walk(below.get("") ?? []);
  for (const span of spans) if (!seen.has(span.span_id)) walk([span]);
  return priced(nodes);
}

/** Money is counted at calls, whose cost is the sum over their attempts; what applications say it cost is never added. */
function priced(nodes: readonly Node[]): Node[] {
  const sums = new Map<string, number>();
  const inCalls = new Set<string>();
  for (const { span, parent } of nodes) if (span.kind === "call" || inCalls.has(parent)) inCalls.add(span.span_id);
  // From the leaves up: children stand after their parents.
  for (const { span, parent } of nodes.toReversed()) {
    const counted = span.kind === "app" || inCalls.has(parent) ? null : span.cost;
    const sum = counted ?? sums.get(span.span_id);
    if (parent && sum !== undefined) sums.set(parent, (sums.get(parent) ?? 0) + sum);
  }
  return nodes.map((node) => ({ ...node, cost: node.span.cost ?? sums.get(node.span.span_id) ?? null }));
}

/** Those that are seen while the spans of `closed` hide what is below them. */
export function open(nodes: readonly Node[], closed: ReadonlySet<string>): Node[] {
  let hidden = Infinity;
  return nodes.filter((node) => {
    if (node.depth > hidden) return false;
    hidden = closed.has(node.span.span_id) ? node.depth : Infinity;
    return true;
  });
}

export interface Extent {
  began_ns: number;
  lasted_ns: number;
}

/** When the trace began, and how long it took. */
export function extent(spans: readonly Span[]): Extent {
  let [began_ns, ended_ns] = [Infinity, -Infinity];
  for (const { started_ns, duration_ns } of spans) {
    began_ns = Math.min(began_ns, started_ns);
    ended_ns = Math.max(ended_ns, started_ns + duration_ns);
  }
  return { began_ns, lasted_ns: ended_ns - began_ns };
}

export interface Bar {
  /** Shares of the trace's time, 0 to 1. */
  left: number;
  width: number;
  /** Share of the bar's width until the first token. */
  wait: number;
}

/** Where a span is in the waterfall. */
export function bar(span: Span, { began_ns, lasted_ns }: Extent): Bar {
  if (lasted_ns <= 0) return { left: 0, width: 1, wait: 0 };
  const left = Math.min(1, Math.max(0, (span.started_ns - began_ns) / lasted_ns));
  const width = Math.min(1 - left, Math.max(0, span.duration_ns / lasted_ns));
  return { left, width, wait: span.stream && span.duration_ns ? Math.min(1, span.first_token_ns / span.duration_ns) : 0 };
}

/** The call that a trace or request is about: the one that is named, else the first, else none. */
export function mainCall(spans: readonly Span[], id: string): Span | undefined {
  const calls = spans.filter((span) => span.kind === "call");
  return calls.find((span) => span.request_id === id) ?? calls.find((span) => !span.shadow_of) ?? calls[0];
}

/** What kind of step it is, in a word. */
export function stepOf(span: Span): string {
  if (span.kind === "call") return span.shadow_of ? "shadow call" : "call";
  if (span.kind === "attempt") return "attempt";
  return { execute_tool: "tool", invoke_agent: "agent", retrieval: "retrieval", embeddings: "embeddings" }[span.operation] ?? "app";
}
