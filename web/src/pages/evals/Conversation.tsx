import { count } from "../../parts/format";
import { type Turn, turns } from "./turns";
import { Value } from "./Value";

/** A conversation of several turns, where there was one. All of it is shown as text; what is none by its type and size. */
export function Conversation({ messages }: { messages: unknown }) {
  const found = turns(messages);
  if (found.length === 0) return null;
  return (
    <details>
      <summary>Conversation of {count(found.length)} messages</summary>
      <div className="stack">
        {found.map((turn, index) => (
          <Said key={index} turn={turn} />
        ))}
      </div>
    </details>
  );
}

function Said({ turn }: { turn: Turn }) {
  return (
    <>
      <Value title={turn.role} value={turn.text} />
      {turn.others.map((other, index) => (
        <p key={index} className="muted small">
          ({other.type}, {count(other.size)} characters; not shown)
        </p>
      ))}
      <Value title={`${turn.role}: tool calls`} value={turn.calls} />
    </>
  );
}
