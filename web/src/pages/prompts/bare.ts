/** A version whose file is a bare text: one user message, every name in it a required text variable, and no model. */

/** Is a version's file, by its path, no YAML? */
export const isBare = (path: string): boolean => /\.(?:txt|md)$/.test(path);

/** The same as YAML, which can say more, and names a model. */
export function asYaml(text: string, model: string, variables: readonly string[]): string {
  const declared = variables.length > 0 ? `variables:\n${variables.map((name) => `  ${quoted(name)}: {type: string}\n`).join("")}` : "";
  return `model: ${quoted(model)}\n${declared}messages:\n  - role: user\n    content: ${scalar(text, 6)}\n`;
}

/** As it is where it means itself in YAML: no number, no `true`, no `null`. */
const quoted = (name: string): string => (/^(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][\w-]*$/i.test(name) ? name : JSON.stringify(name));

/** What a block of lines cannot hold as it is: YAML reads some as the end of a line, and refuses the others. */
const UNPRINTABLE = /[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

/** A text as a value of YAML: a block of lines where that can hold it, to the letter. */
function scalar(text: string, indent: number): string {
  if (text.trim() === "" || UNPRINTABLE.test(text)) return escaped(text);
  const lines = text.split("\n");
  const end = /\n*$/.exec(text)?.[0].length ?? 0;
  const kept = end === 0 ? "-" : end === 1 ? "" : "+";
  // Without the number, what the first line begins with would be read as indentation.
  const shift = /^[ \t\n]/.test(text) ? "2" : "";
  // The last line break is that of the whole file.
  const block = (end > 0 ? lines.slice(0, -1) : lines).map((line) => (line === "" ? "" : " ".repeat(indent) + line));
  return `|${shift}${kept}\n${block.join("\n")}`;
}

/** In quotes. JSON leaves in what YAML would read as the end of a line, or refuse. */
const escaped = (text: string): string =>
  JSON.stringify(text).replace(/[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
