import { describe, expect, it } from "vitest";

import { marked } from "./findings";
import { type FullSpan as Span, wholeSpan } from "./queries";
import { bar, extent, open, tree } from "./tree";

const span = (span_id: string, parent_id: string, started_ns: number, more: Partial<Span> = {}): Span =>
  wholeSpan({ span_id, trace_id: "t", name: "n", parent_id, started_ns, duration_ns: 10, kind: "app", ...more });

describe("tree", () => {
  it("puts children below their parents, in the order of time, and a ring at the end", () => {
    const nodes = tree([span("b", "a", 5), span("a", "gone", 1), span("c", "a", 2), span("d", "c", 3), span("x", "y", 0), span("y", "x", 0)]);
    expect(nodes.map((node) => `${node.span.span_id}${node.depth}`)).toEqual(["a0", "c1", "d2", "b1", "x0", "y1"]);
  });

  it("sums what calls below cost, and counts attempts once", () => {
    const call = span("call", "agent", 1, { kind: "call", cost: 7 });
    const nodes = tree([span("agent", "", 0), call, span("try", "call", 1, { kind: "attempt", cost: 7 }), span("tool", "agent", 2)]);
    expect(nodes.map((node) => node.cost)).toEqual([7, 7, 7, null]);
  });

  it("hides what is below a span that is closed", () => {
    const nodes = tree([span("a", "", 0), span("b", "a", 1), span("c", "b", 2), span("d", "a", 3)]);
    expect(open(nodes, new Set(["b"])).map((node) => node.span.span_id)).toEqual(["a", "b", "d"]);
  });

  it("holds a chain of thousands", () => {
    expect(tree(Array.from({ length: 5000 }, (_, index) => span(`s${index}`, `s${index - 1}`, index))).at(-1)?.depth).toBe(4999);
  });

  it("holds more children of one span than a function takes arguments", () => {
    const [top, child] = [span("top", "", 0), span("", "top", 0)];
    const spans = [top, ...Array.from({ length: 200_000 }, (_, index) => ({ ...child, span_id: `s${index}`, started_ns: index }))];
    const nodes = tree(spans);
    expect([nodes.length, nodes[0]?.children.length, nodes.at(-1)?.span.span_id]).toEqual([200_001, 200_000, "s199999"]);
    expect(extent(spans)).toEqual({ began_ns: 0, lasted_ns: 200_009 });
  }, 60_000);
});

it("says where in time a span is", () => {
  const [whole, half] = [span("a", "", 100, { duration_ns: 200 }), span("b", "a", 200, { duration_ns: 100, stream: true, first_token_ns: 50 })];
  expect(bar(half, extent([whole, half]))).toEqual({ left: 0.5, width: 0.5, wait: 0.5 });
});

describe("marked", () => {
  const finding = (start: number, end: number) => ({ guard: "pii", kind: "email", place: "input" as const, path: "", start, end, score: 1, note: "" });

  it("marks places, counted in characters", () => {
    expect(marked("👩 a@b.c!", [finding(2, 7)])).toEqual([
      { text: "👩 ", why: "" },
      { text: "a@b.c", why: "pii: email" },
      { text: "!", why: "" },
    ]);
  });

  it("marks what stands for what was taken out, and no place beyond the text", () => {
    expect(marked("to <EMAIL_1>", [finding(3, 20)]).map((one) => one.why)).toEqual(["", "taken out by a guard"]);
    expect(marked("short", [finding(3, 20)])).toEqual([{ text: "short", why: "" }]);
  });
});
