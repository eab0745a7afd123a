// What the node does right now.

import { useSeries } from "../api/history";
import { useStatus } from "../api/stream";
import type { Alert, SeriesAnswer, Status, Workers } from "../api/types";
import { useAsked } from "../api/use";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { Bar, Card, Empty, Page, Pill, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, bytes, counted, duration, latency, rate, share, words } from "../format";
import { useRange } from "../range";
import { to } from "../router";
import { latencies } from "./routes";

const MOST_ROUTES = 8;
const WORKERS_MS = 5000;

export function Overview() {
  const { status } = useStatus();
  const range = useRange();
  const series = useSeries(range);
  const byTier = useSeries(range, { group: "tier" });
  const lead = status && (
    <>Up {duration(status.uptime_s)}, {counted(status.traffic.requests_total, "request")} in all. The figures are those of the last minute.</>
  );
  return (
    <Page title="Overview" lead={lead}>
      <OpenAlerts />
      {status && !status.traffic.requests_total && <FirstRequest url={status.gateway_url} />}
      {status ? <Tiles status={status} /> : <div class="skeleton tall" role="status"><span class="hidden">Loading</span></div>}
      <div class="columns">
        <SeriesCard title="Requests" note="per second" asked={series} lines={traffic} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
        <SeriesCard title="Latency" asked={series} lines={latencies} format={latency} />
        <SeriesCard title="Cache hit ratio" note="of what the cache may answer" asked={series} lines={hits} format={share} atMost={1} />
        <SeriesCard title="Requests by tier" note="per second" asked={byTier} lines={tiers} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
      </div>
      {status && (
        <>
          <BusiestRoutes status={status} />
          <div class="columns">
            <div class="stack">
              <Tiers status={status} />
              <WorkersCard status={status} />
            </div>
            <Parts status={status} />
          </div>
          <p class="version">LUKHAS API Optimizer {status.version}</p>
        </>
      )}
    </Page>
  );
}

function traffic(answer: SeriesAnswer): Line[] {
  const values = answer.groups[0]?.values;
  if (!values) return [];
  return [
    { label: "All", values: perSecond(values.requests, answer.step_s), colour: "s1", filled: true },
    { label: "Limited", values: perSecond(values.limited, answer.step_s), colour: "s3" },
    { label: "Errors (5xx)", values: perSecond(values.errors, answer.step_s), colour: "s4" },
  ];
}

function hits(answer: SeriesAnswer): Line[] {
  const values = answer.groups[0]?.values;
  return values ? [{ label: "Hit ratio", values: values.hit_ratio, colour: "s5", filled: true }] : [];
}

export function tiers(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: words(group.labels.tier || "unknown"),
    values: perSecond(group.values.requests, answer.step_s),
  }));
}

function FirstRequest({ url }: { url: string }) {
  return (
    <section class="card" aria-label="No traffic yet">
      <Empty title="No traffic yet">
        <p>Send a first request through the gateway; it shows up here within two seconds.</p>
        <pre><code>curl {url.replace(/\/$/, "")}/</code></pre>
      </Empty>
    </section>
  );
}

function OpenAlerts() {
  const { data } = useAsked<{ alerts: Alert[] }>("/api/v1/alerts", 10_000);
  const firing = data?.alerts.filter((each) => each.state === "firing") ?? [];
  if (!firing.length) return null;
  return (
    <section class="card strip" aria-label="Firing alerts">
      <ul>
        {firing.slice(0, 3).map((alert) => (
          <li key={alert.id}>
            <StatePill state={alert.severity} />
            <a href={to(`/alerts/${encodeURIComponent(alert.id)}`)}>{alert.summary || alert.rule}</a>
          </li>
        ))}
      </ul>
      {firing.length > 3 && <a href={to("/alerts")}>{counted(firing.length - 3, "more alert")}</a>}
    </section>
  );
}

function Tiles({ status }: { status: Status }) {
  const { traffic: now } = status;
  const shadow = now.shadow_limited_1m ? `${amount(now.shadow_limited_1m)} more in shadow mode` : "refused over a limit";
  const cached = now.cache_entries === null ? "of what may be cached" : `${counted(now.cache_entries, "entry", "entries")}, ${bytes(now.cache_bytes)}`;
  return (
    <section class="tiles" aria-label="Key figures">
      <Tile label="Requests" figure={rate(now.requests_per_s)} unit="/s" note={`${amount(now.requests_1m)} in the last minute`} />
      <Tile label="Latency p50" figure={latency(now.latency.p50_ms)} note="half are faster" />
      <Tile label="Latency p95" figure={latency(now.latency.p95_ms)} note="1 in 20 is slower" />
      <Tile label="Latency p99" figure={latency(now.latency.p99_ms)} note="1 in 100 is slower" />
      <Tile label="Server errors" figure={share(now.error_share)} note="answers with 5xx" {...((now.error_share ?? 0) > 0.01 ? { tone: "bad" as const } : {})} />
      <Tile label="Cache hit ratio" figure={share(now.hit_ratio)} note={cached} />
      <Tile label="Limited" figure={amount(now.limited_1m)} unit="/min" note={shadow} />
      <Tile label="In flight" figure={amount(now.in_flight)} note={now.connections_open === null ? "now" : counted(now.connections_open, "connection") + " open"} />
    </section>
  );
}

const ROUTE_COLUMNS: Column<Status["routes"][number]>[] = [
  { key: "route", label: "Route", text: true, value: (row) => row.route, cell: (row) => <a href={to("/routes", { route: row.route })}><code>{row.route}</code></a> },
  { key: "rate", label: "Requests", value: (row) => row.requests_per_s, cell: (row) => `${rate(row.requests_per_s)}/s` },
  { key: "p50", label: "p50", minor: true, value: (row) => row.latency.p50_ms, cell: (row) => latency(row.latency.p50_ms) },
  { key: "p95", label: "p95", value: (row) => row.latency.p95_ms, cell: (row) => latency(row.latency.p95_ms) },
  { key: "p99", label: "p99", minor: true, value: (row) => row.latency.p99_ms, cell: (row) => latency(row.latency.p99_ms) },
  { key: "errors", label: "5xx", value: (row) => row.error_share, cell: (row) => <span class={row.error_share ? "bad" : ""}>{share(row.error_share)}</span> },
  { key: "hits", label: "Hit ratio", value: (row) => row.hit_ratio, cell: (row) => share(row.hit_ratio) },
];

function BusiestRoutes({ status }: { status: Status }) {
  const overflow = status.traffic.labels_overflowed_total;
  const left = status.routes.length - MOST_ROUTES;
  return (
    <Card title="Busiest routes" note="last minute" actions={left > 0 && <a href={to("/routes")}>{counted(left, "more route")}</a>}>
      <Table label="Busiest routes" rows={status.routes.slice(0, MOST_ROUTES)} columns={ROUTE_COLUMNS} rowKey={(row) => row.route} sort="rate" empty="No requests in the last minute." />
      {overflow > 0 && (
        <p class="aside">{counted(overflow, "request is", "requests are")} counted under <code>other</code>, because there are more routes than the recorder keeps apart.</p>
      )}
    </Card>
  );
}

const TIER_COLUMNS: Column<Status["tiers"][number]>[] = [
  { key: "tier", label: "Tier", text: true, cell: (row) => words(row.tier) },
  { key: "share", label: "Share", text: true, cell: (row) => <Bar part={row.share} label={words(row.tier)} text={share(row.share)} /> },
  { key: "requests", label: "Requests", cell: (row) => amount(row.requests_1m) },
  { key: "near", label: "Near a limit", cell: (row) => amount(row.near_limit_1m) },
  { key: "limited", label: "Limited", cell: (row) => amount(row.limited_1m) },
];

function Tiers({ status }: { status: Status }) {
  return (
    <Card title="Tiers" note="last minute">
      <Table label="Tiers" rows={status.tiers} columns={TIER_COLUMNS} rowKey={(row) => row.tier} param="tiers" empty="" />
    </Card>
  );
}

function Parts({ status }: { status: Status }) {
  return (
    <Card title="Health" id="health">
      <ul class="parts">
        {status.health.parts.map((part) => (
          <li key={part.name}>
            <span class="part-name">{words(part.name)}</span>
            <StatePill state={part.state} />
            {part.detail && <span class="part-detail">{part.detail}</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function WorkersCard({ status }: { status: Status }) {
  const { data } = useAsked<Workers>("/api/v1/workers", WORKERS_MS);
  const known = new Map(data?.workers.map((worker) => [worker.name, worker]));
  const columns: Column<Status["workers"][number]>[] = [
    { key: "name", label: "Worker", text: true, cell: (row) => row.name },
    { key: "requests", label: "Requests", cell: (row) => amount(row.requests_total) },
    { key: "flight", label: "In flight", minor: true, cell: (row) => amount(row.in_flight) },
    { key: "busy", label: "CPU", cell: (row) => share(known.get(row.name)?.busy) },
    { key: "late", label: "Loop late", minor: true, cell: (row) => latency(known.get(row.name)?.late_ms) },
    { key: "seen", label: "Reported", cell: (row) => `${row.last_seen_s.toFixed(1)} s ago` },
  ];
  const move = data?.moves.at(-1);
  return (
    <Card title="Workers" note={data && (data.least === data.most ? `${counted(data.wanted, "worker")}, generation ${data.generation}` : `${data.wanted} wanted, between ${data.least} and ${data.most}; generation ${data.generation}`)}>
      <Table label="Workers" rows={status.workers} columns={columns} rowKey={(row) => row.name} empty="No worker reports. Is the gateway running?" />
      {move && <p class="aside">Last change: from {move.before} to {move.after}, because {move.why}. <Pill tone="quiet">{move.time}</Pill></p>}
    </Card>
  );
}
