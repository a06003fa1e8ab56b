import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import type { Extension } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { type Ref, useEffect, useImperativeHandle, useRef } from "react";

import type { Finding } from "./drafts";
import { diagnostics } from "./diagnostics";
import styles from "./Editor.module.css";
import { type Past, begun, left } from "./past";

export interface FileHandle {
  /** Put the cursor there; both count from 1. */
  goTo: (line: number, column: number) => void;
  /** Put another text in the place of all of it, as the person could: it is told, and can be undone. */
  write: (text: string) => void;
}

interface Props {
  /** One for each file of a draft. */
  label: string;
  value: string;
  change: (text: string) => void;
  findings: readonly Finding[];
  /** What it is written in: a prompt's file in YAML, a partial as a template. */
  written: "yaml" | "template";
  /** Where what can be undone is kept while another file is shown. */
  past: Past;
  ref?: Ref<FileHandle>;
}

/** A file that can be edited, with what is wrong with it at its lines. */
export function FileField({ label, value, change, findings, written, past, ref }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const extended = useRef<Extension>([]);
  const latest = useRef({ value, change });
  useEffect(() => {
    latest.current = { value, change };
  });
  useEffect(() => {
    if (!place.current) return;
    // In a shadow tree the editor's styles are constructed sheets, which the console's content policy allows;
    // in the page itself it would write <style> elements, which the policy forbids.
    const root = place.current.shadowRoot ?? place.current.attachShadow({ mode: "open" });
    const parts = extensions(label, written, (text) => latest.current.change(text));
    const made = new EditorView({ state: begun(latest.current.value, past.get(label), parts), root, parent: root });
    view.current = made;
    extended.current = parts;
    return () => {
      past.set(label, left(made.state));
      made.destroy();
    };
  }, [label, written, past]);
  useEffect(() => {
    const editor = view.current;
    // It comes from elsewhere, such as another window: nobody here has typed it, so nobody can undo it.
    if (editor && editor.state.doc.toString() !== value) editor.setState(begun(value, undefined, extended.current));
  }, [value, label, written]);
  useEffect(() => {
    const editor = view.current;
    if (editor) editor.dispatch(setDiagnostics(editor.state, diagnostics(editor.state.doc, findings)));
  }, [findings, label, written]);
  useImperativeHandle(ref, () => ({ goTo: (line, column) => goTo(view.current, line, column), write: (text) => write(view.current, text) }), []);
  return <div ref={place} className={styles.file} />;
}

function goTo(editor: EditorView | null, number: number, column: number): void {
  if (!editor) return;
  const { doc } = editor.state;
  const line = doc.line(Math.min(Math.max(1, number), doc.lines));
  const anchor = Math.min(line.to, line.from + Math.max(0, column - 1));
  editor.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
  editor.focus();
}

function write(editor: EditorView | null, insert: string): void {
  editor?.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert } });
}

function extensions(label: string, written: Props["written"], tell: (text: string) => void) {
  return [
    lineNumbers(),
    history(),
    drawSelection(),
    highlightActiveLine(),
    indentUnit.of("  "),
    EditorView.lineWrapping,
    written === "yaml" ? yaml() : [],
    syntaxHighlighting(COLOURS),
    lintGutter(),
    // No Tab here: it leads on to the next field, as everywhere.
    keymap.of([...defaultKeymap, ...historyKeymap]),
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) tell(update.state.doc.toString());
    }),
    LOOK,
  ];
}

const COLOURS = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: [tags.comment, tags.meta], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--muted)" },
]);

const LOOK = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--panel)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent) 7%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 28%, transparent)",
  },
  ".cm-tooltip": { backgroundColor: "var(--panel)", color: "var(--text)", border: "1px solid var(--line)", maxWidth: "480px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
});
