/** What changed from one text to another, word by word. */

export interface Piece {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Cells of the table of common words; two texts of some 3,000 words each that share nothing at their ends. */
const MOST_CELLS = 9_000_000;
const WORD = /\s+|[\p{L}\p{N}_]+|[^\s]/gu;

/** Pieces that, without the new ones, are `before`, and without those that are gone, `after`. */
export function changes(before: string, after: string): Piece[] {
  if (before === after) return before ? [{ kind: "same", text: before }] : [];
  const [left, right] = [before.match(WORD) ?? [], after.match(WORD) ?? []];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end++;
  const middle = between(left.slice(start, left.length - end), right.slice(start, right.length - end));
  return joined([
    { kind: "same", text: left.slice(0, start).join("") },
    ...middle,
    { kind: "same", text: left.slice(left.length - end).join("") },
  ]);
}

/** Longest common subsequence; texts too long for it are told as replaced. */
function between(left: readonly string[], right: readonly string[]): Piece[] {
  const [rows, columns] = [left.length + 1, right.length + 1];
  if (rows * columns > MOST_CELLS) {
    return [
      { kind: "gone", text: left.join("") },
      { kind: "new", text: right.join("") },
    ];
  }
  const common = new Uint16Array(rows * columns);
  const at = (row: number, column: number) => common[row * columns + column] ?? 0;
  for (let row = left.length - 1; row >= 0; row--) {
    for (let column = right.length - 1; column >= 0; column--) {
      common[row * columns + column] =
        left[row] === right[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const pieces: Piece[] = [];
  let [row, column] = [0, 0];
  while (row < left.length || column < right.length) {
    const [old, now] = [left[row], right[column]];
    if (old !== undefined && old === now) {
      pieces.push({ kind: "same", text: old });
      row++;
      column++;
    } else if (old !== undefined && (now === undefined || at(row + 1, column) >= at(row, column + 1))) {
      pieces.push({ kind: "gone", text: old });
      row++;
    } else if (now !== undefined) {
      pieces.push({ kind: "new", text: now });
      column++;
    }
  }
  return pieces;
}

function joined(pieces: readonly Piece[]): Piece[] {
  const found: Piece[] = [];
  for (const piece of pieces) {
    const last = found.at(-1);
    if (!piece.text) continue;
    if (last?.kind === piece.kind) last.text += piece.text;
    else found.push({ ...piece });
  }
  return found;
}
