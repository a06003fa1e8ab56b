/** A filter of docs/traces.md for the calls that have all of these values; those that are not given are left out. */
export const callsOf = (of: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(of)
    .flatMap(([field, value]) => (value ? [`${field} = ${inQuotes(value)}`] : []))
    .join(" and ");

/** A text as the filter language takes it: to the letter, whatever is in it. */
export const inQuotes = (text: string): string => `"${text.replace(/([\\"])/g, "\\$1")}"`;
