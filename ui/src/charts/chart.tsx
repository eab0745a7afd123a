// Lines over time, with a legend, and the same figures as a table for those who do not see them.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock, moment } from "../format";
import { setParams } from "../router";
import { useTheme } from "../theme";
import { resolved, seriesColour } from "./colours";

export interface Line {
  label: string;
  values: (number | null)[];
  colour?: string;
  /** Whether the area below the line is tinted. */
  filled?: boolean;
  dashed?: boolean;
}

export interface ChartProps {
  /** What the chart shows, for its heading and for those who do not see it. */
  label: string;
  times: number[];
  lines: Line[];
  format: (value: number | null) => string;
  height?: number;
  /** Whether a stretch of time can be chosen with the mouse. */
  zooms?: boolean;
  /** The highest value that the axis has at least. */
  atLeast?: number;
  atMost?: number;
}

const LEGEND_MOST = 10;
const TABLE_MOST = 24;

function data(times: number[], lines: Line[]): uPlot.AlignedData {
  return [times, ...lines.map((line) => line.values)];
}

export function Chart(props: ChartProps) {
  const { label, times, lines, format, height = 190, zooms = true, atLeast = 0, atMost } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const { dark } = useTheme();
  const shape = lines.map((line) => `${line.label}|${line.colour}|${line.filled}|${line.dashed}`).join("\n");
  const hasCursor = lines.length <= LEGEND_MOST;

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const made = new uPlot(options({ ...props, height, zooms, atLeast, atMost: atMost ?? 0, hasCursor, setCursor }, element.clientWidth), data(times, lines), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== made.width) made.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, dark, height]);

  useEffect(() => plot.current?.setData(data(times, lines)), [times, lines]);

  const at = cursor !== null && cursor < times.length ? cursor : times.length - 1;
  return (
    <figure class="chart">
      <div class="chart-canvas" ref={place} role="img" aria-label={said(props)} />
      <Legend lines={lines} at={at} time={cursor === null ? undefined : times[at]} format={format} />
      <Twin label={label} times={times} lines={lines} format={format} />
    </figure>
  );
}

type Options = Required<Omit<ChartProps, "label" | "times">> & {
  hasCursor: boolean;
  setCursor: (index: number | null) => void;
};

function options(wanted: Options, width: number): uPlot.Options {
  const { lines, format, height, zooms, atLeast, atMost, hasCursor, setCursor } = wanted;
  const named = lines.map((line, index) => line.colour ?? seriesColour(index));
  const colours = resolved([...named, "chart-grid", "quiet"]);
  const axis = {
    stroke: colours.quiet ?? "",
    grid: { stroke: colours["chart-grid"] ?? "", width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: Math.max(width, 120),
    height,
    legend: { show: false },
    cursor: { show: hasCursor || zooms, points: { show: hasCursor }, drag: { x: zooms, y: false, setScale: false }, y: false },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(atMost || (high ?? 0) * 1.1, atLeast) || 1] } },
    axes: [
      { ...axis, grid: { show: false }, values: timeLabels, space: 70, size: 28 },
      { ...axis, values: (_plot, splits) => splits.map((value) => format(value)), size: 64, space: 36 },
    ],
    series: [
      {},
      ...lines.map((line, index) => ({
        label: line.label,
        stroke: colours[named[index] ?? ""] ?? "",
        width: lines.length > LEGEND_MOST ? 1 : 1.75,
        points: lines.length > LEGEND_MOST ? { show: false } : { show: true, size: 4, filter: alone },
        spanGaps: false,
        ...(line.dashed ? { dash: [6, 4] } : {}),
        ...(line.filled ? { fill: faded(colours[named[index] ?? ""] ?? "") } : {}),
      })),
    ],
    hooks: {
      setCursor: [(plot: uPlot) => hasCursor && setCursor(plot.cursor.idx ?? null)],
      setSelect: [(plot: uPlot) => chosen(plot)],
    },
  };
}

/** Where a value has no neighbour and so no line: there it is a point. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const found: number[] = [];
  values.forEach((value, index) => {
    if (value != null && values[index - 1] == null && values[index + 1] == null) found.push(index);
  });
  return found;
}

/** Goes to the window that was drawn with the mouse. */
function chosen(plot: uPlot): void {
  const { left, width } = plot.select;
  if (width < 8) return;
  const from = Math.floor(plot.posToVal(left, "x"));
  const to = Math.ceil(plot.posToVal(left + width, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  setParams({ from: String(from), to: String(Math.max(to, from + 5)), range: null });
}

function timeLabels(_plot: uPlot, splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((time) => {
    const date = new Date(time * 1000);
    if (step < 60) return clock(date);
    return step < 43_200 ? clock(date).slice(0, 5) : moment(date).replace(/,? \d\d:\d\d$/, "");
  });
}

function faded(colour: string): string {
  const numbers = /^rgba?\(([^)]+)\)/.exec(colour)?.[1]?.split(/[ ,/]+/).slice(0, 3);
  return numbers ? `rgba(${numbers.join(",")},0.12)` : colour;
}

function said({ label, lines, times, format }: ChartProps): string {
  const first = lines.slice(0, 5).map((line) => `${line.label} ${format(line.values[times.length - 1] ?? null)}`);
  const more = lines.length > 5 ? ` and ${lines.length - 5} more` : "";
  return first.length ? `${label}. Latest: ${first.join(", ")}${more}.` : `${label}. No values.`;
}

interface LegendProps {
  lines: Line[];
  at: number;
  time: number | undefined;
  format: (value: number | null) => string;
}

function Legend({ lines, at, time, format }: LegendProps) {
  const shown = lines.slice(0, LEGEND_MOST);
  return (
    <figcaption class="legend">
      {shown.map((line, index) => (
        <span key={line.label} class="legend-item">
          <span class={`swatch ${line.colour ?? seriesColour(index)}`} aria-hidden="true" />
          {line.label} <b>{format(time === undefined ? lastOf(line, at) : (line.values[at] ?? null))}</b>
        </span>
      ))}
      {lines.length > shown.length && <span class="quiet">and {lines.length - shown.length} more</span>}
      {time !== undefined && <span class="quiet legend-time">{moment(new Date(time * 1000))}:{clock(new Date(time * 1000)).slice(6)}</span>}
    </figcaption>
  );
}

/** The last value that is known. */
function lastOf({ values }: Line, from: number): number | null {
  for (let index = from; index >= 0; index--) if (values[index] != null) return values[index] ?? null;
  return null;
}

/** The same figures as a table. It is made only when it is opened. */
function Twin({ label, times, lines, format }: Pick<ChartProps, "label" | "times" | "lines" | "format">) {
  const [open, setOpen] = useState(false);
  const picked = useMemo(() => {
    if (!open) return [];
    const every = Math.max(1, Math.ceil(times.length / TABLE_MOST));
    return times.map((_, index) => index).filter((index) => (times.length - 1 - index) % every === 0).reverse();
  }, [open, times]);
  return (
    <details class="twin" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Show as a table</summary>
      {open && (
        <div class="scroll" role="region" aria-label={`${label}, as a table`} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {lines.map((line) => <th scope="col" key={line.label}>{line.label}</th>)}
              </tr>
            </thead>
            <tbody>
              {picked.map((index) => (
                <tr key={times[index]}>
                  <th scope="row">{moment(new Date((times[index] ?? 0) * 1000))}:{clock(new Date((times[index] ?? 0) * 1000)).slice(6)}</th>
                  {lines.map((line) => <td key={line.label}>{format(line.values[index] ?? null)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
