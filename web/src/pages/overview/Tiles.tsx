import { Link, getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Overview, Totals } from "../../api/schema";
import { brief, duration, money, percent } from "../../parts/format";
import { type Better, type Format, type Move, moved } from "./moved";
import styles from "./Tiles.module.css";

const route = getRouteApi("/inside/");

interface Figure extends Move {
  name: string;
  now: string;
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
        ...moved(score.mean, score.before_mean, percent, 1),
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

function figure(name: string, now: Totals, before: Totals, read: Read, format: Format, better: Better): Figure {
  const value = read(now);
  return { name, now: value === null ? "–" : format(value), ...moved(value, before.calls > 0 ? read(before) : null, format, better) };
}

function Tile({ figure }: { figure: Figure }) {
  return (
    <li className="panel">
      <span className="muted small">{figure.name}</span>
      <span className={styles.value}>{figure.now}</span>
      <span className="small">
        <span className={figure.tone}>{figure.change}</span> {figure.link}
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
      Show them<span className="hidden-visually"> ({of})</span>
    </Link>
  );
}
