import { Link, getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Overview, Totals } from "../../api/schema";
import { brief, change, duration, money, percent } from "../../parts/format";
import styles from "./Tiles.module.css";

const route = getRouteApi("/inside/");

interface Figure {
  name: string;
  now: string;
  change: string;
  /** Is more of it better (1), worse (-1), or neither (0)? */
  better: 1 | -1 | 0;
  grew: boolean;
  link?: ReactNode;
}

/** The numbers that answer "how is it?", each with its change against last week. */
export function Tiles({ overview }: { overview: Overview }) {
  const { now, before } = overview;
  const figures: Figure[] = [
    { ...figure("Calls", now, before, (one) => one.calls, brief, 0), link: <Which overview={overview} of="calls" many={now.calls} /> },
    { ...figure("Failed", now, before, failed, (share) => percent(share, 2), -1), link: <Which overview={overview} of="failed" many={now.errors} /> },
    figure("Latency p50", now, before, (one) => one.p50_ns || null, duration, -1),
    figure("Latency p95", now, before, (one) => one.p95_ns || null, duration, -1),
    figure("First token p50", now, before, (one) => one.first_token_p50_ns || null, duration, -1),
    figure("Cost", now, before, (one) => one.cost, money, -1),
    figure("Cost of a call", now, before, (one) => (one.calls > 0 ? one.cost / one.calls : null), money, -1),
    figure("Tokens", now, before, (one) => one.input_tokens + one.output_tokens, brief, 0),
    figure("From cache", now, before, (one) => (one.looked_up > 0 ? one.hits / one.looked_up : null), percent, 1),
    { ...figure("Blocked by guards", now, before, (one) => one.blocked, brief, 0), link: <Which overview={overview} of="blocked" many={now.blocked} /> },
    ...overview.scores.map(
      (score): Figure => ({
        name: `${score.name} (${score.source})`,
        now: percent(score.mean),
        change: change(score.mean, score.before_mean),
        better: 1,
        grew: (score.mean ?? 0) > (score.before_mean ?? 0),
      }),
    ),
  ];
  return (
    <ul aria-label="How it is" className={`tiles ${styles.tiles}`}>
      {figures.map((one) => (
        <Tile key={one.name} figure={one} />
      ))}
    </ul>
  );
}

const failed = (totals: Totals) => (totals.calls > 0 ? totals.errors / totals.calls : null);

type Read = (totals: Totals) => number | null;

function figure(name: string, now: Totals, before: Totals, read: Read, format: (value: number) => string, better: 1 | -1 | 0): Figure {
  const [value, earlier] = [read(now), read(before)];
  return { name, now: value === null ? "–" : format(value), change: change(value, earlier), better, grew: (value ?? 0) > (earlier ?? 0) };
}

function Tile({ figure }: { figure: Figure }) {
  const tone = figure.better === 0 || !figure.change ? "muted" : (figure.better === 1) === figure.grew ? "good" : "bad";
  return (
    <li className="panel">
      <span className="muted small">{figure.name}</span>
      <span className={styles.value}>{figure.now}</span>
      <span className="small">
        <span className={tone}>{figure.change || "new"}</span> {figure.link}
      </span>
    </li>
  );
}

const OF = { calls: "", failed: "error and ", blocked: "guard = block and " };

/** To the same calls, and to no others, among the traces. */
function Which({ overview, of, many }: { overview: Overview; of: keyof typeof OF; many: number }) {
  const { window, from, until, environment } = route.useSearch();
  if (many === 0) return null;
  return (
    <Link to="/traces" search={{ q: `${OF[of]}${overview.q}`, window, from, until, environment }}>
      which?<span className="hidden-visually"> ({of})</span>
    </Link>
  );
}
