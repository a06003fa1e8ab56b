/** What the search part of an address says, whoever wrote it: each page takes what it knows and leaves out the rest. */
import { parseSearchWith, stringifySearchWith } from "@tanstack/react-router";

/** Quotes, lists, true and false are read as JSON. Digits stay text: an id is no number, and may be too long for one. */
function read(value: string): unknown {
  if (/^-?\d/.test(value)) throw new SyntaxError("digits");
  return JSON.parse(value);
}

export const parseSearch = parseSearchWith(read);
export const stringifySearch = stringifySearchWith(JSON.stringify, read);

/** A text that is not empty, also one that looks like something else. */
export function text(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value ? value : undefined;
}

export const texts = (value: unknown): string[] => (Array.isArray(value) ? value.flatMap((one) => text(one) ?? []) : []);

export function number(value: unknown): number | undefined {
  const found = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof found === "number" && Number.isFinite(found) ? found : undefined;
}

export const flag = (value: unknown): true | undefined => (value === true ? true : undefined);

/** One of the values that there are. */
export const among = <T>(value: unknown, known: readonly T[]): T | undefined => known.find((one) => one === value);
