// One small picture for each page; the word beside it says the same.

const PATHS: Record<string, string> = {
  Overview: "M2 2h5v6H2zM9 2h5v3H9zM9 7h5v7H9zM2 10h5v4H2z",
  Routes: "M4 13V6a3 3 0 0 1 3-3h5M9.5.5 12 3 9.5 5.5M4 13h8",
  Consumers: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14c.6-2.600 2.800-4 5.500-4s4.900 1.400 5.500 4",
  Limits: "M2 11a6 6 0 1 1 12 0M8 11l3-4M2 11h1.500M12.500 11H14",
  Cache: "M2 4c0-1.100 2.700-2 6-2s6 .9 6 2-2.700 2-6 2-6-.9-6-2zM2 4v8c0 1.100 2.700 2 6 2s6-.9 6-2V4M2 8c0 1.100 2.700 2 6 2s6-.9 6-2",
  Upstreams: "M2 2h12v5H2zM2 9h12v5H2zM4.500 4.500h.01M4.500 11.500h.01",
  Alerts: "M8 2a4 4 0 0 0-4 4c0 4-1.500 5-1.500 5h11S12 10 12 6a4 4 0 0 0-4-4zM6.500 13.500a1.600 1.600 0 0 0 3 0",
  Explain: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.600 10.600 14 14",
  Insights: "M5.500 11.500h5M6.500 14h3M8 1.500a4.500 4.500 0 0 0-2.500 8.200v1.800h5V9.700A4.500 4.500 0 0 0 8 1.500z",
  Capacity: "M2 14V2M2 14h12M4.500 10.500l3-3 2 2L14 4",
  Settings: "M2 4h7M13 4h1M2 12h1M7 12h7M11 6a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM5 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}
