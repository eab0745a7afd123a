// The upstreams: what they answer, how fast, and what keeps them from it.

import { useSeries, useTop } from "../api/history";
import { type Sample, type Samples, useMetrics } from "../api/metrics";
import { useStatus } from "../api/stream";
import type { Ranked, SeriesAnswer } from "../api/types";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { Bar, Card, Page, Shown, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, latency, rate, share, words } from "../format";
import { useRange } from "../range";
import { to } from "../router";

const METRICS_MS = 10_000;
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
  const out = gauge("targets_left_out");
  const parts = status?.health.parts.filter((part) => /upstream|target|probe/.test(part.name)) ?? [];
  return (
    <Page title="Upstreams" lead="What stands behind the gateway, how fast it is, and what keeps it from answering.">
      <section class="tiles" aria-label="Key figures">
        <Tile label="Servers" figure={amount(gauge("targets"))} note={out ? `${amount(out)} get no requests now` : "all get requests"} {...(out ? { tone: "bad" as const } : {})} />
        <Tile label="Open connections" figure={amount(gauge("connections"))} note="to the servers" />
        <Tile label="Tried again" figure={amount(gauge("retries"))} note="requests, since the start" />
        <Tile label="Hedged" figure={amount(gauge("hedges"))} note="sent twice, as the first was late" />
      </section>
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
        <Card title="Failures that reached clients" note="Since the start">
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
