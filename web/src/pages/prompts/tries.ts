/** Tries of the playground: which there are, how far each is, and how to stop them. */
import { skipToken, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";

import { ApiError } from "../../api/client";
import type { DraftCall } from "../../api/schema";
import { type Attempt, WAITING, after, ask } from "./stream";

/** One question to one model. */
export interface Job {
  /** Unique among the tries on the page. */
  id: string;
  /** What to send; a promise, since a version's file may have to be fetched first. */
  order: () => Promise<DraftCall>;
}

/** All texts of a draft in one, to tell whether they have changed. */
export const written = ({ text, partials = {} }: Pick<DraftCall, "text" | "partials">): string => JSON.stringify([text, partials]);

/** Answers that are asked for at one time: browsers keep six connections to a server, and pages need some. */
const AT_ONCE = 3;

/** What has been asked of one prompt, and how to ask more. */
export type Tries = ReturnType<typeof useTries>;

type Attempts = Readonly<Record<string, Attempt>>;

const NONE: Attempts = {};
/** Not a topic of api/events.ts: what was answered does not change. */
const keyOf = (name: string) => ["tries", name];

/**
 * Belongs above the tabs, so that those under way go on while another tab is looked at. What was answered stays until the
 * person leaves the console: it was paid for, and its own trace is another page.
 */
export function useTries(name: string) {
  const { data: attempts = NONE } = useQuery<Attempts>({ queryKey: keyOf(name), queryFn: skipToken, gcTime: Infinity });
  const controllers = useRef(new Map<string, AbortController>());
  const queries = useQueryClient();
  const put = useCallback(
    (id: string, change: (before: Attempt) => Attempt) => {
      queries.setQueryData<Attempts>(keyOf(name), (all = NONE) => ({ ...all, [id]: change(all[id] ?? WAITING) }));
    },
    [queries, name],
  );

  const run = useCallback(
    async (jobs: readonly Job[]) => {
      for (const controller of controllers.current.values()) controller.abort();
      controllers.current = new Map(jobs.map((job) => [job.id, new AbortController()]));
      const own = controllers.current;
      queries.setQueryData<Attempts>(keyOf(name), Object.fromEntries(jobs.map((job) => [job.id, WAITING])));
      const waiting = [...jobs];
      const worker = async () => {
        for (let job = waiting.shift(); job; job = waiting.shift()) {
          const signal = own.get(job.id)?.signal;
          if (signal && !signal.aborted) await answer(job, signal, put);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      void queries.invalidateQueries({ queryKey: ["usage", "playground"] });
    },
    [put, queries, name],
  );

  const stop = useCallback(
    (id?: string) => {
      for (const [own, controller] of controllers.current) {
        if (id !== undefined && own !== id) continue;
        controller.abort();
        put(own, (before) => (before.state === "waiting" || before.state === "running" ? { ...before, state: "stopped" } : before));
      }
    },
    [put],
  );

  // Who leaves the page hangs up: the provider's call ends, and costs no more.
  useEffect(() => () => stop(), [stop]);
  return { attempts, run, stop };
}

type Put = (id: string, change: (before: Attempt) => Attempt) => void;

async function answer(job: Job, signal: AbortSignal, put: Put): Promise<void> {
  const began = { state: "running" } as const;
  put(job.id, (before) => ({ ...before, ...began }));
  try {
    const order = await job.order();
    put(job.id, (before) => ({ ...before, asked: written(order) }));
    for await (const event of ask(order, signal)) {
      if (signal.aborted) return;
      put(job.id, (before) => after(before, event));
    }
    put(job.id, (before) => (before.state === "running" ? { ...before, state: "failed", error: BROKEN } : before));
  } catch (error) {
    if (signal.aborted) return;
    const said = error instanceof ApiError ? error : new ApiError(0, "unreachable", error instanceof Error ? error.message : String(error));
    put(job.id, (before) => ({ ...before, state: "failed", error: said }));
  }
}

const BROKEN = new ApiError(0, "unreachable", "The answer broke off: the server closed the connection.");
