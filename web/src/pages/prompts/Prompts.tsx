import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";

import type { ListedPrompt } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Heading } from "../../parts/Heading";
import { Empty, Shown } from "../../parts/States";
import { Tabs } from "../../parts/Tabs";
import { releasable, unmerged } from "../../parts/unmerged";
import { NewPrompt } from "./NewPrompt";
import { Proposals } from "./Proposals";
import { promptsQuery } from "./queries";
import styles from "./Prompts.module.css";
import { type Folder, lastPart, matching, tree } from "./tree";

const route = getRouteApi("/inside/prompts/");

/** All prompts by their folders, and what people propose to change. */
export function Prompts() {
  const { show } = route.useSearch();
  const may = useMay("expert");
  return (
    <div className="page">
      <Heading title="Prompts" about="Versions in git, where each is served, and what people propose.">
        {may && <NewPrompt />}
      </Heading>
      <Tabs label="Prompts">
        <Link to="/prompts" search={{}} activeOptions={{ exact: true, includeSearch: true }} aria-current={show ? undefined : "page"}>
          All prompts
        </Link>
        <Link to="/prompts" search={{ show: "proposals" }} aria-current={show ? "page" : undefined}>
          Proposals
        </Link>
      </Tabs>
      {show ? <Proposals /> : <AllPrompts />}
    </div>
  );
}

function AllPrompts() {
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const prompts = useQuery(promptsQuery);
  const change = (text: string) => void navigate({ search: (before) => ({ ...before, q: text || undefined }), replace: true });
  return (
    <Shown query={prompts}>
      {(all) => {
        if (all.length === 0) return <NoPrompts />;
        const found = matching(all, q);
        return (
          <section className="stack" aria-label="All prompts">
            <div className="row">
              <input
                type="search"
                aria-label="Search prompts"
                placeholder="Name or environment"
                value={q}
                onChange={(event) => change(event.target.value)}
              />
              <span className="muted small" role="status">
                {found.length} of {all.length}
              </span>
            </div>
            {found.length > 0 ? <Branch folder={tree(found)} /> : <p className="panel muted">No prompt is called so.</p>}
          </section>
        );
      }}
    </Shown>
  );
}

function NoPrompts() {
  return (
    <Empty title="There are no prompts yet" command="moat prompt new support/answer">
      <p>A prompt is a file in git, prompts/support/answer/1.0.0.yaml, with messages, variables, a model and its parameters.</p>
    </Empty>
  );
}

function Branch({ folder }: { folder: Folder }) {
  return (
    <ul className={folder.path ? styles.inner : `panel ${styles.tree}`}>
      {folder.folders.map((inner) => (
        <li key={inner.path}>
          <details open>
            <summary className={styles.folder}>{inner.label}/</summary>
            <Branch folder={inner} />
          </details>
        </li>
      ))}
      {folder.prompts.map((prompt) => (
        <Leaf key={prompt.name} prompt={prompt} />
      ))}
    </ul>
  );
}

function Leaf({ prompt }: { prompt: ListedPrompt }) {
  const merged = releasable(prompt);
  const newest = merged.at(-1)?.version;
  const others = unmerged(prompt);
  return (
    <li className={styles.leaf}>
      <Link to="/prompts/$" params={{ _splat: prompt.name }} className={styles.name} aria-label={prompt.name}>
        {lastPart(prompt.name)}
      </Link>
      <span className="muted small">
        {merged.length} {merged.length === 1 ? "version" : "versions"}
        {newest && `, newest ${newest}`}
        {others && ` · ${others}`}
      </span>
      <span className="row">
        {prompt.served.map((place) => (
          <Badge key={`${place.environment} ${place.arm} ${place.release}`} tone="accent">
            {place.environment} {place.version}
            {place.arm && ` (${place.arm})`}
          </Badge>
        ))}
        {prompt.served.length === 0 && <span className="muted small">Served nowhere</span>}
      </span>
    </li>
  );
}
