import { useQueries } from "@tanstack/react-query";
import { useState } from "react";

import type { Arm, Assignment, Clearance, Release, RolloutOrder } from "../../api/schema";
import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { steer } from "./acts";
import { inWords } from "./Arms";
import { Decide } from "./Decide";
import { clearanceQuery, nameOf, versionOf } from "./queries";
import { Split } from "./Split";
import { Standing } from "./Standing";

interface SteerProps {
  assignment: Assignment;
  releases: readonly Release[];
}

interface Step {
  title: string;
  about: string;
  label: string;
  order: Pick<RolloutOrder, "action"> & { arm?: string };
  kind?: "main" | "danger";
  /** Of a promotion: what everybody would get, as the rules are asked. */
  release?: string;
}

/** What can be done with a rollout that is under way: its share, and each way on. Nothing when there is none. */
export function Steer({ assignment, releases }: SteerProps) {
  const may = useMay("engineer");
  // As it was when the window was opened: what changes arrives here while it is open.
  const [opened, setOpened] = useState<{ step: Step; at: Assignment; clearance?: Clearance } | null>(null);
  const { environment } = assignment;
  return (
    <>
      {assignment.progress !== "closed" && (
        <Rollout assignment={assignment} releases={releases} may={may} open={(step, clearance) => setOpened({ step, at: assignment, clearance })} />
      )}
      {opened && (
        <Decide
          title={opened.step.title}
          label={opened.step.label}
          kind={opened.step.kind}
          ruled={opened.step.release !== undefined}
          lacking={opened.clearance}
          act={({ reason, glass }) => steer(orderOf(opened.at, opened.step.order, reason, glass))}
          done={(done) => now(done.assignment, releases)}
          close={() => setOpened(null)}
        >
          <p>{opened.step.about}</p>
          {opened.clearance && opened.clearance.missing.length > 0 && <p>The rules of {environment} say no:</p>}
        </Decide>
      )}
    </>
  );
}

interface RolloutProps {
  assignment: Assignment;
  releases: readonly Release[];
  may: boolean;
  open: (step: Step, clearance?: Clearance) => void;
}

function Rollout({ assignment, releases, may, open }: RolloutProps) {
  const { prompt, environment, strategy } = assignment;
  const all = steps(assignment, releases);
  const candidates = [...new Set(all.flatMap((step) => (step.release ? [step.release] : [])))];
  const asked = useQueries({ queries: candidates.map((release) => clearanceQuery(prompt, environment, release)) });
  const clearances = new Map(candidates.map((release, index) => [release, asked[index]?.data]));
  return (
    <section className="panel stack" aria-label="Rollout">
      <h2>Rollout</h2>
      {may && strategy === "canary" && <Split assignment={assignment} releases={releases} clearance={clearances.get(candidates[0] ?? "")} />}
      {may && (
        <div className="row">
          {all.map((step) => (
            <StepButton key={step.label} step={step} clearance={clearances.get(step.release ?? "")} open={open} />
          ))}
        </div>
      )}
      {candidates.map((release) => {
        const clearance = clearances.get(release);
        return clearance && !clearance.served && <ToPromote key={release} clearance={clearance} />;
      })}
      {!may && <p className="muted small">To steer it, the role engineer is needed. An admin gives it in Settings.</p>}
    </section>
  );
}

function ToPromote({ clearance }: { clearance: Clearance }) {
  return (
    <section className="stack" style={{ gap: 6 }} aria-label={`To promote ${clearance.version}`}>
      <h3>To promote {clearance.version}</h3>
      <Standing clearance={clearance} id={lacksOf(clearance)} leads />
    </section>
  );
}

/** Id of what says why a promotion is not possible. */
const lacksOf = (clearance: Clearance) => `lacks-${clearance.release}`;

/** One way on. A promotion that the rules forbid is there as well, and only with a broken glass. */
function StepButton({ step, clearance, open }: { step: Step; clearance: Clearance | undefined; open: RolloutProps["open"] }) {
  const lacks = clearance?.missing ?? [];
  if (!clearance || lacks.length === 0) {
    return (
      <Button kind={step.kind} onClick={() => open(step)}>
        {step.label}
      </Button>
    );
  }
  return (
    <>
      <Button kind={step.kind} disabled title={lacks.map((one) => `${clearance.environment} ${one.what}`).join("; ")} aria-describedby={lacksOf(clearance)}>
        {step.label}
      </Button>
      <Button kind="danger" onClick={() => open(step, clearance)}>
        Break the glass: {step.label} …
      </Button>
    </>
  );
}

/** `staging serves canary 20 % 1.2.0, stable 80 % 1.0.0 (paused).` */
function now(assignment: Assignment, releases: readonly Release[]): string {
  return `${assignment.environment} serves ${inWords(assignment, releases)}${assignment.progress === "paused" ? " (paused)" : ""}.`;
}

/** The order as the API takes it: only a promotion has an arm and a glass. */
function orderOf(at: Assignment, step: Step["order"], reason: string, glass: boolean): RolloutOrder {
  const { prompt, environment, sequence } = at;
  return { prompt, environment, sequence, reason, percent: null, action: step.action, arm: step.arm ?? "", break_glass: glass };
}

function steps(assignment: Assignment, releases: readonly Release[]): Step[] {
  const { environment, prompt } = assignment;
  const paused = assignment.progress === "paused";
  const hold: Step = paused
    ? { title: `Resume ${prompt} in ${environment}`, about: "The rollout goes on, and automation may promote or end it.", label: "Resume", order: { action: "resume" } }
    : { title: `Pause ${prompt} in ${environment}`, about: "Shares stay as they are, and automation leaves the rollout alone until somebody resumes it.", label: "Pause", order: { action: "pause" } };
  const before = assignment.replaces[0] ? versionOf(releases, assignment.replaces[0].release) : "what was served before";
  const abort: Step = {
    title: `Abort ${prompt} in ${environment}`,
    about: `The rollout ends and everybody gets ${before}. No rule forbids it.`,
    label: "Abort",
    order: { action: "abort" },
    kind: "danger",
  };
  return [...promotions(assignment, releases), hold, abort];
}

function promotions(assignment: Assignment, releases: readonly Release[]): Step[] {
  const { environment, prompt, strategy } = assignment;
  const title = `Promote ${prompt} in ${environment}`;
  const whole = (arm: Arm | undefined, named: boolean): Step => {
    const version = versionOf(releases, arm?.release ?? "");
    return {
      title,
      about: `Everybody in ${environment} gets ${version}${named && arm ? `, the arm ${nameOf(arm)}` : ""}, and the rollout ends. The rules of ${environment} are asked again.`,
      label: named && arm ? `${nameOf(arm)} wins` : `Promote ${version} to everybody`,
      order: { action: "promote", ...(named && arm ? { arm: nameOf(arm) } : {}) },
      kind: "main",
      release: arm?.release,
    };
  };
  if (strategy === "ab") return assignment.arms.map((arm) => whole(arm, true));
  return [whole(assignment.shadow ?? assignment.arms[0], false)];
}
