// Who calls: how much, how much of what they may, and their keys.

import { query } from "../api/client";
import { useTop } from "../api/history";
import { serverNow } from "../api/stream";
import type { Consumer, Limits, Ranked, TopAnswer } from "../api/types";
import { type Asked, useAsked } from "../api/use";
import { Moment, Search } from "../components/controls";
import { Bar, Card, Empty, Page, Pill, Shown, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, counted, duration, share, words } from "../format";
import { each, longest, periodSeconds } from "../limit-text";
import { everyMs, spanAt, useRange } from "../range";
import { setParams, to, usePlace } from "../router";

const MOST = 500;
const SLOW_MS = 30_000;

export function Consumers() {
  const { params } = usePlace();
  const range = useRange();
  const top = useTop("consumer", range, {}, MOST);
  const agents = useTop("agent", range, {}, 10);
  const known = useAsked<{ consumers: Consumer[] }>("/api/v1/consumers?limit=1000", SLOW_MS);
  const callers = useAsked<{ unique: number; exact: boolean }>(
    query("callers", { range: range.preset?.key, from: range.fromS, to: range.toS }), everyMs(range),
    () => query("/api/v1/history/callers", spanAt(range, serverNow())),
  );
  const chosen = known.data?.consumers.find((each) => each.id === params.get("consumer"));
  const unique = callers.data;
  const first = top.data?.rows[0];
  return (
    <Page title="Consumers" lead="Who calls, how much of what they may, and with which keys.">
      <section class="tiles three" aria-label="Key figures">
        <Tile label="Called" figure={unique ? `${unique.exact ? "" : "≈ "}${amount(unique.unique)}` : "–"} note={range.label} />
        <Tile label="Known" figure={amount(known.data?.consumers.length)} note={known.data ? counted(known.data.consumers.reduce((sum, each) => sum + each.keys.length, 0), "key") : "not told by this server"} />
        <Tile label="Busiest" figure={share(first?.share)} note={first ? `of all requests: ${nameOf(first.key, known.data?.consumers)}` : "no requests"} />
      </section>
      {chosen && <Keys consumer={chosen} />}
      <Card title="By requests" note={range.label} actions={<Search label="Find a consumer" />}>
        <Shown asked={top} what="The history" height={240}>
          {(answer) => <Busiest answer={answer} consumers={known.data?.consumers} wanted={params.get("q") ?? ""} />}
        </Shown>
      </Card>
      <Card title="Known consumers" note="Quota use is what was counted over the longest limit of the tier">
        <Shown asked={known} what="The list of consumers">
          {({ consumers }) => <Known consumers={consumers} />}
        </Shown>
      </Card>
      <Agents agents={agents} />
    </Page>
  );
}

/** Whether figures under this key are those of the consumer. */
function isOf(key: string, consumer: Consumer): boolean {
  return key === consumer.id || key === consumer.name || consumer.keys.some((each) => key === `key:${each.id}` || key === each.id);
}

function nameOf(key: string, consumers: Consumer[] | undefined): string {
  return consumers?.find((each) => isOf(key, each))?.name ?? key;
}

function Busiest({ answer, consumers, wanted }: { answer: TopAnswer; consumers: Consumer[] | undefined; wanted: string }) {
  const columns: Column<Ranked>[] = [
    { key: "consumer", label: "Consumer", text: true, value: (row) => nameOf(row.key, consumers), cell: (row) => <Caller caller={row.key} consumers={consumers} /> },
    { key: "requests", label: "Requests", value: (row) => row.requests, cell: (row) => amount(row.requests) },
    { key: "share", label: "Share", text: true, minor: true, value: (row) => row.share, cell: (row) => <Bar part={row.share} label={row.key} text={share(row.share)} /> },
    { key: "errors", label: "5xx", value: (row) => row.errors, cell: (row) => <span class={row.errors ? "bad" : ""}>{amount(row.errors)}</span> },
    { key: "limited", label: "Limited", value: (row) => row.limited, cell: (row) => (row.limited ? <a href={to("/explain", { consumer: row.key, why: "refused" })}>{amount(row.limited)}</a> : "0") },
  ];
  const rows = answer.rows.filter((row) => `${row.key} ${nameOf(row.key, consumers)}`.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <>
      <Table label="Consumers by requests" rows={rows} columns={columns} rowKey={(row) => row.key} sort="requests" empty={answer.rows.length ? "No consumer has this in its name." : "Nobody called in this window."} />
      {answer.rest_requests > 0 && <p class="aside">{counted(answer.rest_requests, "request")} of others.</p>}
    </>
  );
}

function Caller({ caller, consumers }: { caller: string; consumers: Consumer[] | undefined }) {
  const known = consumers?.find((each) => isOf(caller, each));
  if (known) return <><a href={to("/consumers", { consumer: known.id })}>{known.name}</a> <span class="quiet">{words(known.tier)}</span></>;
  const [kind, ...rest] = caller.split(":");
  const kinds: Record<string, string> = { addr: "Address", key: "Key" };
  return rest.length && kinds[kind ?? ""] ? <><span class="quiet">{kinds[kind ?? ""]}</span> <code>{rest.join(":")}</code></> : <code>{caller}</code>;
}

function Known({ consumers }: { consumers: Consumer[] }) {
  const limits = useAsked<Limits>("/api/v1/limits", SLOW_MS);
  const day = useAsked<TopAnswer>("consumers of a day", SLOW_MS, () => query("/api/v1/history/top", { by: "consumer", limit: 1000, from: Math.floor(serverNow()) - 86_400 }));
  const hour = useAsked<TopAnswer>("consumers of an hour", SLOW_MS, () => query("/api/v1/history/top", { by: "consumer", limit: 1000, from: Math.floor(serverNow()) - 3600 }));
  const quota = (consumer: Consumer): { used: number; most: number; period: string } | null => {
    const part = longest(limits.data?.tiers.find((each) => each.tier === consumer.tier)?.limits ?? null);
    const counts = part && (periodSeconds(part) >= 86_400 ? day : hour).data;
    if (!part || !counts || periodSeconds(part) < 3600) return null;
    const used = counts.rows.filter((row) => isOf(row.key, consumer)).reduce((sum, row) => sum + row.requests - row.limited, 0);
    return { used, most: part.quota, period: part.period };
  };
  const columns: Column<Consumer>[] = [
    { key: "name", label: "Consumer", text: true, value: (row) => row.name, cell: (row) => <button type="button" class="link" onClick={() => setParams({ consumer: row.id })}>{row.name}</button> },
    { key: "tier", label: "Tier", text: true, value: (row) => row.tier, cell: (row) => words(row.tier) },
    { key: "quota", label: "Quota use", text: true, value: (row) => { const found = quota(row); return found && found.used / found.most; }, cell: (row) => <Quota of={quota(row)} name={row.name} /> },
    { key: "keys", label: "Keys", value: (row) => row.keys.length, cell: (row) => amount(row.keys.length) },
    { key: "used", label: "Last used", text: true, minor: true, value: lastUsed, cell: (row) => { const at = lastUsed(row); return at === null ? "–" : <Moment at={at / 1e6} />; } },
  ];
  return (
    <Table label="Known consumers" rows={consumers} columns={columns} rowKey={(row) => row.id} param="known" sort="-name" empty={<Empty title="No consumer yet"><p>Make a key with <code>lukhas keys create</code>.</p></Empty>} />
  );
}

function lastUsed(consumer: Consumer): number | null {
  const times = consumer.keys.map((each) => each.last_used_at_ns ?? 0);
  return Math.max(0, ...times) || null;
}

function Quota({ of, name }: { of: { used: number; most: number; period: string } | null; name: string }) {
  if (!of) return <span class="quiet">–</span>;
  const part = of.used / Math.max(of.most, 1);
  return <Bar part={part} label={`Quota of ${name}`} text={`${share(part)} of ${amount(of.most)} ${each(of.period)}`} tone={part > 0.95 ? "bad" : part > 0.8 ? "warn" : "good"} />;
}

function Keys({ consumer }: { consumer: Consumer }) {
  const columns: Column<Consumer["keys"][number]>[] = [
    { key: "prefix", label: "Key", text: true, cell: (row) => <code>{row.prefix}…</code> },
    { key: "state", label: "State", text: true, cell: (row) => <StatePill state={row.state} /> },
    { key: "created", label: "Made", text: true, minor: true, cell: (row) => <Moment at={row.created_at_ns / 1e6} /> },
    { key: "expires", label: "Expires", text: true, cell: (row) => (row.expires_at_ns ? <><Moment at={row.expires_at_ns / 1e6} /> <span class="quiet">in {duration(row.expires_at_ns / 1e9 - serverNow())}</span></> : "never") },
    { key: "used", label: "Last used", text: true, cell: (row) => (row.last_used_at_ns ? <Moment at={row.last_used_at_ns / 1e6} /> : "–") },
  ];
  return (
    <Card title={consumer.name} note={<>Tier <Pill tone="quiet">{words(consumer.tier)}</Pill></>} actions={<button type="button" class="plain" onClick={() => setParams({ consumer: null })}>Close</button>}>
      <Table label={`Keys of ${consumer.name}`} rows={consumer.keys} columns={columns} rowKey={(row) => row.id} param="keys" empty="No keys." />
    </Card>
  );
}

function Agents({ agents }: { agents: Asked<TopAnswer> }) {
  const columns: Column<Ranked>[] = [
    { key: "agent", label: "User agent", text: true, cell: (row) => <span class="long">{row.key || "none"}</span> },
    { key: "requests", label: "Requests", cell: (row) => amount(row.requests) },
    { key: "share", label: "Share", text: true, minor: true, cell: (row) => <Bar part={row.share} label={row.key} text={share(row.share)} /> },
  ];
  return (
    <Card title="Programs" note="The busiest user agents">
      <Shown asked={agents} what="The history">
        {(answer) => <Table label="User agents" rows={answer.rows} columns={columns} rowKey={(row) => row.key} param="agents" empty="Nobody called in this window." />}
      </Shown>
    </Card>
  );
}
