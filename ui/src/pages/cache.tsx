// The cache: what its tiers hold, how much it answers, and taking things out of it.

import { useState } from "preact/hooks";
import { ask } from "../api/client";
import { useSeries, useTop } from "../api/history";
import { useSession } from "../api/session";
import { useStatus } from "../api/stream";
import type { CacheFigures, Ranked, SeriesAnswer, StoredEntries } from "../api/types";
import { useAction, useAsked } from "../api/use";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { type Choice, Dialog, Field, Select, tell } from "../components/controls";
import { Bar, Card, Failure, Page, Pill, Shown, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, bytes, counted, duration, rate, share, words } from "../format";
import { useRange } from "../range";
import { to } from "../router";

const EVERY_MS = 5000;
const LIST_MS = 15_000;

export function Cache() {
  const range = useRange();
  const { status } = useStatus();
  const { operates } = useSession();
  const figures = useAsked<CacheFigures>("/api/v1/cache", EVERY_MS);
  const series = useSeries(range);
  const byResult = useSeries(range, { group: "cache" });
  const top = useTop("route", range);
  const now = status?.traffic;
  return (
    <Page title="Cache" lead="What is kept, how much it answers, and what is to go.">
      <section class="tiles three" aria-label="Key figures">
        <Tile label="Hit ratio" figure={share(now?.hit_ratio)} note="last minute" />
        <Tile label="In memory" figure={bytes(now?.cache_bytes)} note={now?.cache_entries == null ? "of the workers" : `${counted(now.cache_entries, "entry", "entries")} of the workers`} />
        <Tile label="On this node" figure={bytes(figures.data?.node?.used_bytes)} note={figures.data?.node ? counted(figures.data.node.entries, "entry", "entries") : "nothing is shared"} />
      </section>
      <div class="columns">
        <SeriesCard title="Hit ratio" note="of what the cache may answer" asked={series} lines={ratio} format={share} atMost={1} />
        <SeriesCard title="What the cache did" note="requests per second" asked={byResult} lines={results} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
      </div>
      <div class="columns">
        <Tiers figures={figures} memory={now ? { entries: now.cache_entries, bytes: now.cache_bytes } : null} />
        <PurgeCard operates={operates} purged={figures.reload} />
      </div>
      <Largest />
      <Card title="Most asked for" note={`Routes by requests, ${range.label.toLowerCase()}`}>
        <Shown asked={top} what="The history">
          {(answer) => <Table label="Routes" rows={answer.rows} columns={COLUMNS} rowKey={(row) => row.key} sort="requests" empty="No requests in this window." />}
        </Shown>
      </Card>
    </Page>
  );
}

function ratio(answer: SeriesAnswer): Line[] {
  const values = answer.groups[0]?.values;
  return values ? [{ label: "Hit ratio", values: values.hit_ratio, colour: "s5", filled: true }] : [];
}

function results(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: words(group.labels.cache === "none" || !group.labels.cache ? "not asked" : group.labels.cache),
    values: perSecond(group.values.requests, answer.step_s),
  }));
}

const COLUMNS: Column<Ranked>[] = [
  { key: "route", label: "Route", text: true, value: (row) => row.key, cell: (row) => <a href={to("/routes", { route: row.key })}><code>{row.key}</code></a> },
  { key: "requests", label: "Requests", value: (row) => row.requests, cell: (row) => amount(row.requests) },
  { key: "hits", label: "Hit ratio", value: (row) => row.hit_ratio, cell: (row) => (row.hit_ratio === null ? "–" : <Bar part={row.hit_ratio} label="Hit ratio" text={share(row.hit_ratio)} />) },
  { key: "share", label: "Of all", minor: true, value: (row) => row.share, cell: (row) => share(row.share) },
];

type Entry = StoredEntries["entries"][number];

const ENTRY_COLUMNS: Column<Entry>[] = [
  { key: "address", label: "Address", text: true, cell: (row) => <code>{row.host}{row.path}{row.has_query ? "?…" : ""}</code> },
  { key: "size", label: "Takes", value: (row) => row.taken_bytes, cell: (row) => bytes(row.taken_bytes) },
  { key: "type", label: "Type", text: true, minor: true, value: (row) => row.content_type, cell: (row) => row.content_type.split(";")[0] || "–" },
  { key: "age", label: "Age", minor: true, value: (row) => row.age_s, cell: (row) => duration(row.age_s) },
  { key: "fresh", label: "Fresh for", text: true, value: (row) => row.fresh_s, cell: (row) => (row.fresh_s > 0 ? duration(row.fresh_s) : <Pill tone="warn">Stale</Pill>) },
  { key: "tags", label: "Tags", text: true, minor: true, cell: (row) => (row.tags.length ? <span class="chips">{row.tags.map((tag) => <Pill key={tag} tone="quiet">{tag}</Pill>)}</span> : "–") },
];

function Largest() {
  const asked = useAsked<StoredEntries>("/api/v1/cache/entries?most=20", LIST_MS);
  return (
    <Card title="Largest entries" note="Of the newest on this node">
      <Shown asked={asked} what="The list of entries">
        {({ entries }) => (
          <Table label="Largest entries" rows={entries} columns={ENTRY_COLUMNS} rowKey={(row) => `${row.scheme} ${row.host}${row.path} ${row.age_s - row.fresh_s} ${row.taken_bytes}`} param="entries" sort="size" empty="Nothing is stored yet." />
        )}
      </Shown>
    </Card>
  );
}

function Tiers({ figures, memory }: { figures: ReturnType<typeof useAsked<CacheFigures>>; memory: { entries: number | null; bytes: number | null } | null }) {
  return (
    <Card title="Tiers">
      <Shown asked={figures} what="The cache">
        {({ node, cluster }) => (
          <dl class="facts wide">
            <div><dt>Memory of the workers</dt><dd>{memory?.entries == null ? "nothing yet" : `${counted(memory.entries, "entry", "entries")}, ${bytes(memory.bytes)}`}</dd></div>
            <div>
              <dt>This node</dt>
              <dd>{node ? <>{counted(node.entries, "entry", "entries")}<Bar part={node.used_bytes / Math.max(node.limit_bytes, 1)} label="Filled" text={`${bytes(node.used_bytes)} of ${bytes(node.limit_bytes)}`} /></> : "workers share nothing"}</dd>
            </div>
            <div><dt>Cluster</dt><dd>{cluster ? <StatePill state={cluster} /> : "no other nodes"}</dd></div>
          </dl>
        )}
      </Shown>
    </Card>
  );
}

const KINDS: readonly Choice[] = [["url", "One address"], ["prefix", "All addresses that begin so"], ["tag", "All with a tag"], ["all", "Everything"]];
const FIELDS: Record<string, [label: string, placeholder: string]> = {
  url: ["Address", "https://api.example.com/products/7"],
  prefix: ["Beginning", "/products/"],
  tag: ["Tag", "products"],
};

function PurgeCard({ operates, purged }: { operates: boolean; purged: () => void }) {
  const [kind, setKind] = useState("prefix");
  const [value, setValue] = useState("");
  const [soft, setSoft] = useState(false);
  const [asking, setAsking] = useState(false);
  const action = useAction();
  const field = FIELDS[kind];
  const isReady = kind === "all" || value.trim() !== "";
  const purge = async (): Promise<void> => {
    const body = kind === "all" ? { all: true, soft } : { [kind]: value.trim(), soft };
    const done = await action.run(async () => {
      const came = await ask<{ purged: number; cluster: boolean }>("/api/v1/cache/purge", { method: "POST", body });
      tell(`${counted(came.purged, "response")} ${soft ? "marked stale" : "purged"}${came.cluster ? ", and other nodes were told" : ""}.`);
    });
    setAsking(false);
    if (done) setValue("");
    purged();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isReady) setAsking(true);
  };
  return (
    <Card title="Purge" note="Takes responses out of the cache of all workers">
      {operates ? (
        <form class="form" onSubmit={submit}>
          <Select label="What" value={kind} choices={KINDS} onChange={setKind} />
          {field && <Field label={field[0]} value={value} onInput={setValue} placeholder={field[1]} required maxLength={8192} />}
          <label class="check"><input type="checkbox" checked={soft} onChange={(event) => setSoft(event.currentTarget.checked)} />Keep them as stale, and confirm them before the next use</label>
          <button type="submit" class="danger" disabled={!isReady || action.busy}>Purge …</button>
        </form>
      ) : (
        <p class="nothing">Your role may look, but not purge.</p>
      )}
      {action.problem && <Failure problem={action.problem} />}
      {asking && (
        <Dialog title={kind === "all" ? "Purge everything?" : "Purge these responses?"} confirm="Purge" tone="danger" busy={action.busy} onConfirm={purge} onClose={() => setAsking(false)}>
          <p>{kind === "all" ? "The whole cache is emptied. Until it fills again, all requests go to the upstream." : <>{KINDS.find(([key]) => key === kind)?.[1]}: <code>{value}</code></>}</p>
        </Dialog>
      )}
    </Card>
  );
}
