/** Partials, the files that `{% include "name" %}` puts into a prompt: which a text includes, and what they may be called. */

import { of } from "../../parts/records";

/** As the server finds them: src/moat/prompts/files.py; also within quotes of YAML, where a quote is \\" or ''. */
const INCLUDE = /(\{%[-+]?\s*include\s+)(\\"|"|''|')([^"'\\]+)\2/g;
const PART = "[A-Za-z0-9][A-Za-z0-9_.\\-]{0,63}";
/** What a partial may be called, as src/moat/prompts/tree.py has it; for a field's `pattern`. */
export const PARTIAL_NAME = `(?!.*\\.\\.)${PART}(/${PART}){0,7}`;
const NAME = new RegExp(`^${PARTIAL_NAME}$`);

export const isPartialName = (name: string): boolean => NAME.test(name);

/** Where the file of a partial stands, or would. */
export const partialPath = (name: string): string => `prompts/_partials/${name}.j2`;

/** The partial that a file is; empty when it is none. */
export const partialOf = (path: string): string => /^prompts\/_partials\/(.+)\.j2$/.exec(path)?.[1] ?? "";

/** The names that a text includes, each once, in order. */
export const includes = (text: string): string[] => [...new Set([...text.matchAll(INCLUDE)].map((found) => found[3] ?? ""))];

/** The text with other partials in the place of some, by name. */
export const including = (text: string, instead: Readonly<Record<string, string>>): string =>
  text.replace(INCLUDE, (_, start: string, quote: string, name: string) => `${start}${quote}${of(instead, name) ?? name}${quote}`);

/** All that a text includes, directly or through others, in the order in which they are met; `text` has their texts, null where there is none. */
export function reached(start: string, text: (name: string) => string | null): string[] {
  const found: string[] = [];
  const waiting = includes(start);
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (found.includes(name) || !isPartialName(name)) continue;
    found.push(name);
    waiting.push(...includes(text(name) ?? ""));
  }
  return found;
}

/** A name for a changed copy that none of `taken` has: `tone-2` after `tone`. */
export function nextName(name: string, taken: readonly string[]): string {
  const [, stem = name, digits] = /^(.*?)(?:-(\d+))?$/.exec(name) ?? [];
  let number = Number(digits ?? 1) + 1;
  while (taken.includes(`${stem}-${number}`)) number += 1;
  return `${stem}-${number}`;
}
