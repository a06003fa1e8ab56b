/** A text in pieces, some of them marked. */
export interface Piece {
  text: string;
  /** What is said of it; none: nothing. */
  labels: readonly string[];
}

export interface Marking {
  /** In characters as Python counts them (code points); exclusive. */
  start: number;
  end: number;
  label: string;
}

/** Cut a text where markings begin and end; they may overlap, and reach beyond it. */
export function pieces(text: string, markings: readonly Marking[]): Piece[] {
  const points = Array.from(text);
  const within = (at: number) => Math.max(0, Math.min(points.length, at));
  const cuts = new Set([0, points.length, ...markings.flatMap((one) => [within(one.start), within(one.end)])]);
  const sorted = [...cuts].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((start, index) => {
    const end = sorted[index + 1] ?? points.length;
    const labels = markings.filter((one) => one.start <= start && one.end >= end && one.end > one.start).map((one) => one.label);
    return { text: points.slice(start, end).join(""), labels: [...new Set(labels)] };
  });
}
