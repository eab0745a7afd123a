// Questions to the history for the window that the page shows.

import { useEffect, useState } from "preact/hooks";
import { everyMs, type Range, windowAt } from "../range";
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
    const { from, to } = windowAt(range, serverNow());
    return query("/api/v1/history/top", { by, limit, from, to, ...filters });
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
    let askedAgain = false;
    return secondStream.listen((second) => {
      if (!askedAgain && isNew(current, second, group === "route", most)) {
        // The series begins with what came before this second.
        askedAgain = true;
        asked.reload();
      }
      const next = appended(current, second, group === "route");
      if (next === current) return;
      current = next;
      setLive(next);
    });
  }, [base, isLive, group]);

  return { ...asked, data: live && base ? live : base };
}

/** Whether a second has a line that the series has not. */
function isNew({ groups }: SeriesAnswer, second: LiveFigures, byRoute: boolean, most: number): boolean {
  if (!byRoute) return !groups.length && second.figures.requests > 0;
  const known = new Set(groups.map((group) => group.labels.route));
  return groups.length < most && second.routes.some((each) => !known.has(each.route));
}

/** A series with one more second at its end, and one fewer at its beginning. */
export function appended(answer: SeriesAnswer, second: LiveFigures, byRoute: boolean): SeriesAnswer {
  const next = answer.to_s;
  if (second.time_s < next || answer.step_s !== 1) return answer;
  // Seconds without a request in between are not told.
  const gap = Math.min(second.time_s - next, answer.times_s.length);
  let times = answer.times_s;
  let groups = answer.groups;
  for (let missing = 0; missing <= gap; missing++) {
    const isIt = missing === gap;
    const time = second.time_s - gap + missing;
    times = [...times.slice(1), time];
    groups = byRoute ? groups.map((group) => push(group, isIt ? ofRoute(second, group) : null))
      : groups.map((group) => push(group, isIt ? second.figures : null));
  }
  if (!byRoute && !groups.length) return answer;
  const last = second.time_s + 1;
  return { ...answer, times_s: times, groups, from_s: last - times.length, to_s: last };
}

function ofRoute(second: LiveFigures, group: SeriesGroup): Partial<WindowFigures> | null {
  return second.routes.find((each) => each.route === group.labels.route) ?? null;
}

function push(group: SeriesGroup, figures: Partial<WindowFigures> | null): SeriesGroup {
  const values = {} as Record<keyof StepValues, (number | null)[]>;
  for (const name of Object.keys(group.values) as (keyof StepValues)[]) {
    const nothing = name === "hit_ratio" || name.endsWith("_ms") ? null : 0;
    values[name] = [...(group.values[name] as (number | null)[]).slice(1), figures?.[name] ?? nothing];
  }
  return { ...group, values: values as unknown as StepValues };
}
