import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Rounds } from "./rounds";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("what changes during a round is asked for once, after it", async () => {
  const asked: string[][] = [];
  let answered: () => void = () => undefined;
  const rounds = new Rounds<string>((topics) => {
    asked.push([...topics].sort());
    return new Promise((done) => {
      answered = () => done(undefined);
    });
  }, 1000);
  rounds.add(["traces"]);
  for (let time = 0; time < 20; time += 1) rounds.add(["traces", "state"]);
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toEqual([["traces"]]);
  answered();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual([["traces"], ["state", "traces"]]);
  answered();
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toHaveLength(2);
});

test("rounds keep their distance, and one that fails hinders no other", async () => {
  const times: number[] = [];
  const rounds = new Rounds<string>(() => {
    times.push(Date.now());
    return Promise.reject(new Error("away"));
  }, 1000);
  rounds.add(["traces"]);
  rounds.add(["state"]);
  await vi.advanceTimersByTimeAsync(3000);
  expect(times).toHaveLength(2);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1000);
});
