// Limits as people write them, as far as the dashboard reckons with them.

const PERIODS_S: Record<string, number> = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_592_000 };

export interface LimitPart {
  quota: number;
  period: string;
  text: string;
}

/** The parts of such as "60/minute; 1000/hour"; what it does not know it leaves out. */
export function limitParts(limits: string | null): LimitPart[] {
  if (!limits) return [];
  return limits.split(";").flatMap((text) => {
    const found = /^\s*([\d_]+)\s*\/\s*(second|minute|hour|day|week|month)s?\b/.exec(text);
    const period = found?.[2];
    if (!found?.[1] || !period) return [];
    return [{ quota: Number(found[1].replaceAll("_", "")), period, text: text.trim() }];
  });
}

/** The longest of them: what is to last longest. */
export function longest(limits: string | null): LimitPart | undefined {
  return limitParts(limits).sort((a, b) => (PERIODS_S[b.period] ?? 0) - (PERIODS_S[a.period] ?? 0))[0];
}

/** `a minute`, `an hour`. */
export function each(period: string): string {
  return period === "hour" ? "an hour" : `a ${period}`;
}

export function periodSeconds(part: LimitPart): number {
  return PERIODS_S[part.period] ?? 0;
}
