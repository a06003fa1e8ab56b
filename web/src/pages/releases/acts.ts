/** What changes what is served: each act asks the API, and says how long it took until the server served the change. */
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { answer, api } from "../../api/client";
import type { Assignment, Order, RolloutOrder } from "../../api/schema";

/** How an act went. */
export interface Done {
  assignment: Assignment;
  /** From the click to the answer. */
  seconds: number;
  /** The server serves it already; else it is stored and will be served within seconds. */
  live: boolean;
}

interface Reply<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

async function timed<T>(asked: Promise<Reply<T>>, assignment: (data: T) => Assignment): Promise<Done> {
  const began = performance.now();
  const data = await answer(asked);
  const live = (await asked).response.status !== 202;
  return { assignment: assignment(data), seconds: (performance.now() - began) / 1000, live };
}

const itself = (assignment: Assignment): Assignment => assignment;

export const rollBack = (assignment: Assignment, reason: string): Promise<Done> => {
  const { prompt, environment, sequence } = assignment;
  return timed(api.POST("/api/v1/rollbacks", { body: { prompt, environment, reason, sequence } }), itself);
};

export const steer = (order: RolloutOrder): Promise<Done> => timed(api.POST("/api/v1/rollouts", { body: order }), itself);

export const release = (order: Order): Promise<Done> => timed(api.POST("/api/v1/releases", { body: order }), (made) => made.assignment);

/** An act with what the pages show of releases asked anew when it is done. */
export function useAct<Asked>(act: (asked: Asked) => Promise<Done>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => Promise.all(["releases", "serving", "prompts"].map((topic) => queries.invalidateQueries({ queryKey: [topic] }))),
  });
}
