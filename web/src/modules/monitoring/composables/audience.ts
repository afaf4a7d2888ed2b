/** The ways in which media go out, in the order of the page. */
const PROTOCOLS = ['hls', 'flv', 'rtmp', 'whep', 'vod', 'download'] as const
type Protocol = (typeof PROTOCOLS)[number]

/** Who takes media now, by protocol; those that nobody uses are left out. */
export function audience(byProtocol: Record<string, number> | undefined): [Protocol, number][] {
  return PROTOCOLS.map((name): [Protocol, number] => [name, byProtocol?.[name] ?? 0]).filter(([, n]) => n > 0)
}
