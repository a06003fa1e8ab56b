import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import type { FieldDiff, PromptDiff, Registration, TextDiff } from "../../api/schema";
import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { Shown } from "../../parts/States";
import styles from "./Differences.module.css";
import { byMeaning } from "./meaning";
import { diffQuery } from "./queries";
import { VersionChoice } from "./VersionChoice";

const route = getRouteApi("/inside/prompts/$");

/** Two versions side by side: what differs by its meaning, then the texts by words. */
export function Differences({ name, versions }: { name: string; versions: Registration[] }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const known = versions.map((one) => one.content.version);
  const to = known.includes(search.to ?? "") ? (search.to ?? "") : (known.at(-1) ?? "");
  const before = known[known.indexOf(to) - 1] ?? to;
  const from = known.includes(search.from ?? "") ? (search.from ?? "") : before;
  const choose = (sides: { from?: string; to?: string }) =>
    void navigate({ search: (old) => ({ ...old, from, to, ...sides }), replace: true });
  const diff = useQuery({ ...diffQuery(name, from, to), enabled: from !== to });
  return (
    <div className="stack">
      <div className="row">
        <VersionChoice label="From" value={from} versions={versions} choose={(version) => choose({ from: version })} />
        <VersionChoice label="to" value={to} versions={versions} choose={(version) => choose({ to: version })} />
        <Button onClick={() => choose({ from: to, to: from })}>Swap</Button>
      </div>
      {from === to ? (
        <p className="panel muted">{known.length > 1 ? "This is the same version twice: choose two." : "There is only one version."}</p>
      ) : (
        <Shown query={diff}>{(found) => <Found diff={found} />}</Shown>
      )}
    </div>
  );
}

function Found({ diff }: { diff: PromptDiff }) {
  const tokens = diff.after_tokens - diff.before_tokens;
  if (diff.texts.length === 0 && diff.fields.length === 0) {
    return <p className="panel">Both versions say the same.</p>;
  }
  return (
    <div className="stack">
      <p className="muted">
        Before variables are filled in, every call sends about {count(diff.before_tokens)} → {count(diff.after_tokens)} tokens
        {tokens !== 0 && ` (${tokens > 0 ? "+" : "−"}${count(Math.abs(tokens))})`}.
      </p>
      {byMeaning(diff.fields).map((group) => (
        <Fields key={group.title} title={group.title} fields={group.fields} />
      ))}
      {diff.texts.map((text) => (
        <Text key={text.name + text.change} text={text} />
      ))}
    </div>
  );
}

const TONES: Record<FieldDiff["change"], Tone> = { added: "good", removed: "bad", changed: "warn" };

function Change({ change }: { change: FieldDiff["change"] }) {
  return <Badge tone={TONES[change]}>{change}</Badge>;
}

function Fields({ title, fields }: { title: string; fields: readonly FieldDiff[] }) {
  return (
    <section className="panel stack" aria-label={title}>
      <h2>{title}</h2>
      <div className={styles.scroller} tabIndex={0} role="region" aria-label={`${title}, what differs`}>
        <table className={styles.fields}>
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Before</th>
              <th scope="col">After</th>
              <th scope="col">Change</th>
            </tr>
          </thead>
          <tbody>
            {fields.map((field) => (
              <tr key={field.path}>
                <th scope="row">{field.path}</th>
                <td>{field.change === "added" ? "–" : <Value value={field.before} />}</td>
                <td>{field.change === "removed" ? "–" : <Value value={field.after} />}</td>
                <td>
                  <Change change={field.change} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Value({ value }: { value: unknown }) {
  if (typeof value === "object" && value !== null) return <pre>{JSON.stringify(value, null, 2)}</pre>;
  return <code>{typeof value === "string" ? value : JSON.stringify(value)}</code>;
}

function Text({ text }: { text: TextDiff }) {
  return (
    <section className="stack" aria-label={text.name}>
      <h2 className="row">
        {text.name} <Change change={text.change} />
      </h2>
      <div className={styles.sides}>
        {text.change !== "added" && <Side label="Before" text={text} without="new" />}
        {text.change !== "removed" && <Side label="After" text={text} without="gone" />}
      </div>
    </section>
  );
}

function Side({ label, text, without }: { label: string; text: TextDiff; without: "new" | "gone" }) {
  return (
    <div className={styles.side}>
      <h3>{label}</h3>
      <pre tabIndex={0} role="region" aria-label={`${text.name}, ${label.toLowerCase()}`}>
        {text.pieces.map((piece, index) => {
          if (piece.kind === without) return null;
          if (piece.kind === "same") return piece.text;
          return piece.kind === "gone" ? <del key={index}>{piece.text}</del> : <ins key={index}>{piece.text}</ins>;
        })}
      </pre>
    </div>
  );
}
