import { expect, test } from "vitest";

import { asked } from "./messages";
import type { FullSpan } from "./queries";

const span = (input: unknown) => ({ input }) as FullSpan;

test("what was asked of a prompt is shown though it never became messages", () => {
  const found = asked(span({ messages: [], prompt: "support/answer", variables: { question: "My key is <API_KEY_1>" } }));
  expect(found).toEqual([{ role: "variable", about: "question", parts: [{ kind: "text", text: "My key is <API_KEY_1>", path: "variables.question" }] }]);
});

test("where there are messages, variables are part of them", () => {
  expect(asked(span({ messages: [{ role: "user", content: "Hi" }], variables: { question: "Hi" } })).map((one) => one.role)).toEqual(["user"]);
});
