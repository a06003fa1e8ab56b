/** What to do about a judge, as docs/judges.md has it. */
import type { JudgeStanding } from "../../api/schema";

/** From here on kappa is good. */
const GOOD = 0.6;
/** Below, intervals are wide. */
const ENOUGH = 100;
const MIN_RIGHT = 0.8;

export interface Advice {
  words: string[];
  commands: string[];
}

/** Nothing of one that may be believed. */
export function advice(judge: JudgeStanding): Advice {
  const { calibration } = judge;
  const calibrate = `moat judge calibrate ${judge.suite}/${judge.scorer}`;
  if (!calibration) {
    const words = ["Its scores are shown, but decide no gate until it was compared with people. Let people label 30 answers at least; 100 are good."];
    const label = ["moat judge export RUN answers.jsonl --sample 100 --blind", "moat judge import answers.jsonl"];
    return { words, commands: judge.labels > 0 ? [calibrate] : [...label, calibrate] };
  }
  const words: string[] = [];
  if (judge.standing === "expired") words.push("Compare it again: what is asked anew is only what it was not asked before.");
  const kappa = calibration.kappa.value;
  if (kappa === null || kappa < GOOD) words.push("It agrees too little with people. Say in its rubric what they see and it does not, or take another model; then compare it again.");
  if (calibration.n < ENOUGH && calibration.kappa.low < GOOD) words.push(`${calibration.n} answers are few: more labels make the intervals narrower.`);
  if (calibration.tnr.value !== null && calibration.tnr.value < MIN_RIGHT) {
    words.push("It passes much that people fail. Label failures: --stratified takes as many answers of each range of its score.");
  }
  if (calibration.alpha_people?.value != null && calibration.alpha_people.value < GOOD) words.push("People agree little with each other: write down what a good answer is before the judge is blamed.");
  if (calibration.length_bias && calibration.length_bias.low > 0) words.push("It likes long answers more than people do: say in the rubric that length counts for nothing.");
  return { words, commands: words.length > 0 ? [calibrate] : [] };
}
