/** What changed on the server, as it says itself. */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import type { Topic } from "./line";
import { listen } from "./listening";
import { Rounds } from "./rounds";

/** Queries whose key begins with one of these are asked again when the topic changed. */
const CONCERNS: Record<Topic, readonly string[]> = {
  traces: ["live", "traces", "usage", "overview"],
  serving: ["serving", "releases", "prompts", "overview"],
  state: ["state", "releases", "runs", "keys", "accounts", "audit", "alerts", "approvals"],
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

function refresh(queries: QueryClient, topic: Topic): Promise<void> {
  const concerned = CONCERNS[topic];
  // A question that is under way is not asked anew: on a slow line none would ever be answered.
  return queries.invalidateQueries({ predicate: (query) => concerned.includes(String(query.queryKey[0])) }, { cancelRefetch: false });
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
