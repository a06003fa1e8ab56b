// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { answer, api, renewCsrfBy, send, setCsrf } from "./client";
import { isOver, setOver } from "./over";

const refusal = (status: number, code: string, message: string) => Response.json({ error: { code, message } }, { status });
const WRONG_TOKEN = () => refusal(403, "csrf", "the header x-moat-csrf is not the session's. Send the `csrf` of ...");

function server(...answers: (() => Response)[]): Request[] {
  const seen: Request[] = [];
  vi.stubGlobal("fetch", (request: Request) => {
    seen.push(request);
    const next = answers[seen.length - 1];
    if (!next) throw new TypeError("Failed to fetch");
    const response = next();
    Object.defineProperty(response, "url", { value: request.url });
    return Promise.resolve(response);
  });
  return seen;
}

beforeEach(() => {
  setOver(false);
  setCsrf("old");
});
afterEach(() => {
  vi.unstubAllGlobals();
  renewCsrfBy(() => Promise.resolve(false));
});

describe("a change whose token is of an older session", () => {
  it("is asked for once more, with its body and the new token", async () => {
    const seen = server(WRONG_TOKEN, () => Response.json({ ok: true }));
    renewCsrfBy(() => {
      setCsrf("new");
      return Promise.resolve(true);
    });
    const response = await send("/api/v1/guards/try", { text: "hello" });
    expect(response.ok).toBe(true);
    expect(seen.map((request) => request.headers.get("x-moat-csrf"))).toEqual(["old", "new"]);
    expect(await seen[1]?.json()).toEqual({ text: "hello" });
  });

  it("is not asked for again when somebody else is signed in, or when it is refused again", async () => {
    expect(server(WRONG_TOKEN)).toHaveLength(0);
    await expect(send("/api/v1/guards/try", {})).rejects.toThrow("This page is of another session");
    renewCsrfBy(() => Promise.resolve(true));
    const seen = server(WRONG_TOKEN, WRONG_TOKEN, () => Response.json({}));
    await expect(send("/api/v1/guards/try", {})).rejects.toThrow("This page is of another session");
    expect(seen).toHaveLength(2);
  });
});

describe("a 401", () => {
  const SIGNED_OUT = () => refusal(401, "access_denied", "no API key. Send `Authorization: Bearer mk-...`");

  it("says that the session has ended, in words for people", async () => {
    server(SIGNED_OUT);
    await expect(send("/api/v1/guards/try", {})).rejects.toMatchObject({ status: 401, code: "", message: expect.stringContaining("Your session has ended") as string });
    expect(isOver()).toBe(true);
  });

  it("at the door is an answer", async () => {
    server(() => refusal(401, "access_denied", "the e-mail address or the password is wrong"));
    const body = { email: "a@example.org", password: "b" };
    await expect(answer(api.POST("/api/v1/session", { body, baseUrl: location.origin }))).rejects.toThrow("the password is wrong");
    expect(isOver()).toBe(false);
  });
});

it("a server that does not answer is called so by requests that stream, too", async () => {
  server();
  await expect(send("/api/v1/drafts/run", {})).rejects.toMatchObject({ status: 0, code: "unreachable" });
});
