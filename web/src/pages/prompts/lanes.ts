/** What the playground puts side by side. */
import { MOST_TRIED } from "./address";

export interface Lane {
  id: string;
  /** `draft`, or a version. */
  what: string;
  /** Alias; empty for the prompt's own. */
  model: string;
}

/**
 * Every choice of what with every choice of a model, as many as stand side by side; no model chosen means each one's own, which
 * `own` names. Who chooses that by its name too is not asked, and does not pay, twice.
 */
export function lanes(tried: readonly string[], models: readonly string[], own: (what: string) => string): { lanes: Lane[]; left: number } {
  const all = tried.flatMap((what) => {
    const asked = models.includes("") ? models.filter((model) => model === "" || model !== own(what)) : models;
    return (asked.length ? asked : [""]).map((model) => ({ id: `${what} ${model}`, what, model }));
  });
  return { lanes: all.slice(0, MOST_TRIED), left: Math.max(0, all.length - MOST_TRIED) };
}

/** The choice with one more, or one less. */
export const toggled = (chosen: readonly string[], one: string): string[] =>
  chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one];
