import { person } from "./names";

/** Who changed what is served, and in whose words why: `by Ada: “its answers are shorter”`. */
export function By({ actor, reason }: { actor: string; reason: string }) {
  return (
    <>
      by <bdi title={actor}>{person(actor)}</bdi>
      {reason && (
        <>
          : <q>{reason}</q>
        </>
      )}
    </>
  );
}
