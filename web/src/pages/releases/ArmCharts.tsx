import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import type { Assignment, Release } from "../../api/schema";
import { Chart } from "../../parts/Chart";
import type { Mark } from "../../parts/frame";
import { count, duration, money, percent } from "../../parts/format";
import { PeriodChoice } from "../../parts/PeriodChoice";
import { type PeriodSearch, drawn, periodOf } from "../../parts/period";
import { Empty, Shown } from "../../parts/States";
import { ArmTable } from "./ArmTable";
import { type ArmAnswers, FEWEST, lines, MEASURES, scoreLines, scoreNames } from "./armData";
import { inWords } from "./Arms";
import { armsQuery, nameOf, versionOf } from "./queries";
import { WINDOWS, type Window, windowSince } from "./spans";

interface ArmChartsProps {
  assignment: Assignment;
  history: readonly Assignment[];
  releases: readonly Release[];
  /** The time that is asked for, if any. */
  search: PeriodSearch<Window>;
  choose: (change: PeriodSearch<Window>) => void;
}

/** How what is served does: during a rollout both arms beside each other, else the releases of the time shown. */
export function ArmCharts({ assignment, history, releases, search, choose }: ArmChartsProps) {
  const { prompt, environment, progress } = assignment;
  const experiment = progress === "closed" ? "" : assignment.experiment;
  const began = history.findLast((one) => experiment !== "" && one.experiment === experiment)?.created_ns ?? 0;
  const [fitting] = useState(() => (began ? windowSince(began, Date.now()) : "24h"));
  const period = periodOf(search, fitting);
  const answers = useQuery(armsQuery({ prompt, environment, experiment }, period));
  return (
    <section className="panel stack" aria-label="How it does">
      <div className="row spread">
        <h2>{experiment ? "Both arms" : "How it does"}</h2>
        <PeriodChoice period={period} windows={WINDOWS} choose={choose} />
      </div>
      <Shown query={answers}>{(found) => <Found assignment={assignment} history={history} releases={releases} answers={found} zoom={(since_ns, until_ns) => choose(drawn(since_ns, until_ns))} />}</Shown>
    </section>
  );
}

interface FoundProps {
  assignment: Assignment;
  history: readonly Assignment[];
  releases: readonly Release[];
  answers: ArmAnswers;
  zoom: (since_ns: number, until_ns: number) => void;
}

function Found({ assignment, history, releases, answers, zoom }: FoundProps) {
  const { open, arms, label } = useArms(assignment, releases, answers);
  const marks = useMemo(() => history.map((one): Mark => ({ at_ns: one.created_ns, label: inWords(one, releases) })), [history, releases]);
  if (answers.totals.length === 0) {
    return (
      <Empty title="No calls in this time">
        Calls of <code>{`${assignment.prompt}@${assignment.environment}`}</code> show here, by arm or release: how many fail, how fast they are,
        what they cost, and what people say of them.
      </Empty>
    );
  }
  return (
    <>
      <ArmTable arms={arms} label={label} answers={answers} compare={open} />
      <Charts arms={arms} label={label} answers={answers} marks={marks} zoom={zoom} />
    </>
  );
}

function useArms(assignment: Assignment, releases: readonly Release[], answers: ArmAnswers) {
  return useMemo(() => {
    const open = assignment.progress !== "closed" && assignment.experiment !== "";
    const shadows = assignment.shadow ? [assignment.shadow] : [];
    const all = [...assignment.arms, ...shadows];
    const versions = new Map(all.map((arm) => [nameOf(arm), versionOf(releases, arm.release)]));
    const seen = answers.totals.map((one) => one.group[0] ?? "");
    const arms = open ? [...new Set([...all.map(nameOf), ...seen])] : seen;
    const label = (arm: string) => (open ? `${arm || "no arm"} ${versions.get(arm) ?? ""}`.trim() : versionOf(releases, arm) || "no release");
    return { open, arms, label };
  }, [assignment, releases, answers]);
}

interface ChartsProps {
  arms: readonly string[];
  label: (arm: string) => string;
  answers: ArmAnswers;
  marks: readonly Mark[];
  zoom: (since_ns: number, until_ns: number) => void;
}

const share = (value: number) => percent(value);
const score = (value: number) => value.toFixed(2);
/** Scores beyond these are in the table only. */
const CHARTED_SCORES = 2;

function Charts({ arms, label, answers, marks, zoom }: ChartsProps) {
  const drawn = useMemo(() => {
    const of = (pick: (typeof MEASURES)[keyof typeof MEASURES]) => lines(arms, label, answers, pick);
    return [
      { title: "Calls", series: of(MEASURES.calls), format: count },
      { title: "Errors", series: of(MEASURES.errors), format: share },
      { title: "Latency, median", series: of(MEASURES.p50), format: duration },
      { title: "Latency, 95th percentile", series: of(MEASURES.p95), format: duration },
      { title: "Cost per call", series: of(MEASURES.cost), format: money },
      ...scoreNames(answers.scores)
        .slice(0, CHARTED_SCORES)
        .map((name) => ({ title: `${name}, mean`, series: scoreLines(arms, label, answers, name), format: score })),
    ];
  }, [arms, label, answers]);
  return (
    <>
      <p className="muted small">
        Bands and whiskers are 95 % intervals of each number. None is drawn for a time with too few calls: a median takes {FEWEST.p50}, a 95th
        percentile {FEWEST.p95}, a cost {FEWEST.cost}. Calls count as independent, and whoever looks often sees a difference by chance more often.
      </p>
      <div className="columns">
        {drawn.map((one) => (
          <Chart key={one.title} title={one.title} times={answers.times} series={one.series} format={one.format} since_ns={answers.since_ns} until_ns={answers.until_ns} past={answers.past} marks={marks} height={140} zoom={zoom} />
        ))}
      </div>
    </>
  );
}
