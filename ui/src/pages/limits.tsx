// Limits: what holds, who runs into it, and changing those of the tiers.

import { useState } from "preact/hooks";
import { ask } from "../api/client";
import { useSeries, useTop } from "../api/history";
import { useSession } from "../api/session";
import { useStatus } from "../api/stream";
import type { Limits as LimitsAnswer, Ranked, SeriesAnswer, TierLimits } from "../api/types";
import { type Action, useAction, useAsked } from "../api/use";
import type { Line } from "../charts/chart";
import { perSecond, SeriesCard } from "../charts/series";
import { Dialog, Field, tell } from "../components/controls";
import { Card, Failure, Page, Pill, Shown, StatePill, Tile } from "../components/frame";
import { type Column, Table } from "../components/table";
import { amount, rate, sentence, share, words } from "../format";
import { each, limitParts } from "../limit-text";
import { useRange } from "../range";
import { to } from "../router";

const EVERY_MS = 10_000;

export function Limits() {
  const range = useRange();
  const { status } = useStatus();
  const { administers } = useSession();
  const limits = useAsked<LimitsAnswer>("/api/v1/limits", EVERY_MS);
  const byTier = useSeries(range, { group: "tier" });
  const byVerdict = useSeries(range, { group: "verdict" });
  const consumers = useTop("consumer", range, {}, 500);
  const [changing, setChanging] = useState<TierLimits>();
  const now = status?.traffic;
  const refused = now && now.requests_1m ? now.limited_1m / now.requests_1m : null;
  return (
    <Page title="Limits" lead="What holds, who runs into it, and what a stricter rule would do.">
      <section class="tiles" aria-label="Key figures">
        <Tile label="Limited" figure={amount(now?.limited_1m)} unit="/min" note={`${share(refused)} of requests`} />
        <Tile label="Near a limit" figure={amount(now?.near_limit_1m)} unit="/min" note="less than a fifth was left" />
        <Tile label="In shadow mode" figure={amount(now?.shadow_limited_1m)} unit="/min" note="would have been refused" />
        <Tile label="Shed" figure={amount(now?.shed_1m)} unit="/min" note="refused for overload" />
      </section>
      <div class="columns">
        <SeriesCard title="Limited by tier" note="requests per second" asked={byTier} lines={limited} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
        <SeriesCard title="Verdicts" note="requests per second" asked={byVerdict} lines={verdicts} format={(value) => (value === null ? "–" : `${rate(value)}/s`)} />
      </div>
      <Shown asked={limits} what="The list of limits" height={320}>
        {(answer) => (
          <>
            <Card title="Tiers" note={<>For each consumer. Mode <StatePill state={answer.mode} /></>}>
              <Table label="Limits of the tiers" rows={answer.tiers} columns={tierColumns(administers, setChanging)} rowKey={(row) => row.tier} param="tiers" empty="" />
            </Card>
            <Card title="Further limits" note="From the settings">
              <Table label="Further limits" rows={answer.policies} columns={POLICY_COLUMNS} rowKey={(row) => row.name} param="policies" empty="None beside those of the tiers." />
            </Card>
          </>
        )}
      </Shown>
      <Card title="Most limited" note={range.label}>
        <Shown asked={consumers} what="The history">
          {(answer) => (
            <Table
              label="Most limited consumers"
              rows={answer.rows.filter((row) => row.limited).sort((a, b) => b.limited - a.limited).slice(0, 20)}
              columns={CONSUMER_COLUMNS}
              rowKey={(row) => row.key}
              param="limited"
              sort="limited"
              empty="Nobody ran into a limit in this window."
            />
          )}
        </Shown>
      </Card>
      {changing && <Change tier={changing} close={() => setChanging(undefined)} changed={limits.reload} />}
    </Page>
  );
}

function limited(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: words(group.labels.tier || "unknown"),
    values: perSecond(group.values.limited, answer.step_s),
  }));
}

const VERDICT_COLOURS: Record<string, string> = { passed: "s1", limited: "s3", refused: "s4", shed: "s6", shadow: "s5" };

function verdicts(answer: SeriesAnswer): Line[] {
  return answer.groups.map((group) => ({
    label: words(group.labels.verdict || "unknown"),
    values: perSecond(group.values.requests, answer.step_s),
    colour: VERDICT_COLOURS[group.labels.verdict ?? ""] ?? "s8",
  }));
}

function LimitText({ limits }: { limits: string | null }) {
  if (limits === null) return <span class="quiet">No limit</span>;
  const parts = limitParts(limits);
  // What is written in another way is shown as it is.
  if (parts.length !== limits.split(";").length) return <code>{limits}</code>;
  return <span class="chips">{parts.map((part) => <Pill key={part.text} tone="quiet">{amount(part.quota)} {each(part.period)}</Pill>)}</span>;
}

function tierColumns(administers: boolean, change: (tier: TierLimits) => void): Column<TierLimits>[] {
  const columns: Column<TierLimits>[] = [
    { key: "tier", label: "Tier", text: true, cell: (row) => words(row.tier) },
    { key: "limits", label: "Limits", text: true, cell: (row) => <LimitText limits={row.limits} /> },
    { key: "source", label: "From", text: true, minor: true, cell: (row) => <Pill tone={row.source === "settings" ? "quiet" : "info"}>{words(row.source)}</Pill> },
  ];
  if (administers) {
    columns.push({ key: "change", label: "Action", cell: (row) => <button type="button" class="plain" onClick={() => change(row)}>Change<span class="hidden"> {row.tier}</span> …</button> });
  }
  return columns;
}

const POLICY_COLUMNS: Column<LimitsAnswer["policies"][number]>[] = [
  { key: "name", label: "Limit", text: true, value: (row) => row.name, cell: (row) => <code>{row.name}</code> },
  { key: "limits", label: "Limits", text: true, cell: (row) => <LimitText limits={row.limits.join("; ")} /> },
  { key: "mode", label: "Mode", text: true, value: (row) => row.mode, cell: (row) => <StatePill state={row.mode} /> },
  { key: "by", label: "Counted by", text: true, minor: true, cell: (row) => words(row.by) },
  { key: "for", label: "Holds for", text: true, minor: true, cell: (row) => <span class="long">{scope(row)}</span> },
];

function scope(row: LimitsAnswer["policies"][number]): string {
  const parts = [
    row.routes.length ? `routes ${row.routes.join(", ")}` : "all routes",
    row.tiers.length < 5 ? `tiers ${row.tiers.map(words).join(", ")}` : "all tiers",
    ...(row.consumers.length ? [`consumers ${row.consumers.join(", ")}`] : []),
    ...(row.tenants.length ? [`tenants ${row.tenants.join(", ")}`] : []),
    ...(row.replaces_tier ? ["in place of the tier's"] : []),
  ];
  return sentence(parts.join("; "));
}

const CONSUMER_COLUMNS: Column<Ranked>[] = [
  { key: "consumer", label: "Consumer", text: true, value: (row) => row.key, cell: (row) => <code>{row.key}</code> },
  { key: "limited", label: "Limited", value: (row) => row.limited, cell: (row) => amount(row.limited) },
  { key: "share", label: "Of its requests", value: (row) => row.limited / row.requests, cell: (row) => share(row.limited / row.requests) },
  { key: "why", label: "Why", cell: (row) => <a href={to("/explain", { consumer: row.key, why: "refused" })}>Explain<span class="hidden"> {row.key}</span></a> },
];

interface TierChange {
  version: number;
  applied: boolean;
  before: TierLimits;
  after: TierLimits;
}

function Change({ tier, close, changed }: { tier: TierLimits; close: () => void; changed: () => void }) {
  const [text, setText] = useState(tier.limits ?? "");
  const [preview, setPreview] = useState<TierChange>();
  const action: Action = useAction();
  const path = `/api/v1/limits/tiers/${tier.tier}`;
  const wanted = { limits: text.trim() || null };
  const edit = (value: string): void => {
    setText(value);
    setPreview(undefined);
  };
  const go = (): Promise<boolean> =>
    action.run(async () => {
      if (!preview) {
        setPreview(await ask<TierChange>(`${path}?dry_run=true`, { method: "PUT", body: wanted }));
        return;
      }
      await ask<TierChange>(path, { method: "PUT", body: wanted });
      tell(`The limits of ${words(tier.tier)} have changed.`);
      changed();
      close();
    });
  const reset = (): Promise<boolean> =>
    action.run(async () => {
      await ask<TierChange>(path, { method: "DELETE" });
      tell(`${words(tier.tier)} has the limits of the settings again.`);
      changed();
      close();
    });
  return (
    <Dialog title={`Limits of ${words(tier.tier)}`} confirm={preview ? "Change them" : "Check"} busy={action.busy} onConfirm={go} onClose={close}>
      <Field label="Limits" value={text} onInput={edit} placeholder="60/minute; 1000/hour" hint="Several with semicolons. Empty is without a limit. Workers follow within a second, and nothing counted is lost." />
      {preview && (
        <dl class="facts">
          <div><dt>Now</dt><dd><LimitText limits={preview.before.limits} /></dd></div>
          <div><dt>Then</dt><dd><LimitText limits={preview.after.limits} /></dd></div>
        </dl>
      )}
      {tier.source !== "settings" && <button type="button" class="plain" disabled={action.busy} onClick={reset}>Back to the settings</button>}
      {action.problem && <Failure problem={action.problem} />}
    </Dialog>
  );
}
