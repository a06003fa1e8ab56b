/** What the palette finds by name: prompts, what environments serve, releases, users. A few of each; what fails is left out. */
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { answer, api } from "../api/client";
import type { Assignment, ListedPrompt, Release, Visit } from "../api/schema";
import { useMay } from "../api/session";
import { inQuotes } from "../parts/calls";
import { useSettled } from "../parts/settled";
import { releasable } from "../parts/unmerged";
import { promptsQuery } from "../pages/prompts/queries";
import { environmentsQuery, goesBackTo, releasesQuery } from "../pages/releases/queries";
import type { Entry } from "./entries";
import { matching } from "./matching";

/** Of each kind. */
const FEW = 4;
/** Milliseconds without a key until the server is asked. */
const PAUSE = 250;
/** Of a name: one letter says too little to ask for. */
const SHORTEST = 2;

type Go = ReturnType<typeof useNavigate>;

/** Users whose name has the text, the last active first. */
const usersQuery = (text: string) =>
  queryOptions({
    // Of no topic: what is chosen from does not move with every call.
    queryKey: ["found", "users", text],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/users", { params: { query: { q: `user ~ ${inQuotes(text)}`, limit: FEW, wide: false } }, signal })),
  });

/** What has the text in its name; nothing for a text that says too little, or while nothing is asked for. */
export function useFound(text: string): Entry[] {
  const go = useNavigate();
  const engineer = useMay("engineer");
  const asked = useSettled(text, PAUSE);
  const wanted = text.length >= SHORTEST;
  const quiet = { enabled: wanted && asked.length >= SHORTEST, retry: false };
  const prompts = useQuery({ ...promptsQuery, ...quiet }).data;
  const places = useQuery({ ...environmentsQuery, ...quiet }).data;
  const users = useQuery({ ...usersQuery(asked), ...quiet, placeholderData: keepPreviousData }).data;
  const [name = "", version] = asked.split("@");
  // Of one prompt only: all releases with all that they ship are long.
  const prompt = version === undefined ? undefined : prompts?.find((one) => one.name === name);
  const releases = useQuery({ ...releasesQuery(prompt?.name), ...quiet, enabled: prompt !== undefined }).data;
  return useMemo(() => {
    if (!wanted) return [];
    const named = matching((prompts ?? []).map((one) => promptEntry(one, go)), text).slice(0, FEW);
    const served = matching((places ?? []).map((one) => servedEntry(one, go)), text).slice(0, FEW);
    const back = engineer ? ways(places, text, go) : [];
    const released = prompt ? matching((releases ?? []).map((one) => releaseEntry(one, go)), text).slice(0, FEW) : [];
    const called = (users ?? []).filter((one) => one.user.toLowerCase().includes(text.toLowerCase())).map((one) => userEntry(one, go));
    return [...back, ...named, ...served, ...released, ...called];
  }, [text, wanted, engineer, prompts, places, releases, prompt, users, go]);
}

/** The ways back that a text means. Who asks for one that there is not is told so. */
function ways(places: readonly Assignment[] | undefined, text: string, go: Go): Entry[] {
  const all = (places ?? []).filter((one) => goesBackTo(one) !== "").map((one) => backEntry(one, go));
  const found = matching(all, text).slice(0, FEW);
  if (found.length > 0 || !places || !/^roll ?back/i.test(text)) return found;
  const run = () => void go({ to: "/releases" });
  return [{ id: "no way back", label: "Nothing to roll back", about: "Nothing like this had another release before", leads: true, run }];
}

function promptEntry(prompt: ListedPrompt, go: Go): Entry {
  const { name } = prompt;
  const newest = releasable(prompt).at(-1)?.version;
  return {
    id: `prompt ${name}`,
    label: name,
    about: newest ? `Prompt, newest version ${newest}` : "Prompt",
    leads: true,
    run: () => void go({ to: "/prompts/$", params: { _splat: name } }),
  };
}

function servedEntry({ prompt, environment }: Assignment, go: Go): Entry {
  return {
    id: `served ${environment} ${prompt}`,
    label: `${prompt} in ${environment}`,
    about: "Releases: what is served, and was before",
    leads: true,
    run: () => void go({ to: "/releases/served", search: { prompt, environment } }),
  };
}

function backEntry({ prompt, environment }: Assignment, go: Go): Entry {
  return {
    id: `back ${environment} ${prompt}`,
    label: `Roll back ${prompt} in ${environment}`,
    words: "rollback",
    about: "Shows where that leads, and asks",
    leads: true,
    run: () => void go({ to: "/releases/served", search: { prompt, environment, act: "rollback" } }),
  };
}

function releaseEntry({ id, content }: Release, go: Go): Entry {
  return {
    id: `release ${id}`,
    label: `${content.name}@${content.version}`,
    about: `Release ${id}`,
    leads: true,
    run: () => void go({ to: "/releases/$id", params: { id } }),
  };
}

function userEntry({ user, tenant }: Visit, go: Go): Entry {
  return {
    id: `user ${tenant} ${user}`,
    label: user,
    about: tenant ? `User of ${tenant}` : "User",
    leads: true,
    run: () => void go({ to: "/users/$id", params: { id: user }, search: { tenant: tenant || undefined } }),
  };
}
