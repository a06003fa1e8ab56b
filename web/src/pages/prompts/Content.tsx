import { getRouteApi } from "@tanstack/react-router";

import type { PromptVersion, Registration } from "../../api/schema";
import { Badge } from "../../parts/Badge";
import { time } from "../../parts/format";
import styles from "./Content.module.css";
import { pieces } from "./template";
import { VersionChoice } from "./VersionChoice";
import { settled } from "./versions";

const route = getRouteApi("/inside/prompts/$");

/** What one version says: messages with their variables marked, and everything else that goes with a call. */
export function Content({ versions }: { versions: Registration[] }) {
  const { version } = route.useSearch();
  const navigate = route.useNavigate();
  const shown = versions.find((one) => one.content.version === version) ?? settled(versions);
  if (!shown) return null;
  const { content } = shown;
  return (
    <div className="stack">
      <div className="row spread">
        <VersionChoice
          label="Version"
          value={content.version}
          versions={versions}
          choose={(chosen) => void navigate({ search: (before) => ({ ...before, version: chosen }) })}
        />
        <Origin version={shown} />
      </div>
      {version && content.version !== version && (
        <p className="warn" role="status">
          There is no version {version}; this is the newest that is merged.
        </p>
      )}
      <div className={styles.halves}>
        <Messages content={content} />
        <Facts content={content} />
      </div>
    </div>
  );
}

function Origin({ version }: { version: Registration }) {
  const when = version.committed_ns || version.registered_ns;
  return (
    <span className="muted small">
      {version.author || "unknown"}, {time(when)}
      {version.commit && (
        <>
          , commit <code>{version.commit.slice(0, 10)}</code>
        </>
      )}
    </span>
  );
}

function Messages({ content }: { content: PromptVersion }) {
  const names = Object.keys(content.variables);
  const partials = Object.entries(content.partials);
  return (
    <section className="stack" aria-labelledby="messages">
      <h2 id="messages">Messages</h2>
      {content.messages.map((message, index) => (
        <article key={index} className={styles.message} aria-label={`${message.role} message`}>
          <header className={styles.role}>{message.role}</header>
          <Template text={message.content} names={names} />
        </article>
      ))}
      {partials.length > 0 && <h2>Included partials</h2>}
      {partials.map(([name, text]) => (
        <details key={name} className={styles.message}>
          <summary className={styles.role}>{name}</summary>
          <Template text={text} names={names} />
        </details>
      ))}
    </section>
  );
}

/** A template as text, what is filled in standing out by colour, weight and frame. */
export function Template({ text, names }: { text: string; names: readonly string[] }) {
  return (
    <pre className={styles.text}>
      {pieces(text, names).map((piece, index) =>
        piece.kind === "text" ? (
          piece.text
        ) : (
          <mark key={index} className={styles[piece.kind]} title={piece.names.length ? `Variable ${piece.names.join(", ")}` : undefined}>
            {piece.text}
          </mark>
        ),
      )}
    </pre>
  );
}

function Facts({ content }: { content: PromptVersion }) {
  return (
    <div className="stack">
      <section className="panel stack" aria-labelledby="model">
        <h2 id="model">Model and parameters</h2>
        <dl className={styles.facts}>
          <dt>model</dt>
          <dd>{content.model || "as the caller says"}</dd>
          {Object.entries(content.params).map(([name, value]) => (
            <Fact key={name} name={name} value={value} />
          ))}
        </dl>
      </section>
      <Variables content={content} />
      {content.tools.length > 0 && (
        <section className="panel stack" aria-labelledby="tools">
          <h2 id="tools">Tools</h2>
          {content.tools.map((tool, index) => (
            <details key={tool}>
              <summary>{tool}</summary>
              <pre>{JSON.stringify(content.tool_definitions[index], null, 2)}</pre>
            </details>
          ))}
        </section>
      )}
      {content.output && (
        <section className="panel stack" aria-labelledby="output">
          <h2 id="output">Output schema</h2>
          <pre>{JSON.stringify(content.output, null, 2)}</pre>
        </section>
      )}
      {Object.keys(content.metadata).length > 0 && (
        <section className="panel stack" aria-labelledby="metadata">
          <h2 id="metadata">Metadata</h2>
          <dl className={styles.facts}>
            {Object.entries(content.metadata).map(([name, value]) => (
              <Fact key={name} name={name} value={value} />
            ))}
          </dl>
        </section>
      )}
    </div>
  );
}

function Fact({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{typeof value === "string" ? value : JSON.stringify(value)}</dd>
    </>
  );
}

function Variables({ content }: { content: PromptVersion }) {
  const variables = Object.entries(content.variables);
  if (variables.length === 0) return null;
  return (
    <section className="panel stack" aria-labelledby="variables">
      <h2 id="variables">Variables</h2>
      <ul className={styles.variables}>
        {variables.map(([name, variable]) => (
          <li key={name}>
            <span className="row">
              <code>{name}</code>
              <span className="muted small">{variable.type}</span>
              {variable.default === undefined ? (
                <Badge>required</Badge>
              ) : (
                <span className="muted small">default {JSON.stringify(variable.default)}</span>
              )}
            </span>
            {variable.description && <p className="small">{variable.description}</p>}
            {variable.enum && <p className="small muted">one of {variable.enum.map((one) => JSON.stringify(one)).join(", ")}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
