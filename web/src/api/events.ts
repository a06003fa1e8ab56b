/** What changed on the server, as it says itself. */
import type { Query, QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import type { Topic } from "./line";
import { listen } from "./listening";
import { Rounds } from "./rounds";

/** Queries whose key begins with one of these are asked again when the topic changed. */
const CONCERNS: Record<Topic, readonly string[]> = {
  traces: ["live", "traces", "usage", "overview"],
  serving: ["serving", "releases", "prompts", "proposals", "overview"],
  state: ["state", "releases", "runs", "keys", "accounts", "audit", "alerts", "approvals", "proposals"],
};
const EVERYTHING = Object.keys(CONCERNS) as Topic[];
/** Milliseconds between two rounds of asking. */
const PAUSE = 1_000;

let connected = true;
const listeners = new Set<() => void>();

function say(now: boolean): void {
  connected = now;
  listeners.forEach((tell) => {
    tell();
  });
}

/** Keep what is shown as the server has it, for as long as the page is there. */
export function useEvents(queries: QueryClient): void {
  useEffect(() => {
    // Each topic has rounds of its own: a slow answer about one holds up no other.
    const rounds = new Map(EVERYTHING.map((topic) => [topic, new Rounds(() => refresh(queries, topic), PAUSE)]));
    const changed = (topics: readonly Topic[]) => topics.forEach((topic) => rounds.get(topic)?.add());
    // A page that was opened unseen may have had no line so far.
    let heard = document.visibilityState !== "visible";
    return listen((news) => {
      if ("topics" in news) {
        changed(news.topics);
        return;
      }
      say(news.connected);
      // What changed while there was no line was told to nobody.
      if (heard && news.connected) changed(EVERYTHING);
      heard = true;
    });
  }, [queries]);
}

/** Ask again for what a topic concerns; settles when all of it is as it is after now. */
export async function refresh(queries: QueryClient, topic: Topic): Promise<void> {
  const concerned = (query: Query) => CONCERNS[topic].includes(String(query.queryKey[0]));
  const underWay = new Set(queries.getQueryCache().findAll({ predicate: concerned, fetchStatus: "fetching" }));
  // A question that is under way is not given up for another: on a slow line none would ever be answered.
  const ask = (predicate: (query: Query) => boolean) => queries.invalidateQueries({ predicate }, { cancelRefetch: false });
  await ask(concerned);
  // It may have been answered from before the change: then it is asked again.
  if (underWay.size > 0) await ask((query) => underWay.has(query));
}

/** Is the line to the server open? */
export function useConnected(): boolean {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => connected,
  );
}
