import { useState } from "react";

import type { Arm, Assignment, Release, RolloutOrder } from "../../api/schema";
import { useMay } from "../../api/session";
import { Button } from "../../parts/Button";
import { steer } from "./acts";
import { inWords } from "./Arms";
import { Decide } from "./Decide";
import { nameOf, versionOf } from "./queries";
import { Split } from "./Split";

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
  ruled?: boolean;
}

/** What can be done with a rollout that is under way: its share, and each way on. Nothing when there is none. */
export function Steer({ assignment, releases }: SteerProps) {
  const may = useMay("engineer");
  // As it was when the window was opened: what changes arrives here while it is open.
  const [opened, setOpened] = useState<{ step: Step; at: Assignment } | null>(null);
  return (
    <>
      {assignment.progress !== "closed" && (
        <section className="panel stack" aria-label="Rollout">
          <h2>Rollout</h2>
          {may ? (
            <>
              {assignment.strategy === "canary" && <Split assignment={assignment} releases={releases} />}
              <div className="row">
                {steps(assignment, releases).map((step) => (
                  <Button key={step.label} kind={step.kind} onClick={() => setOpened({ step, at: assignment })}>
                    {step.label}
                  </Button>
                ))}
              </div>
            </>
          ) : (
            <p className="muted small">To steer it, the role engineer is needed. An admin gives it in Settings.</p>
          )}
        </section>
      )}
      {opened && (
        <Decide
          title={opened.step.title}
          label={opened.step.label}
          kind={opened.step.kind}
          ruled={opened.step.ruled}
          act={({ reason, glass }) => steer(orderOf(opened.at, opened.step.order, reason, glass))}
          done={(done) => now(done.assignment, releases)}
          close={() => setOpened(null)}
        >
          <p>{opened.step.about}</p>
        </Decide>
      )}
    </>
  );
}

/** `staging serves canary 20 % 1.2.0, stable 80 % 1.0.0 (paused).` */
function now(assignment: Assignment, releases: readonly Release[]): string {
  return `${assignment.environment} serves ${inWords(assignment, releases)}${assignment.progress === "paused" ? " (paused)" : ""}.`;
}

/** The order as the API takes it: only a promotion has an arm and a glass. */
function orderOf(at: Assignment, step: Step["order"], reason: string, glass: boolean): RolloutOrder {
  const { prompt, environment } = at;
  return { prompt, environment, reason, percent: null, action: step.action, arm: step.arm ?? "", break_glass: glass };
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
      ruled: true,
    };
  };
  if (strategy === "ab") return assignment.arms.map((arm) => whole(arm, true));
  return [whole(assignment.shadow ?? assignment.arms[0], false)];
}
