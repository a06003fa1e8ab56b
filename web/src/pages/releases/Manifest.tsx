import type { PromptVersion } from "../../api/schema";
import styles from "./Releases.module.css";

/** All that ships, as text: messages, partials, parameters, tools, the shape of the answer. */
export function Manifest({ content }: { content: PromptVersion }) {
  const { messages, partials, params, variables, tools, output } = content;
  const more: [string, unknown][] = [
    ["Parameters", params],
    ["Variables", variables],
    ["Tools", tools],
    ["Shape of the answer", output],
  ];
  return (
    <section className="panel stack" aria-label="Manifest">
      <h2>Manifest</h2>
      {messages.map((message, index) => (
        <Text key={index} name={`Message ${index + 1}, ${message.role}`} text={message.content} />
      ))}
      {Object.entries(partials).map(([name, text]) => (
        <Text key={name} name={`Partial ${name}`} text={text} />
      ))}
      {more
        .filter(([, value]) => holds(value))
        .map(([name, value]) => (
          <Text key={name} name={name} text={JSON.stringify(value, null, 2)} />
        ))}
    </section>
  );
}

const holds = (value: unknown): boolean => typeof value === "object" && value !== null && Object.keys(value).length > 0;

function Text({ name, text }: { name: string; text: string }) {
  return (
    <details>
      <summary>{name}</summary>
      <pre className={styles.text} tabIndex={0} role="region" aria-label={name}>
        {text}
      </pre>
    </details>
  );
}
