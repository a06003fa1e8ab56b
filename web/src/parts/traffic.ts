/** What people and their applications asked, apart from what Moat's own evaluations, reruns and playground did. */

/** In the filter language; as in telemetry/traffic.py. */
export const TRAFFIC = 'not environment in (eval, playground) and not (feature = rerun and environment = "")';

/** Which calls a page shows, where no environment is chosen. */
export const CALLS = ["traffic", "all"] as const;

export type Calls = (typeof CALLS)[number];

/** An environment, or which of all; as an address has them. */
export interface CallsSearch {
  environment?: string;
  calls?: Calls;
}

/** An expression, of traffic alone where that is asked for. */
export const onlyTraffic = (calls: Calls | undefined, q?: string): string | undefined => (calls !== "traffic" ? q : q ? `(${q}) and ${TRAFFIC}` : TRAFFIC);
