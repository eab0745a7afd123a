// Settings: what holds and where it comes from, what changed, who changed it.

import { useMemo, useState } from "preact/hooks";
import { ask, query } from "../api/client";
import { useSession } from "../api/session";
import type { AuditLog, EffectiveSettings, SettingsDiff, SettingsVersions } from "../api/types";
import { useAction, useAsked } from "../api/use";
import { type Choice, Dialog, Field, Moment, Search, Select, Tabs, tell } from "../components/controls";
import { Card, Empty, Failure, Page, Pill, Shown } from "../components/frame";
import { type Column, Table } from "../components/table";
import { counted, words } from "../format";
import { setParams, usePlace } from "../router";

const EVERY_MS = 30_000;
const TABS = [["values", "Values"], ["history", "History"], ["audit", "Audit"]] as const;

export function Settings() {
  const tab = usePlace().params.get("tab") ?? "values";
  return (
    <Page title="Settings" lead="What holds, where it comes from, and who changed it." actions={<Reload />}>
      <Tabs label="Parts of settings" tabs={TABS} />
      {tab === "values" && <Values />}
      {tab === "history" && <History />}
      {tab === "audit" && <Audit />}
    </Page>
  );
}

function Reload() {
  const { operates } = useSession();
  const [asking, setAsking] = useState(false);
  const action = useAction();
  if (!operates) return null;
  const reload = async (): Promise<void> => {
    const done = await action.run(async () => {
      const came = await ask<{ detail: string }>("/api/v1/reload", { method: "POST" });
      tell(`New workers serve: ${came.detail}`);
    });
    if (done) setAsking(false);
  };
  return (
    <>
      <button type="button" class="plain" onClick={() => setAsking(true)}>Reload …</button>
      {asking && (
        <Dialog title="Reload the settings?" confirm="Reload" busy={action.busy} onConfirm={reload} onClose={() => setAsking(false)}>
          <p>The settings are read again, and new workers start with them. No request is lost; with a mistake in them, nothing changes.</p>
          {action.problem && <Failure problem={action.problem} />}
        </Dialog>
      )}
    </>
  );
}

/** A value as people read it: never as JSON. */
export function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined || value === "") return <span class="quiet">not set</span>;
  if (typeof value === "boolean") return <>{value ? "on" : "off"}</>;
  if (typeof value === "number") return <>{value.toLocaleString("en")}</>;
  if (typeof value === "string") return <code>{value}</code>;
  if (Array.isArray(value)) {
    if (!value.length) return <span class="quiet">none</span>;
    return <ul class="value-list">{value.map((each, index) => <li key={index}><Value value={each} /></li>)}</ul>;
  }
  const entries = Object.entries(value as object);
  if (!entries.length) return <span class="quiet">none</span>;
  return <span class="value-map">{entries.map(([name, each]) => <span key={name}><span class="quiet">{words(name)}</span> <Value value={each} /></span>)}</span>;
}

type Setting = EffectiveSettings["values"][number];

function Values() {
  const asked = useAsked<EffectiveSettings>("/api/v1/config/effective", EVERY_MS);
  const { params } = usePlace();
  const wanted = (params.get("q") ?? "").toLowerCase();
  const source = params.get("source") ?? "";
  const sources = [...new Set(asked.data?.values.map((each) => each.source))].sort();
  const choices: Choice[] = [["", "All"], ...sources.map((each): Choice => [each, words(each)])];
  return (
    <Card title="Values in effect" note={asked.data && `Version ${asked.data.version}. Secrets are not shown.`}>
      <Shown asked={asked} what="The list of settings" height={320}>
        {({ values }) => {
          const rows = values.filter((each) => each.path.toLowerCase().includes(wanted) && (!source || each.source === source));
          return (
            <>
              <div class="filters" role="search" aria-label="Filters">
                <Search label="Find a setting" />
                <Select label="From" value={source} choices={choices} onChange={(value) => setParams({ source: value }, { replace: true })} />
              </div>
              <Table label="Settings" rows={rows} columns={COLUMNS} rowKey={(row) => row.path} sort="-path" empty="No setting has this in its name." />
            </>
          );
        }}
      </Shown>
    </Card>
  );
}

const COLUMNS: Column<Setting>[] = [
  { key: "path", label: "Setting", text: true, value: (row) => row.path, cell: (row) => <code>{row.path}</code> },
  { key: "value", label: "Value", text: true, cell: (row) => <span class="long"><Value value={row.value} /></span> },
  { key: "source", label: "From", text: true, value: (row) => row.source, cell: (row) => <Pill tone={row.source === "default" ? "quiet" : "info"}>{words(row.source)}</Pill> },
];

type Version = SettingsVersions["versions"][number];

function History() {
  const asked = useAsked<SettingsVersions>("/api/v1/config/versions", EVERY_MS);
  const { params } = usePlace();
  const chosen = Number(params.get("version")) || null;
  const columns: Column<Version>[] = [
    { key: "version", label: "Version", text: true, value: (row) => row.version, cell: (row) => <button type="button" class="link" onClick={() => setParams({ version: String(row.version), against: null })}>Version {row.version}</button> },
    { key: "at", label: "When", text: true, cell: (row) => <Moment at={row.at_ns / 1e6} /> },
    { key: "by", label: "By", text: true, minor: true, cell: (row) => row.by },
    { key: "note", label: "Note", text: true, cell: (row) => <span class="long">{row.note || "–"}</span> },
  ];
  return (
    <Shown asked={asked} what="The history of settings" height={240}>
      {({ versions, current }) => (
        <>
          {chosen && versions.some((each) => each.version === chosen) && <Diff version={chosen} versions={versions} current={current} changed={asked.reload} />}
          <Card title="Versions" note={counted(versions.length, "version")}>
            <Table label="Versions" rows={versions} columns={columns} rowKey={(row) => String(row.version)} sort="version" empty={<Empty title="No version yet"><p>The first is kept when settings change.</p></Empty>} isChosen={(row) => row.version === chosen} />
          </Card>
        </>
      )}
    </Shown>
  );
}

const CHANGES: Column<SettingsDiff["changes"][number]>[] = [
  { key: "path", label: "Setting", text: true, cell: (row) => <code>{row.path}</code> },
  { key: "before", label: "Before", text: true, cell: (row) => <span class="long before"><Value value={row.before} /></span> },
  { key: "after", label: "After", text: true, cell: (row) => <span class="long after"><Value value={row.after} /></span> },
];

function Diff({ version, versions, current, changed }: { version: number; versions: Version[]; current: number | undefined; changed: () => void }) {
  const { administers } = useSession();
  const { params } = usePlace();
  const others = useMemo(() => [...versions.map((each) => each.version), 0].filter((each) => each !== version).sort((a, b) => b - a), [versions, version]);
  const wanted = params.get("against");
  // Version 0 is the settings without any change.
  const against = wanted === null ? (others.find((each) => each < version) ?? 0) : Number(wanted);
  const asked = useAsked<SettingsDiff>(`/api/v1/config/versions/${version}/diff?against=${against}`);
  const [asking, setAsking] = useState(false);
  const [note, setNote] = useState("");
  const action = useAction();
  const restore = async (): Promise<void> => {
    const done = await action.run(async () => {
      await ask(query(`/api/v1/config/versions/${version}/restore`, { note: note.trim() }), { method: "POST" });
      tell(`The settings of version ${version} hold again.`);
    });
    if (done) setAsking(false);
    changed();
  };
  const holds = version === (current ?? Math.max(...versions.map((each) => each.version)));
  return (
    <Card
      title={`Version ${version}`}
      actions={
        <>
          <Select label="Against" value={String(against)} choices={others.map((each): Choice => [String(each), each ? `Version ${each}` : "No changes"])} onChange={(value) => setParams({ against: value })} />
          {administers && !holds && <button type="button" onClick={() => setAsking(true)}>Restore …</button>}
          <button type="button" class="plain" onClick={() => setParams({ version: null, against: null })}>Close</button>
        </>
      }
    >
      <Shown asked={asked} what="The comparison">
        {({ changes }) => <Table label="Changes" rows={changes} columns={CHANGES} rowKey={(row) => row.path} param="changes" empty="Nothing is different." />}
      </Shown>
      {asking && (
        <Dialog title={`Restore version ${version}?`} confirm="Restore" busy={action.busy} onConfirm={restore} onClose={() => setAsking(false)}>
          <p>Its settings hold again, as a new version. Workers take them up without losing a request.</p>
          <Field label="Why" value={note} onInput={setNote} maxLength={500} />
          {action.problem && <Failure problem={action.problem} />}
        </Dialog>
      )}
    </Card>
  );
}

const AUDIT: Column<AuditLog["entries"][number]>[] = [
  { key: "at", label: "When", text: true, value: (row) => row.at_ns, cell: (row) => <Moment at={row.at_ns / 1e6} seconds /> },
  { key: "by", label: "By", text: true, value: (row) => row.by, cell: (row) => row.by },
  { key: "role", label: "Role", text: true, minor: true, cell: (row) => words(row.role) },
  { key: "action", label: "What", text: true, value: (row) => row.action, cell: (row) => words(row.action.replaceAll(".", " ")) },
  { key: "target", label: "Of", text: true, cell: (row) => <code>{row.target}</code> },
  { key: "detail", label: "Details", text: true, minor: true, cell: (row) => <span class="long">{row.detail || "–"}</span> },
  { key: "came", label: "Outcome", text: true, cell: (row) => ((row.status ?? 200) < 400 ? <Pill tone="good">Done</Pill> : <Pill tone="bad">Refused, {row.status}</Pill>) },
  { key: "address", label: "From", text: true, minor: true, cell: (row) => <code>{row.address || "–"}</code> },
];

function Audit() {
  const asked = useAsked<AuditLog>("/api/v1/audit?limit=200", EVERY_MS);
  const wanted = (usePlace().params.get("q") ?? "").toLowerCase();
  return (
    <Card title="Audit" note="Who changed what" actions={<Search label="Find an entry" />}>
      <Shown asked={asked} what="The audit log" height={240}>
        {({ entries }) => (
          <Table
            label="Audit entries"
            rows={entries.filter((each) => `${each.by} ${each.action} ${each.target} ${each.detail}`.toLowerCase().includes(wanted))}
            columns={AUDIT}
            rowKey={(row) => `${row.at_ns} ${row.action} ${row.target}`}
            sort="at"
            empty="No such entry."
          />
        )}
      </Shown>
    </Card>
  );
}
