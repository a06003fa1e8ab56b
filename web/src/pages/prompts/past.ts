/** What can be undone of a text that is edited. It belongs to that text: another that comes from elsewhere begins without. */
import { historyField } from "@codemirror/commands";
import { EditorState, type Extension } from "@codemirror/state";

/** A file as an editor left it. */
export interface Left {
  text: string;
  /** An `EditorState` with its history, as JSON. */
  state: unknown;
}

/** The files of a draft that were edited since the page was opened, by their labels. */
export type Past = Map<string, Left>;

const WITH_HISTORY = { past: historyField };

/** To go on with later. */
export const left = (state: EditorState): Left => ({ text: state.doc.toString(), state: state.toJSON(WITH_HISTORY) });

/** A state with the text. What led to it can be undone when it is as an editor left it; undoing stops at it when not. */
export const begun = (text: string, before: Left | undefined, extensions: Extension): EditorState =>
  before?.text === text ? EditorState.fromJSON(before.state, { extensions }, WITH_HISTORY) : EditorState.create({ doc: text, extensions });
