import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, test } from "vitest";

import { refresh } from "./events";

/** A server whose answers come when the test says so, each as the world was when it was asked. */
class Slow {
  asked = 0;
  world = "before";
  private readonly waiting: (() => void)[] = [];

  readonly ask = (): Promise<string> => {
    this.asked += 1;
    const seen = this.world;
    return new Promise((done) => this.waiting.push(() => done(seen)));
  };

  /** The oldest question is answered, and whoever waits for it goes on. */
  async answer(): Promise<void> {
    this.waiting.shift()?.();
    await settled();
  }
}

const settled = () => new Promise((done) => setTimeout(done, 0));

let queries: QueryClient;
let server: Slow;
let leave: () => void;

beforeEach(() => {
  queries = new QueryClient({ defaultOptions: { queries: { staleTime: 15_000, retry: false } } });
  server = new Slow();
  leave = new QueryObserver(queries, { queryKey: ["overview", "24h"], queryFn: server.ask }).subscribe(() => undefined);
});
afterEach(() => {
  leave();
  queries.clear();
});

const shown = () => queries.getQueryData(["overview", "24h"]);

test("what changes while a page is being asked for is shown, whatever that answer was", async () => {
  server.world = "after";
  const round = refresh(queries, "traces");
  await settled();
  expect(server.asked).toBe(1);
  await server.answer();
  expect(shown()).toBe("before");
  expect(server.asked).toBe(2);
  await server.answer();
  await round;
  expect(shown()).toBe("after");
  expect(server.asked).toBe(2);
});

test("a change of one topic waits for no answer to another, and is asked for after it", async () => {
  await server.answer();
  const first = refresh(queries, "traces");
  await settled();
  server.world = "after";
  const second = refresh(queries, "serving");
  await settled();
  expect(server.asked).toBe(2);
  await server.answer();
  await first;
  await server.answer();
  await second;
  expect(shown()).toBe("after");
  expect(server.asked).toBe(3);
});

test("what nobody was asking is asked once, and not when other topics change", async () => {
  await server.answer();
  const round = refresh(queries, "traces");
  await settled();
  await server.answer();
  await round;
  expect(server.asked).toBe(2);
  await refresh(queries, "state");
  expect(server.asked).toBe(2);
});

test("a question that fails is asked again when something had changed meanwhile", async () => {
  leave();
  let asked = 0;
  const fail = () => ((asked += 1), Promise.reject(new Error("away")));
  leave = new QueryObserver(queries, { queryKey: ["serving", "status"], queryFn: fail }).subscribe(() => undefined);
  await refresh(queries, "serving");
  expect(asked).toBe(2);
});
