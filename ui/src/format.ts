// Figures written for people: three digits and a unit; a missing figure is a dash.

export const MISSING = "–";

type Figure = number | null | undefined;

function threeDigits(value: number): string {
  if (Math.abs(value) < 9.995) return value.toFixed(2);
  return Math.abs(value) < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

/** A count: exact with separators below ten thousand, else three digits and a unit prefix. */
export function amount(value: Figure): string {
  if (value == null) return MISSING;
  if (Math.abs(value) < 10_000) return Math.round(value).toLocaleString("en");
  for (const prefix of ["k", "M"]) {
    value /= 1000;
    if (Math.abs(value) < 999.5) return `${threeDigits(value)} ${prefix}`;
  }
  return `${threeDigits(value / 1000)} G`;
}

/** A rate without its unit. */
export function rate(value: Figure): string {
  if (value == null) return MISSING;
  if (value === 0) return "0";
  if (value < 1) return value.toFixed(2);
  return value < 100 ? value.toFixed(1) : amount(value);
}

/** How long a request took. */
export function latency(ms: Figure): string {
  if (ms == null) return MISSING;
  if (ms === 0) return "0 ms";
  if (ms < 0.9995) return `${(ms * 1000).toFixed(0)} µs`;
  return ms < 999.5 ? `${threeDigits(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** A share of 1 in per cent; what is not nothing never reads as nothing. */
export function share(part: Figure): string {
  if (part == null) return MISSING;
  return part > 0 && part < 0.001 ? "< 0.1 %" : `${(part * 100).toFixed(1)} %`;
}

/** A size in binary units. */
export function bytes(size: Figure): string {
  if (size == null) return MISSING;
  if (size < 1024) return `${Math.round(size)} B`;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    size /= 1024;
    if (size < 1023.95) return `${size.toFixed(1)} ${unit}`;
  }
  return `${(size / 1024).toFixed(1)} TiB`;
}

/** A long duration in its two largest units. */
export function duration(seconds: Figure): string {
  if (seconds == null) return MISSING;
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${whole} s`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat(undefined, {
  day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});

/** A moment in the time zone of the reader. */
export function moment(date: Date): string {
  return MOMENT.format(date);
}

export function clock(date: Date): string {
  return CLOCK.format(date);
}

export function day(date: Date): string {
  return DAY.format(date);
}

/** A word of the API with a capital first letter: `not_available` is "Not available". */
export function words(text: string): string {
  const spaced = text.replaceAll("_", " ").replaceAll("-", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A sentence with a capital first letter. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `1 alert`, `2 alerts`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${amount(number)} ${number === 1 ? one : many}`;
}
