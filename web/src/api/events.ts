/** What changed on the server, as it says itself: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

export type Topic = "traces" | "serving" | "state";

/** Queries whose key begins with one of these are asked again when the topic changed. */
const CONCERNS: Record<Topic, readonly string[]> = {
  traces: ["live", "traces", "usage", "overview"],
  serving: ["serving", "releases", "prompts", "overview"],
  state: ["state", "releases", "runs", "keys", "accounts", "audit", "alerts", "approvals"],
};

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
    const source = new EventSource("/api/v1/events");
    source.onopen = () => say(true);
    source.onerror = () => say(false);
    source.addEventListener("changed", (event) => {
      const { topics } = JSON.parse((event as MessageEvent<string>).data) as { topics: Topic[] };
      const concerned = new Set(topics.flatMap((topic) => CONCERNS[topic]));
      void queries.invalidateQueries({ predicate: (query) => concerned.has(String(query.queryKey[0])) });
    });
    return () => source.close();
  }, [queries]);
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
