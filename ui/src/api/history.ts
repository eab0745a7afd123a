// Questions to the history for the window that the page shows.

import { useEffect, useState } from "preact/hooks";
import { everyMs, type Range, spanAt, windowAt } from "../range";
import { query } from "./client";
import { secondStream, serverNow } from "./stream";
import type { LiveFigures, SeriesAnswer, SeriesGroup, StepValues, TopAnswer, WindowFigures } from "./types";
import { type Asked, useAsked } from "./use";

export type Filters = Partial<Record<FilterName, string>>;
export const FILTERS = ["route", "method", "status", "tier", "upstream", "cache", "verdict"] as const;
export type FilterName = (typeof FILTERS)[number];

const EVERYTHING: Filters = {};
/** So often a live series is read again, in case a second was missed. */
const HEAL_MS = 60_000;

export function filtersOf(params: URLSearchParams): Filters {
  const found: Filters = {};
  for (const name of FILTERS) {
    const value = params.get(name);
    if (value) found[name] = value;
  }
  return found;
}

/** The busiest of the window. */
export function useTop(by: string, range: Range, filters: Filters = EVERYTHING, limit = 100): Asked<TopAnswer> {
  const moving = (): string => {
    return query("/api/v1/history/top", { by, limit, ...spanAt(range, serverNow()), ...filters });
  };
  const name = query("top", { by, limit, ...filters, range: range.preset?.key, from: range.fromS, to: range.toS });
  return useAsked<TopAnswer>(name, everyMs(range), moving);
}

interface SeriesQuestion {
  group?: "route" | "tier" | "cache" | "upstream" | "status" | "method" | "verdict";
  filters?: Filters;
  most?: number;
}

/** Values over the window in steps; in steps of a second they come live. */
export function useSeries(range: Range, { group, filters = EVERYTHING, most = 50 }: SeriesQuestion = {}): Asked<SeriesAnswer> {
  const isLive = range.preset?.stepS === 1 && !Object.keys(filters).length && (!group || group === "route");
  const moving = (): string => {
    const window = windowAt(range, serverNow());
    return query("/api/v1/history/series", { group, most, ...window, ...filters });
  };
  const name = query("series", {
    group, most, ...filters, range: range.preset?.key, from: range.fromS, to: range.toS,
  });
  const asked = useAsked<SeriesAnswer>(name, isLive ? HEAL_MS : everyMs(range), moving);
  const [live, setLive] = useState<SeriesAnswer>();
  const base = asked.data;

  useEffect(() => {
    setLive(undefined);
    if (!isLive || !base) return;
    let current = base;
    return secondStream.listen((second) => {
      const next = appended(current, second, group === "route", most);
      if (next === current) return;
      current = next;
      setLive(next);
    });
  }, [base, isLive, group, most]);

  return { ...asked, data: live && base ? live : base };
}

/** A series with one more second at its end, and one fewer at its beginning. */
export function appended(answer: SeriesAnswer, second: LiveFigures, byRoute: boolean, most: number): SeriesAnswer {
  const next = answer.to_s;
  const size = answer.times_s.length;
  if (second.time_s < next || answer.step_s !== 1 || !size) return answer;
  // Seconds without a request in between are not told.
  const empty = Math.min(second.time_s - next, size - 1);
  const last = second.time_s + 1;
  const groups = withNewLines(answer, second, byRoute, most).map((group) => {
    const figures = byRoute ? second.routes.find((each) => each.route === group.labels.route) : second.figures;
    return pushed(group, empty, figures ?? {});
  });
  const times = Array.from({ length: size }, (_, index) => last - size + index);
  return { ...answer, times_s: times, groups, from_s: last - size, to_s: last };
}

/** The lines of a series, and those that begin with this second. */
function withNewLines({ groups, times_s: times }: SeriesAnswer, second: LiveFigures, byRoute: boolean, most: number): SeriesGroup[] {
  const known = new Set(groups.map((group) => group.labels.route));
  const names = byRoute ? second.routes.map((each) => each.route).filter((name) => !known.has(name)) : [];
  if (!byRoute && !groups.length && second.figures.requests) names.push("");
  const begun = names.slice(0, Math.max(0, most - groups.length)).map((name): SeriesGroup => {
    const zeros = times.map(() => 0);
    const unknown = times.map(() => null);
    const values = {
      requests: zeros, errors: zeros, limited: zeros, bytes_out: zeros,
      hit_ratio: unknown, p50_ms: unknown, p95_ms: unknown, p99_ms: unknown,
    };
    return { labels: byRoute ? { route: name } : {}, total: second.figures, values };
  });
  return [...groups, ...begun];
}

/** A line with so many empty seconds and one more with figures. */
function pushed(group: SeriesGroup, empty: number, figures: Partial<WindowFigures>): SeriesGroup {
  const values = {} as Record<keyof StepValues, (number | null)[]>;
  for (const name of Object.keys(group.values) as (keyof StepValues)[]) {
    const nothing = name === "hit_ratio" || name.endsWith("_ms") ? null : 0;
    const gap = Array.from({ length: empty }, () => nothing);
    values[name] = [...(group.values[name] as (number | null)[]).slice(empty + 1), ...gap, figures[name] ?? nothing];
  }
  return { ...group, values: values as unknown as StepValues };
}
