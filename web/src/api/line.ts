/** The line on which the server says what changed: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export type Topic = "traces" | "serving" | "state";

/** What comes over the line: it is open or not, or something changed. */
export type News = { connected: boolean } | { topics: Topic[] };

/** Milliseconds until the next attempt, while the server refuses or is away. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** Hold the line until the function that is returned is called. */
export function holdLine(tell: (news: News) => void): () => void {
  let pause = FIRST_PAUSE;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource;

  function open(): void {
    source = new EventSource("/api/v1/events");
    source.onopen = () => {
      pause = FIRST_PAUSE;
      tell({ connected: true });
    };
    source.onerror = () => {
      tell({ connected: false });
      // A line that broke is opened again by the browser; one that was refused is not.
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, pause);
      pause = Math.min(2 * pause, LONGEST_PAUSE);
    };
    source.addEventListener("changed", (event) => {
      tell(JSON.parse((event as MessageEvent<string>).data) as { topics: Topic[] });
    });
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
