/** A column of `DataTable`. */
export interface Column {
  key: string
  title: string
  sortable?: boolean
  /** Aligned to the end: numbers, buttons. */
  end?: boolean
  /** What the row is about: stands first and without a label on a phone. */
  lead?: boolean
  /** The title is only for screen readers. */
  quiet?: boolean
}
