/** The rows of an answer that is a bare list or `{items}`. */
export function listOf<Row>(answer: Row[] | { items: Row[] } | undefined): Row[] {
  if (answer === undefined) return []
  return Array.isArray(answer) ? answer : answer.items
}
