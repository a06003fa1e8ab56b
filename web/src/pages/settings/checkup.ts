/** The order and the words of a checkup. */
import type { Check, Checkup } from "../../api/schema";

const AREAS: Record<Check["area"], string> = {
  project: "Project",
  providers: "Providers",
  stores: "Stores",
  server: "Server",
  spending: "Spending",
};

const URGENCY: Record<Check["standing"], number> = { error: 0, warning: 1, unknown: 2, ok: 3 };

export interface Area {
  name: string;
  /** What is worst first. */
  checks: Check[];
}

/** The checks by area; without `all` only those that found something. */
export function areas(checks: readonly Check[], all: boolean): Area[] {
  const shown = checks.filter((one) => all || one.standing !== "ok");
  return (Object.keys(AREAS) as Check["area"][])
    .map((area) => ({
      name: AREAS[area],
      checks: shown.filter((one) => one.area === area).sort((one, other) => URGENCY[one.standing] - URGENCY[other.standing]),
    }))
    .filter((area) => area.checks.length > 0);
}

const counted = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** All of it in one line. */
export const summary = ({ checks, errors, warnings }: Checkup): string => `${counted(checks.length, "check")}: ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
