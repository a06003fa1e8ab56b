/** What changed on the server, as it says itself. */
import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { holdLine, type News, type Topic } from "./line";
import { Rounds } from "./rounds";

/** Queries whose key begins with one of these are asked again when the topic changed. */
const CONCERNS: Record<Topic, readonly string[]> = {
  traces: ["live", "traces", "usage", "overview"],
  serving: ["serving", "releases", "prompts", "overview"],
  state: ["state", "releases", "runs", "keys", "accounts", "audit", "alerts", "approvals"],
};
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
    const rounds = new Rounds<Topic>((topics) => refresh(queries, topics), PAUSE);
    return listen((news) => {
      if ("connected" in news) say(news.connected);
      else rounds.add(news.topics);
    });
  }, [queries]);
}

function refresh(queries: QueryClient, topics: ReadonlySet<Topic>): Promise<void> {
  const concerned = new Set([...topics].flatMap((topic) => CONCERNS[topic]));
  // A question that is under way is not asked anew: on a slow line none would ever be answered.
  return queries.invalidateQueries({ predicate: (query) => concerned.has(String(query.queryKey[0])) }, { cancelRefetch: false });
}

/** By the line that all windows share, where the browser has such a thing. */
function listen(tell: (news: News) => void): () => void {
  if (typeof SharedWorker === "undefined") return holdLine(tell);
  let port: MessagePort | undefined;
  function join(): void {
    if (port) return;
    port = new SharedWorker(new URL("./line.worker.ts", import.meta.url), { type: "module", name: "moat" }).port;
    port.onmessage = (event: MessageEvent<News>) => tell(event.data);
  }
  function leave(): void {
    port?.postMessage("leave");
    port?.close();
    port = undefined;
  }
  join();
  // A window that is gone says nothing any more; one that the browser keeps for "back" comes again.
  addEventListener("pagehide", leave);
  addEventListener("pageshow", join);
  return () => {
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", join);
    leave();
  };
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
