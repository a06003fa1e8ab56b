// @vitest-environment jsdom
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { useSettled } from "./settled";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("leaves a page alone whose values are made anew each time", () => {
  let renders = 0;
  const { result } = renderHook(() => {
    renders += 1;
    return useSettled({ question: "Hello" });
  });
  const first = result.current;
  act(() => {
    vi.advanceTimersByTime(10_000);
  });
  expect(renders).toBe(1);
  expect(result.current).toBe(first);
});

it("gives a value once it is left alone", () => {
  const { result, rerender } = renderHook(({ text }) => useSettled({ text }, 100), { initialProps: { text: "a" } });
  rerender({ text: "ab" });
  act(() => {
    vi.advanceTimersByTime(60);
  });
  rerender({ text: "abc" });
  act(() => {
    vi.advanceTimersByTime(60);
  });
  expect(result.current.text).toBe("a");
  act(() => {
    vi.advanceTimersByTime(60);
  });
  expect(result.current.text).toBe("abc");
});
