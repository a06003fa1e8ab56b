import { useQuery } from "@tanstack/react-query";

import type { JudgeCalibration, JudgeMeasure, JudgeStanding } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Command } from "../../parts/Command";
import { count } from "../../parts/format";
import { Facts } from "../../parts/Facts";
import { Empty, Shown } from "../../parts/States";
import { type Column, Table } from "../../parts/Table";
import { advice } from "./advice";
import { JudgeSlices } from "./JudgeSlices";
import styles from "./Judges.module.css";
import { judgesQuery } from "./queries";
import { bounds, score, signed } from "./runs";
import { Whisker } from "./Whisker";

/** Judges of all suites, and how far they agree with people. */
export function Judges() {
  const judges = useQuery(judgesQuery);
  return (
    <Shown query={judges}>
      {(found) =>
        found.length === 0 ? (
          <Empty title="No suite has a judge" command="moat judge add relevance">
            A judge is a model that scores an answer, by a prompt of your project. It may decide a gate once it was compared with people. This writes the prompt
            of one; <code>moat judge metrics</code> lists the others.
          </Empty>
        ) : (
          <div className="stack">
            {found.map((one) => (
              <Judge key={`${one.suite}/${one.scorer}`} judge={one} />
            ))}
          </div>
        )
      }
    </Shown>
  );
}

const STANDINGS: Record<JudgeStanding["standing"], Tone> = { calibrated: "good", expired: "warn", uncalibrated: "bad" };

function Judge({ judge }: { judge: JudgeStanding }) {
  const { calibration } = judge;
  const todo = advice(judge);
  const name = `${judge.suite}/${judge.scorer}`;
  return (
    <section className="panel stack" aria-label={name}>
      <h2 className="row">
        {name} <Badge tone={STANDINGS[judge.standing]}>{judge.standing}</Badge>
      </h2>
      <p>{judge.words}</p>
      <div className={styles.both}>
        <div className="stack">
          <Facts
            facts={[
              ["Rubric", judge.prompt || "code of somebody else"],
              ["Models", judge.models.join(", ")],
              ["Labels so far", count(judge.labels)],
              ["Compared", calibration && `${calibration.created}, holds until ${calibration.expires}`],
              ["On", calibration && `${count(calibration.n)} answers, each labelled by ${calibration.people === 1 ? "one person" : `up to ${calibration.people} people`}`],
              ["Could not score", calibration != null && calibration.failed > 0 && <span className="bad">✕ {count(calibration.failed)} labelled answers</span>],
            ]}
          />
          {calibration && <Confusion of={calibration} name={name} />}
        </div>
        {calibration && <Table label={`Agreement of ${name} with people`} rows={measures(calibration)} columns={COLUMNS} id={(one) => one.name} />}
      </div>
      {calibration && <JudgeSlices slices={calibration.slices} name={name} />}
      {todo.words.length > 0 && (
        <div className="stack">
          <h3>What to do</h3>
          <ul>
            {todo.words.map((word) => (
              <li key={word}>{word}</li>
            ))}
          </ul>
          {todo.commands.map((command) => (
            <Command key={command} text={command} />
          ))}
        </div>
      )}
    </section>
  );
}

function Confusion({ of, name }: { of: JudgeCalibration; name: string }) {
  return (
    <table className={styles.confusion}>
      <caption>
        Answers by verdict of people and of {name}; one passes from {of.threshold} on
      </caption>
      <thead>
        <tr>
          <td />
          <th scope="col">Judge passes</th>
          <th scope="col">Judge fails</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">People pass</th>
          <td className={styles.agreed}>{count(of.tp)}</td>
          <td>{count(of.fn)}</td>
        </tr>
        <tr>
          <th scope="row">People fail</th>
          <td>{count(of.fp)}</td>
          <td className={styles.agreed}>{count(of.tn)}</td>
        </tr>
      </tbody>
    </table>
  );
}

interface Measure {
  name: string;
  about: string;
  measure: JudgeMeasure;
  /** Differences, on both sides of 0. */
  signed?: boolean;
}

function measures(of: JudgeCalibration): Measure[] {
  const all: (Omit<Measure, "measure"> & { measure: JudgeMeasure | null })[] = [
    { name: "kappa", about: "Agreement on pass and fail beyond chance: below 0.4 of little use, above 0.6 good", measure: of.kappa },
    { name: "alpha", about: "Krippendorff's, of the values as numbers", measure: of.alpha },
    { name: "alpha of people", about: "Among the people: a judge can hardly do better", measure: of.alpha_people },
    { name: "passes right", about: "Of what people passed, what it passed", measure: of.tpr },
    { name: "fails right", about: "Of what people failed, what it failed", measure: of.tnr },
    { name: "too high by", about: "Mean difference to people's scores", measure: of.shift, signed: true },
    { name: "length bias", about: "Higher by this with each doubling of an answer's length", measure: of.length_bias, signed: true },
    { name: "order: lean", about: "How much better an answer does in the first place", measure: of.lean, signed: true },
    { name: "order: same", about: "Share of pairs judged alike in both orders", measure: of.consistent },
  ];
  return all.filter((one): one is Measure => one.measure !== null);
}

const said = (one: Measure, value: number): string => (one.signed ? signed(value) : score(value));

const COLUMNS: Column<Measure>[] = [
  { key: "name", header: "Measure", kind: "text", cell: (one) => <><strong>{one.name}</strong><div className="muted small">{one.about}</div></> },
  { key: "value", header: "Value", kind: "number", cell: (one) => (one.measure.value == null ? "not known" : said(one, one.measure.value)) },
  { key: "interval", header: "95 % interval", cell: (one) => <span className="number">{bounds(one.measure.low, one.measure.high, (value) => said(one, value))}</span> },
  {
    key: "picture",
    header: "−1 to 1",
    cell: ({ measure }) => <Whisker value={measure.value} low={measure.low} high={measure.high} from={-1} to={1} zero />,
  },
];
