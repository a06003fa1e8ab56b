/** One line for all windows of a browser: over HTTP/1.1 it has six connections to a server, and each line holds one. */
import { holdLine, type News } from "./line";

const windows = new Set<MessagePort>();
let release: (() => void) | undefined;
let connected: News = { connected: true };

function tell(news: News): void {
  if ("connected" in news) connected = news;
  windows.forEach((window) => {
    window.postMessage(news);
  });
}

function leave(window: MessagePort): void {
  windows.delete(window);
  if (windows.size > 0) return;
  release?.();
  release = undefined;
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const window = event.ports[0];
  if (!window) return;
  windows.add(window);
  window.onmessage = () => leave(window);
  window.postMessage(connected);
  release ??= holdLine(tell);
};
