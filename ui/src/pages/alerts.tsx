// Alerts: what is wrong now, what people do about it, silences, rules, channels, and what was.

import { ask } from "../api/client";
import { useSession } from "../api/session";
import { serverNow } from "../api/stream";
import type { Alert, AlertRule, Channel } from "../api/types";
import { type Asked, useAction, useAsked } from "../api/use";
import { Moment, Tabs, tell, Search } from "../components/controls";
import { Card, Empty, Failure, Page, Pill, Shown, StatePill } from "../components/frame";
import { type Column, Table } from "../components/table";
import { counted, duration, sentence, words } from "../format";
import { to, usePlace } from "../router";
import { AlertActions, AlertPage } from "./alert";
import { Silences } from "./silences";

const EVERY_MS = 5000;
const TABS = [["open", "Open"], ["silences", "Silences"], ["rules", "Rules"], ["channels", "Channels"], ["history", "History"]] as const;

export function Alerts({ rest }: { rest: string }) {
  return rest ? <AlertPage id={rest} /> : <AlertLists />;
}

function AlertLists() {
  const { params } = usePlace();
  const tab = params.get("tab") ?? "open";
  const alerts = useAsked<{ alerts: Alert[] }>("/api/v1/alerts", EVERY_MS);
  return (
    <Page title="Alerts" lead="What is wrong, who is on it, and who hears of it.">
      <Tabs label="Parts of alerts" tabs={TABS} />
      {tab === "open" && <Open alerts={alerts} />}
      {tab === "silences" && <Silences />}
      {tab === "rules" && <Rules />}
      {tab === "channels" && <Channels />}
      {tab === "history" && <History />}
    </Page>
  );
}

function Open({ alerts }: { alerts: Asked<{ alerts: Alert[] }> }) {
  return (
    <Shown asked={alerts} what="Alerting" height={160}>
      {({ alerts: open }) =>
        open.length ? (
          <ul class="alert-list">
            {open.map((alert) => <AlertItem key={alert.id} alert={alert} changed={alerts.reload} />)}
          </ul>
        ) : (
          <section class="card" aria-label="No alerts">
            <Empty title="Nothing is wrong">
              <p>No rule is breached. <a href={to("/alerts", { tab: "rules" })}>See the rules</a> that are looked at.</p>
            </Empty>
          </section>
        )
      }
    </Shown>
  );
}

function AlertItem({ alert, changed }: { alert: Alert; changed: () => void }) {
  return (
    <li class={`card alert ${alert.severity}`}>
      <div class="alert-main">
        <p class="alert-states">
          <StatePill state={alert.severity} />
          <StatePill state={alert.state} />
          <span class="aside">for {duration(serverNow() - new Date(alert.began).getTime() / 1000)}</span>
        </p>
        <h2><a href={to(`/alerts/${encodeURIComponent(alert.id)}`)}>{alert.summary || alert.rule}</a></h2>
        <p>{sentence(alert.why)}</p>
        <p class="aside">
          Rule <code>{alert.rule}</code>
          {alert.acknowledged_by && <>, taken on by {alert.acknowledged_by}</>}
          {alert.snoozed_until && <>, put off until <Moment at={alert.snoozed_until} /></>}
          {alert.quiet_because && <>. Nobody hears of it: {alert.quiet_because}</>}
        </p>
      </div>
      <AlertActions alert={alert} changed={changed} />
    </li>
  );
}

const RULE_COLUMNS: Column<AlertRule>[] = [
  { key: "name", label: "Rule", text: true, value: (row) => row.name, cell: (row) => <code>{row.name}</code> },
  { key: "state", label: "State", text: true, value: (row) => row.state, cell: (row) => <StatePill state={row.state} {...(row.state === "ok" ? { name: "Not breached" } : {})} /> },
  { key: "severity", label: "Severity", text: true, value: (row) => row.severity, cell: (row) => <StatePill state={row.severity} /> },
  { key: "kind", label: "Kind", text: true, minor: true, value: (row) => row.kind, cell: (row) => words(row.kind.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()) },
  { key: "for", label: "For", minor: true, value: (row) => row.for_s, cell: (row) => (row.for_s ? duration(row.for_s) : "at once") },
  { key: "says", label: "Says", text: true, cell: (row) => <span class="long">{sentence(row.failure || row.why || row.summary)}</span> },
];

function Rules() {
  const rules = useAsked<{ rules: AlertRule[] }>("/api/v1/alerts/rules", EVERY_MS);
  const wanted = (usePlace().params.get("q") ?? "").toLowerCase();
  return (
    <Card title="Rules" note="What is looked at, and what each says now" actions={<Search label="Find a rule" />}>
      <Shown asked={rules} what="Alerting">
        {(data) => (
          <Table
            label="Rules"
            rows={data.rules.filter((rule) => `${rule.name} ${rule.summary}`.toLowerCase().includes(wanted))}
            columns={RULE_COLUMNS}
            rowKey={(row) => row.name}
            empty="No rule has this in its name."
          />
        )}
      </Shown>
    </Card>
  );
}

function Channels() {
  const channels = useAsked<{ channels: Channel[] }>("/api/v1/alerts/channels", EVERY_MS);
  return (
    <Card title="Channels" note="On which people hear of alerts">
      <Shown asked={channels} what="Alerting">
        {(data) =>
          data.channels.length ? (
            <ul class="parts">{data.channels.map((channel) => <ChannelItem key={channel.name} channel={channel} />)}</ul>
          ) : (
            <Empty title="No channel yet">
              <p>Alerts only show here. Set one under <code>alerts.channels</code>: a webhook, Slack, PagerDuty or e-mail.</p>
            </Empty>
          )
        }
      </Shown>
    </Card>
  );
}

function ChannelItem({ channel }: { channel: Channel }) {
  const { operates } = useSession();
  const action = useAction();
  const test = (): Promise<boolean> =>
    action.run(async () => {
      const came = await ask<{ delivered: boolean; failure: string }>(`/api/v1/alerts/channels/${encodeURIComponent(channel.name)}/test`, { method: "POST" });
      tell(came.delivered ? `${channel.name} took the test message.` : `${channel.name} did not take it: ${came.failure}`);
    });
  return (
    <li>
      <span class="part-name">{channel.name} <Pill tone="quiet">{channel.kind}</Pill></span>
      {channel.failure ? <Pill tone="bad">Failing</Pill> : <Pill tone="good">Working</Pill>}
      {operates && <button type="button" class="plain" disabled={action.busy} onClick={test}>Send a test</button>}
      {channel.failure && <span class="part-detail">{channel.failure}</span>}
      {action.problem && <Failure problem={action.problem} />}
    </li>
  );
}

interface AlertHistory {
  alerts: Alert[];
  mean_acknowledge_s: number | null;
  mean_resolve_s: number | null;
}

const HISTORY_COLUMNS: Column<Alert>[] = [
  { key: "fired", label: "Fired", text: true, value: (row) => row.fired, cell: (row) => <Moment at={row.fired} /> },
  { key: "alert", label: "Alert", text: true, value: (row) => row.rule, cell: (row) => <a href={to(`/alerts/${encodeURIComponent(row.id)}`)}>{row.summary || row.rule}</a> },
  { key: "severity", label: "Severity", text: true, value: (row) => row.severity, cell: (row) => <StatePill state={row.severity} /> },
  { key: "state", label: "State", text: true, value: (row) => row.state, cell: (row) => <StatePill state={row.state} /> },
  { key: "acknowledged", label: "Taken on after", minor: true, value: (row) => row.acknowledge_s, cell: (row) => duration(row.acknowledge_s) },
  { key: "resolved", label: "Lasted", value: (row) => row.resolve_s, cell: (row) => duration(row.resolve_s) },
];

function History() {
  const asked = useAsked<AlertHistory>("/api/v1/alerts/history?limit=200", 30_000);
  return (
    <Shown asked={asked} what="Alerting">
      {(history) => (
        <Card
          title="History"
          note={history.alerts.length > 0 && (
            <>{counted(history.alerts.length, "alert")}. On average taken on after {duration(history.mean_acknowledge_s)}, over after {duration(history.mean_resolve_s)}.</>
          )}
        >
          <Table label="Alerts that fired" rows={history.alerts} columns={HISTORY_COLUMNS} rowKey={(row) => row.id} sort="fired" empty="No alert has fired yet." />
        </Card>
      )}
    </Shown>
  );
}

