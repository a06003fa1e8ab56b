/** How a file becomes another, line by line. */

export interface Line {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Lines beyond which the middle of the files is taken as replaced whole: the table of a comparison has both squared. */
const MOST = 1500;

/** The shortest way from one text to the other: https://en.wikipedia.org/wiki/Longest_common_subsequence */
export function lines(before: string, after: string): Line[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < Math.min(old.length, now.length) && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const middle = between(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const same = (text: string): Line => ({ kind: "same", text });
  return [...old.slice(0, head).map(same), ...middle, ...(tail ? old.slice(-tail).map(same) : [])];
}

function between(old: readonly string[], now: readonly string[]): Line[] {
  const gone = old.map((text): Line => ({ kind: "gone", text }));
  const fresh = now.map((text): Line => ({ kind: "new", text }));
  if (Math.max(old.length, now.length) > MOST) return [...gone, ...fresh];
  const wide = now.length + 1;
  /** Length of the longest common part of what is left from each pair of places on. */
  const common = new Uint16Array((old.length + 1) * wide);
  const at = (i: number, j: number): number => common[i * wide + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i * wide + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      found.push({ kind: "same", text: now[j] ?? "" });
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      found.push({ kind: "gone", text: old[i] ?? "" });
      i += 1;
    } else {
      found.push({ kind: "new", text: now[j] ?? "" });
      j += 1;
    }
  }
  return [...found, ...gone.slice(i), ...fresh.slice(j)];
}

/** Only what changed, with some lines around it; null stands for a gap. */
export function excerpt(all: readonly Line[], around = 3): (Line | null)[] {
  const near = new Set<number>();
  all.forEach((line, index) => {
    if (line.kind === "same") return;
    for (let other = index - around; other <= index + around; other += 1) near.add(other);
  });
  const found: (Line | null)[] = [];
  all.forEach((line, index) => {
    if (near.has(index)) found.push(line);
    else if (found.at(-1) !== null) found.push(null);
  });
  return near.size ? found : [];
}
