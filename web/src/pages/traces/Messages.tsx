import { useState } from "react";

import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { Json, parsed } from "../../parts/Json";
import { type Finding, marked } from "./findings";
import styles from "./Messages.module.css";
import type { Message, Part } from "./messages";

/** Characters of a text that are shown at first; of instructions, which are the same in many calls, fewer. */
const LONG = 2000;
const INSTRUCTIONS = 300;

/** A conversation as it was, by role. What was said is shown as text: no markup of it is followed. */
export function Messages({ messages, findings = [] }: { messages: readonly Message[]; findings?: readonly Finding[] }) {
  return (
    <ol className={styles.list}>
      {messages.map((one, index) => (
        <li key={index} className={styles.message} data-role={one.role}>
          <p className={styles.role}>
            {one.role} {one.about && <span className="muted">{one.about}</span>}
          </p>
          {one.parts.length === 0 && <p className="muted">(nothing)</p>}
          {one.parts.map((part, place) => (
            <Piece key={place} part={part} findings={findings} most={one.role === "system" || one.role === "developer" ? INSTRUCTIONS : LONG} />
          ))}
        </li>
      ))}
    </ol>
  );
}

function Piece({ part, findings, most }: { part: Part; findings: readonly Finding[]; most: number }) {
  if (part.kind === "data") {
    return (
      <p className="muted">
        ({part.type}, {count(part.size)} characters; not shown)
      </p>
    );
  }
  if (part.kind === "json") return <Json value={part.value} />;
  if (part.kind === "text") return <Said text={part.text} findings={findings.filter((one) => one.path === part.path)} most={most} />;
  const made = parsed(part.arguments);
  return (
    <div className={styles.call}>
      <p>
        Tool call <strong>{part.name}</strong> {part.id && <span className="muted small">{part.id}</span>}
      </p>
      {made ? <Json value={made} /> : <Said text={part.arguments} findings={findings.filter((one) => one.path === part.path)} />}
    </div>
  );
}

/** A text: long ones open when they are wanted, and those that are JSON can be looked at as a tree. */
function Said({ text, findings, most = LONG }: { text: string; findings: readonly Finding[]; most?: number }) {
  const [whole, setWhole] = useState(false);
  const [asTree, setAsTree] = useState(false);
  const value = text.length < 200_000 ? parsed(text) : null;
  const long = text.length > most && !whole;
  const shown = long ? text.slice(0, most) : text;
  return (
    <div className={styles.said}>
      {asTree && value ? (
        <Json value={value} />
      ) : (
        <pre>
          {marked(shown, findings).map((stretch, index) =>
            stretch.why ? (
              <mark key={index} title={stretch.why}>
                {stretch.text}
                <span className="hidden-visually"> ({stretch.why})</span>
              </mark>
            ) : (
              <span key={index}>{stretch.text}</span>
            ),
          )}
          {long && "…"}
        </pre>
      )}
      {(text.length > most || value) && (
        <div className="row">
          {text.length > most && !asTree && (
            <Button kind="plain" onClick={() => setWhole(!whole)}>
              {whole ? "Show less" : `Show all ${count(text.length)} characters`}
            </Button>
          )}
          {value && (
            <Button kind="plain" aria-pressed={asTree} onClick={() => setAsTree(!asTree)}>
              {asTree ? "As text" : "As a tree"}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
