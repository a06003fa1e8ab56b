import { expect, test } from "vitest";

import { callsOf } from "./calls";

test("calls are told apart by all that is known", () => {
  expect(callsOf({ user: "ada", tenant: "acme" })).toBe('user = "ada" and tenant = "acme"');
});

test("what is not known is not asked for, and text cannot become an expression", () => {
  expect(callsOf({ user: 'x" or error', tenant: undefined })).toBe('user = "x\\" or error"');
  expect(callsOf({ user: "vic\nim" })).toBe('user = "vic\nim"');
});
