// The upstreams: what they answer, how fast, and what keeps them from it.

import { useSeries, useTop } from "../api/history";
import { type Sample, type Samples, useMetrics } from "../api/metrics";
import { useStatus } from "../api/stream";
import type { Ranked, SeriesAnswer, Target, Targets } from "../api/types";
import { type Asked, useAsked } from "../api/use";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { Moment } from "../components/controls";
import { Bar, Card, Empty, Page, Shown, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, latency, rate, share, words } from "../format";
import { useRange } from "../range";
import { to } from "../router";

const METRICS_MS = 10_000;
const SERVERS_MS = 2000;
const KINDS: Record<string, string> = {
  connect: "Cannot be reached",
  timeout: "Too slow",
  protocol: "Not valid HTTP",
  other: "Other",
};

export function Upstreams() {
  const range = useRange();
  const { status } = useStatus();
  const top = useTop("upstream", range);
  const series = useSeries(range, { group: "upstream" });
  const metrics = useMetrics("lukhas_upstream", METRICS_MS);
  const gauge = (name: string): number | null => sum(metrics.data, `lukhas_upstream_${name}`);
  const known = useAsked<Targets>("/api/v1/upstreams", SERVERS_MS);
  const servers = known.data && rowsOf(known.data);
  const out = servers?.some(isOut);
  const serving = servers?.filter(isServing).length;
  const parts = status?.health.parts.filter((part) => /upstream|target|probe/.test(part.name)) ?? [];
  return (
    <Page title="Upstreams" lead="What stands behind the gateway, how fast it is, and what keeps it from answering.">
      <section class="tiles" aria-label="Key figures">
        <Tile label="Servers" figure={amount(servers?.length)} note={servers && (serving === servers.length ? "all get requests" : `requests go to ${amount(serving)} of them`)} {...(out ? { tone: "bad" as const } : {})} />
        <Tile label="Open connections" figure={amount(gauge("connections"))} note="to the servers" />
        <Tile label="Tried again" figure={amount(gauge("retries"))} note="requests, since the start" />
        <Tile label="Hedged" figure={amount(gauge("hedges"))} note="sent twice, as the first was late" />
      </section>
      <Servers known={known} />
      <div class="columns">
        <SeriesCard title="Requests" note="per second" asked={series} lines={requests} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
        <SeriesCard title="Latency p95" asked={series} lines={p95} format={latency} />
      </div>
      <Card title="Upstreams" note={range.label}>
        <Shown asked={top} what="The history">
          {(answer) => <Table label="Upstreams" rows={answer.rows} columns={COLUMNS} rowKey={(row) => row.key} sort="requests" empty="No requests in this window." />}
        </Shown>
      </Card>
      <div class="columns">
        <Card title="Failures by kind" note="Since the start, those included that another try has made good">
          <Shown asked={metrics} what="The metrics page">
            {(samples) => <Table label="Failures" rows={samples.get("lukhas_upstream_errors_total") ?? []} columns={FAILURES} rowKey={(row) => `${row.labels.upstream} ${row.labels.kind}`} param="failures" sort="number" empty="None." />}
          </Shown>
        </Card>
        {parts.length > 0 && (
          <Card title="Health">
            <ul class="parts">
              {parts.map((part) => (
                <li key={part.name}>
                  <span class="part-name">{words(part.name)}</span>
                  <StatePill state={part.state} />
                  {part.detail && <span class="part-detail">{part.detail}</span>}
                </li>
              ))}
            </ul>
          </Card>
        )}
      </div>
    </Page>
  );
}

interface Server extends Target {
  upstream: string;
}

function rowsOf(answer: Targets): Server[] {
  return answer.upstreams.flatMap(({ name, targets }) => targets.map((target) => ({ ...target, upstream: name })));
}

function isOut({ state }: Target): boolean {
  return state === "ejected" || state === "unfit";
}

function isServing({ state }: Target): boolean {
  return state === "healthy" || state === "starting";
}

const STATES: Record<Target["state"], string> = {
  healthy: "Healthy",
  starting: "Slow start",
  standby: "Stand-by",
  draining: "Draining",
  unfit: "Fails probes",
  ejected: "Left out",
};
const BEST_FIRST = Object.keys(STATES);

function Servers({ known }: { known: Asked<Targets> }) {
  return (
    <Card title="Servers" note="Counts are those since the workers began, probes included. Latency is the moving average that balancing goes by, where there are several servers.">
      <Shown asked={known} what="The list of servers" height={160}>
        {(answer) => (
          <Table
            label="Servers"
            rows={rowsOf(answer)}
            columns={serverColumns(answer.workers)}
            rowKey={(row) => `${row.upstream} ${row.address}`}
            param="servers"
            sort="-upstream"
            empty={<Empty title="No server is known"><p>What is wrong is told under <a href={`${to("/")}#health`}>Health</a>.</p></Empty>}
          />
        )}
      </Shown>
    </Card>
  );
}

function serverColumns(workers: number): Column<Server>[] {
  return [
    { key: "server", label: "Server", text: true, value: (row) => row.address, cell: (row) => <code>{row.address}</code> },
    { key: "upstream", label: "Upstream", text: true, minor: true, value: (row) => row.upstream, cell: (row) => row.upstream },
    { key: "state", label: "State", text: true, value: (row) => BEST_FIRST.indexOf(row.state), cell: (row) => <State server={row} workers={workers} /> },
    { key: "weight", label: "Weight", minor: true, value: (row) => row.weight, cell: (row) => amount(row.weight) },
    { key: "flight", label: "In flight", minor: true, value: (row) => row.in_flight, cell: (row) => amount(row.in_flight) },
    { key: "open", label: "Connections", minor: true, value: (row) => row.connections, cell: (row) => amount(row.connections) },
    { key: "latency", label: "Latency", minor: true, value: (row) => row.latency_ms, cell: (row) => latency(row.latency_ms) },
    { key: "answers", label: "Answers", minor: true, value: (row) => row.answers, cell: (row) => amount(row.answers) },
    { key: "errors", label: "5xx", value: (row) => row.errors, cell: (row) => <Wrong number={row.errors} /> },
    { key: "failures", label: "No answer", value: (row) => row.failures, cell: (row) => <Wrong number={row.failures} /> },
  ];
}

/** The worst that a worker sees; how many see it so, where they do not agree. */
function State({ server, workers }: { server: Server; workers: number }) {
  const number = server.states[server.state] ?? 0;
  return (
    <>
      <StatePill state={server.state} name={STATES[server.state]} />
      {number < workers && <span class="quiet"> in {number} of {workers} workers</span>}
      {server.out_until && <span class="quiet minor"> until <Moment at={server.out_until} seconds /></span>}
    </>
  );
}

function Wrong({ number }: { number: number }) {
  return <span class={number ? "bad" : ""}>{amount(number)}</span>;
}

function sum(samples: Samples | undefined, name: string): number | null {
  return samples?.get(name)?.reduce((total, sample) => total + sample.value, 0) ?? null;
}

function named(answer: SeriesAnswer, values: (group: SeriesAnswer["groups"][number]) => (number | null)[]): Line[] {
  return answer.groups.map((group) => ({ label: nameOf(group.labels.upstream ?? ""), values: values(group) }));
}

function nameOf(upstream: string): string {
  return upstream === "none" || !upstream ? "Not forwarded" : upstream;
}

const requests = (answer: SeriesAnswer): Line[] => named(answer, (group) => perSecond(group.values.requests, answer.step_s));
const p95 = (answer: SeriesAnswer): Line[] => named(answer, (group) => group.values.p95_ms);

const COLUMNS: Column<Ranked>[] = [
  { key: "upstream", label: "Upstream", text: true, value: (row) => row.key, cell: (row) => <a href={to("/routes", { upstream: row.key })}>{nameOf(row.key)}</a> },
  { key: "requests", label: "Requests", value: (row) => row.requests, cell: (row) => amount(row.requests) },
  { key: "share", label: "Share", text: true, minor: true, value: (row) => row.share, cell: (row) => <Bar part={row.share} label={row.key} text={share(row.share)} /> },
  { key: "p95", label: "p95", value: (row) => row.p95_ms, cell: (row) => latency(row.p95_ms) },
  { key: "errors", label: "5xx", value: (row) => row.errors / row.requests, cell: (row) => <span class={row.errors ? "bad" : ""}>{share(row.errors / row.requests)}</span> },
  { key: "hits", label: "Hit ratio", minor: true, value: (row) => row.hit_ratio, cell: (row) => share(row.hit_ratio) },
];

const FAILURES: Column<Sample>[] = [
  { key: "upstream", label: "Upstream", text: true, value: (row) => row.labels.upstream ?? "", cell: (row) => row.labels.upstream },
  { key: "kind", label: "What", text: true, value: (row) => row.labels.kind ?? "", cell: (row) => KINDS[row.labels.kind ?? ""] ?? words(row.labels.kind ?? "") },
  { key: "number", label: "Requests", value: (row) => row.value, cell: (row) => amount(row.value) },
];
