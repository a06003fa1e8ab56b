/** What these pages ask of the API. Keys begin with a topic of api/events.ts, but for what must not move by itself. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import type { CallRow, Conversation, Feedback, Span } from "../../api/schema";
import type { CallFilter } from "./search";

/** Rows of one page of the table. */
export const PAGE = 200;

/** A page of calls. A page that was read stays as it is: else rows would move below the reader's eyes. */
export const pageQuery = (filter: CallFilter, before: string, turn: number) =>
  queryOptions({
    queryKey: ["calls", filter, before, turn],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/calls", { params: { query: { ...filter, limit: PAGE, before: before || undefined } }, signal })),
    staleTime: Infinity,
  });

/** Rows of one look at what was stored lately. */
const AT_ONCE = 500;

/** The calls that match and ended at this moment or later, whenever something was recorded. */
export const headQuery = (filter: CallFilter, ended_since_ns: number) =>
  queryOptions({
    // The moment moves on with what was seen: it is the same question, asked from where its last answer ended.
    queryKey: ["live", "calls", filter],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/calls", { params: { query: { ...filter, limit: AT_ONCE, ended_since_ns } }, signal })),
    staleTime: 0,
  });

export const countQuery = (filter: CallFilter) =>
  queryOptions({
    queryKey: ["traces", "count", filter],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/calls/count", { params: { query: filter }, signal })),
  });

/** One row of totals. Of calls alone, which is all that has totals. */
export const totalsQuery = (filter: CallFilter) =>
  queryOptions({
    queryKey: ["usage", "totals", filter],
    queryFn: async ({ signal }) => (await answer(api.GET("/api/v1/usage", { params: { query: { ...filter, wide: undefined } }, signal })))[0] ?? null,
  });

/** Values of a dimension, most calls first. */
export const valuesQuery = (by: string, since_ns: number | undefined) =>
  queryOptions({
    queryKey: ["values", by, since_ns],
    queryFn: async ({ signal }) => {
      const found = await answer(api.GET("/api/v1/usage", { params: { query: { by, since_ns } }, signal }));
      return found.sort((a, b) => b.calls - a.calls).map((one) => one.group[0] ?? "").filter(Boolean);
    },
    staleTime: 60_000,
  });

export const savedQuery = queryOptions({
  queryKey: ["state", "searches"],
  queryFn: ({ signal }) => answer(api.GET("/api/v1/searches", { signal })),
});

/** A span with all its fields: the API leaves out those that say nothing. */
export type FullSpan = Required<Span>;

const NOTHING: Omit<FullSpan, "span_id" | "trace_id" | "kind" | "name" | "started_ns" | "duration_ns"> = {
  ...{ parent_id: "", request_id: "", environment: "", tenant: "", feature: "", user: "", session: "", key: "" },
  ...{ prompt: "", version: "", release: "", arm: "", experiment: "", shadow_of: "", model: "", alias: "", operation: "" },
  ...{ model_answered: "", provider: "", fingerprint: "", service: "", tools: "", left_alone: "", guard: "", policy: "" },
  ...{ input_tokens: 0, output_tokens: 0, cached_tokens: 0, cache_write_tokens: 0, cache_write_long_tokens: 0, reasoning_tokens: 0 },
  ...{ audio_input_tokens: 0, audio_output_tokens: 0, cached_audio_tokens: 0, units: 0, searches: 0, runs: 0, tier: "" },
  ...{ image_input_tokens: 0, image_output_tokens: 0, cached_image_tokens: 0, video_input_tokens: 0, video_output_tokens: 0 },
  ...{ usage_estimated: false, cost: null, price_version: "", cache: "", saved: 0, first_token_ns: 0, finish_reason: "" },
  ...{ error: "", error_message: "", stream: false, attempts: 0, input: null, output: null, attributes: {} },
};

export const wholeSpan = (span: Span): FullSpan => ({ ...NOTHING, ...span });

/** Spans of a trace or request, oldest first: all, but of a very large one; none when it is not known. */
export interface Trace {
  spans: readonly FullSpan[];
  /** How many it has in all. */
  count: number;
}

export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ["traces", "one", id],
    queryFn: async ({ signal }): Promise<Trace> => {
      const { spans, count } = await answer(api.GET("/api/v1/traces/{id}", { params: { path: { id } }, signal }));
      return { spans: spans.map(wholeSpan), count };
    },
    enabled: id !== "",
  });

/** What was asked and answered in these spans of a trace or request; none when it is not known. */
export const messagesQuery = (id: string) =>
  queryOptions({
    queryKey: ["traces", "messages", id],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/traces/{id}/messages", { params: { path: { id } }, signal })),
    enabled: id !== "",
  });

/** The same of a call that is over: no topic of api/events.ts, since what others do does not change it. */
export const recordedQuery = (id: string) => queryOptions({ ...messagesQuery(id), queryKey: ["record", id], staleTime: Infinity });

/** What was asked and answered in one span of a trace or request. */
export function useConversation(id: string, span_id: string | undefined): Conversation | undefined {
  return useQuery(messagesQuery(id)).data?.find((one) => one.span_id === span_id);
}

/** What was said of a trace or request, oldest first. */
export const feedbackQuery = (trace: string) =>
  queryOptions({
    queryKey: ["traces", "feedback", trace],
    queryFn: ({ signal }): Promise<Feedback[]> => answer(api.GET("/api/v1/feedback", { params: { query: { trace } }, signal })),
  });

/** When it ended, Unix nanoseconds: from then on it is stored. */
export const ended = (row: Pick<CallRow, "started_ns" | "duration_ns">): number => row.started_ns + row.duration_ns;

/** What tells two rows apart. */
export const rowId = (row: Pick<CallRow, "trace_id" | "span_id" | "started_ns">): string => `${row.trace_id} ${row.span_id} ${row.started_ns}`;
