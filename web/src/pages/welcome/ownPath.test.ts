import { expect, test } from "vitest";

import { ownPath } from "./ownPath";

const HERE = "https://moat.example.org";

test.each(["/", "/traces?q=a%20b&limit=5#top", "/prompts/support/answer"])("%s is a path of this site", (to) => {
  expect(ownPath(to, HERE)).toBe(to);
});

test.each([
  "//evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "/\n/evil.example/",
  "/\r\\evil.example/",
  "/.//evil.example/",
  "/x/..//evil.example/",
  "https://evil.example/",
  "javascript:alert(1)",
  "evil",
  "",
  null,
  7,
])("%j leads nowhere", (to) => {
  expect(ownPath(to, HERE)).toBeUndefined();
});
