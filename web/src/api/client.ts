/** The management API, typed by its OpenAPI document. */
import createClient from "openapi-fetch";

import { isAttended } from "./attended";
import { setOver } from "./over";
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
    /** Of the call that failed, where it got so far that it is recorded; empty otherwise. */
    readonly trace = "",
  ) {
    super(message);
  }
}

interface Refusal {
  error?: { message?: string; code?: string; param?: string | null };
  trace_id?: string;
}

let csrf = "";
let renew: () => Promise<boolean> = () => Promise.resolve(false);

/** Changes are made with this token of the session, which no other site can know. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** How to get the token of a session that another window began; false: it is not the same person's. */
export function renewCsrfBy(get: () => Promise<boolean>): void {
  renew = get;
}

const SAFE = new Set(["GET", "HEAD"]);
const HEADER = "x-moat-csrf";
const UNATTENDED = "x-moat-unattended";

/** A 401 of it is an answer: nobody is signed in, or the password is wrong. */
const isDoor = (url: string): boolean => url.endsWith("/api/v1/session");

/** Asks; a change is asked for once more where its token was that of an older session. */
async function ask(request: Request): Promise<Response> {
  if (!isAttended()) request.headers.set(UNATTENDED, "1");
  if (SAFE.has(request.method)) return heard(request, await fetch(request));
  const again = request.clone();
  const first = await fetch(withToken(request));
  if (first.status !== 403 || (await codeOf(first)) !== "csrf" || !(await renew())) return heard(request, first);
  return heard(again, await fetch(withToken(again)));
}

function withToken(request: Request): Request {
  if (csrf) request.headers.set(HEADER, csrf);
  return request;
}

function heard(request: Request, response: Response): Response {
  if (response.status === 401 && !isDoor(request.url)) setOver(true);
  return response;
}

async function codeOf(response: Response): Promise<string | undefined> {
  const body = (await response
    .clone()
    .json()
    .catch(() => null)) as Refusal | null;
  return body?.error?.code;
}

export const api = createClient<paths>({ credentials: "same-origin", fetch: ask });

/** The answer of a request, or an `ApiError` that says what happened. */
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const got = await reached(asked);
  if (!got.response.ok) throw refused(got.response, got.error);
  return got.data as T;
}

async function reached<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The server does not answer. Is `moat serve` running, and is the network up?");
  }
}

function refused(response: Response, body: unknown): ApiError {
  const { error: said = {}, trace_id: trace } = typeof body === "object" && body !== null ? (body as Refusal) : {};
  // What the API says of these two is for programs that call it.
  if (response.status === 401 && !isDoor(response.url)) return new ApiError(401, "", "Your session has ended. Sign in again: what you typed is still here.");
  if (said.code === "csrf" && said.message?.includes(HEADER)) return new ApiError(response.status, "", "This page is of another session. Reload it, and try again.");
  const message = said.message ?? `The server answered ${response.status} ${response.statusText}`;
  return new ApiError(response.status, said.code ?? "", message, said.param ?? null, trace);
}

/** A request outside of the described API's JSON, such as one that streams; with the same defence and errors. */
export async function send(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json" };
  const request = new Request(new URL(path, location.href), { method: "POST", headers, body: JSON.stringify(body), signal: signal ?? null });
  const response = await reached(ask(request));
  if (!response.ok) throw refused(response, await response.json().catch(() => null));
  return response;
}
