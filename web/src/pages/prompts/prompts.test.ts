import { history, undo } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { describe, expect, it } from "vitest";

import type { FieldDiff, Lineage, ListedPrompt, Variable } from "../../api/schema";
import { of } from "../../parts/records";
import { asYaml, isBare } from "./bare";
import { diagnostics } from "./diagnostics";
import type { Draft } from "./drafts";
import { graph } from "./graph";
import { lanes } from "./lanes";
import { byMeaning } from "./meaning";
import { promptSearch, versionOf } from "./address";
import { includes, including, isPartialName, nextName, partialOf, reached } from "./partials";
import { begun, left } from "./past";
import { type Part, copied, partOf, together, used } from "./useParts";
import { said } from "./said";
import { WAITING, after, split } from "./stream";
import { pieces } from "./template";
import { matching, tree } from "./tree";
import { setsOf, valued } from "./variables";
import { isVersion, nextVersion } from "./versions";

const listed = (name: string, environment = ""): ListedPrompt => ({
  name,
  versions: [],
  served: environment ? [{ environment, version: "1.0.0", release: "rel_1", arm: "", weight: 1 }] : [],
});

describe("the tree of prompts", () => {
  it("has folders before prompts, and each prompt once", () => {
    const root = tree([listed("zeta"), listed("support/mail/reply"), listed("support/answer")]);
    expect(root.prompts.map((one) => one.name)).toEqual(["zeta"]);
    expect(root.folders.map((one) => one.path)).toEqual(["support"]);
    expect(root.folders[0]?.folders[0]?.path).toBe("support/mail");
  });

  it("is searched by words of the name and by environments", () => {
    const all = [listed("support/answer", "production"), listed("billing/refund")];
    expect(matching(all, "ANS sup").map((one) => one.name)).toEqual(["support/answer"]);
    expect(matching(all, "prod")).toHaveLength(1);
    expect(matching(all, " ")).toHaveLength(2);
  });
});

describe("the next version", () => {
  it.each([
    [["1.0.0", "1.2.0"], "minor", "1.3.0"],
    [["1.2.3"], "patch", "1.2.4"],
    [["1.2.3"], "major", "2.0.0"],
    [["2.0.0-rc.1"], "patch", "2.0.0"],
    [[], "minor", "1.0.0"],
  ] as const)("after %s, %s, is %s", (known, part, next) => {
    expect(nextVersion(known, part)).toBe(next);
    expect(isVersion(next)).toBe(true);
  });
});

describe("a template", () => {
  it("is the same when its pieces are put together, and names its variables", () => {
    const text = 'Hi {{ user.name }}{# no #}{% if plan == "user" %}!{% endif %}';
    const found = pieces(text, ["user", "plan", "name"]);
    expect(found.map((one) => one.text).join("")).toBe(text);
    expect(found.filter((one) => one.kind !== "text").map((one) => one.names)).toEqual([["user"], [], ["plan"], []]);
  });
});

describe("partials", () => {
  const texts: Record<string, string> = { outer: 'Before {% include "inner" %}', inner: "Hi {% include 'outer' %}", other: "x" };
  const prompt = "a {% include 'outer' %} {%- include \"gone\" %} {% include 'outer' %}";

  it("are found as the loader finds them, through others, and once", () => {
    expect(includes(prompt)).toEqual(["outer", "gone"]);
    expect(reached(prompt, (name) => texts[name] ?? null)).toEqual(["outer", "gone", "inner"]);
    expect(reached('{% include "../x" %}', () => "")).toEqual([]);
    expect(includes(String.raw`{% include \"a\" %} {% include ''b'' %}`)).toEqual(["a", "b"]);
    expect(reached("{% include 'constructor' %}", (name) => of(texts, name) ?? null)).toEqual(["constructor"]);
    expect(["tone", "a/b-c.d", "../x", "a..b", "", "-a", "a//b"].filter(isPartialName)).toEqual(["tone", "a/b-c.d"]);
    expect(["prompts/_partials/a/b.j2", "prompts/a/1.0.0.yaml"].map(partialOf)).toEqual(["a/b", ""]);
  });

  it("are exchanged where they are included, and nowhere else", () => {
    expect(including(prompt, { outer: "outer-2" })).toBe("a {% include 'outer-2' %} {%- include \"gone\" %} {% include 'outer-2' %}");
    expect(including('"{% include \\"a\\" %}"', { a: "b" })).toBe('"{% include \\"b\\" %}"');
    expect(including("'{% include ''a'' %}'", { a: "b" })).toBe("'{% include ''b'' %}'");
    expect(nextName("tone", [])).toBe("tone-2");
    expect(nextName("tone-2", ["tone-3"])).toBe("tone-4");
  });

  it("have copies in their places, also in each other", () => {
    const part = (name: string): Part => {
      const text = texts[name] ?? null;
      return { name, text, original: text, own: false, project: text, commit: `last of ${name}`, passed: false, edited: false, uses: [] };
    };
    const draft = { base: "1.0.0", version: "1.1.0", text: prompt, partials: { outer: texts["outer"] ?? "" } };
    const found = copied(draft, [part("outer"), part("inner"), part("gone"), part("other")], { inner: "inner-2", outer: "outer-2" });
    expect(found.text).toBe(including(prompt, { outer: "outer-2" }));
    expect(found.partials).toEqual({ "outer-2": 'Before {% include "inner-2" %}', "inner-2": "Hi {% include 'outer-2' %}" });
    const inPlace = copied({ ...draft, partials: {} }, [part("outer"), part("inner")], { inner: "inner-2" });
    expect(inPlace.commits).toEqual({ outer: "last of outer" });
    expect(inPlace.partials).toEqual({ outer: 'Before {% include "inner-2" %}', "inner-2": texts["inner"] });
  });

  it("say when somebody else has changed them", () => {
    const draft: Draft = { base: "1.0.0", version: "1.1.0", text: "", partials: { tone: "Mine." }, commits: { tone: "c1" } };
    const found = (text: string, commit: string) => ({ name: "tone", path: "", text, commit, edited: false, used_by: [] });
    const passed = (one: Partial<Draft>, project: ReturnType<typeof found> | null) => partOf("tone", { ...draft, ...one }, undefined, project).passed;
    expect(passed({}, found("As it was.", "c1"))).toBe(false);
    expect(passed({}, found("Theirs.", "c2"))).toBe(true);
    expect(passed({}, found("Mine.", "c2"))).toBe(false);
    expect(passed({ commits: { tone: "c2" } }, found("Theirs.", "c2"))).toBe(false);
    // Begun as a new one, and made by somebody else meanwhile.
    expect(passed({ commits: {} }, found("Theirs.", "c1"))).toBe(true);
    expect(passed({ commits: {} }, null)).toBe(false);
    // Taken out of the project; a proposal may have it as a new file.
    expect(passed({}, null)).toBe(true);
    expect(passed({ branch: "propose/x" }, null)).toBe(false);
    expect(partOf("tone", { ...draft, partials: {} }, undefined, found("Theirs.", "c2"))).toMatchObject({ passed: false, own: false, text: "Theirs." });
  });

  it("of several drafts are proposed once, and only when they are the same", () => {
    const file = (path: string, text = "x", base = "") => ({ path, text, base });
    expect(together([[file("a"), file("t")], [file("b"), file("t")]]).map((one) => one.path)).toEqual(["a", "t", "b"]);
    expect(() => together([[file("t")], [file("t", "y")]])).toThrow("t differently");
    expect(together([[file("t")], [file("t", "x", "c1")], [file("t", "x", "c2")]])).toEqual([file("t", "x", "c1")]);
    expect(used([{ name: "a", version: "1.0.0", published: true }, { name: "a", version: "2.0.0", published: false }, { name: "b", version: "1.0.0", published: true }])).toBe(
      "a 1.0.0, 2.0.0; b 1.0.0",
    );
  });
});

describe("values", () => {
  const variable = (type: Variable["type"], rest: Partial<Variable> = {}): Variable => ({ type, description: "", enum: null, ...rest });

  it("are of the variable's type, or a problem", () => {
    const variables = { text: variable("string"), many: variable("integer"), on: variable("boolean"), list: variable("array"), none: variable("number") };
    const found = valued(variables, { text: "7", many: "1.5", on: "true", list: "[1]", none: "" });
    expect(found.values).toEqual({ text: "7", on: true, list: [1] });
    expect(Object.keys(found.problems)).toEqual(["many"]);
  });

  it("are only what was typed, also of variables that are called as what every object has", () => {
    const variables = { constructor: variable("integer"), toString: variable("string"), valueOf: variable("object"), ["__proto__"]: variable("string") };
    expect(valued(variables, {})).toEqual({ values: {}, problems: {} });
    const { values, problems } = valued(variables, Object.fromEntries([["toString", "a"], ["__proto__", "b"], ["valueOf", "no"]]));
    expect(Object.entries(values)).toEqual([["toString", "a"], ["__proto__", "b"]]);
    expect(Object.keys(problems)).toEqual(["valueOf"]);
  });

  it("come from lines of a dataset", () => {
    expect(setsOf('{"id": "late", "variables": {"q": "Where?", "n": 2}}\n\n{"q": "Why?"}')).toEqual([
      { name: "late", typed: { q: "Where?", n: "2" } },
      { name: "line 3", typed: { q: "Why?" } },
    ]);
    expect(() => setsOf("{}\n[1]")).toThrow("Line 2");
  });
});

describe("the answer of a model", () => {
  it("is cut into events wherever the network cuts it", () => {
    const whole = 'event: delta\ndata: {"event":"delta","text":"a"}\n\nevent: delta\ndata: {"x":1}\n\n';
    for (let at = 0; at <= whole.length; at += 1) {
      const [first, rest] = split(whole.slice(0, at));
      expect([...first, ...split(rest + whole.slice(at))[0]]).toHaveLength(2);
    }
  });

  it("grows by its pieces", () => {
    let attempt = after(WAITING, { event: "delta", text: "Hel" });
    attempt = after(attempt, { event: "delta", text: "lo" });
    attempt = after(attempt, { event: "tool", index: 0, id: "1", name: "look", arguments: '{"a":' });
    attempt = after(attempt, { event: "tool", index: 0, id: "", name: "", arguments: "1}" });
    expect([attempt.text, attempt.tools]).toEqual(["Hello", [{ name: "look", arguments: '{"a":1}' }]]);
    const error = { message: "over", type: "limit", param: null, code: "budget_exceeded" };
    expect(after(attempt, { event: "failed", error, request_id: "", trace_id: "" })).toMatchObject({ state: "failed", text: "Hello" });
  });
});

it("shows parts that are no text by their kind alone", () => {
  expect(said([{ type: "text", text: "Look:" }, { type: "image_url", image_url: { url: "https://x.example/beacon.png" } }])).not.toContain("x.example");
});

it("puts what changes answers before what does not", () => {
  const field = (path: string): FieldDiff => ({ path, change: "changed" });
  const found = byMeaning([field("metadata.owner"), field("model"), field("params.temperature")]);
  expect(found.map((group) => [group.title, group.fields.map((one) => one.path)])).toEqual([
    ["Model", ["model"]],
    ["Parameters", ["temperature"]],
    ["Metadata (answers stay the same)", ["owner"]],
  ]);
});

describe("undoing", () => {
  const undone = (state: EditorState): EditorState => {
    let after = state;
    undo({ state, dispatch: (transaction) => (after = transaction.state) });
    return after;
  };
  const typed = (state: EditorState, insert: string) => state.update({ changes: { from: state.doc.length, insert } }).state;

  it("stops at the text that was opened", () => {
    const opened = begun("model: a", undefined, history());
    expect(undone(opened).doc.toString()).toBe("model: a");
    expect(undone(undone(typed(opened, "b"))).doc.toString()).toBe("model: a");
  });

  it("goes on where another file was shown meanwhile, and not with what came from elsewhere", () => {
    const before = left(typed(begun("model: a", undefined, history()), "b"));
    expect(undone(begun("model: ab", before, history())).doc.toString()).toBe("model: a");
    expect(undone(begun("model: other", before, history())).doc.toString()).toBe("model: other");
  });
});

describe("a bare text", () => {
  const message = (text: string) => asYaml(text, "assistant", []).split("content: ")[1];

  it("is known by its path, as a version of a prompt", () => {
    expect(["prompts/a/1.0.0.txt", "prompts/a/v1.0.0.md", "prompts/a/1.0.0.yaml"].map(isBare)).toEqual([true, true, false]);
    expect(["prompts/a/b/1.0.0.txt", "prompts/a/v1.0.0.md", "prompts/a/1.0.0.yaml"].map((path) => versionOf(path)?.version)).toEqual(["1.0.0", "1.0.0", "1.0.0"]);
    expect(["prompts/a/README.md", "prompts/a/v1.0.0.yaml", "prompts/_partials/a.j2", "moat.yaml"].map(versionOf)).toEqual([null, null, null, null]);
  });

  it("becomes YAML that says the same", () => {
    expect(asYaml("Sum up:\n\n{{ text }}\n", "assistant", ["text", "on"])).toBe(
      'model: assistant\nvariables:\n  text: {type: string}\n  "on": {type: string}\nmessages:\n  - role: user\n    content: |\n      Sum up:\n\n      {{ text }}\n',
    );
    expect(["a", "a\n\n", "  a", "\na"].map(message)).toEqual(["|-\n      a\n", "|+\n      a\n\n", "|2-\n        a\n", "|2-\n\n      a\n"]);
    expect(["", " \n", "a\u2028b", "a\rb", "\ufeffa"].map(message)).toEqual(['""\n', '" \\n"\n', '"a\\u2028b"\n', '"a\\rb"\n', '"\\ufeffa"\n']);
  });
});

it("keeps findings on lines that there are", () => {
  const { doc } = EditorState.create({ doc: "a: 1\nb" });
  const finding = { rule: "unreadable", path: "", message: "No", remedy: "", severity: "error" as const };
  const found = diagnostics(doc, [
    { ...finding, line: 2, column: 9 },
    { ...finding, line: 9, column: 1 },
    { ...finding, line: 0, column: 0 },
  ]);
  expect(found.map((one) => [one.from, one.to])).toEqual([[6, 6]]);
});

it("limits what stands side by side", () => {
  const own = (what: string) => (what === "draft" ? "x" : "y");
  expect(lanes(["draft", "1.0.0"], [], own).lanes.map((lane) => lane.id)).toEqual(["draft ", "1.0.0 "]);
  expect(lanes(["draft", "1.0.0"], ["", "x"], own).lanes.map((lane) => lane.id)).toEqual(["draft ", "1.0.0 ", "1.0.0 x"]);
  expect(lanes(["a", "b", "c"], ["x", "y", "z"], own)).toMatchObject({ left: 3, lanes: { length: 6 } });
});

it("takes only what it knows from an address", () => {
  expect(promptSearch({ tab: "javascript:", version: 7, tried: ["draft", 3], q: "x" })).toEqual({ version: "7", tried: ["draft"] });
});

describe("the lineage graph", () => {
  it("leads from the version over its evidence to where it is served", () => {
    const release = { prompt_digest: "", commit: "", dirty: false, author: "Ada <a@x.example>", created_ns: 1 };
    const evidence = { run: "run_1", suite: "s", suite_digest: "", dataset_digest: "", score: 1, verdict: "pass", gates_digest: "", baseline: "", judged_ns: 0 };
    const version = { version: "1.0.0", path: "", digest: "", problem: "", proposed: [], draft: false, created_by: "", published: true, changes: [], calls: 3 };
    const serving = { environment: "production", release: "rel_1", share: 1, arm: "", strategy: "all", actor: "a", reason: "", since_ns: 1, until_ns: 0 };
    const lineage = {
      prompt: "p",
      versions: [
        {
          ...version,
          runs: [{ id: "run_1", suite: "s", verdict: "pass", score: 1, status: "finished" }],
          releases: [{ ...release, id: "rel_1", evidence: [evidence] }],
          servings: [serving, { ...serving, until_ns: 2, since_ns: 0 }],
        },
      ],
    } as unknown as Lineage;
    const found = graph(lineage);
    expect(found.nodes.map((node) => [node.id, node.next])).toEqual([
      ["version 1.0.0", ["run run_1"]],
      ["run run_1", ["release rel_1"]],
      ["release rel_1", ["serving production rel_1"]],
      ["serving production rel_1", []],
    ]);
    expect(found.nodes.at(-1)?.about).toBe("now");
  });
});
