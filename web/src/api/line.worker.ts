/** One line for all windows of a browser: over HTTP/1.1 it has six connections to a server, and each line holds one. */
import { holdLine, type News } from "./line";

const windows = new Set<MessagePort>();
let release: (() => void) | undefined;
/** Whether the line is open, as far as is known. */
let standing: News | undefined;

function tell(news: News): void {
  if ("connected" in news) standing = news;
  windows.forEach((window) => {
    window.postMessage(news);
  });
}

function leave(window: MessagePort): void {
  windows.delete(window);
  if (windows.size > 0) return;
  release?.();
  release = undefined;
  standing = undefined;
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const window = event.ports[0];
  if (!window) return;
  windows.add(window);
  window.onmessage = () => leave(window);
  if (standing) window.postMessage(standing);
  release ??= holdLine(tell);
};
