/** What the addresses of these pages hold. */
import { among, number, text, texts } from "../../parts/address";

export const VERDICTS = ["pass", "regressed", "inconclusive", "none"] as const;

export interface RunsSearch {
  suite?: string;
  prompt?: string;
  version?: string;
  /** The newest one; `none`: no gate has judged it yet. */
  verdict?: (typeof VERDICTS)[number];
  /** Text in the name or address of who ran it. */
  author?: string;
  /** Ids of the runs that are to be compared, two at most. */
  chosen?: string[];
}

export const KINDS = ["below", "failed"] as const;
export type Kind = (typeof KINDS)[number];

export interface RunSearch {
  /** The score that slices and the filter of the cases are about. */
  score?: string;
  /** Paths that the scores are split by instead of the suite's, with commas between them. */
  slices?: string;
  /** Only answers that scored below a value, or that there are not. */
  show?: Kind;
  below?: number;
  /** Text in the ids of cases. */
  search?: string;
  /** The answer that is open. */
  case?: string;
  repeat?: number;
}

export const CHANGES = ["worse", "mixed", "single", "better", "new", "same"] as const;
export type Change = (typeof CHANGES)[number];

export interface CompareSearch {
  run?: string;
  baseline?: string;
  /** `changed`: any but the same. */
  change?: Change | "changed";
  /** Only cases of a slice, by its name: `tags=vip`. */
  slice?: string;
  /** Text in the ids of cases. */
  search?: string;
}

export interface PowerSearch {
  suite?: string;
  detect?: string;
  power?: number;
  alpha?: number;
  repeats?: number;
  pass_rate?: number;
  cases?: number;
}

type Search = Record<string, unknown>;

export const runsSearch = (search: Search): RunsSearch => ({
  suite: text(search["suite"]),
  prompt: text(search["prompt"]),
  version: text(search["version"]),
  verdict: among(search["verdict"], VERDICTS),
  author: text(search["author"]),
  chosen: texts(search["chosen"]).slice(0, 2),
});

export const runSearch = (search: Search): RunSearch => ({
  score: text(search["score"]),
  slices: text(search["slices"]),
  show: among(search["show"], KINDS),
  below: number(search["below"]),
  search: text(search["search"]),
  case: text(search["case"]),
  repeat: number(search["repeat"]),
});

export const compareSearch = (search: Search): CompareSearch => ({
  run: text(search["run"]),
  baseline: text(search["baseline"]),
  change: among(search["change"], [...CHANGES, "changed"]),
  slice: text(search["slice"]),
  search: text(search["search"]),
});

export const powerSearch = (search: Search): PowerSearch => ({
  suite: text(search["suite"]),
  detect: text(search["detect"]),
  power: number(search["power"]),
  alpha: number(search["alpha"]),
  repeats: number(search["repeats"]),
  pass_rate: number(search["pass_rate"]),
  cases: number(search["cases"]),
});
