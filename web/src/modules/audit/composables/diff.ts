/** One field of an audited thing, before and after. */
export interface FieldDiff {
  field: string
  before: string | null
  after: string | null
  changed: boolean
}

type Fields = Record<string, unknown> | null

/** Fields of both sides, the changed ones first; null stands for a side that does not have the field. */
export function diffFields(before: Fields, after: Fields): FieldDiff[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  const rows = names.map((field) => {
    const old = textOf(before, field)
    const fresh = textOf(after, field)
    return { field, before: old, after: fresh, changed: old !== fresh }
  })
  return rows.sort((a, b) => Number(b.changed) - Number(a.changed))
}

function textOf(fields: Fields, name: string): string | null {
  if (fields === null || !(name in fields)) return null
  const value = fields[name]
  return typeof value === 'string' ? value : JSON.stringify(value)
}
