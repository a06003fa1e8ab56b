/** Numbers, times and money as people read them; the same everywhere. */

/** Picodollars in one dollar: how the API has money. */
export const DOLLAR = 1e12;

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 */
export const count = (value: number): string => whole.format(value);

/** 12.3K */
export const brief = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(value) : short.format(value));

type Picos = number | null | undefined;

/** Money in picodollars: $1,234.50, $0.0123, $0.0000045; null is not known. */
export function money(picos: Picos): string {
  if (picos == null) return "–";
  const dollars = picos / DOLLAR;
  if (dollars === 0) return "$0";
  return dollars.toLocaleString("en", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: decimals(dollars) });
}

/** How many digits behind the point tell an amount that is not 0. */
function decimals(dollars: number): number {
  const size = Math.abs(dollars);
  return size >= 1 ? 2 : Math.min(9, 2 - Math.floor(Math.log10(size)) + (size < 0.01 ? 0 : 1));
}

/** Significant digits of the largest amount of a column; what is too small to show beside it is told as less. */
const SIGNIFICANT = 6;

/** How the amounts of one column are shown: with as many digits behind the point each, so that they stand digit below digit. */
export function moneyColumn(values: Iterable<Picos>): (picos: Picos) => string {
  let [least, most] = [Infinity, 0];
  for (const value of values) {
    const size = Math.abs(value ?? 0) / DOLLAR;
    if (size > 0) [least, most] = [Math.min(least, size), Math.max(most, size)];
  }
  const room = most > 0 ? Math.max(2, SIGNIFICANT - 1 - Math.floor(Math.log10(most))) : 2;
  const digits = most > 0 ? Math.min(room, decimals(least)) : 2;
  const format = new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: digits, maximumFractionDigits: digits });
  const unit = 10 ** -digits;
  return (picos) => {
    if (picos == null) return "–";
    const dollars = picos / DOLLAR;
    return dollars !== 0 && Math.abs(dollars) < unit / 2 ? `<${format.format(unit)}` : format.format(dollars);
  };
}

/** A share from 0 to 1: 12.3 %. */
export function percent(share: number | null | undefined, digits = 1): string {
  return share == null || Number.isNaN(share) ? "–" : `${(share * 100).toFixed(digits)} %`;
}

/** Nanoseconds: 1.24 s, 312 ms, 45 µs. */
export function duration(ns: number | null | undefined): string {
  if (ns == null) return "–";
  if (ns >= 3600e9) return `${(ns / 3600e9).toFixed(1)} h`;
  if (ns >= 60e9) return `${(ns / 60e9).toFixed(1)} min`;
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(2)} s`;
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(0)} ms`;
  return `${(ns / 1e3).toFixed(0)} µs`;
}

/** A duration that the API has as 0 where nothing was measured, as of calls that all failed. */
export const measured = (ns: number): string => duration(ns || null);

const clock = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" });

/** Unix nanoseconds in the reader's time zone: 2026-11-22 14:03:07. */
export const time = (ns: number): string => (ns ? clock.format(new Date(ns / 1e6)) : "–");

/** How long ago: 3 min ago. `now` in milliseconds. */
export function ago(ns: number, now = Date.now()): string {
  if (!ns) return "never";
  const seconds = Math.max(0, (now - ns / 1e6) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A change from `before` to `now`: +12 %, −3 %; nothing when it cannot be said. */
export function change(now: number | null | undefined, before: number | null | undefined): string {
  if (now == null || before == null || before === 0) return "";
  const share = (now - before) / before;
  const digits = Math.abs(share) < 0.1 ? 1 : 0;
  return `${share > 0 ? "+" : share < 0 ? "−" : "±"}${Math.abs(share * 100).toFixed(digits)} %`;
}
