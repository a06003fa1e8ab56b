import { describe, expect, it } from "vitest";

import { fieldSuggestions, quoted, taken, told, typing, valueSuggestions } from "./language";

const at = (text: string) => typing(text, text.length);

describe("typing", () => {
  it.each([
    ["", "field", "", ""],
    ["lat", "field", "", "lat"],
    ["error and (mod", "field", "", "mod"],
    ["model = ", "value", "model", ""],
    ["latency > 2s and user=u-1", "value", "user", "u-1"],
    ['prompt = "supp', "value", "prompt", "supp"],
    ["model in (a, b", "value", "model", "b"],
    ["since 2", "value", "since", "2"],
    ["@sl", "field", "", "@sl"],
  ])("%j: a %s of %j, %j", (text, kind, field, word) => {
    expect(at(text)).toMatchObject({ kind, field, word });
  });

  it("is nothing within a text in quotes", () => {
    expect(at('"money ba')).toBeNull();
  });
});

it("suggests fields and saved searches, and puts one in the place of what was typed", () => {
  const [first] = fieldSuggestions("late", []);
  expect(first?.text).toBe("latency > ");
  expect(fieldSuggestions("@s", [{ name: "slow", expression: "latency > 5s" }])[0]?.text).toBe("@slow ");
  const text = "error and late and model = a";
  const place = typing(text, 14);
  expect(place && first && taken(text, 14, place, first)).toEqual({ text: "error and latency > and model = a", caret: 20 });
});

it("quotes values that are more than a word", () => {
  expect(quoted("support/answer")).toBe("support/answer");
  expect(quoted('two "words"')).toBe('"two \\"words\\""');
  expect(quoted("@me")).toBe('"@me"');
  expect(valueSuggestions("b", ["a b", "bee", "x"]).map((one) => one.text)).toEqual(["bee ", '"a b" ']);
});

it("takes the server's message apart at its marks", () => {
  const message = "q: there is no field 'latncy'\n  model = a and latncy > 2s\n                ^^^^^^. Did you mean `latency`? There are: a, b.";
  expect(told(message)).toEqual({
    what: "there is no field 'latncy'",
    place: "  model = a and latncy > 2s\n                ^^^^^^",
    remedy: "Did you mean `latency`? There are: a, b.",
  });
  expect(told("The server does not answer.")).toEqual({ what: "The server does not answer.", place: "", remedy: "" });
});
