/** Are keys without Ctrl or Cmd shortcuts? Speech input and stray hands press them too, so one can do without (WCAG 2.1.4). */
import { useSyncExternalStore } from "react";

import { read, subscribe, write } from "../parts/kept";

const KEY = "moat-single-keys";

/** For this browser; on, unless somebody turned them off. */
export function singleKeys(): boolean {
  return read(KEY) !== "off";
}

export function setSingleKeys(on: boolean): void {
  write(KEY, on ? null : "off");
}

export function useSingleKeys(): boolean {
  return useSyncExternalStore(subscribe, singleKeys);
}

/** Does this key press mean a shortcut: nothing is being written, no window is open, and the person wants them? */
export function isShortcut(event: KeyboardEvent): boolean {
  return singleKeys() && !event.ctrlKey && !event.metaKey && !event.altKey && !event.defaultPrevented && !isTyped(event) && !isWindowOpen();
}

/** Is a dialog over the page? */
export function isWindowOpen(): boolean {
  return document.querySelector("[role=dialog]") !== null;
}

/** Is the key text for a field? Within a shadow tree, as of the editor of drafts, the event's `target` is its host and no field. */
export function isTyped(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
}
