/** Failed requests as one kind of error (RFC 9457 `application/problem+json`). */

export interface FieldProblem {
  field: string
  message: string
}

interface Problem {
  status?: unknown
  code?: unknown
  title?: unknown
  detail?: unknown
  field?: unknown
  request_id?: unknown
  errors?: unknown
}

/** Status 0 means that no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    /** The sentence of the server in the reader's language; null when the server gave none. */
    readonly detail: string | null,
    readonly fields: readonly FieldProblem[] = [],
    readonly requestId: string | null = null,
  ) {
    super(detail ?? code)
    this.name = 'ApiError'
  }

  /** True when trying again later may help. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 429
  }
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

/** Reads any answer body; one that is no problem document gives an error with the bare status. */
export function toApiError(status: number, body: unknown): ApiError {
  const problem: Problem = typeof body === 'object' && body !== null ? body : {}
  const detail = text(problem.detail) ?? text(problem.title)
  const code = text(problem.code) ?? `http_${String(status)}`
  return new ApiError(status, code, detail, fieldProblems(problem, detail), text(problem.request_id))
}

/** What is thrown when the network, not the server, failed. */
export function networkError(): ApiError {
  return new ApiError(0, 'network', null)
}

function fieldProblems(problem: Problem, detail: string | null): FieldProblem[] {
  const listed = Array.isArray(problem.errors) ? problem.errors.flatMap(oneField) : []
  const field = text(problem.field)
  if (listed.length > 0 || field === null) return listed
  return [{ field, message: detail ?? '' }]
}

function oneField(entry: unknown): FieldProblem[] {
  if (typeof entry !== 'object' || entry === null) return []
  const { field, message, detail } = entry as Record<string, unknown>
  const name = text(field)
  const sentence = text(message) ?? text(detail)
  return name !== null && sentence !== null ? [{ field: formField(name), message: sentence }] : []
}

/** `body.email` and `scopes.0` stand at the form's fields `email` and `scopes`. */
function formField(name: string): string {
  return name.split('.').findLast((part) => !/^\d+$/.test(part)) ?? name
}
