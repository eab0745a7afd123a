// A card with a chart of a series of the history, and what is seen while there is none.

import { useMemo } from "preact/hooks";
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
              <Drawn label={title} answer={answer} lines={lines} {...chart} />
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

type DrawnProps = Pick<SeriesCardProps, "lines"> & Omit<ChartProps, "times" | "lines"> & { answer: SeriesAnswer };

/** A chart that is drawn anew when there is a new answer, and not whenever something else on the page changes. */
function Drawn({ answer, lines, ...chart }: DrawnProps) {
  const drawn = useMemo(() => lines(answer), [answer, lines]);
  return <Chart times={answer.times_s} lines={drawn} {...chart} />;
}

/** Counts of a step as a rate. */
export function perSecond(values: number[], stepS: number): number[] {
  return values.map((value) => value / stepS);
}
