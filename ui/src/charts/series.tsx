// A card with a chart of a series of the history, and what is seen while there is none.

import type { SeriesAnswer } from "../api/types";
import type { Asked } from "../api/use";
import { Card, Shown } from "../components/frame";
import { counted } from "../format";
import { Chart, type ChartProps, type Line } from "./chart";

export interface SeriesCardProps extends Pick<ChartProps, "format" | "height" | "atLeast" | "atMost"> {
  title: string;
  note?: string;
  asked: Asked<SeriesAnswer>;
  lines: (answer: SeriesAnswer) => Line[];
  /** What is said where nothing happened. */
  nothing?: string;
}

export function SeriesCard({ title, note, asked, lines, nothing, ...chart }: SeriesCardProps) {
  return (
    <Card title={title} note={note}>
      <Shown asked={asked} what="The history" height={chart.height ?? 190}>
        {(answer) =>
          answer.groups.length ? (
            <>
              <Chart label={title} times={answer.times_s} lines={lines(answer)} {...chart} />
              {answer.groups_left_out > 0 && (
                <p class="aside">{counted(answer.groups_left_out, "more line is", "more lines are")} left out: the least busy.</p>
              )}
            </>
          ) : (
            <p class="nothing">{nothing ?? "No requests in this window."}</p>
          )
        }
      </Shown>
    </Card>
  );
}

/** Counts of a step as a rate. */
export function perSecond(values: number[], stepS: number): number[] {
  return values.map((value) => value / stepS);
}
