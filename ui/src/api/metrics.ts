// Figures that only the metrics page has, read from its text format.

import { useEffect, useState } from "preact/hooks";
import { askText, Problem } from "./client";
import type { Asked } from "./use";

export interface Sample {
  labels: Record<string, string>;
  value: number;
}

export type Samples = Map<string, Sample[]>;

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/** Samples by name of those metrics whose name begins so. */
export function readMetrics(text: string, begin: string): Samples {
  const found: Samples = new Map();
  for (const line of text.split("\n")) {
    if (!line.startsWith(begin)) continue;
    const [, name, labels, value] = LINE.exec(line) ?? [];
    if (!name || value === undefined) continue;
    const sample: Sample = { labels: {}, value: Number(value) };
    for (const [, key, text] of (labels ?? "").matchAll(LABEL)) {
      if (key) sample.labels[key] = (text ?? "").replace(/\\(.)/g, (_, mark: string) => (mark === "n" ? "\n" : mark));
    }
    found.set(name, [...(found.get(name) ?? []), sample]);
  }
  return found;
}

/** The metrics whose name begins so, looked at every so often. */
export function useMetrics(begin: string, everyMs: number): Asked<Samples> {
  const [data, setData] = useState<Samples>();
  const [problem, setProblem] = useState<Problem>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    let timer = 0;
    const control = new AbortController();
    const look = async (): Promise<void> => {
      try {
        if (!document.hidden) setData(readMetrics(await askText("/metrics", control.signal), begin));
        setProblem(undefined);
      } catch (error) {
        if (control.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        setProblem(error);
      }
      timer = window.setTimeout(() => void look(), everyMs);
    };
    void look();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [begin, everyMs, round]);
  return { data, problem, loading: !data && !problem, reload: () => setRound(round + 1) };
}
