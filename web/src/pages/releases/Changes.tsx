import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import type { Assignment, Release } from "../../api/schema";
import { Shown } from "../../parts/States";
import { diffQuery } from "../prompts/queries";
import { inOneLine } from "./diff";
import { environmentsQuery, historyQuery, mainRelease, newRelease, releasesQuery, versionOf } from "./queries";
import styles from "./Releases.module.css";

/** What is different from the release that this one took the place of, when it came first. */
export function Changes({ release }: { release: Release }) {
  const { name, version } = release.content;
  const releases = useQuery(releasesQuery(name));
  const environments = useQuery({
    ...environmentsQuery,
    select: (all) => all.filter((one) => one.prompt === name).map((one) => one.environment),
  });
  const histories = useQueries({ queries: (environments.data ?? []).map((environment) => historyQuery(name, environment)) });
  const before = replaced(histories.map((one) => one.data ?? []), release.id);
  const from = before && releases.data ? versionOf(releases.data, before) : "";
  const diff = useQuery({ ...diffQuery(name, from, version), enabled: from !== "" && from !== version });
  if (!from) return null;
  return (
    <section className="panel stack" aria-label="What it changed">
      <div className="row spread">
        <h2>Changed from {from}, which it replaced</h2>
        <Link to="/prompts/$" params={{ _splat: name }} search={{ tab: "differences", from, to: version }}>
          Side by side
        </Link>
      </div>
      {from === version ? (
        <p className="muted">The text is the same: its model or policies meant something else.</p>
      ) : (
        <Shown query={diff}>
          {(found) => (
            <>
              <p className="muted">{inOneLine(found)}</p>
              {found.texts.map((text) => (
                <div key={text.name} className="stack">
                  <h3>
                    {text.name} <span className="muted small">{text.change}</span>
                  </h3>
                  <pre className={styles.text} tabIndex={0} role="region" aria-label={`${text.name}, changed`}>
                    {text.pieces.map((piece, index) => (
                      <Piece key={index} kind={piece.kind} text={piece.text} />
                    ))}
                  </pre>
                </div>
              ))}
            </>
          )}
        </Shown>
      )}
    </section>
  );
}

function Piece({ kind, text }: { kind: "same" | "gone" | "new"; text: string }) {
  if (kind === "gone") return <del className={styles.piece} data-kind="gone">{text}</del>;
  if (kind === "new") return <ins className={styles.piece} data-kind="new">{text}</ins>;
  return text;
}

/** The release that was served before this one came, in the environment where it came first. Histories: newest first. */
export function replaced(histories: readonly (readonly Assignment[])[], release: string): string {
  const firsts = histories.flatMap((history) => {
    const index = history.findLastIndex((one) => newRelease(one) === release);
    const before = history.slice(index + 1).find((one) => mainRelease(one) !== release);
    const came = history[index];
    return came && before ? [{ at: came.created_ns, before: mainRelease(before) }] : [];
  });
  return firsts.sort((a, b) => a.at - b.at)[0]?.before ?? "";
}
