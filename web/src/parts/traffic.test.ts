import { expect, it } from "vitest";

import { filterOf, traceSearch } from "../pages/traces/search";
import { TRAFFIC } from "./traffic";

it("leaves out evaluations and the playground where an address asks for nothing, and says so in it", () => {
  expect(traceSearch({}).calls).toBe("traffic");
  expect(traceSearch({ window: "7d", live: true }).calls).toBe("traffic");
  expect(traceSearch({ calls: "all" }).calls).toBe("all");
});

it("leaves out nothing of what an address asks for", () => {
  for (const asked of [{ q: "error" }, { environment: "eval" }, { model: "chat" }, { failed: true }]) {
    expect(traceSearch(asked).calls).toBeUndefined();
  }
  expect(filterOf(traceSearch({ q: "user = ada or error" }), 0).q).toBe("user = ada or error");
});

it("keeps what is typed then together", () => {
  expect(filterOf(traceSearch({ q: "user = ada or error", calls: "traffic" }), 0).q).toBe(`(user = ada or error) and ${TRAFFIC}`);
  expect(filterOf(traceSearch({}), 0).q).toBe(TRAFFIC);
  expect(filterOf(traceSearch({ calls: "all" }), 0).q).toBeUndefined();
});
