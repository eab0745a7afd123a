// What a person chooses with: fields, the window of time, tabs, dialogs, notes that something was done.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/stream";
import { clock, moment } from "../format";
import { PRESETS, useRange } from "../range";
import { setParams, usePlace } from "../router";

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "search" | "datetime-local";
  hint?: string;
  required?: boolean;
  placeholder?: string;
  maxLength?: number;
}

export function Field({ label, value, onInput, hint, type = "text", ...input }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
        aria-describedby={hint ? `${id}-hint` : undefined}
        {...(input as object)}
        type={type as "text"}
      />
      {hint && <p class="aside" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

export type Choice = readonly [value: string, label: string];

export function Select({ label, value, choices, onChange }: { label: string; value: string; choices: readonly Choice[]; onChange: (value: string) => void }) {
  const id = useId();
  // A value of the address that is no choice any more is still shown.
  const all = choices.some(([each]) => each === value) ? choices : [...choices, [value, value] as const];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {all.map(([each, text]) => <option key={each} value={each}>{text}</option>)}
      </select>
    </div>
  );
}

/** A field that narrows what is shown; kept in the address. */
export function Search({ label, param = "q", placeholder }: { label: string; param?: string; placeholder?: string }) {
  const { params } = usePlace();
  return (
    <Field
      label={label}
      type="search"
      value={params.get(param) ?? ""}
      onInput={(value) => setParams({ [param]: value || null }, { replace: true })}
      {...(placeholder ? { placeholder } : {})}
    />
  );
}

/** Which window of time is shown. */
export function RangePicker() {
  const range = useRange();
  const [custom, setCustom] = useState(false);
  const value = range.preset?.key ?? "custom";
  const choose = (key: string): void => {
    if (key === "custom") setCustom(true);
    else {
      setCustom(false);
      setParams({ range: key === PRESETS[0]?.key ? null : key, from: null, to: null });
    }
  };
  const choices: Choice[] = [...PRESETS.map((each): Choice => [each.key, each.label]), ["custom", "Chosen window …"]];
  return (
    <div class="range">
      <Select label="Time" value={custom ? "custom" : value} choices={choices} onChange={choose} />
      {!range.preset && (
        <span class="range-shown">
          {moment(new Date(range.fromS * 1000))} – {moment(new Date(range.toS * 1000))}
          <button type="button" class="plain" onClick={() => setParams({ from: null, to: null })}>Back to live</button>
        </span>
      )}
      {custom && <WindowDialog done={() => setCustom(false)} />}
    </div>
  );
}

function local(seconds: number): string {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function WindowDialog({ done }: { done: () => void }) {
  const range = useRange();
  const nowS = serverNow();
  const [from, setFrom] = useState(local(range.fromS || nowS - (range.preset?.seconds ?? 3600)));
  const [to, setTo] = useState(local(range.toS || nowS));
  const fromS = Math.floor(new Date(from).getTime() / 1000);
  const toS = Math.floor(new Date(to).getTime() / 1000);
  const wrong = fromS < toS ? "" : "The beginning must be before the end.";
  const choose = (): void => {
    setParams({ from: String(fromS), to: String(toS), range: null });
    done();
  };
  return (
    <Dialog title="Choose a window" confirm="Show" onConfirm={choose} onClose={done} isReady={!wrong}>
      <Field label="From" type="datetime-local" value={from} onInput={setFrom} required />
      <Field label="To" type="datetime-local" value={to} onInput={setTo} required />
      {wrong && <p class="problem" role="alert">{wrong}</p>}
    </Dialog>
  );
}

export function Tabs({ label, tabs, param = "tab" }: { label: string; tabs: readonly Choice[]; param?: string }) {
  const { params } = usePlace();
  const now = params.get(param) ?? tabs[0]?.[0];
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([key, text], index) => (
        <button
          key={key}
          type="button"
          aria-current={key === now ? "true" : undefined}
          onClick={() => setParams({ [param]: index ? key : null })}
        >
          {text}
        </button>
      ))}
    </nav>
  );
}

interface DialogProps {
  title: string;
  confirm: string;
  tone?: "danger";
  isReady?: boolean;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
  children?: ComponentChildren;
}

/** Asks before something is done. The rest of the page waits; Escape leads back. */
export function Dialog({ title, confirm, tone, isReady = true, busy = false, onConfirm, onClose, children }: DialogProps) {
  const place = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => place.current?.showModal(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (isReady && !busy) onConfirm();
  };
  return (
    <dialog ref={place} aria-labelledby={id} onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {children}
        <div class="dialog-actions">
          <button type="button" class="plain" onClick={() => place.current?.close()}>Cancel</button>
          <button type="submit" class={tone} disabled={!isReady || busy}>{busy ? "Working …" : confirm}</button>
        </div>
      </form>
    </dialog>
  );
}

type Note = { id: number; text: string };
const noted = new Set<(text: string) => void>();

/** Tells that something was done. */
export function tell(text: string): void {
  for (const listener of noted) listener(text);
}

export function Notes() {
  const [notes, setNotes] = useState<Note[]>([]);
  useEffect(() => {
    let last = 0;
    const listener = (text: string): void => {
      const id = ++last;
      setNotes((old) => [...old.slice(-2), { id, text }]);
      setTimeout(() => setNotes((old) => old.filter((note) => note.id !== id)), 6000);
    };
    noted.add(listener);
    return () => void noted.delete(listener);
  }, []);
  return (
    <div class="notes" role="status">
      {notes.map((note) => <p key={note.id}>{note.text}</p>)}
    </div>
  );
}

/** A moment: how it is read, and exactly in its title. */
export function Moment({ at, seconds = false }: { at: string | number | null; seconds?: boolean }) {
  if (at === null) return <>–</>;
  const date = new Date(at);
  return <time dateTime={date.toISOString()} title={date.toISOString()}>{moment(date)}{seconds && `:${clock(date).slice(6)}`}</time>;
}
