/** Prompts by the folders of their names. */
import type { ListedPrompt } from "../../api/schema";

export interface Folder {
  /** With its parents: `support/mail`; empty for the root. */
  path: string;
  /** The last part of the path. */
  label: string;
  folders: Folder[];
  prompts: ListedPrompt[];
}

/** Folders before prompts, both in the order of the alphabet. */
export function tree(prompts: readonly ListedPrompt[]): Folder {
  const root: Folder = { path: "", label: "", folders: [], prompts: [] };
  for (const prompt of [...prompts].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    let folder = root;
    for (const part of prompt.name.split("/").slice(0, -1)) {
      const path = folder.path ? `${folder.path}/${part}` : part;
      let inner = folder.folders.find((one) => one.label === part);
      if (!inner) {
        inner = { path, label: part, folders: [], prompts: [] };
        folder.folders.push(inner);
      }
      folder = inner;
    }
    folder.prompts.push(prompt);
  }
  return root;
}

/** Those whose name has every word, and those served in an environment of that name. */
export function matching(prompts: readonly ListedPrompt[], q: string): readonly ListedPrompt[] {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return prompts;
  return prompts.filter((prompt) => {
    const said = [prompt.name, ...prompt.served.map((place) => place.environment)].join(" ").toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

/** `support/answer`: `answer`. */
export const lastPart = (name: string): string => name.slice(name.lastIndexOf("/") + 1);
