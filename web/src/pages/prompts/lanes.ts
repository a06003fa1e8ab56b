/** What the playground puts side by side. */
import { MOST_TRIED } from "./address";

export interface Lane {
  id: string;
  /** `draft`, or a version. */
  what: string;
  /** Alias; empty for the prompt's own. */
  model: string;
}

/** Every choice of what with every choice of a model, as many as stand side by side; nothing chosen means what is usual. */
export function lanes(tried: readonly string[], models: readonly string[]): { lanes: Lane[]; left: number } {
  const all = tried.flatMap((what) => (models.length ? models : [""]).map((model) => ({ id: `${what} ${model}`, what, model })));
  return { lanes: all.slice(0, MOST_TRIED), left: Math.max(0, all.length - MOST_TRIED) };
}

/** The choice with one more, or one less. */
export const toggled = (chosen: readonly string[], one: string): string[] =>
  chosen.includes(one) ? chosen.filter((other) => other !== one) : [...chosen, one];
