// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { wholeSpan } from "./queries";
import { Waterfall } from "./Waterfall";

const span = (span_id: string, parent_id: string, started_ns: number) => wholeSpan({ span_id, trace_id: "t", name: span_id, parent_id, started_ns, duration_ns: 10, kind: "app" });
const SPANS = [span("top", "", 0), span("below", "top", 1)];

beforeEach(() => {
  // What browsers have and jsdom has not.
  vi.stubGlobal("CSS", { escape: (text: string) => text });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("is walked by arrows, and leaves those with Alt, Ctrl or Meta to the browser", () => {
  const select = vi.fn();
  render(<Waterfall spans={SPANS} selected="top" select={select} />);
  const top = screen.getAllByRole("treeitem")[0] as HTMLElement;
  for (const key of ["ArrowLeft", "ArrowRight", "ArrowDown", "Home", "End"])
    for (const held of [{ altKey: true }, { ctrlKey: true }, { metaKey: true }]) expect(fireEvent.keyDown(top, { key, ...held }), `${key} is not taken`).toBe(true);
  expect(select).not.toHaveBeenCalled();
  expect(top.getAttribute("aria-expanded")).toBe("true");
  expect(fireEvent.keyDown(top, { key: "ArrowDown" }), "taken").toBe(false);
  expect(select).toHaveBeenCalledWith("below");
  fireEvent.keyDown(top, { key: "ArrowLeft" });
  expect(top.getAttribute("aria-expanded")).toBe("false");
});
