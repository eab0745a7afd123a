// Silences: alerts that nobody is to hear of for a while.

import { useState } from "preact/hooks";
import { ask } from "../api/client";
import { useSession } from "../api/session";
import type { Silence } from "../api/types";
import { useAction, useAsked } from "../api/use";
import { type Choice, Dialog, Field, Moment, Select, tell } from "../components/controls";
import { Card, Failure, Pill, Shown } from "../components/frame";
import { type Column, Table } from "../components/table";
import { setParams, usePlace } from "../router";

const EVERY_MS = 10_000;
const LENGTHS: readonly Choice[] = [["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["604800", "1 week"], ["2592000", "30 days"]];

export function Silences() {
  const { operates } = useSession();
  const { params } = usePlace();
  const matcher = params.get("matcher");
  const [making, setMaking] = useState(false);
  const asked = useAsked<{ silences: Silence[] }>("/api/v1/alerts/silences", EVERY_MS);
  const close = (): void => {
    setMaking(false);
    setParams({ matcher: null }, { replace: true });
  };
  return (
    <Card
      title="Silences"
      note="Alerts that match one are kept, but nobody hears of them"
      actions={operates && <button type="button" onClick={() => setMaking(true)}>New silence …</button>}
    >
      <Shown asked={asked} what="Alerting">
        {({ silences }) => (
          <Table
            label="Silences"
            rows={silences}
            columns={columns(operates, asked.reload)}
            rowKey={(row) => row.id}
            empty="Nothing is silenced."
          />
        )}
      </Shown>
      {operates && (making || matcher) && <NewSilence matcher={matcher ?? ""} close={close} made={asked.reload} />}
    </Card>
  );
}

function columns(operates: boolean, changed: () => void): Column<Silence>[] {
  const all: Column<Silence>[] = [
    { key: "matchers", label: "What", text: true, cell: (row) => <code>{row.matchers.join(", ")}</code> },
    { key: "state", label: "State", text: true, cell: (row) => <Pill tone={row.active ? "good" : "quiet"}>{row.active ? "Active" : new Date(row.starts) > new Date() ? "To come" : "Over"}</Pill> },
    { key: "why", label: "Why", text: true, cell: (row) => <span class="long">{row.comment}</span> },
    { key: "author", label: "By", text: true, minor: true, cell: (row) => row.author },
    { key: "ends", label: "Until", text: true, value: (row) => row.ends, cell: (row) => <Moment at={row.ends} /> },
  ];
  if (operates) all.push({ key: "end", label: "Action", cell: (row) => <End silence={row} changed={changed} /> });
  return all;
}

function End({ silence, changed }: { silence: Silence; changed: () => void }) {
  const action = useAction();
  if (new Date(silence.ends) < new Date()) return <span class="quiet">–</span>;
  const end = async (): Promise<void> => {
    const done = await action.run(async () => {
      await ask(`/api/v1/alerts/silences/${encodeURIComponent(silence.id)}`, { method: "DELETE" });
    });
    if (done) tell("The silence is over.");
    changed();
  };
  return (
    <>
      <button type="button" class="plain" disabled={action.busy} onClick={end}>End<span class="hidden"> the silence of {silence.matchers.join(", ")}</span></button>
      {action.problem && <Failure problem={action.problem} />}
    </>
  );
}

function NewSilence({ matcher, close, made }: { matcher: string; close: () => void; made: () => void }) {
  const { name } = useSession();
  const action = useAction();
  const [matchers, setMatchers] = useState(matcher);
  const [comment, setComment] = useState("");
  const [seconds, setSeconds] = useState("3600");
  const wanted = matchers.split(",").map((each) => each.trim()).filter(Boolean);
  const make = async (): Promise<void> => {
    const done = await action.run(async () => {
      await ask("/api/v1/alerts/silences", {
        method: "POST",
        body: { matchers: wanted, author: name, comment: comment.trim(), seconds: Number(seconds) },
      });
    });
    if (!done) return;
    tell("The silence holds.");
    close();
    made();
  };
  return (
    <Dialog title="New silence" confirm="Silence" busy={action.busy} isReady={wanted.length > 0 && comment.trim() !== ""} onConfirm={make} onClose={close}>
      <Field label="Alerts with" value={matchers} onInput={setMatchers} required placeholder="rule=slow-answers" hint="Labels, such as rule=slow-answers or severity!=info; several with commas." />
      <Select label="For" value={seconds} choices={LENGTHS} onChange={setSeconds} />
      <Field label="Why" value={comment} onInput={setComment} required maxLength={2000} />
      {action.problem && <Failure problem={action.problem} />}
    </Dialog>
  );
}
