import { describe, expect, it } from "vitest";

import type { JudgeCalibration, JudgeMeasure, JudgeStanding } from "../../api/schema";
import { advice } from "./advice";

const measure = (value: number | null, low = 0.7, high = 1): JudgeMeasure => ({ value, low, high });

const calibration = (parts: Partial<JudgeCalibration>): JudgeCalibration =>
  ({ n: 120, kappa: measure(0.9), tnr: measure(0.95), alpha_people: null, length_bias: null, ...parts }) as JudgeCalibration;

const judge = (parts: Partial<JudgeStanding>): JudgeStanding =>
  ({ suite: "judged", scorer: "relevant", labels: 0, standing: "calibrated", calibration: calibration({}), ...parts }) as JudgeStanding;

describe("what to do about a judge", () => {
  it("is nothing when it agrees with people", () => {
    expect(advice(judge({}))).toEqual({ words: [], commands: [] });
  });

  it("is labels first, where nobody gave any", () => {
    const found = advice(judge({ standing: "uncalibrated", calibration: null }));
    expect(found.commands).toEqual(["moat judge export RUN answers.jsonl --sample 100 --blind", "moat judge import answers.jsonl", "moat judge calibrate judged/relevant"]);
  });

  it("is to compare it, where there are labels", () => {
    expect(advice(judge({ labels: 40, standing: "uncalibrated", calibration: null })).commands).toEqual(["moat judge calibrate judged/relevant"]);
  });

  it("names what is low", () => {
    const low = calibration({ n: 30, kappa: measure(0.3, -0.1, 0.6), tnr: measure(0.5), length_bias: measure(0.2, 0.1, 0.3), alpha_people: measure(0.4) });
    expect(advice(judge({ calibration: low })).words).toHaveLength(5);
  });

  it("is to look again when it is another judge now", () => {
    expect(advice(judge({ standing: "expired" })).words[0]).toMatch(/Compare it again/);
  });
});
