// Tables that can be sorted and searched; both are kept in the address.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { setParams, usePlace } from "../router";

export interface Column<T> {
  key: string;
  label: string;
  cell: (row: T) => ComponentChildren;
  /** What it is sorted by; without it, it cannot be. */
  value?: (row: T) => number | string | null;
  text?: boolean;
  /** Left out on a phone. */
  minor?: boolean;
}

interface TableProps<T> {
  label: string;
  rows: T[];
  columns: Column<T>[];
  rowKey: (row: T) => string;
  /** `key` is falling, `-key` rising. */
  sort?: string;
  /** Where the order is kept in the address. */
  param?: string;
  empty: ComponentChildren;
  isChosen?: (row: T) => boolean;
}

export function Table<T>({ label, rows, columns, rowKey, sort = "", param = "sort", empty, isChosen }: TableProps<T>) {
  const { params } = usePlace();
  const order = params.get(param) ?? sort;
  const by = order.replace(/^-/, "");
  const rising = order.startsWith("-");
  const sorted = useMemo(() => {
    const value = columns.find((column) => column.key === by)?.value;
    return value ? [...rows].sort((a, b) => compared(value(a), value(b)) * (rising ? 1 : -1)) : rows;
  }, [rows, by, rising]);

  if (!rows.length) return <div class="nothing">{empty}</div>;
  return (
    <div class="scroll" role="region" aria-label={`${label}, table`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                class={classes(column)}
                aria-sort={column.value && by === column.key ? (rising ? "ascending" : "descending") : undefined}
              >
                {column.value ? (
                  <button type="button" class="sorter" onClick={() => setParams({ [param]: next(order, column) }, { replace: true })}>
                    {column.label}
                    <span aria-hidden="true">{by === column.key ? (rising ? " ↑" : " ↓") : ""}</span>
                  </button>
                ) : (
                  column.label
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={rowKey(row)} class={isChosen?.(row) ? "chosen" : undefined}>
              {columns.map((column, index) =>
                index ? (
                  <td key={column.key} class={classes(column)}>{column.cell(row)}</td>
                ) : (
                  <th key={column.key} scope="row" class={classes(column)}>{column.cell(row)}</th>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classes<T>(column: Column<T>): string {
  return [column.text ? "text" : "", column.minor ? "minor" : ""].filter(Boolean).join(" ");
}

/** The order after a click: words begin with A, figures with the highest. */
function next<T>(order: string, { key, text }: Column<T>): string {
  if (order === key) return `-${key}`;
  if (order === `-${key}`) return key;
  return text ? `-${key}` : key;
}

/** What is not known comes last where it falls. */
function compared(a: number | string | null, b: number | string | null): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return typeof a === "string" || typeof b === "string" ? String(a).localeCompare(String(b)) : a - b;
}
