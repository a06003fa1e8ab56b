/** Whether somebody is at the page: what a page asks for by itself must not keep its session alive. */

/** Milliseconds after which a page that nobody touched is on its own. */
export const ALONE_AFTER = 60_000;
const TOUCHES = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;

let touched = Date.now();

/** Has anybody used a mouse, a finger or a key here within the last minute, or opened the page? */
export function isAttended(now: number = Date.now()): boolean {
  return now - touched < ALONE_AFTER;
}

/** Notice whenever somebody does. */
export function followTouches(target: EventTarget): void {
  const touch = (): void => {
    touched = Date.now();
  };
  for (const name of TOUCHES) target.addEventListener(name, touch, { capture: true, passive: true });
}
