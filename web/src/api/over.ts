/** Is the session over that this page was opened with? The page stays as it is until somebody signs in again. */
import { useSyncExternalStore } from "react";

let over = false;
const listeners = new Set<() => void>();

/** The server knows the session no more; or again. */
export function setOver(now: boolean): void {
  if (over === now) return;
  over = now;
  listeners.forEach((tell) => {
    tell();
  });
}

export function isOver(): boolean {
  return over;
}

export function useOver(): boolean {
  return useSyncExternalStore((tell) => {
    listeners.add(tell);
    return () => listeners.delete(tell);
  }, isOver);
}
