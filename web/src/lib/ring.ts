/** A list that keeps its last `capacity` entries, so that a chart left open for days does not grow. */
export class Ring<T> {
  private entries: T[] = []

  constructor(readonly capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError('capacity must be a positive integer')
  }

  get size(): number {
    return this.entries.length
  }

  /** The newest entry. */
  get last(): T | undefined {
    return this.entries.at(-1)
  }

  push(...added: T[]): void {
    this.entries = this.entries.concat(added).slice(-this.capacity)
  }

  replace(entries: readonly T[]): void {
    this.entries = entries.slice(-this.capacity)
  }

  /** The entries, oldest first. */
  toArray(): readonly T[] {
    return this.entries
  }
}
