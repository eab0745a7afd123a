// Why requests got their answers: the last ones, and one of them.

import { useState } from "preact/hooks";
import { ask, query } from "../api/client";
import type { DecisionRecord, Reevaluation } from "../api/types";
import { useAsked } from "../api/use";
import { type Choice, Field, Moment, Select } from "../components/controls";
import { Card, Empty, Page, Pill, Shown, StatePill, type Tone } from "../components/frame";
import { type Column, Table } from "../components/table";
import { latency, sentence, words } from "../format";
import { navigate, setParams, to, usePlace } from "../router";

const MOST = 50;
const EVERY_MS = 5000;
const WHY: readonly Choice[] = [["", "All"], ["refused", "Refused"], ["failed", "Failed"], ["client-error", "Client error"], ["shadow", "Shadow"], ["slow", "Slow"], ["sampled", "Sampled"]];
const CACHE: readonly Choice[] = [["", "All"], ["hit", "Hit"], ["miss", "Miss"], ["stale", "Stale"], ["revalidated", "Revalidated"], ["bypass", "Bypass"]];

export function Explain({ rest }: { rest: string }) {
  return rest ? <OneRequest id={rest} /> : <Requests />;
}

function statusTone(status: number): Tone {
  if (status >= 500) return "bad";
  return status >= 400 ? "warn" : "good";
}

const COLUMNS: Column<DecisionRecord>[] = [
  { key: "request", label: "Request", text: true, cell: (row) => <a href={to(`/explain/${encodeURIComponent(row.request_id)}`)}>{row.method} <code>{row.path}</code></a> },
  { key: "status", label: "Status", text: true, cell: (row) => <Pill tone={statusTone(row.status)}>{row.status}</Pill> },
  { key: "why", label: "Kept as", text: true, minor: true, cell: (row) => words(row.why) },
  { key: "route", label: "Route", text: true, minor: true, cell: (row) => row.route?.name || "–" },
  { key: "cache", label: "Cache", text: true, minor: true, cell: (row) => row.cache_result || "–" },
  { key: "took", label: "Took", minor: true, cell: (row) => latency(row.took_ns / 1e6) },
  { key: "caller", label: "Caller", text: true, minor: true, cell: (row) => <code>{row.consumer || "–"}</code> },
  { key: "time", label: "Time", text: true, cell: (row) => <Moment at={row.time_ns / 1e6} seconds /> },
];

function Requests() {
  const { params } = usePlace();
  const get = (name: string): string => params.get(name) ?? "";
  const before = params.get("before");
  const path = query("/api/v1/explain", {
    most: MOST, why: get("why"), route: get("route"), status: get("status"), cache: get("cache"), consumer: get("consumer"), before,
  });
  const asked = useAsked<{ records: DecisionRecord[]; next: number | null }>(path, before ? 0 : EVERY_MS);
  const [id, setId] = useState("");
  const find = (event: Event): void => {
    event.preventDefault();
    if (id.trim()) navigate(to(`/explain/${encodeURIComponent(id.trim())}`));
  };
  const set = (name: string) => (value: string): void => setParams({ [name]: value, before: null }, { replace: true });
  return (
    <Page title="Explain" lead="Refused, failed, slow and sampled requests, and why they got their answer.">
      <section class="card" aria-label="Find a request">
        <form class="inline-form" onSubmit={find}>
          <Field label="Request id" value={id} onInput={setId} hint="The X-Request-ID field of the response." maxLength={200} />
          <button type="submit">Explain</button>
        </form>
      </section>
      <Card title="Requests" note={before ? "Older ones" : "The newest first"}>
        <div class="filters" role="search" aria-label="Filters">
          <Select label="Kept as" value={get("why")} choices={WHY} onChange={set("why")} />
          <Select label="Cache" value={get("cache")} choices={CACHE} onChange={set("cache")} />
          <Field label="Status" value={get("status")} onInput={(value) => /^(\d{3})?$/.test(value) && set("status")(value)} maxLength={3} placeholder="429" />
          <Field label="Route" value={get("route")} onInput={set("route")} />
          <Field label="Caller" value={get("consumer")} onInput={set("consumer")} />
        </div>
        <Shown asked={asked} what="Explain" height={240}>
          {({ records, next }) => (
            <>
              <Table label="Requests" rows={records} columns={COLUMNS} rowKey={(row) => row.request_id} empty="No such request has left a record." />
              <div class="pager">
                {before && <button type="button" class="plain" onClick={() => setParams({ before: null })}>Newest</button>}
                {next !== null && <button type="button" class="plain" onClick={() => setParams({ before: String(next) })}>Older ones</button>}
              </div>
            </>
          )}
        </Shown>
      </Card>
    </Page>
  );
}

function OneRequest({ id }: { id: string }) {
  const path = `/api/v1/explain/${encodeURIComponent(id)}`;
  const asked = useAsked<DecisionRecord>(path);
  const record = asked.data;
  const back = <a href={to("/explain")}>All requests</a>;
  if (asked.problem?.isMissing) {
    return (
      <Page title="No record of this request" lead={back}>
        <section class="card" aria-label="No record">
          <Empty title={id}>
            <p>{asked.problem.detail || "It simply passed and was not sampled, or the record is too old."}</p>
          </Empty>
        </section>
      </Page>
    );
  }
  return (
    <Page title={record ? `${record.method} ${record.path}` : "Request"} lead={back}>
      <Shown asked={asked} what="Explain" height={320}>
        {(found) => <><Summary record={found} /><Stages record={found} /><Again path={path} /></>}
      </Shown>
    </Page>
  );
}

function Summary({ record }: { record: DecisionRecord }) {
  const facts: [string, string][] = [
    ["Address", `${record.host}${record.path}${record.query ? `?${record.query}` : ""}`],
    ["Caller", record.consumer || "unknown"],
    ["Tier", record.tier ? words(record.tier) : "–"],
    ["Route", record.route?.name || "–"],
    ["Upstream", record.upstream || "–"],
    ["Cache", record.cache_result || "–"],
    ["Strategy", words(record.strategy || "–")],
    ["Id", record.request_id],
  ];
  const decided = [...record.stages].reverse().find((stage) => stage.outcome !== "passed" && stage.mode === "enforce");
  return (
    <Card>
      <p class="verdict">
        <Pill tone={statusTone(record.status)}>{record.status}</Pill>
        <span>in <b>{latency(record.took_ns / 1e6)}</b>, <Moment at={record.time_ns / 1e6} seconds />, kept as {words(record.why).toLowerCase()}</span>
      </p>
      {decided && <p class="because">{sentence(decided.reason)}{decided.policy && <> (<code>{decided.policy}</code>)</>}</p>}
      <dl class="facts">
        {facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
    </Card>
  );
}

function Stages({ record }: { record: DecisionRecord }) {
  const took = new Map(record.times.map((each) => [each.stage, each.took_ns]));
  return (
    <Card title="Stages" note="What each decided, in order">
      <ol class="stages">
        {record.stages.map((stage, index) => {
          const time = took.get(stage.stage);
          return (
            <li key={index} class={stage.outcome === "refused" && stage.mode === "enforce" ? "refusing" : ""}>
              <p class="stage-head">
                <b>{words(stage.stage)}</b>
                <StatePill state={stage.outcome} />
                {stage.mode !== "enforce" && <StatePill state={stage.mode} />}
                {time !== undefined && <span class="aside">{latency(time / 1e6)}</span>}
              </p>
              <p>{sentence(stage.reason)}{stage.policy && stage.policy !== stage.reason && <> by <code>{stage.policy}</code></>}</p>
              {stage.facts.length > 0 && (
                <dl class="facts small">
                  {stage.facts.map(([name, value]) => <div key={name}><dt>{words(name)}</dt><dd>{String(value)}</dd></div>)}
                </dl>
              )}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

const AGAIN_COLUMNS: Column<Reevaluation["decisions"][number]>[] = [
  { key: "stage", label: "Stage", text: true, cell: (row) => words(row.stage) },
  { key: "recorded", label: "Then", text: true, cell: (row) => <span class="long">{row.recorded}</span> },
  { key: "now", label: "Again", text: true, cell: (row) => (row.same ? <Pill tone="good">The same</Pill> : <span class="long">{row.evaluated}</span>) },
];

function Again({ path }: { path: string }) {
  const [answer, setAnswer] = useState<Reevaluation>();
  const [failed, setFailed] = useState("");
  const decide = (): void => {
    ask<Reevaluation>(`${path}/reevaluate`, { method: "POST" }).then(setAnswer, (error: Error) => setFailed(error.message));
  };
  return (
    <Card
      title="Decided again"
      note="From the recorded facts alone; nothing is charged or changed"
      actions={!answer && <button type="button" class="plain" onClick={decide}>Decide again</button>}
    >
      {failed && <p class="problem" role="alert">{failed}</p>}
      {answer && <Table label="Decided again" rows={answer.decisions} columns={AGAIN_COLUMNS} rowKey={(row) => row.stage} empty="There is nothing in this record that can be decided again." />}
    </Card>
  );
}
