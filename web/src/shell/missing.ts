/** Parts of the console that could not be loaded: the server is away, or has another version of them by now. */

const NAME = "MissingPart";

/**
 * Names the error that Vite passes on when a file of a page does not come. By its own words the router would take it for an
 * upgrade and reload at once: into the browser's error page, when the server is away.
 */
export function nameMissingParts(): void {
  addEventListener("vite:preloadError", ({ payload }) => {
    payload.name = NAME;
    payload.message = "A part of this page did not come.";
  });
}

/** Is it a file of the console that did not come? */
export const isMissing = (error: unknown): boolean => error instanceof Error && error.name === NAME;

/** Does the server answer? */
export async function answers(): Promise<boolean> {
  try {
    return (await fetch("/", { method: "HEAD", cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

const LAST = "moat-reloaded";
const SOON_MS = 10_000;

/** Reload the page, but not again and again: false when that was just tried. */
export function reload(now = Date.now()): boolean {
  if (now - Number(sessionStorage.getItem(LAST)) < SOON_MS) return false;
  sessionStorage.setItem(LAST, String(now));
  location.reload();
  return true;
}
