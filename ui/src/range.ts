// The window of time that a page shows, kept in the address.

import { useMemo } from "preact/hooks";
import { usePlace } from "./router";

export interface Preset {
  key: string;
  label: string;
  seconds: number;
  stepS: number;
}

export const PRESETS: readonly Preset[] = [
  { key: "5m", label: "Last 5 minutes", seconds: 300, stepS: 1 },
  { key: "15m", label: "Last 15 minutes", seconds: 900, stepS: 5 },
  { key: "1h", label: "Last hour", seconds: 3600, stepS: 30 },
  { key: "6h", label: "Last 6 hours", seconds: 21_600, stepS: 120 },
  { key: "24h", label: "Last 24 hours", seconds: 86_400, stepS: 600 },
  { key: "7d", label: "Last 7 days", seconds: 604_800, stepS: 3600 },
  { key: "30d", label: "Last 30 days", seconds: 2_592_000, stepS: 21_600 },
];
const STANDARD = PRESETS[0] as Preset;
/** What is counted in a second is written one or two seconds after it. */
export const WRITTEN_AFTER_S = 3;

export interface Range {
  /** A preset, or null for two fixed moments. */
  preset: Preset | null;
  fromS: number;
  toS: number;
  label: string;
}

export function rangeOf(params: URLSearchParams): Range {
  const fromS = Number(params.get("from"));
  const toS = Number(params.get("to"));
  if (Number.isInteger(fromS) && Number.isInteger(toS) && fromS > 0 && toS > fromS) {
    return { preset: null, fromS, toS, label: "Chosen window" };
  }
  const preset = PRESETS.find((each) => each.key === params.get("range")) ?? STANDARD;
  return { preset, fromS: 0, toS: 0, label: preset.label };
}

export function useRange(): Range {
  const { params } = usePlace();
  const key = `${params.get("range")}|${params.get("from")}|${params.get("to")}`;
  return useMemo(() => rangeOf(params), [key]);
}

/** A window at a moment, up to what was written last. */
export function spanAt(range: Range, nowS: number): { from: number; to: number } {
  if (!range.preset) return { from: range.fromS, to: range.toS };
  const end = Math.floor(nowS - WRITTEN_AFTER_S) + 1;
  return { from: end - range.preset.seconds, to: end };
}

/** A window at a moment in whole steps: one that is not over yet would look like a fall. */
export function windowAt(range: Range, nowS: number): { from: number; to: number; step?: number } {
  if (!range.preset) return { from: range.fromS, to: range.toS };
  const { seconds, stepS } = range.preset;
  const end = Math.floor((nowS - WRITTEN_AFTER_S) / stepS) * stepS + (stepS === 1 ? 1 : 0);
  return { from: end - seconds, to: end, step: stepS };
}

/** How often such a window is asked for anew; 0 is never. */
export function everyMs(range: Range): number {
  return range.preset ? Math.min(60_000, Math.max(5000, range.preset.stepS * 1000)) : 0;
}
