import { Link } from "@tanstack/react-router";
import { useState } from "react";

import type { CasePair, ComparedCase, RunAnswer } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { type Column, Table } from "../../parts/Table";
import { WordDiff } from "../../parts/WordDiff";
import { Answer } from "./CaseDetail";
import styles from "./ComparedCases.module.css";
import { ScoreValue } from "./Opinions";
import type { Change } from "./search";
import { Value } from "./Value";
import values from "./Value.module.css";

const TONES: Record<Change, Tone> = { worse: "bad", mixed: "warn", single: "warn", better: "good", new: "accent", same: "neutral" };

export interface CasePairingProps {
  pair: ComparedCase;
  /** Is there a baseline at all? */
  compared: boolean;
  open: boolean;
}

/** A case in both runs: its scores in one line, and opened what was answered and why each scorer judged so. */
export function CasePairing({ pair, compared, open: atFirst }: CasePairingProps) {
  const [open, setOpen] = useState(atFirst);
  const moved = pair.scores.filter((one) => one.candidate !== one.baseline);
  return (
    <details className={styles.case} open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className={styles.head}>
        <h3>{pair.case}</h3>
        <Badge tone={TONES[pair.change]}>{pair.change}</Badge>
        {pair.failed && <Badge tone="bad">no answer or score</Badge>}
        {pair.asked.golden && <Badge tone="accent">golden</Badge>}
        {compared && moved.map((one) => <Moved key={one.score} pair={one} />)}
      </summary>
      {open && <Opened pair={pair} compared={compared} />}
    </details>
  );
}

const mean = (value: number | null): string => (value == null ? "none" : String(Number(value.toFixed(2))));

function Moved({ pair }: { pair: CasePair }) {
  return (
    <span className="small muted">
      {pair.score} <span className="number">{mean(pair.baseline)} → {mean(pair.candidate)}</span>
    </span>
  );
}

function Opened({ pair, compared }: { pair: ComparedCase; compared: boolean }) {
  const [repeat, setRepeat] = useState(0);
  const repeats = Math.max(pair.candidate.length, pair.baseline.length);
  const now = pair.candidate[repeat];
  const before = pair.baseline[repeat];
  return (
    <div className={`stack ${styles.body}`}>
      {repeats > 1 && (
        <label>
          Answer
          <select value={repeat} onChange={(event) => setRepeat(Number(event.target.value))}>
            {Array.from({ length: repeats }, (_, index) => (
              <option key={index} value={index}>
                {index + 1} of {repeats}
              </option>
            ))}
          </select>
        </label>
      )}
      <div className={styles.outputs}>
        <Value title="Asked" value={pair.asked.input} />
        <Value title="Expected" value={pair.asked.expected} />
        <Value title="Labels" value={pair.asked.labels} />
      </div>
      <Outputs now={now} before={before} compared={compared} />
      <Table label={`Scores of ${pair.case}`} rows={opinions(pair, now, before)} columns={compared ? BOTH : NOW} id={(one) => one.name} />
    </div>
  );
}

/** The change of the answer by words, where both answered in plain text; else both answers side by side. */
function Outputs({ now, before, compared }: { now: RunAnswer | undefined; before: RunAnswer | undefined; compared: boolean }) {
  const plain = now && before && !now.error && !before.error;
  if (!compared) return now && <Side answer={now} title="Answered" />;
  if (plain && now.output === before.output && !hasCalls(now) && !hasCalls(before)) {
    return (
      <>
        <Value title="Both answered" value={now.output} none="Both answered with an empty text" />
        <Traces now={now} before={before} />
      </>
    );
  }
  return (
    <>
      {plain && (
        <section className={values.value} role="group" aria-label="What changed in the answer">
          <p className={values.title}>From the baseline's answer to the candidate's</p>
          <WordDiff before={before.output} after={now.output} />
        </section>
      )}
      <div className={styles.outputs}>
        {before ? <Side answer={before} title="Baseline" /> : <p className="muted">The baseline has no such answer.</p>}
        {now ? <Side answer={now} title="Candidate" /> : <p className="muted">The candidate has no such answer.</p>}
      </div>
    </>
  );
}

const hasCalls = (answer: RunAnswer): boolean => Array.isArray(answer.tool_calls) && answer.tool_calls.length > 0;

function Side({ answer, title }: { answer: RunAnswer; title: string }) {
  return (
    <div className="stack">
      <Answer answer={answer} title={title} />
      <TraceLink answer={answer} name={title} />
    </div>
  );
}

function Traces({ now, before }: { now: RunAnswer; before: RunAnswer }) {
  return (
    <p className="row">
      <TraceLink answer={before} name="Baseline" />
      <TraceLink answer={now} name="Candidate" />
    </p>
  );
}

function TraceLink({ answer, name }: { answer: RunAnswer; name: string }) {
  if (!answer.trace_id) return null;
  return (
    <Link to="/traces/$id" params={{ id: answer.trace_id }} className="small">
      {name}: trace
    </Link>
  );
}

interface Opinion {
  name: string;
  now: RunAnswer["scores"][number] | undefined;
  before: RunAnswer["scores"][number] | undefined;
}

function opinions(pair: ComparedCase, now: RunAnswer | undefined, before: RunAnswer | undefined): Opinion[] {
  const of = (answer: RunAnswer | undefined, name: string) => answer?.scores.find((one) => one.name === name);
  return pair.scores.map(({ score: name }) => ({ name, now: of(now, name), before: of(before, name) }));
}

const NAME: Column<Opinion> = { key: "name", header: "Score", cell: (one) => one.name };

const LATER: Column<Opinion>[] = [
  { key: "now", header: "Candidate", kind: "number", cell: (one) => <ScoreValue score={one.now} /> },
  { key: "why now", header: "Why", kind: "text", cell: (one) => one.now?.reason },
];

const NOW = [NAME, ...LATER];

const BOTH: Column<Opinion>[] = [
  NAME,
  { key: "before", header: "Baseline", kind: "number", cell: (one) => <ScoreValue score={one.before} /> },
  { key: "why before", header: "Why", kind: "text", cell: (one) => one.before?.reason },
  ...LATER,
];
