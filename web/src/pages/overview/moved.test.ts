import { expect, it } from "vitest";

import { moved } from "./moved";

it("has a colour where more or less of it is better, and the difference is seen", () => {
  expect(moved(112, 100, String, -1)).toEqual({ change: "+12 %", tone: "bad" });
  expect(moved(97, 100, String, -1)).toEqual({ change: "−3.0 %", tone: "good" });
  expect(moved(112, 100, String, 0).tone).toBe("muted");
  expect(moved(100_001, 100_000, String, -1)).toEqual({ change: "+0.0 %", tone: "muted" });
  expect(moved(99_999, 100_000, String, 1)).toEqual({ change: "−0.0 %", tone: "muted" });
  expect(moved(100_100, 100_000, String, -1)).toEqual({ change: "+0.1 %", tone: "bad" });
});

it("says in words why there is no share", () => {
  expect(moved(3, 0, String, -1)).toEqual({ change: "up from 0", tone: "bad" });
  expect(moved(1, null, String, 1)).toEqual({ change: "no earlier value", tone: "muted" });
  expect(moved(null, 1, String, 1).change).toBe("");
  expect(moved(1, 1, String, 1)).toEqual({ change: "as before", tone: "muted" });
});
