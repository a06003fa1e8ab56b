import { useState } from "react";

import type { Finding, Part } from "../../api/schema";
import { Button } from "../../parts/Button";
import { count } from "../../parts/format";
import { Json, parsed } from "../../parts/Json";
import { marked } from "./findings";
import styles from "./Messages.module.css";
import { isSent, type Said } from "./messages";

/** Characters of a text that are shown at first; of instructions, which are the same in many calls, fewer. */
const LONG = 2000;
const INSTRUCTIONS = 300;

/** A conversation as it was, by role. What was said is shown as text: no markup of it is followed. */
export function Messages({ messages, findings = [] }: { messages: readonly Said[]; findings?: readonly Finding[] }) {
  return (
    <ol className={styles.list}>
      {messages.map((one, index) => (
        <li key={index} className={styles.message} data-role={one.role}>
          <p className={styles.role}>
            {one.role} {one.name && <span className="muted">{one.name}</span>}
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

interface PieceProps {
  part: Part;
  findings: readonly Finding[];
  most: number;
}

function Piece({ part, findings, most }: PieceProps) {
  const { kind, text = "", name = "", id = "", path, characters } = part;
  const here = findings.filter((one) => one.path === path);
  if (isSent(part)) return <Sent part={part} />;
  if (kind === "tool_call") {
    const made = parsed(text);
    return (
      <div className={styles.call}>
        <p>
          Tool call <strong>{name}</strong> {id && <span className="muted small">{id}</span>}
        </p>
        {made ? <Json value={made} /> : <Words text={text} findings={here} />}
      </div>
    );
  }
  const whole = kind === "data" && !characters ? parsed(text) : null;
  return (
    <>
      {(kind === "reasoning" || kind === "refusal") && <p className="muted small">{kind}</p>}
      {kind === "tool_result" && id && <p className="muted small">{id}</p>}
      {characters ? <p className="muted small">Cut off in the record: the beginning of {count(characters)} characters.</p> : null}
      {whole ? <Json value={whole} /> : <Words text={text} findings={here} most={most} />}
    </>
  );
}

/** Something that is no text. */
function Sent({ part: { kind, name, url = "" } }: { part: Part }) {
  const media = /^data:([\w.+-]+\/[\w.+-]+)/.exec(url)?.[1];
  return (
    <p className="muted">
      ({[media ?? kind, name, `${count(url.length)} characters`].filter(Boolean).join(", ")}; not shown)
    </p>
  );
}

/** A text: long ones open when they are wanted, and those that are JSON can be looked at as a tree. */
function Words({ text, findings, most = LONG }: { text: string; findings: readonly Finding[]; most?: number }) {
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
