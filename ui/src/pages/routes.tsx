// The routes: how busy, how fast, how often wrong; and one of them closely.

import { type Filters, filtersOf, type FilterName, useSeries, useTop } from "../api/history";
import type { Ranked, SeriesAnswer, TopAnswer } from "../api/types";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { type Choice, Search, Select } from "../components/controls";
import { Bar, Card, Page, Shown, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, counted, latency, rate, share, words } from "../format";
import { useRange } from "../range";
import { setParams, to, usePlace } from "../router";

const MOST_LINES = 50;
const MOST_ROWS = 500;

const STATIC_CHOICES: Partial<Record<FilterName, readonly string[]>> = {
  method: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
  status: ["2xx", "3xx", "4xx", "5xx"],
  tier: ["free", "basic", "premium", "enterprise", "internal"],
  cache: ["hit", "miss", "stale", "revalidated", "bypass"],
  verdict: ["passed", "limited", "shed", "refused", "shadow"],
};
const AS_THEY_ARE: ReadonlySet<FilterName> = new Set(["method", "status", "upstream", "route"]);

export function Routes() {
  const { params } = usePlace();
  const range = useRange();
  const filters = filtersOf(params);
  const top = useTop("route", range, filters, MOST_ROWS);
  const upstreams = useTop("upstream", range, {}, 50);
  const route = filters.route;
  return (
    <Page title={route ? `Route ${route}` : "Routes"} lead={route ? <button type="button" class="plain" onClick={() => setParams({ route: null })}>All routes</button> : "How busy, how fast and how often wrong each route is."}>
      <section class="card" aria-label="Filters">
        <div class="filters last" role="search" aria-label="Filters">
          {Object.keys(STATIC_CHOICES).map((name) => <Filter key={name} name={name as FilterName} filters={filters} values={STATIC_CHOICES[name as FilterName] ?? []} />)}
          <Filter name="upstream" filters={filters} values={upstreams.data?.rows.map((row) => row.key) ?? []} />
        </div>
      </section>
      {route ? <OneRoute filters={filters} top={top.data} /> : <AllRoutes filters={filters} />}
      <Card title={route ? "The route" : "All routes"} note={range.label} actions={!route && <Search label="Find a route" />}>
        <Shown asked={top} what="The history" height={280}>
          {(answer) => <RouteTable answer={answer} wanted={route ? "" : (params.get("q") ?? "")} />}
        </Shown>
      </Card>
    </Page>
  );
}

function Filter({ name, filters, values }: { name: FilterName; filters: Filters; values: readonly string[] }) {
  const choices: Choice[] = [["", "All"], ...values.map((value): Choice => [value, AS_THEY_ARE.has(name) ? value : words(value)])];
  return <Select label={words(name)} value={filters[name] ?? ""} choices={choices} onChange={(value) => setParams({ [name]: value })} />;
}

function AllRoutes({ filters }: { filters: Filters }) {
  const series = useSeries(useRange(), { group: "route", filters, most: MOST_LINES });
  return <SeriesCard title="Requests by route" note="per second" asked={series} lines={byRoute} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} height={260} />;
}

function byRoute(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: group.labels.route || "unknown",
    values: perSecond(group.values.requests, answer.step_s),
  }));
}

function OneRoute({ filters, top }: { filters: Filters; top: TopAnswer | undefined }) {
  const range = useRange();
  const series = useSeries(range, { filters });
  const byStatus = useSeries(range, { group: "status", filters });
  const row = top?.rows[0];
  const total = series.data?.groups[0]?.total;
  return (
    <>
      <section class="tiles" aria-label="Key figures">
        <Tile label="Requests" figure={amount(row?.requests)} note={total ? `${rate(total.requests_per_s)}/s on average` : range.label} />
        <Tile label="Latency p95" figure={latency(total?.p95_ms)} note={`p50 ${latency(total?.p50_ms)}, p99 ${latency(total?.p99_ms)}`} />
        <Tile label="Server errors" figure={share(row ? row.errors / Math.max(row.requests, 1) : null)} note={row ? counted(row.errors, "answer") + " with 5xx" : ""} {...(row?.errors ? { tone: "bad" as const } : {})} />
        <Tile label="Cache hit ratio" figure={share(row?.hit_ratio)} note={row ? `${amount(row.limited)} limited` : ""} />
      </section>
      <div class="columns">
        <SeriesCard title="Requests by status" note="per second" asked={byStatus} lines={statuses} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
        <SeriesCard title="Latency" asked={series} lines={latencies} format={latency} />
      </div>
    </>
  );
}

const STATUS_COLOURS: Record<string, string> = { "2xx": "s1", "3xx": "s2", "4xx": "s3", "5xx": "s4" };

function statuses(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: group.labels.status ?? "",
    values: perSecond(group.values.requests, answer.step_s),
    colour: STATUS_COLOURS[group.labels.status ?? ""] ?? "s8",
  }));
}

export function latencies(answer: SeriesAnswer): Line[] {
  const values = answer.groups[0]?.values;
  if (!values) return [];
  return [
    { label: "p50", values: values.p50_ms, colour: "s1" },
    { label: "p95", values: values.p95_ms, colour: "s2" },
    { label: "p99", values: values.p99_ms, colour: "s3" },
  ];
}

const errorShare = (row: Ranked): number => row.errors / Math.max(row.requests, 1);

const COLUMNS: Column<Ranked>[] = [
  { key: "route", label: "Route", text: true, value: (row) => row.key, cell: (row) => <a href={to("/routes", { route: row.key })}><code>{row.key}</code></a> },
  { key: "requests", label: "Requests", value: (row) => row.requests, cell: (row) => amount(row.requests) },
  { key: "share", label: "Share", minor: true, text: true, value: (row) => row.share, cell: (row) => <Bar part={row.share} label={row.key} text={share(row.share)} /> },
  { key: "p95", label: "p95", value: (row) => row.p95_ms, cell: (row) => latency(row.p95_ms) },
  { key: "errors", label: "5xx", value: errorShare, cell: (row) => <span class={row.errors ? "bad" : ""}>{share(errorShare(row))}</span> },
  { key: "limited", label: "Limited", minor: true, value: (row) => row.limited, cell: (row) => amount(row.limited) },
  { key: "hits", label: "Hit ratio", minor: true, value: (row) => row.hit_ratio, cell: (row) => share(row.hit_ratio) },
];

function RouteTable({ answer, wanted }: { answer: TopAnswer; wanted: string }) {
  const rows = answer.rows.filter((row) => row.key.toLowerCase().includes(wanted.toLowerCase()));
  return <Table label="Routes" rows={rows} columns={COLUMNS} rowKey={(row) => row.key} sort="requests" empty={answer.rows.length ? "No route has this in its name." : "No such requests in this window."} />;
}
