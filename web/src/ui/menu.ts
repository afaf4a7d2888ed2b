/** An entry of `MenuButton`. */
export interface MenuItem {
  key: string
  label: string
  /** Language of the label when it is not the page's. */
  lang?: string
  /** The present choice. */
  chosen?: boolean
  /** Has a line above. */
  divided?: boolean
  /** Name for tests. */
  test?: string
}
