/** How a window hears the line: by the one that all windows of the browser share, or by one of its own. */
import { holdLine, type News } from "./line";

/** Hear it until the function that is returned is called. */
export function listen(tell: (news: News) => void): () => void {
  if (typeof SharedWorker === "undefined") return holdWhileSeen(tell);
  let port: MessagePort | undefined;
  let alone: (() => void) | undefined;
  function join(): void {
    if (port ?? alone) return;
    const worker = new SharedWorker(new URL("./line.worker.ts", import.meta.url), { type: "module", name: "moat" });
    port = worker.port;
    port.onmessage = (event: MessageEvent<News>) => tell(event.data);
    // Its file did not come, as from a server that was upgraded since.
    worker.onerror = () => {
      leave();
      alone = holdWhileSeen(tell);
    };
  }
  function leave(): void {
    port?.postMessage("leave");
    port?.close();
    port = undefined;
    alone?.();
    alone = undefined;
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

/** A line of this window's own, held while somebody can see it: six windows that hold one leave no connection for questions. */
function holdWhileSeen(tell: (news: News) => void): () => void {
  let release: (() => void) | undefined;
  function turn(): void {
    if (document.visibilityState === "visible") {
      release ??= holdLine(tell);
    } else {
      release?.();
      release = undefined;
    }
  }
  turn();
  document.addEventListener("visibilitychange", turn);
  return () => {
    document.removeEventListener("visibilitychange", turn);
    release?.();
  };
}
