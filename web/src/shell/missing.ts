/** Parts of the console that could not be loaded: the server is away, or has another version of them by now. */

const NAME = "MissingPart";
const SAID = "A part of this page did not come.";
/** Browsers name the file in their message, Vite does for styles; some name none. */
const FILE = /\S*\/assets\/[\w.-]+/;

/**
 * Names the error that Vite passes on when a file of a page does not come, and keeps which. By its own words the router would
 * take it for an upgrade and reload at once: into the browser's error page, when the server is away.
 */
export function nameMissingParts(): void {
  addEventListener("vite:preloadError", ({ payload }) => {
    if (payload.name === NAME) return;
    payload.cause = FILE.exec(payload.message)?.[0];
    payload.name = NAME;
    payload.message = SAID;
  });
}

/** The file of the console that did not come, or the page itself where no file is named; undefined: it is another error. */
export function missingPart(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== NAME) return undefined;
  return typeof error.cause === "string" ? error.cause : location.pathname;
}

/** Does the server answer? */
export async function answers(): Promise<boolean> {
  try {
    return (await fetch("/", { method: "HEAD", cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

const TRIED = "moat-reloaded-for";

/** Reload the page for the sake of a part, once in the life of the tab: false when that was tried and did not help. */
export function reloadOnce(part: string, reload: () => void = () => location.reload()): boolean {
  try {
    const before = JSON.parse(sessionStorage.getItem(TRIED) ?? "[]") as string[];
    if (before.includes(part)) return false;
    sessionStorage.setItem(TRIED, JSON.stringify([...before, part]));
  } catch {
    // A browser that stores nothing would do it again and again.
    return false;
  }
  reload();
  return true;
}
