// One alert: what happened to it, and what people can do.

import { useState } from "preact/hooks";
import { ask } from "../api/client";
import { useSession } from "../api/session";
import type { Alert, AlertEpisode } from "../api/types";
import { type Action, useAction, useAsked } from "../api/use";
import { type Choice, Dialog, Field, Moment, Select, tell } from "../components/controls";
import { Card, Failure, Page, Shown, StatePill } from "../components/frame";
import { duration, sentence, words } from "../format";
import { to } from "../router";

const EVERY_MS = 5000;
const SNOOZES: readonly Choice[] = [["1800", "30 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["604800", "1 week"]];

export function AlertPage({ id }: { id: string }) {
  const asked = useAsked<AlertEpisode>(`/api/v1/alerts/${encodeURIComponent(id)}`, EVERY_MS);
  const alert = asked.data;
  if (asked.problem?.isMissing) {
    return <Page title="There is no such alert" lead={<>It is too old, or never was. <a href={to("/alerts")}>All alerts</a></>}>{null}</Page>;
  }
  return (
    <Page title={alert ? alert.summary || alert.rule : "Alert"} lead={<a href={to("/alerts")}>All alerts</a>}>
      <Shown asked={asked} what="Alerting" height={240}>
        {(episode) => (
          <>
            <Card actions={<AlertActions alert={episode} changed={asked.reload} />}>
              <p class="alert-states"><StatePill state={episode.severity} /><StatePill state={episode.state} /></p>
              <p>{sentence(episode.why)}</p>
              <dl class="facts">
                <div><dt>Rule</dt><dd><code>{episode.rule}</code></dd></div>
                <div><dt>Began</dt><dd><Moment at={episode.began} /></dd></div>
                <div><dt>Fired</dt><dd><Moment at={episode.fired} /></dd></div>
                <div><dt>Taken on</dt><dd>{episode.acknowledged ? <><Moment at={episode.acknowledged} /> by {episode.acknowledged_by}</> : "by nobody yet"}</dd></div>
                {episode.snoozed_until && <div><dt>Put off until</dt><dd><Moment at={episode.snoozed_until} /></dd></div>}
                {episode.resolved && <div><dt>Over</dt><dd><Moment at={episode.resolved} /> after {duration(episode.resolve_s)}</dd></div>}
                {Object.entries(episode.labels).filter(([name]) => name !== "rule" && name !== "severity").map(([name, value]) => (
                  <div key={name}><dt>{words(name)}</dt><dd>{value}</dd></div>
                ))}
              </dl>
              {episode.quiet_because && <p class="aside">Nobody hears of it: {episode.quiet_because}</p>}
            </Card>
            <Timeline episode={episode} changed={asked.reload} />
          </>
        )}
      </Shown>
    </Page>
  );
}

function Timeline({ episode, changed }: { episode: AlertEpisode; changed: () => void }) {
  const { name, operates } = useSession();
  const [text, setText] = useState("");
  const action = useAction();
  const write = async (event: Event): Promise<void> => {
    event.preventDefault();
    const done = await action.run(async () => {
      await ask(`/api/v1/alerts/${encodeURIComponent(episode.id)}/notes`, { method: "POST", body: { by: name, note: text.trim() } });
    });
    if (!done) return;
    setText("");
    changed();
  };
  return (
    <Card title="What happened">
      <ol class="timeline">
        {episode.events.map((event, index) => (
          <li key={index}>
            <span class="aside"><Moment at={event.time} seconds /></span>
            <span><b>{words(event.kind)}</b>{event.author && ` by ${event.author}`}{event.detail && `: ${event.detail}`}</span>
          </li>
        ))}
      </ol>
      {!episode.events.length && <p class="nothing">Nothing yet.</p>}
      {operates && (
        <form class="inline-form" onSubmit={write}>
          <Field label="Write something down" value={text} onInput={setText} maxLength={2000} required />
          <button type="submit" disabled={!text.trim() || action.busy}>Add the note</button>
        </form>
      )}
      {action.problem && <Failure problem={action.problem} />}
    </Card>
  );
}

/** What a person can do about an alert. */
export function AlertActions({ alert, changed }: { alert: Alert; changed: () => void }) {
  const { name, operates } = useSession();
  const action = useAction();
  const [asking, setAsking] = useState<"" | "snooze" | "resolve">("");
  if (!operates || alert.state === "resolved" || alert.state === "pending") return null;
  const path = `/api/v1/alerts/${encodeURIComponent(alert.id)}`;
  const act = async (what: string, body: object, done: string): Promise<void> => {
    const worked = await action.run(async () => {
      await ask(`${path}/${what}`, { method: "POST", body: { by: name, ...body } });
    });
    setAsking("");
    if (worked) tell(done);
    changed();
  };
  return (
    <div class="alert-actions">
      <div class="actions">
        {alert.state === "firing" && (
          <button type="button" disabled={action.busy} onClick={() => act("acknowledge", {}, "You have taken the alert on.")}>Acknowledge</button>
        )}
        {alert.state === "snoozed" ? (
          <button type="button" class="plain" disabled={action.busy} onClick={() => act("unsnooze", {}, "The alert is heard of again.")}>Unsnooze</button>
        ) : (
          <button type="button" class="plain" disabled={action.busy} onClick={() => setAsking("snooze")}>Snooze …</button>
        )}
        <a class="button plain" href={to("/alerts", { tab: "silences", matcher: `rule=${alert.rule}` })}>Silence …</a>
        <button type="button" class="plain" disabled={action.busy} onClick={() => setAsking("resolve")}>Resolve …</button>
      </div>
      {action.problem && <Failure problem={action.problem} />}
      {asking === "snooze" && <Snooze action={action} act={act} close={() => setAsking("")} />}
      {asking === "resolve" && <Resolve action={action} act={act} close={() => setAsking("")} />}
    </div>
  );
}

interface AskingProps {
  action: Action;
  act: (what: string, body: object, done: string) => Promise<void>;
  close: () => void;
}

function Snooze({ action, act, close }: AskingProps) {
  const [seconds, setSeconds] = useState("3600");
  return (
    <Dialog title="Put the alert off" confirm="Snooze" busy={action.busy} onClose={close} onConfirm={() => act("snooze", { seconds: Number(seconds) }, "The alert is put off.")}>
      <p>Nobody hears of it until then. If it is still breached, it fires anew.</p>
      <Select label="For" value={seconds} choices={SNOOZES} onChange={setSeconds} />
    </Dialog>
  );
}

function Resolve({ action, act, close }: AskingProps) {
  const [note, setNote] = useState("");
  return (
    <Dialog title="End the alert" confirm="Resolve" busy={action.busy} isReady={note.trim() !== ""} onClose={close} onConfirm={() => act("resolve", { note: note.trim() }, "The alert is over.")}>
      <p>If its rule is still breached, another alert begins.</p>
      <Field label="What was it?" value={note} onInput={setNote} maxLength={2000} required />
    </Dialog>
  );
}
