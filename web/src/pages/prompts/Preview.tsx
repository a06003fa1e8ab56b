import type { DraftCost, DraftPreview } from "../../api/schema";
import { count, moneyColumn } from "../../parts/format";
import styles from "./Editor.module.css";
import { said } from "./said";

/** The messages that a model would get. */
export function Preview({ preview }: { preview: DraftPreview }) {
  return (
    <div className="stack">
      {preview.problem && (
        <p className="warn" role="status">
          ! {preview.problem} {preview.where && <code>{preview.where}</code>}
        </p>
      )}
      {preview.missing.length > 0 && (
        <p className="muted small" role="status">
          Without value: {preview.missing.join(", ")}
        </p>
      )}
      <div className={styles.messages}>
        {preview.messages.map((message, index) => (
          <article key={index} className={styles.message}>
            <h3>{String(message["role"])}</h3>
            <pre tabIndex={0} role="region" aria-label={`Rendered ${title(preview.messages, index)}`}>
              {said(message["content"])}
            </pre>
          </article>
        ))}
      </div>
    </div>
  );
}

/** What a message is called: by its role, and from the second of a role on by its number too. */
function title(messages: DraftPreview["messages"], index: number): string {
  const role = messages[index]?.["role"];
  const before = messages.slice(0, index).filter((one) => one["role"] === role).length;
  return `${String(role)} message${before ? ` ${before + 1}` : ""}`;
}

/** Tokens and money of one call, beside the served version's. */
export function Costs({ cost, served }: { cost: DraftCost; served: DraftCost | null }) {
  const columns = served ? [cost, served] : [cost];
  const money = moneyColumn(columns.flatMap((one) => [one.input_cost, one.max_cost]));
  return (
    <table className={styles.costs}>
      <caption className="hidden-visually">What a call costs</caption>
      <thead>
        <tr>
          <th scope="col">A call of {cost.model || "no model"}</th>
          <th scope="col">Draft</th>
          {served && <th scope="col">Served {served.version}</th>}
        </tr>
      </thead>
      <tbody>
        <Row title="Tokens in, estimated" cells={columns.map((one) => count(one.input_tokens))} />
        <Row title="Tokens out, at most" cells={columns.map((one) => (one.max_output_tokens == null ? "unknown" : count(one.max_output_tokens)))} />
        <Row title="Cost of input" cells={columns.map((one) => money(one.input_cost))} />
        <Row title="Cost at most" cells={columns.map((one) => money(one.max_cost))} />
      </tbody>
    </table>
  );
}

function Row({ title, cells }: { title: string; cells: readonly string[] }) {
  return (
    <tr>
      <th scope="row">{title}</th>
      {cells.map((cell, index) => (
        <td key={index}>{cell}</td>
      ))}
    </tr>
  );
}
