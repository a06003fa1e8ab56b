import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";

import type { Registration } from "../../api/schema";
import { modelsQuery } from "../../api/serving";
import { Badge } from "../../parts/Badge";
import { Button } from "../../parts/Button";
import { Failure, Loading } from "../../parts/States";
import { type Drafting, type Opened, useDraft } from "./drafts";
import { Editor } from "./Editor";
import { Playground } from "./Playground";
import { Propose } from "./Propose";
import type { Tab } from "./address";
import type { Tries } from "./tries";
import { settled } from "./versions";

const route = getRouteApi("/inside/prompts/$");

interface Props {
  name: string;
  tab: Tab;
  versions: Registration[];
  tries: Tries;
}

/** Where a draft is written, tried and handed in. All of it is about the one draft that this browser keeps. */
export function Workshop({ name, tab, versions, tries }: Props) {
  const { version, branch } = route.useSearch();
  const models = useQuery(modelsQuery);
  const known = versions.map((one) => one.content.version);
  const base = version && known.includes(version) ? version : (settled(versions)?.content.version ?? "");
  const opened = branch && version ? { branch, version } : null;
  const { drafting, query, noFile, bare } = useDraft(name, versions, base, opened, models.data ?? []);
  if (!drafting || models.isPending) return query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading />;
  return (
    <div className="stack">
      {opened && drafting.draft.branch !== opened.branch && <Another opened={opened} drafting={drafting} />}
      <Kept drafting={drafting} noFile={noFile} bare={bare} />
      {tab === "edit" && <Editor name={name} drafting={drafting} known={known} />}
      {tab === "try" && <Playground name={name} drafting={drafting} versions={versions} models={models.data ?? []} tries={tries} />}
      {tab === "propose" && <Propose name={name} drafting={drafting} />}
    </div>
  );
}

/** What was asked for is not what is shown: a draft that is kept is not thrown away unasked. */
function Another({ opened, drafting }: { opened: Opened; drafting: Drafting }) {
  const { draft, changed, discard } = drafting;
  return (
    <div className="panel row spread" role="status">
      <span>
        ! This browser keeps a draft {draft.version} of this prompt, so {opened.version} of {opened.branch} is not opened.
      </span>
      <Button onClick={() => (!changed || draft.proposed?.same || confirm("Discard the draft that is kept? Its text is kept nowhere else.")) && discard()}>
        Discard it, and open the proposal
      </Button>
    </div>
  );
}

function Kept({ drafting, noFile, bare }: { drafting: Drafting; noFile: boolean; bare: string }) {
  const { draft, changed, kept, passed, discard } = drafting;
  const { proposed } = draft;
  const lost = changed && !proposed?.same;
  return (
    <div className="row spread">
      <div className="row small">
        {kept ? <Badge tone="accent">Draft {draft.version}</Badge> : <Badge>Nothing changed yet</Badge>}
        {proposed && (
          <Badge tone="good">
            proposed as {proposed.branch}
            {!proposed.same && ", changed since"}
          </Badge>
        )}
        <span className="muted">
          {draft.base ? `Begun with ${draft.base}${draft.branch ? ` of ${draft.branch}` : ""}. ` : "A new prompt. "}
          {kept ? `Kept in this browser only${changed ? "" : ", with the text as it was"}. ` : ""}
          Nothing here changes what is served.
        </span>
        {passed && (
          <span className="warn">
            ! Discard the draft to begin with {passed}.
          </span>
        )}
        {noFile && (
          <span className="warn">
            ! {draft.base} has no file {draft.branch ? `in ${draft.branch}` : "in the project this server runs on"}, so this begins with an example.
          </span>
        )}
        {bare && (
          <span>
            <code>{bare}</code> is a bare text. The draft is a YAML file, with that text as its one user message.
          </span>
        )}
      </div>
      {kept && (
        <Button kind="danger" onClick={() => (!lost || confirm("Discard this draft? Its text is kept nowhere else.")) && discard()}>
          Discard draft
        </Button>
      )}
    </div>
  );
}
