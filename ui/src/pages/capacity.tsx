// Capacity: how the load goes on, and when it meets a limit.

import { useMemo } from "preact/hooks";
import type { Capacity as CapacityAnswer } from "../api/types";
import { useAsked } from "../api/use";
import { Chart, type Line } from "../charts/chart";
import { Card, Empty, Page, Pill, Shown, type Tone } from "../components/frame";
import { type Column, Table } from "../components/table";
import { rate, words } from "../format";
import { setParams, usePlace } from "../router";

type Series = CapacityAnswer["series"][number];

const EVERY_MS = 300_000;
const perS = (value: number | null): string => (value === null ? "–" : `${rate(value)}/s`);

export function Capacity() {
  const asked = useAsked<CapacityAnswer>("/api/v1/capacity", EVERY_MS);
  const chosen = usePlace().params.get("route");
  return (
    <Page title="Capacity" lead="How the load goes on, and when it meets a limit.">
      <Shown asked={asked} what="Capacity planning" height={320}>
        {({ series }) => {
          const shown = series.find((each) => each.route === chosen) ?? series[0];
          return shown ? (
            <>
              <Forecast series={shown} />
              <Card title="Routes">
                <Table label="Routes" rows={series} columns={COLUMNS} rowKey={(row) => row.route} sort="-days" empty="" isChosen={(row) => row === shown} />
              </Card>
            </>
          ) : (
            <section class="card" aria-label="No forecast">
              <Empty title="No forecast yet">
                <p>It needs some days of traffic. It shows up here by itself.</p>
              </Empty>
            </section>
          );
        }}
      </Shown>
    </Page>
  );
}

function Forecast({ series }: { series: Series }) {
  const { times, lines } = useMemo(() => drawn(series), [series]);
  return (
    <Card title={series.route || "All routes"} note={series.model === "none" ? "Too little is known to forecast" : <>{words(series.model)}{series.limit_source && <>, limit by {series.limit_source}</>}. <Until days={series.days_until_limit} /></>}>
      {times.length ? (
        <Chart label={`Load of ${series.route || "all routes"}`} times={times} lines={lines} format={perS} height={280} zooms={false} atLeast={series.limit ?? 0} />
      ) : (
        <p class="nothing">No values yet.</p>
      )}
    </Card>
  );
}

/** One axis of time for what was and what is expected. */
function drawn({ history, forecast, limit }: Series): { times: number[]; lines: Line[] } {
  const was = new Map(history.map((each) => [each.at_s, each.value]));
  const will = new Map(forecast.map((each) => [each.at_s, each]));
  const times = [...new Set([...was.keys(), ...will.keys()])].sort((a, b) => a - b);
  const lines: Line[] = [
    { label: "Measured", values: times.map((time) => was.get(time) ?? null), colour: "s1", filled: true },
    { label: "Expected", values: times.map((time) => will.get(time)?.expected ?? null), colour: "s2", dashed: true },
    { label: "At most", values: times.map((time) => will.get(time)?.high ?? null), colour: "s8", dashed: true },
    { label: "At least", values: times.map((time) => will.get(time)?.low ?? null), colour: "s8", dashed: true },
  ];
  if (limit !== null) lines.push({ label: "Limit", values: times.map(() => limit), colour: "s4" });
  return { times, lines };
}

function Until({ days }: { days: number | null }) {
  if (days === null) return <Pill tone="good">No limit in sight</Pill>;
  const tone: Tone = days < 7 ? "bad" : days < 30 ? "warn" : "good";
  return <Pill tone={tone}>{days < 1 ? "Limit within a day" : `Limit in ${Math.round(days)} days`}</Pill>;
}

const COLUMNS: Column<Series>[] = [
  { key: "route", label: "Route", text: true, value: (row) => row.route, cell: (row) => <button type="button" class="link" onClick={() => setParams({ route: row.route })}>{row.route || "All routes"}</button> },
  { key: "now", label: "Now", value: (row) => row.history.at(-1)?.value ?? null, cell: (row) => perS(row.history.at(-1)?.value ?? null) },
  { key: "end", label: "Expected", value: (row) => row.forecast.at(-1)?.expected ?? null, cell: (row) => perS(row.forecast.at(-1)?.expected ?? null) },
  { key: "limit", label: "Limit", minor: true, value: (row) => row.limit, cell: (row) => perS(row.limit) },
  { key: "days", label: "Until the limit", text: true, value: (row) => row.days_until_limit ?? Infinity, cell: (row) => (row.model === "none" ? <span class="quiet">not known yet</span> : <Until days={row.days_until_limit} />) },
];
