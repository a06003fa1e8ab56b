/** A Jinja2 template in pieces, so that what is filled in is seen apart from what is written. */

export interface Piece {
  kind: "text" | "output" | "statement" | "comment";
  text: string;
  /** Declared variables that an output or a statement names. */
  names: string[];
}

const MARK = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\}/g;
const KINDS: Record<string, Piece["kind"]> = { "{{": "output", "{%": "statement", "{#": "comment" };

/** The pieces of a template in order; put together they are the template again. */
export function pieces(template: string, variables: readonly string[]): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of template.matchAll(MARK)) {
    if (match.index > end) found.push({ kind: "text", text: template.slice(end, match.index), names: [] });
    const kind = KINDS[match[0].slice(0, 2)] ?? "text";
    found.push({ kind, text: match[0], names: kind === "comment" ? [] : named(match[0], variables) });
    end = match.index + match[0].length;
  }
  if (end < template.length) found.push({ kind: "text", text: template.slice(end), names: [] });
  return found;
}

function named(code: string, variables: readonly string[]): string[] {
  // Names in quoted texts, and members such as `order.number`, are no variables.
  const words = new Set(code.replace(/"[^"]*"|'[^']*'/g, "").match(/(?<![.\w])[A-Za-z_]\w*/g) ?? []);
  return variables.filter((name) => words.has(name));
}
