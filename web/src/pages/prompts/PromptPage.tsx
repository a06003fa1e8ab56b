import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { Suspense, lazy } from "react";

import type { ListedPrompt, Registration } from "../../api/schema";
import { useMay } from "../../api/session";
import { Badge } from "../../parts/Badge";
import { Heading } from "../../parts/Heading";
import { Empty, Loading, Shown } from "../../parts/States";
import { Tabs } from "../../parts/Tabs";
import { Content } from "./Content";
import { Differences } from "./Differences";
import { promptsQuery, versionsQuery } from "./queries";
import { TABS, type Tab } from "./address";
import { useTries } from "./tries";
import { Versions } from "./Versions";

const route = getRouteApi("/inside/prompts/$");

const LABELS: Record<Tab, string> = {
  content: "Content",
  versions: "Versions",
  differences: "Differences",
  lineage: "Lineage",
  edit: "Edit",
  try: "Playground",
  propose: "Propose",
};
/** Tabs for those who try and propose. */
const MAKING: readonly Tab[] = ["edit", "try", "propose"];

// What only some open is loaded when they do.
const Lineage = lazy(() => import("./Lineage").then((page) => ({ default: page.Lineage })));
const Workshop = lazy(() => import("./Workshop").then((page) => ({ default: page.Workshop })));

/** One prompt: what its versions say, how they differ, what became of them; and a place to write the next one. */
export function PromptPage() {
  const { _splat: name = "" } = route.useParams();
  const { tab = "content" } = route.useSearch();
  const versions = useQuery(versionsQuery(name));
  const listed = useQuery({ ...promptsQuery, select: (all) => all.find((prompt) => prompt.name === name) });
  return (
    <div className="page">
      <Heading title={name} about={<Where prompt={listed.data} />} />
      <Views current={tab} name={name} />
      <Shown query={versions}>{(found) => <Body key={name} name={name} tab={tab} versions={found} prompt={listed.data} />}</Shown>
    </div>
  );
}

function Where({ prompt }: { prompt: ListedPrompt | undefined }) {
  if (!prompt?.served.length) return "Served nowhere.";
  return (
    <span className="row">
      Served in
      {prompt.served.map((place) => (
        <Badge key={`${place.environment} ${place.release}`} tone="accent">
          {place.environment} {place.version}
          {place.arm && ` (${place.arm})`}
        </Badge>
      ))}
      <Link to="/releases">Releases</Link>
    </span>
  );
}

function Views({ current, name }: { current: Tab; name: string }) {
  const search = route.useSearch();
  const may = useMay("expert");
  return (
    <Tabs label="About this prompt">
      {TABS.filter((tab) => may || !MAKING.includes(tab)).map((tab) => (
        <Link
          key={tab}
          to="/prompts/$"
          params={{ _splat: name }}
          search={{ ...search, tab }}
          aria-current={tab === current ? "page" : undefined}
        >
          {LABELS[tab]}
        </Link>
      ))}
    </Tabs>
  );
}

interface BodyProps {
  name: string;
  tab: Tab;
  versions: Registration[];
  prompt: ListedPrompt | undefined;
}

function Body({ name, tab, versions, prompt }: BodyProps) {
  const may = useMay("expert");
  const tries = useTries(name);
  if (MAKING.includes(tab)) {
    if (!may) return <p className="panel">Trying and proposing need the role expert. An admin gives it in Settings.</p>;
    return (
      <Suspense fallback={<Loading />}>
        <Workshop name={name} tab={tab} versions={versions} tries={tries} />
      </Suspense>
    );
  }
  if (versions.length === 0) return <NoSuch name={name} may={may} />;
  if (tab === "versions") return <Versions name={name} versions={versions} served={prompt?.served ?? []} />;
  if (tab === "differences") return <Differences name={name} versions={versions} />;
  if (tab === "lineage") {
    return (
      <Suspense fallback={<Loading />}>
        <Lineage name={name} />
      </Suspense>
    );
  }
  return <Content versions={versions} />;
}

function NoSuch({ name, may }: { name: string; may: boolean }) {
  return (
    <Empty title="There is no such prompt" command={`moat prompt new ${name}`}>
      <p>It may be on another branch, or a draft that is not merged yet.</p>
      {may && (
        <Link to="/prompts/$" params={{ _splat: name }} search={{ tab: "edit" }}>
          Write it here
        </Link>
      )}
    </Empty>
  );
}
