import { Link, getRouteApi } from "@tanstack/react-router";

import { Badge, type Tone } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import type { Finding } from "./drafts";
import styles from "./Editor.module.css";
import { partialPath } from "./partials";
import type { Part, Parts } from "./useParts";

const route = getRouteApi("/inside/prompts/$");

interface Props {
  /** The prompt's. */
  name: string;
  /** The draft's own file. */
  path: string;
  parts: Parts;
  findings: readonly Finding[];
  /** The partial that is shown; empty for the own file. */
  shown: string;
  remove: (name: string) => void;
}

/** The files that a draft consists of, to choose the one that is edited. */
export function Files({ name, path, parts, findings, shown, remove }: Props) {
  const wrong = (file: string) => findings.filter((one) => one.path === file && one.severity === "error").length;
  return (
    <div className="stack">
      <nav className={styles.files} aria-label="Files of the draft">
        <One name={name} part={undefined} label={path.replace(/^.*\//, "")} shown={shown === ""} errors={wrong(path)} state="" />
        {parts.parts.map((part) => (
          <One
            key={part.name}
            name={name}
            part={part.name}
            label={part.name}
            shown={shown === part.name}
            errors={wrong(partialPath(part.name))}
            state={parts.settled || part.text !== null ? stateOf(part) : ""}
          />
        ))}
      </nav>
      {parts.parts.length === 0 && (
        <p className="muted small">
          A text that several prompts share is a partial: write <code>{'{% include "name" %}'}</code> where it belongs, and it stands here.
        </p>
      )}
      {parts.loose.map((name) => (
        <p key={name} className="warn small row">
          ! Nothing includes {name} any more: it is neither tried nor proposed.
          <Button kind="plain" onClick={() => remove(name)}>
            Discard {name}
          </Button>
        </p>
      ))}
    </div>
  );
}

type State = "" | "missing" | "theirs is newer" | "new" | "proposed" | "changed";

const TONES: Partial<Record<State, Tone>> = { missing: "bad", "theirs is newer": "warn" };

function stateOf({ text, original, own, passed }: Part): State {
  if (text === null) return "missing";
  if (!own) return "";
  if (passed) return "theirs is newer";
  return original === null ? "new" : text === original ? "proposed" : "changed";
}

interface OneProps {
  name: string;
  part: string | undefined;
  label: string;
  shown: boolean;
  errors: number;
  state: State;
}

function One({ name, part, label, shown, errors, state }: OneProps) {
  const search = route.useSearch();
  return (
    <Link
      to="/prompts/$"
      params={{ _splat: name }}
      search={{ ...search, part }}
      replace
      className={styles.one}
      activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }}
      aria-current={shown ? "page" : undefined}
    >
      {label}
      {state && <Badge tone={TONES[state] ?? "accent"}>{state}</Badge>}
      {errors > 0 && <Badge tone="bad">{errors === 1 ? "1 error" : `${errors} errors`}</Badge>}
    </Link>
  );
}
