import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ALONE_AFTER, followTouches, isAttended } from "./attended";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("a page is on its own once nobody has touched it for a minute", () => {
  const page = new EventTarget();
  followTouches(page);
  page.dispatchEvent(new Event("keydown"));
  vi.advanceTimersByTime(ALONE_AFTER - 1);
  expect(isAttended()).toBe(true);
  vi.advanceTimersByTime(1);
  expect(isAttended()).toBe(false);
  page.dispatchEvent(new Event("pointerdown"));
  expect(isAttended()).toBe(true);
});
