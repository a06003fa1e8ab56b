/** What became of a prompt's versions, as a drawing in four columns: version, runs, releases, where it is served. */
import type { Lineage, VersionLineage } from "../../api/schema";
import { PROPOSED } from "../../parts/unmerged";

export type Kind = "version" | "run" | "release" | "serving";

export interface Node {
  id: string;
  kind: Kind;
  title: string;
  about: string;
  /** What leads from here: ids of nodes further to the right. */
  next: string[];
  x: number;
  y: number;
  /** For the link: the version, the run's id, the release's, the environment. */
  target: string;
  tone: "good" | "warn" | "bad" | "accent" | "neutral";
}

export interface Graph {
  nodes: Node[];
  width: number;
  height: number;
}

export const BOX = { width: 190, height: 44 };
const STEP = { x: 240, y: 56 };
const COLUMNS: readonly Kind[] = ["version", "run", "release", "serving"];
/** Runs of one version that are drawn, the newest; all are in the list. */
const MOST_RUNS = 5;

const TONES: Record<string, Node["tone"]> = { pass: "good", regressed: "bad", inconclusive: "warn" };

/** The newest version first; each version's nodes below those of the one before it. */
export function graph(lineage: Lineage): Graph {
  const nodes: Node[] = [];
  let top = 0;
  for (const version of [...lineage.versions].reverse()) {
    const own = drawn(version);
    const depth = Math.max(...COLUMNS.map((kind) => own.filter((node) => node.kind === kind).length));
    const seen: Partial<Record<Kind, number>> = {};
    for (const node of own) {
      const row = seen[node.kind] ?? 0;
      seen[node.kind] = row + 1;
      node.x = COLUMNS.indexOf(node.kind) * STEP.x;
      node.y = top + row * STEP.y;
    }
    nodes.push(...own);
    top += depth * STEP.y + 12;
  }
  return { nodes, width: (COLUMNS.length - 1) * STEP.x + BOX.width, height: Math.max(top - 12, BOX.height) };
}

const traffic = ({ calls }: VersionLineage): string => (calls == null ? "" : `${calls.toLocaleString("en")} calls of all time`);

type Drawn = Omit<Node, "x" | "y" | "next">;

const placed = (node: Drawn): Node => ({ ...node, next: [], x: 0, y: 0 });

function drawn(version: VersionLineage): Node[] {
  const root = placed({
    id: `version ${version.version}`,
    kind: "version",
    title: version.version,
    about: version.draft ? "a draft, no version" : version.proposed.length > 0 ? PROPOSED : traffic(version),
    target: version.version,
    tone: version.problem ? "bad" : version.proposed.length > 0 ? "warn" : "neutral",
  });
  const runs = version.runs.slice(0, MOST_RUNS).map((run) =>
    placed({
      id: `run ${run.id}`,
      kind: "run",
      title: run.suite,
      about: [run.verdict || run.status, run.score == null ? "" : run.score.toFixed(3)].filter(Boolean).join(" · "),
      target: run.id,
      tone: TONES[run.verdict] ?? "neutral",
    }),
  );
  const releases = version.releases.map((release) =>
    placed({ id: `release ${release.id}`, kind: "release", title: release.id, about: release.author.replace(/ <.*>$/, ""), target: release.id, tone: "neutral" }),
  );
  const servings = places(version);
  connect(version, root, runs, releases, servings);
  return [root, ...runs, ...releases, ...servings];
}

/** One node for each release in each environment: the newest of what may have been many assignments. */
function places(version: VersionLineage): Node[] {
  const found = new Map<string, Node>();
  for (const serving of version.servings) {
    const id = `serving ${serving.environment} ${serving.release}`;
    if (found.has(id)) continue;
    const now = serving.until_ns === 0 && serving.share > 0;
    const share = serving.share < 1 ? ` ${Math.round(serving.share * 100)} %` : "";
    const about = now ? `now${share}` : "earlier";
    found.set(id, placed({ id, kind: "serving", title: serving.environment, about, target: serving.environment, tone: now ? "accent" : "neutral" }));
  }
  return [...found.values()];
}

function connect(version: VersionLineage, root: Node, runs: Node[], releases: Node[], servings: Node[]): void {
  root.next = runs.map((node) => node.id);
  releases.forEach((node, index) => {
    const rests = new Set(version.releases[index]?.evidence.map((one) => one.run));
    const grounds = runs.filter((run) => rests.has(run.target));
    // Released without evidence, or with a run that is not drawn: it comes from the version itself.
    for (const ground of grounds.length ? grounds : [root]) ground.next.push(node.id);
    node.next = servings.filter((serving) => serving.id.endsWith(` ${node.target}`)).map((serving) => serving.id);
  });
}

/** A line from the right edge of one box to the left of another. */
export function line(from: Node, to: Node): string {
  const [x1, y1, x2, y2] = [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2];
  const bend = Math.min(60, (x2 - x1) / 2);
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
