/** What a time chart shows, and the ECharts option for it. */
import type { EChartsCoreOption } from 'echarts/core'

export interface Line {
  name: string
  /** Name of a colour token: `--ot-chart-1`. */
  color: string
  /** Time in ms and value; null ends the line: nothing was measured. */
  points: [number, number | null][]
}

export interface ChartLook {
  /** Value as text, for the axis and the tooltip. */
  format: (value: number) => string
  /** Time as text. */
  formatTime: (atMs: number) => string
  /** Top of the axis; it follows the data when left out. */
  max?: number
  /** Resolves a colour token. */
  token: (name: string) => string
}

/** Width of the time axis while there is little to show. */
const SHORTEST_MS = 600_000

/** Puts an end to the line wherever two points are further apart than `gapMs`. */
export function withGaps(points: [number, number][], gapMs: number): [number, number | null][] {
  return points.flatMap((point, index): [number, number | null][] => {
    const before = points[index - 1]
    return before && point[0] - before[0] > gapMs ? [[before[0] + 1, null], point] : [point]
  })
}

export function chartOption(lines: readonly Line[], look: ChartLook): EChartsCoreOption {
  const muted = look.token('--ot-text-3')
  const rule = look.token('--ot-border')
  return {
    animation: false,
    grid: { left: 4, right: 12, top: 10, bottom: 4, containLabel: true },
    xAxis: {
      type: 'time',
      min: ({ min, max }: { min: number; max: number }) => Math.min(min, max - SHORTEST_MS),
      axisLine: { lineStyle: { color: rule } },
      axisTick: { show: false },
      axisLabel: { color: muted, hideOverlap: true, formatter: (at: number) => look.formatTime(at) },
      splitNumber: 4,
    },
    yAxis: {
      type: 'value',
      min: 0,
      max: look.max,
      splitNumber: 4,
      interval: look.max === undefined ? undefined : look.max / 4,
      axisLabel: { color: muted, formatter: look.format },
      splitLine: { lineStyle: { color: rule } },
    },
    tooltip: tooltip(look),
    series: lines.map((line) => lineSeries(line, look.token(line.color))),
  }
}

function lineSeries(line: Line, color: string) {
  return {
    type: 'line',
    name: line.name,
    data: line.points,
    showSymbol: false,
    lineStyle: { width: 2, color },
    itemStyle: { color },
    areaStyle: { color, opacity: 0.08 },
    emphasis: { disabled: true },
  }
}

interface Hovered {
  seriesName: string
  color: string
  value: [number, number | null]
}

/** Built from elements, not from markup: nothing to escape, nothing that a strict policy refuses. */
function tooltip(look: ChartLook) {
  return {
    trigger: 'axis',
    confine: true,
    backgroundColor: look.token('--ot-raised'),
    borderColor: look.token('--ot-border'),
    textStyle: { color: look.token('--ot-text'), fontSize: 12 },
    axisPointer: { lineStyle: { color: look.token('--ot-border-strong') } },
    formatter: (hovered: Hovered[]) => tooltipContent(hovered, look),
  }
}

function tooltipContent(hovered: Hovered[], look: ChartLook): HTMLElement {
  const box = document.createElement('div')
  box.append(look.formatTime(hovered[0]?.value[0] ?? 0))
  for (const { seriesName, value } of hovered) {
    const row = document.createElement('div')
    row.append(`${seriesName}: ${value[1] === null ? '–' : look.format(value[1])}`)
    box.append(row)
  }
  return box
}
