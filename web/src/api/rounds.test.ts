import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Rounds } from "./rounds";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("what changes during a round is asked for once, after it", async () => {
  let asked = 0;
  let answered: () => void = () => undefined;
  const rounds = new Rounds(() => {
    asked += 1;
    return new Promise((done) => {
      answered = () => done(undefined);
    });
  }, 1000);
  for (let time = 0; time < 20; time += 1) rounds.add();
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toBe(1);
  answered();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toBe(2);
  answered();
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked).toBe(2);
});

test("rounds keep their distance, and one that fails hinders no other", async () => {
  const times: number[] = [];
  const rounds = new Rounds(() => {
    times.push(Date.now());
    return Promise.reject(new Error("away"));
  }, 1000);
  rounds.add();
  rounds.add();
  await vi.advanceTimersByTimeAsync(3000);
  expect(times).toHaveLength(2);
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1000);
});
