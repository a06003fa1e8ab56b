/** The management API, typed by its OpenAPI document. */
import createClient, { type Middleware } from "openapi-fetch";

import type { paths } from "./schema";

/** What the API says when it refuses or fails. */
export class ApiError extends Error {
  constructor(
    /** HTTP status; 0: there was no answer. */
    readonly status: number,
    /** Stable name of the error: docs/errors.md. */
    readonly code: string,
    message: string,
    /** Query parameter or JSON path that is wrong, if one is. */
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

interface Refusal {
  error?: { message?: string; code?: string; param?: string | null };
}

let csrf = "";

/** Changes are made with this token of the session, which no other site can know. */
export function setCsrf(token: string): void {
  csrf = token;
}

const SAFE = new Set(["GET", "HEAD"]);

const defence: Middleware = {
  onRequest({ request }) {
    if (!SAFE.has(request.method) && csrf) request.headers.set("x-moat-csrf", csrf);
    return request;
  },
};

export const api = createClient<paths>({ credentials: "same-origin" });
api.use(defence);

/** The answer of a request, or an `ApiError` that says what happened. */
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let got;
  try {
    got = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server does not answer. Is `moat serve` running, and is the network up?");
  }
  if (!got.response.ok) throw refused(got.response, got.error);
  return got.data as T;
}

function refused(response: Response, body: unknown): ApiError {
  const said = (typeof body === "object" && body !== null ? (body as Refusal).error : undefined) ?? {};
  const message = said.message ?? `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(response.status, said.code ?? "", message, said.param ?? null);
}

/** A request outside of the described API's JSON, such as one that streams; with the same defence and errors. */
export async function send(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json", "x-moat-csrf": csrf };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal: signal ?? null });
  if (!response.ok) throw refused(response, await response.json().catch(() => null));
  return response;
}
