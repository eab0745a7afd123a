// The shapes of the admin API, as far as the pages need them.

export type PartState = "ok" | "degraded" | "failed" | "not_available";

export interface Latency {
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

export interface Status {
  time_s: number;
  uptime_s: number;
  gateway_url: string;
  version: string;
  health: { status: PartState; ready: boolean; parts: { name: string; state: PartState; detail: string }[] };
  traffic: {
    requests_total: number;
    requests_per_s: number;
    requests_by_second: number[];
    requests_1m: number;
    latency: Latency;
    error_share: number | null;
    hit_ratio: number | null;
    limited_1m: number;
    shadow_limited_1m: number;
    near_limit_1m: number;
    limited_total: number;
    shed_1m: number;
    shed_total: number;
    in_flight: number;
    connections_open: number | null;
    cache_entries: number | null;
    cache_bytes: number | null;
    response_bytes_total: number;
    aborted_total: number;
    labels_overflowed_total: number;
  };
  tiers: { tier: string; requests_1m: number; share: number; limited_1m: number; shed_1m: number; near_limit_1m: number }[];
  routes: {
    route: string;
    requests_1m: number;
    requests_per_s: number;
    latency: Latency;
    error_share: number | null;
    hit_ratio: number | null;
  }[];
  workers: { name: string; last_seen_s: number; requests_total: number; in_flight: number }[];
}

/** One server of an upstream, as all workers together see it. */
export interface Target {
  address: string;
  state: "healthy" | "starting" | "standby" | "draining" | "unfit" | "ejected";
  states: Partial<Record<Target["state"], number>>;
  out_until: string | null;
  weight: number;
  in_flight: number;
  connections: number;
  latency_ms: number | null;
  answers: number;
  errors: number;
  failures: number;
}

export interface Targets {
  workers: number;
  upstreams: { name: string; targets: Target[] }[];
}

export interface WindowFigures {
  requests: number;
  requests_per_s: number;
  errors: number;
  limited: number;
  hit_ratio: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  mean_ms: number | null;
  bytes_out: number;
}

export interface StepValues {
  requests: number[];
  errors: number[];
  limited: number[];
  hit_ratio: (number | null)[];
  p50_ms: (number | null)[];
  p95_ms: (number | null)[];
  p99_ms: (number | null)[];
  bytes_out: number[];
}

export interface SeriesGroup {
  labels: Record<string, string>;
  total: WindowFigures;
  values: StepValues;
}

export interface SeriesAnswer {
  from_s: number;
  to_s: number;
  step_s: number;
  times_s: number[];
  groups: SeriesGroup[];
  groups_left_out: number;
}

export interface Ranked {
  key: string;
  requests: number;
  share: number;
  errors: number;
  limited: number;
  hit_ratio: number | null;
  p95_ms: number | null;
}

export interface TopAnswer {
  from_s: number;
  to_s: number;
  by: string;
  rows: Ranked[];
  rest_requests: number;
  missed_at_most: number;
}

export interface LiveFigures {
  time_s: number;
  figures: WindowFigures;
  routes: { route: string; requests: number; errors: number; p95_ms: number | null }[];
}

export type Severity = "info" | "warning" | "critical";

export interface Alert {
  id: string;
  rule: string;
  severity: Severity;
  state: "pending" | "firing" | "acknowledged" | "snoozed" | "resolved";
  labels: Record<string, string>;
  summary: string;
  why: string;
  value: number | null;
  began: string;
  breached: string;
  fired: string | null;
  acknowledged: string | null;
  acknowledged_by: string;
  snoozed_until: string | null;
  resolved: string | null;
  acknowledge_s: number | null;
  resolve_s: number | null;
  quiet_because: string;
}

export interface AlertEpisode extends Alert {
  events: { time: string; kind: string; author: string; detail: string }[];
}

export interface Silence {
  id: string;
  matchers: string[];
  author: string;
  comment: string;
  starts: string;
  ends: string;
  active: boolean;
}

export interface AlertRule {
  name: string;
  kind: string;
  severity: Severity;
  summary: string;
  for_s: number;
  keep_firing_s: number;
  interval_s: number;
  state: string;
  breached: boolean | null;
  value: number | null;
  why: string;
  failure: string;
}

export interface Channel {
  name: string;
  kind: string;
  send_resolved: boolean;
  failure: string;
}

export type Fact = [string, string | number | boolean];

export interface DecisionRecord {
  request_id: string;
  time_ns: number;
  why: string;
  method: string;
  host: string;
  path: string;
  query: string;
  status: number;
  took_ns: number;
  tier: string;
  consumer: string;
  upstream: string;
  cache_result: string;
  strategy: string;
  stages: { stage: string; outcome: string; reason: string; policy: string; mode: string; facts: Fact[] }[];
  times: { stage: string; took_ns: number }[];
  route: { name: string; template: string } | null;
}

export interface Reevaluation {
  same: boolean;
  decisions: { stage: string; recorded: string; evaluated: string; same: boolean }[];
}

export interface CacheFigures {
  node: { entries: number; used_bytes: number; limit_bytes: number } | null;
  cluster: PartState | null;
}

export interface StoredEntries {
  entries: {
    scheme: string;
    host: string;
    path: string;
    has_query: boolean;
    status: number;
    content_type: string;
    taken_bytes: number;
    age_s: number;
    fresh_s: number;
    tags: string[];
  }[];
  looked_at_most: number;
}

export interface TierLimits {
  tier: string;
  limits: string | null;
  source: string;
  settings: string | null;
  names: string[];
}

export interface Limits {
  version: number;
  mode: string;
  tiers: TierLimits[];
  policies: {
    name: string;
    limits: string[];
    mode: string;
    by: string;
    cost: string;
    tiers: string[];
    routes: string[];
    consumers: string[];
    tenants: string[];
    replaces_tier: boolean;
  }[];
}

export interface Workers {
  generation: number;
  wanted: number;
  least: number;
  most: number;
  workers: { name: string; pid: number; starts: number; busy: number | null; late_ms: number | null }[];
  moves: { before: number; after: number; why: string; time: string }[];
}

export type Role = "viewer" | "operator" | "admin";

export interface Session {
  name: string;
  role: Role;
}

export interface Consumer {
  id: string;
  name: string;
  tier: string;
  keys: {
    id: string;
    prefix: string;
    created_at_ns: number;
    expires_at_ns: number | null;
    last_used_at_ns: number | null;
    state: string;
  }[];
}

export interface EffectiveSettings {
  version: number;
  values: { path: string; value: unknown; source: string }[];
}

export interface SettingsVersions {
  current?: number;
  versions: { version: number; at_ns: number; by: string; note: string }[];
}

export interface SettingsDiff {
  changes: { path: string; before: unknown; after: unknown }[];
}

export interface AuditLog {
  entries: { at_ns: number; by: string; role: string; action: string; target: string; detail: string; status?: number; address?: string }[];
}

export interface Insight {
  id: string;
  kind: string;
  title: string;
  evidence: { name: string; value: number | string | null; unit: string }[];
  impact: string;
  confidence: number | string | null;
  proposal: string | null;
  changes?: { setting: string; value: string; present: string }[];
  route: string | null;
}

export interface Capacity {
  series: {
    route: string;
    model: string;
    limit: number | null;
    limit_source?: string;
    days_until_limit: number | null;
    history: { at_s: number; value: number }[];
    forecast: { at_s: number; low: number; expected: number; high: number }[];
  }[];
}
