import { beforeEach, expect, test, vi } from "vitest";

import { missingPart, nameMissingParts, reloadOnce } from "./missing";

const kept = new Map<string, string>();
vi.stubGlobal("sessionStorage", {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
});
vi.stubGlobal("location", { pathname: "/evals", reload: () => undefined });

beforeEach(() => kept.clear());

test.each([
  ["Failed to fetch dynamically imported module: http://127.0.0.1:4000/assets/Evals-Bn75WB7G.js", "http://127.0.0.1:4000/assets/Evals-Bn75WB7G.js"],
  ["Unable to preload CSS for /assets/Modal-x_y.css", "/assets/Modal-x_y.css"],
  ["Importing a module script failed.", "/evals"],
])("of %j it is known what did not come", (said, part) => {
  let heard: (event: { payload: Error }) => void = () => undefined;
  vi.stubGlobal("addEventListener", (_: string, hear: typeof heard) => {
    heard = hear;
  });
  nameMissingParts();
  const error = new Error(said);
  heard({ payload: error });
  heard({ payload: error });
  expect(missingPart(error)).toBe(part);
  expect(error.message).not.toContain("/assets/");
});

test("another error is none of a missing part", () => {
  expect(missingPart(new Error("Failed to fetch"))).toBeUndefined();
  expect(missingPart("nothing")).toBeUndefined();
});

test("for each part the page is reloaded once", () => {
  const reload = vi.fn();
  expect([reloadOnce("/assets/a.js", reload), reloadOnce("/assets/b.js", reload), reloadOnce("/assets/a.js", reload)]).toEqual([true, true, false]);
  expect(reload).toHaveBeenCalledTimes(2);
});

test("a browser that stores nothing is not reloaded: it would be for ever", () => {
  const reload = vi.fn();
  vi.stubGlobal("sessionStorage", {
    getItem: () => {
      throw new DOMException("no", "SecurityError");
    },
  });
  expect(reloadOnce("/assets/a.js", reload)).toBe(false);
  expect(reload).not.toHaveBeenCalled();
});
