import { expect, test } from "vitest";

import type { Conversation } from "../../api/schema";
import { asked, asText, question } from "./messages";

const conversation = (found: Partial<Conversation>): Conversation => ({
  span_id: "s",
  request_id: "r",
  asked: [],
  answered: [],
  variables: {},
  params: {},
  recorded: true,
  cut: false,
  findings: [],
  ...found,
});

test("what was asked of a prompt is shown though it never became messages", () => {
  const found = asked(conversation({ variables: { question: "My key is <API_KEY_1>", order: { id: 7 } } }));
  expect(found).toEqual([
    { role: "variable", name: "question", parts: [{ kind: "text", text: "My key is <API_KEY_1>", path: "variables.question" }] },
    { role: "variable", name: "order", parts: [{ kind: "data", text: '{"id":7}' }] },
  ]);
});

const user = { role: "user", name: "", parts: [{ kind: "text", text: "See" } as const, { kind: "image", url: "data:image/png;base64,AAAA" } as const] };

test("where there are messages, variables are part of them", () => {
  expect(asked(conversation({ asked: [user], variables: { question: "See" } }))).toEqual([user]);
});

test("a title has the last words of whoever asked, and tells images by what they are", () => {
  const answer = { role: "assistant", name: "", parts: [{ kind: "text", text: "No" } as const] };
  expect(question(conversation({ asked: [{ ...user, parts: [] }, answer, user, answer] }))).toBe("See (image)");
  expect(question(conversation({}))).toBe("");
});

test("as one text there are tool calls below what was said", () => {
  const call = { kind: "tool_call", name: "find", id: "c1", text: '{"id":7}' } as const;
  expect(asText([{ role: "assistant", name: "", parts: [{ kind: "text", text: "I look." }, call, { kind: "file", url: "x" }] }])).toBe('I look.\nfind({"id":7})\n(file)');
});
