/** A number beside what it was a week before. */
import { change } from "../../parts/format";

export type Format = (value: number) => string;
/** Is more of it better (1), worse (-1), or neither (0)? */
export type Better = 1 | -1 | 0;

export interface Move {
  /** `+12 %`, or in words why there is no share. */
  change: string;
  tone: "good" | "bad" | "muted";
}

/** `+12 %`; `up from 0` where a share cannot be said. What was not known is not compared. */
export function moved(now: number | null, before: number | null, format: Format, better: Better): Move {
  if (now === null) return { change: "", tone: "muted" };
  if (before === null) return { change: "no earlier value", tone: "muted" };
  if (now === before) return { change: "as before", tone: "muted" };
  const share = change(now, before);
  // What is nothing as it is written, such as +0.0 %, is neither good nor bad.
  const isSeen = share === "" || /[1-9]/.test(share);
  const tone = better === 0 || !isSeen ? "muted" : now > before === better > 0 ? "good" : "bad";
  return { change: share || `up from ${format(before)}`, tone };
}
