/** Which entries a text means, and which first. */

/** What of an entry is compared with the text. */
export interface Named {
  label: string;
  about: string;
  /** What else one would type for it. */
  words?: string;
}

/** In how far an entry is meant: 3 by the beginning of its name, 2 by its name, 1 by what is said of it, 0 not. */
export function meant({ label, about, words = "" }: Named, text: string): number {
  const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
  const name = label.toLowerCase();
  const all = `${name} ${words} ${about}`.toLowerCase();
  if (!parts.every((part) => all.includes(part))) return 0;
  if (name.startsWith(parts.join(" "))) return 3;
  return parts.every((part) => name.includes(part) || words.includes(part)) ? 2 : 1;
}

/** Those that are meant, the closest first; among those as close in the order that they have. */
export function matching<T extends Named>(entries: readonly T[], text: string): T[] {
  return entries
    .map((entry) => ({ entry, rank: meant(entry, text) }))
    .filter(({ rank }) => rank > 0)
    .sort((one, other) => other.rank - one.rank)
    .map(({ entry }) => entry);
}
