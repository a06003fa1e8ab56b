import { expect, it } from "vitest";

import { flag, number, parseSearch, stringifySearch, text, texts } from "./address";

it("takes digits as the text that was meant", () => {
  const { q, tenant, live } = parseSearch("?q=429&tenant=12345678901234567890&live=true") as Record<string, unknown>;
  expect([text(q), text(tenant), flag(live)]).toEqual(["429", "12345678901234567890", true]);
});

it("reads back what it wrote", () => {
  const search = { q: "429", from: 1_795_348_800_000, live: true, models: ["", "7"], phrase: '"money back"', word: "true", below: 0.5 };
  const back = parseSearch(stringifySearch(search)) as Record<string, unknown>;
  expect(text(back["q"])).toBe("429");
  expect(number(back["from"])).toBe(search.from);
  expect(number(back["below"])).toBe(0.5);
  expect(flag(back["live"])).toBe(true);
  expect(back["models"]).toEqual(search.models);
  expect(text(back["phrase"])).toBe('"money back"');
  expect(text(back["word"])).toBe("true");
});

it("leaves out what is not asked for", () => {
  expect([text(""), text({}), text(null), number("x"), number(""), number(Infinity), flag("true")]).toEqual(Array(7).fill(undefined));
  expect(texts(["a", 7, {}])).toEqual(["a", "7"]);
});
