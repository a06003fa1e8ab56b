import { useQuery } from "@tanstack/react-query";

import { promptsQuery } from "../pages/prompts/queries";
import { releasable } from "./unmerged";

/**
 * What a command can name, as `support/answer@1.2.0`: the newest version of a prompt that can be released, of any prompt
 * when none is named; undefined while there is none.
 */
export function useReference(name?: string): string | undefined {
  const prompts = useQuery(promptsQuery).data ?? [];
  const found = prompts.find((one) => (name === undefined || one.name === name) && releasable(one).length > 0);
  return found && `${found.name}@${releasable(found).at(-1)?.version}`;
}
