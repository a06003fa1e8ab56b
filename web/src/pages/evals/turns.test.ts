import { describe, expect, it } from "vitest";

import { turns } from "./turns";

describe("turns", () => {
  it("have the text of plain messages and of parts", () => {
    const found = turns([
      { role: "user", content: "Hello" },
      { role: "assistant", content: [{ type: "text", text: "One" }, { type: "text", text: "two" }], tool_calls: [{ id: "1" }] },
    ]);
    expect(found.map((one) => one.text)).toEqual(["Hello", "One\ntwo"]);
    expect(found[1]?.calls).toEqual([{ id: "1" }]);
  });

  it("tell images by type and size", () => {
    const part = { type: "image_url", image_url: { url: "https://beacon.example/x.png" } };
    expect(turns([{ role: "user", content: [part] }])).toEqual([
      { role: "user", text: "", calls: [], others: [{ type: "image_url", size: JSON.stringify(part).length }] },
    ]);
  });

  it("take whatever there is", () => {
    expect(turns([])).toEqual([]);
    expect(turns(null)).toEqual([]);
    expect(turns('[{"role": "us')).toEqual([{ role: "cut off", text: '[{"role": "us', calls: [], others: [] }]);
    expect(turns([7])).toEqual([{ role: "?", text: "", calls: [], others: [] }]);
  });
});
