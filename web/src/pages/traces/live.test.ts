import { describe, expect, it } from "vitest";

import type { CallRow } from "../../api/schema";
import { NOTHING_READ, OVERLAP_NS, newIn, thereIn, withPage } from "./live";

const SECOND = 1e9;
const NOON = 1_795_348_800 * SECOND;

/** A call that began and ended so many seconds after noon. */
const call = (span_id: string, began: number, over: number) =>
  ({ trace_id: "t", span_id, started_ns: NOON + began * SECOND, duration_ns: (over - began) * SECOND }) as CallRow;

const ids = (rows: readonly CallRow[]) => rows.map((row) => row.span_id);
const first = (rows: readonly CallRow[], next = "") => withPage(NOTHING_READ, { page: 0, next, rows, turn: 0 });

describe("a live list", () => {
  it("has a call that began before all that is shown, once it has ended", () => {
    const shown = [call("c", 50, 51), call("b", 40, 41)];
    const read = first(shown, "more");
    const there = thereIn(shown, read);
    expect(ids(newIn([...shown, call("slow", 0, 60)], read, [], there))).toEqual(["slow"]);
  });

  it("takes nothing for new that stood further down when it became live", () => {
    const read = first([call("c", 50, 51)], "more");
    const further = call("b", 20, 49);
    const there = thereIn([call("c", 50, 51), further], read);
    expect(newIn([call("c", 50, 51), further], read, [], there)).toEqual([]);
  });

  it("shows what came between its two questions, and the last to end first", () => {
    const read = first([call("c", 50, 51)], "more");
    const [quick, slow] = [call("d", 55, 56), call("e", 52, 60)];
    const there = thereIn([quick, call("c", 50, 51)], read);
    expect(ids(newIn([quick, slow, call("c", 50, 51)], read, [], there))).toEqual(["e", "d"]);
  });

  it("shows each call once", () => {
    const read = first([call("c", 50, 51)], "more");
    const slow = call("slow", 0, 60);
    const there = thereIn([], read);
    expect(newIn([slow], read, [slow], there)).toEqual([]);
    const further = withPage(read, { page: 1, next: "", rows: [slow, call("old", -90, -80)], turn: 0 });
    expect([...further.recent].map((id) => id.split(" ")[1])).toEqual(["c", "slow"]);
    expect(newIn([slow], further, [], there)).toEqual([]);
  });

  it("waits for a first look after each reading", () => {
    const read = withPage(NOTHING_READ, { page: 0, next: "", rows: [], turn: 3 });
    expect(newIn([call("a", 0, 1)], read, [], null)).toEqual([]);
    expect(newIn([call("a", 0, 1)], read, [], { turn: 2, ids: new Set() })).toEqual([]);
    expect(ids(newIn([call("a", 0, 1)], read, [], thereIn([], read)))).toEqual(["a"]);
  });

  it("knows of the rows of later pages those that a look may hold", () => {
    const read = first([call("c", 50, 51)], "more");
    expect(read.horizon_ns).toBe(NOON + 51 * SECOND - OVERLAP_NS);
  });
});
