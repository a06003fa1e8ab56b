/** The time that a page shows: a window that ends now, or from one moment until another. Moments are Unix milliseconds. */
import { among, number } from "./address";
import { midnight } from "./localTime";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

interface Kind {
  words: string;
  /** How far back from now. */
  ms?: number;
  /** Days of the reader's clock, today among them. */
  days?: number;
}

/** Windows that end now, by their name in an address. */
export const WINDOWS = {
  "15m": { words: "Last 15 minutes", ms: 15 * MINUTE },
  "1h": { words: "Last hour", ms: HOUR },
  "6h": { words: "Last 6 hours", ms: 6 * HOUR },
  "24h": { words: "Last 24 hours", ms: DAY },
  "7d": { words: "Last 7 days", ms: 7 * DAY },
  "30d": { words: "Last 30 days", ms: 30 * DAY },
  today: { words: "Today", days: 1 },
  "7days": { words: "7 days with today", days: 7 },
  "30days": { words: "30 days with today", days: 30 },
  "90days": { words: "90 days with today", days: 90 },
  all: { words: "All time" },
} as const satisfies Record<string, Kind>;

export type WindowName = keyof typeof WINDOWS;

/** What an address says of the time. */
export interface PeriodSearch<Name extends WindowName = WindowName> {
  window?: Name;
  /** In the place of the window, which is what one goes back to. */
  from?: number;
  /** Without it, until now. */
  until?: number;
}

/** The time that is shown. */
export interface Period<Name extends WindowName = WindowName> extends PeriodSearch<Name> {
  window: Name;
}

/** The last moment that a date can be; the API knows times until 2262. */
const LAST = Date.UTC(2200, 0, 1);

/** Milliseconds of an address, if they are a time. */
function moment(value: unknown): number | undefined {
  const found = number(value);
  return found !== undefined && Number.isSafeInteger(found) && found > 0 && found < LAST ? found : undefined;
}

/** What an address says of the time, to a page with these windows; what makes no sense is left out. */
export function readPeriod<Name extends WindowName>(search: Readonly<Record<string, unknown>>, windows: readonly Name[]): PeriodSearch<Name> {
  const window = among(search["window"], windows);
  const [from, until] = [moment(search["from"]), moment(search["until"])];
  if (from === undefined) return { window };
  if (search["until"] === undefined) return { window, from };
  return until !== undefined && until > from ? { window, from, until } : { window };
}

/** The time that a page shows: what its address says, else its own window. */
export const periodOf = <Name extends WindowName>({ window, from, until }: PeriodSearch<Name>, usual: Name): Period<Name> => ({ window: window ?? usual, from, until });

/** Is it told by its beginning, in the place of a window? */
export const isFixed = ({ from }: PeriodSearch): boolean => from !== undefined;

/** Is it over? */
export const isPast = ({ until }: PeriodSearch, now: number): boolean => until !== undefined && until < now;

/** As the API has times: Unix nanoseconds. What is absent is no bound; without an end it is now. */
export interface Bounds {
  since_ns?: number;
  until_ns?: number;
}

const NS = 1e6;

/** The bounds of a time at a moment. Windows begin with a whole minute, so that the same question is asked again. */
export function boundsOf(period: Period, now: number): Bounds {
  const { from, until } = period;
  if (from !== undefined) return { since_ns: from * NS, until_ns: until === undefined ? undefined : until * NS };
  const { ms, days }: Kind = WINDOWS[period.window];
  if (days !== undefined) return { since_ns: midnight(new Date(now), days - 1) };
  return ms === undefined ? {} : { since_ns: Math.floor((now - ms) / MINUTE) * MINUTE * NS };
}

/** How long it is, as far as it has come; of all time nobody knows. */
export function lengthOf(period: Period, now: number): number | undefined {
  const { since_ns, until_ns } = boundsOf(period, now);
  return since_ns === undefined ? undefined : Math.min(until_ns === undefined ? now : until_ns / NS, now) - since_ns / NS;
}

/** Lengths of slots that people know how to read. */
const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY];
const SLOTS = 60;

/** Length of the slots that a chart of so long a time has, in nanoseconds: 60 of them at most. */
export function stepOf(length: number): number {
  const step = STEPS.find((one) => one * SLOTS >= length) ?? Math.ceil(length / SLOTS / DAY) * DAY;
  return step * NS;
}

/** What was drawn over a chart, in Unix nanoseconds, as whole minutes. */
export const drawn = (since_ns: number, until_ns: number): { from: number; until: number } => ({
  from: Math.floor(since_ns / NS / MINUTE) * MINUTE,
  until: Math.max(Math.ceil(until_ns / NS / MINUTE), Math.floor(since_ns / NS / MINUTE) + 1) * MINUTE,
});

const dayOf = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const clockOf = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit" });
const secondsOf = new Intl.DateTimeFormat("sv", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const zoneOf = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" });

/** `Last 24 hours`, `Tue 17 Nov 09:00 to 12:00`, `Since Tue 17 Nov 09:00`: on the reader's clock. */
export function words(period: Period, now: number): string {
  const { window, from, until } = period;
  if (from === undefined) return WINDOWS[window].words;
  const [begun, today] = [new Date(from), new Date(now)];
  if (until === undefined) return `Since ${dayWords(begun, today)} ${timeWords(begun)}`;
  const ended = new Date(until);
  // Across a change of clocks a time of the day can be there twice.
  const zoned = begun.getTimezoneOffset() !== ended.getTimezoneOffset();
  const [first, last] = [begun, ended].map((at) => `${timeWords(at)}${zoned ? ` ${zoneWords(at)}` : ""}`);
  const end = begun.toDateString() === ended.toDateString() ? last : `${dayWords(ended, today)} ${last}`;
  return `${dayWords(begun, today)} ${first} to ${end}`;
}

/** The year only where it is another one than now. */
function dayWords(at: Date, today: Date): string {
  const day = dayOf.format(at).replace(",", "");
  return at.getFullYear() === today.getFullYear() ? day : `${day} ${at.getFullYear()}`;
}

const timeWords = (at: Date): string => (at.getTime() % MINUTE === 0 ? clockOf : secondsOf).format(at);

const zoneWords = (at: Date): string => zoneOf.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";

/** A moment as a field of date and time has it, on the reader's clock: `2026-11-17T09:00`. */
export function asField(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** What is wrong with what was typed, and in which field. */
export interface Wrong {
  field: "from" | "until";
  message: string;
}

export interface TypedPeriod {
  from: number;
  /** Undefined: until now, whenever that is. */
  until: number | undefined;
}

/** Two fields of date and time as a time; without the second one until now. `most`: how long it may be, in milliseconds. */
export function typedPeriod(from: string, until: string | null, now: number, most = Infinity): TypedPeriod | Wrong {
  const [begun, ended] = [moment(Date.parse(from)), until === null ? Infinity : moment(Date.parse(until))];
  if (begun === undefined) return { field: "from", message: "Write a date and a time of the day." };
  if (ended === undefined) return { field: "until", message: "Write a date and a time of the day." };
  if (begun >= now) return { field: "from", message: "This time has not come yet." };
  if (ended <= begun) return { field: "until", message: "This must be later than the beginning." };
  if (Math.min(ended, now) - begun > most) return { field: "from", message: `This must be ${most / DAY} days before the end, at most.` };
  return { from: begun, until: until === null ? undefined : ended };
}
